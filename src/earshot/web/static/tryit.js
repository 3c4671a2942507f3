// The try-it page: a form from the command table, the request in all its spellings, the answer. Text, never HTML.
import * as snippets from "/static/snippets.js";

const id = (name) => document.getElementById(name);
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const commands = new Map();
const fields = new Map();      // name -> {input, blank}, of the command that is shown
const drafts = new Map();      // command -> what was typed, so that looking elsewhere loses nothing
const sent = [];
const MOST_SENT = 50;
const LONGEST_SHOWN = 400_000;
let table = null;
let current = null;
let number = 1;
let download = null;

// --- the list of commands -----------------------------------------------------------------------------------------
function list() {
  const wanted = id("search").value.trim().toLowerCase();
  const parts = [];
  for (const family of table.families) {
    const fits = family.commands.filter((command) => `${command.name} ${command.sentence}`.toLowerCase().includes(wanted));
    if (!fits.length) continue;
    const heading = make("h3", "", family.title);
    const items = make("ul");
    for (const command of fits) {
      const button = make("button", command.needs ? "locked" : "", command.name);
      button.type = "button";
      button.title = command.sentence;
      if (command === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => { location.hash = command.name; id("form").scrollIntoView({ block: "nearest" }); });
      const item = make("li");
      item.append(button);
      items.append(item);
    }
    parts.push(heading, items);
  }
  id("commands").replaceChildren(...parts);
  id("no-commands").hidden = parts.length > 0;
}

function choose(name) {
  if (current) drafts.set(current.name, values());
  current = commands.get(name) || commands.get("TEST");
  show(drafts.get(current.name) || {});
  list();
  id("commands").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

// --- the form -----------------------------------------------------------------------------------------------------
function field(parameter) {
  const box = make("div");
  const label = make("label", "", parameter.name);
  label.htmlFor = `field-${parameter.name}`;
  if (parameter.required) {
    const star = make("i", "", " *");
    star.title = "required";
    label.append(star);
  }
  const input = make(parameter.choices.length ? "select" : "input");
  input.id = label.htmlFor;
  if (parameter.choices.length) {
    for (const choice of ["", ...parameter.choices]) input.append(new Option(choice || "–", choice));
  } else {
    input.type = parameter.secret ? "password" : "text";
    input.spellcheck = false;
    input.autocomplete = parameter.secret ? "new-password" : "off";
    if (["integer", "count", "key"].includes(parameter.kind)) input.inputMode = "numeric";
    if (parameter.required) input.setAttribute("aria-required", "true");
    const example = current.example[parameter.name];
    if (example && !parameter.secret) input.placeholder = example;
  }
  const hint = make("small", "", parameter.meaning);
  if (parameter.kind_words && parameter.kind !== "text") hint.textContent += ` (${parameter.kind_words})`;
  hint.id = `hint-${parameter.name}`;
  input.setAttribute("aria-describedby", hint.id);
  input.addEventListener("input", refresh);
  box.append(label, input, hint);
  let blank = null;
  if (parameter.may_be_blank) {
    const choice = make("label", "choice");
    blank = make("input");
    blank.type = "checkbox";
    blank.id = `blank-${parameter.name}`;
    blank.addEventListener("input", () => { input.disabled = blank.checked; refresh(); });
    choice.append(blank, document.createTextNode("empty it"));
    box.append(choice);
  }
  fields.set(parameter.name, { input, blank });
  return box;
}

const isFree = (name) => /^USER\d+$/.test(name);

function show(filled) {
  fields.clear();
  id("command-name").textContent = current.name;
  document.title = `${current.name} · Try it · Earshot`;
  id("doors").replaceChildren(...current.doors.map((door) => make("span", "badge", door.toUpperCase())));
  id("sentence").textContent = current.sentence;
  id("lacking").hidden = !current.needs;
  id("lacking").textContent = `Your roles lack the permission ${current.needs}: the answer will be a refusal.`;
  id("rules").replaceChildren(...current.rules.map((rule) => make("li", "", rule.words)));
  const first = [...current.parameters].sort((one, other) => Number(other.required) - Number(one.required));
  id("fields").replaceChildren(...first.filter((each) => !isFree(each.name)).map(field));
  const free = current.parameters.filter((each) => isFree(each.name));
  id("free").replaceChildren(...free.map(field));
  id("more").hidden = !free.length;
  id("more").open = false;
  id("notes").replaceChildren(...current.notes.map((note) => make("li", "", note)));
  id("notes-part").hidden = !current.notes.length;
  id("example").hidden = !Object.keys(current.example).length;
  id("clear").hidden = !current.parameters.length;
  fill(filled);
}

function fill(filled) {
  for (const [name, { input, blank }] of fields) {
    const value = filled[name];
    if (blank) blank.checked = value === "";
    input.disabled = Boolean(blank?.checked);
    input.value = value ?? "";
    if (input.value === "" && value && input.tagName === "SELECT") {
      const wanted = [...input.options].find((option) => option.value === value.toUpperCase());
      if (wanted) input.value = wanted.value;
    }
  }
  if ([...fields].some(([name]) => isFree(name) && filled[name] !== undefined)) id("more").open = true;
  refresh();
}

function values() {
  const filled = {};
  for (const [name, { input, blank }] of fields) {
    if (blank?.checked) filled[name] = "";
    else if (input.value !== "") filled[name] = input.value;
  }
  return filled;
}

function request() {
  const filled = values();
  const origin = location.origin;
  return {
    command: current.name,
    id: String(number),
    pairs: current.parameters.filter((each) => each.name in filled).map((each) => [each.name, filled[each.name]]),
    parameters: current.parameters,
    isFile: !current.doors.includes("tcp"),
    origin,
    host: location.hostname,
    port: table.api_port,
    httpPort: Number(location.port) || (location.protocol === "https:" ? 443 : 80),
    token: table.wants_token,
  };
}

const mask = (name, value) => (name === "PASSWORD" && value ? "•".repeat(8) : value);

function refresh() {
  const now = request();
  paint(id("xml"), snippets.xml(now, mask));
  id("url").textContent = snippets.url(now, mask);
  id("copied").textContent = "";
  for (const button of document.querySelectorAll("[data-copy=socket]")) button.disabled = now.isFile;
  const filled = values();
  const holds = (when) => (when.absent ? !filled[when.name] : Boolean(filled[when.name]) && (!when.values.length || when.values.includes(filled[when.name])));
  current.rules.forEach((rule, place) => {
    const applies = rule.when.every(holds);
    const met = rule.choices.some((choice) => choice.every((name) => (filled[name] || "").trim()));
    const item = id("rules").children[place];
    item.classList.toggle("met", applies && met);
    item.title = !applies ? "does not apply now" : met ? "met" : "not met yet";
  });
}

// --- showing XML --------------------------------------------------------------------------------------------------
/** XML as text with its tags in colour, and the outcome in green or red. */
function paint(target, text) {
  const parts = document.createDocumentFragment();
  const good = text.includes("<RESULTTYPE>API_OK</RESULTTYPE>");
  let tag = "";
  for (const piece of text.split(/(<[^>]*>)/)) {
    if (piece.startsWith("<")) {
      tag = piece;
      parts.append(make("span", "tag", piece));
    } else if (tag === "<RESULTTYPE>" || tag === "<RESULTCODE>") parts.append(make("span", good ? "good" : "bad", piece));
    else parts.append(piece);
  }
  target.replaceChildren(parts);
}

function pretty(text) {
  const document = new DOMParser().parseFromString(text, "text/xml");
  if (document.querySelector("parsererror")) return text;
  const lines = [];
  const serializer = new XMLSerializer();
  const walk = (node, depth) => {
    const pad = "  ".repeat(depth);
    if (!node.children.length) lines.push(node.textContent ? pad + serializer.serializeToString(node) : `${pad}<${node.tagName}></${node.tagName}>`);
    else {
      lines.push(`${pad}<${node.tagName}>`);
      for (const child of node.children) walk(child, depth + 1);
      lines.push(`${pad}</${node.tagName}>`);
    }
  };
  walk(document.documentElement, 0);
  return lines.join("\n");
}

// --- sending ------------------------------------------------------------------------------------------------------
const duration = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(1)} s`);
const bytes = (size) => (size < 1000 ? `${size} bytes` : size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`);

async function send() {
  const asked = request();
  const entry = { command: current.name, filled: values(), good: false, label: "", text: "", took: 0, served: "", file: null, at: new Date() };
  number += 1;
  id("send").disabled = true;
  id("send").textContent = "Sending…";
  const began = performance.now();
  try {
    const answer = await fetch("/tryit/send", { method: "POST", headers: { "Content-Type": "text/xml; charset=utf-8" }, body: snippets.xml(asked) });
    entry.served = /dur=([\d.]+)/.exec(answer.headers.get("Server-Timing") || "")?.[1] || "";
    const disposition = answer.headers.get("Content-Disposition");
    if (disposition) {
      const blob = await answer.blob();
      const name = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1] || /filename="([^"]*)"/.exec(disposition)?.[1] || "export";
      entry.file = { blob, name: decodeURIComponent(name), type: answer.headers.get("Content-Type") || "" };
      entry.good = answer.ok;
      entry.label = `HTTP ${answer.status}, a file`;
    } else {
      const text = await answer.text();
      const isXml = answer.ok && (answer.headers.get("Content-Type") || "").includes("xml");
      entry.text = isXml ? pretty(text) : text;
      const found = /<RESULTTYPE>([^<]*)<\/RESULTTYPE>/.exec(text);
      entry.label = isXml ? found?.[1] || "API_OK" : `HTTP ${answer.status}`;
      entry.good = isXml && entry.label === "API_OK";
    }
  } catch (failure) {
    entry.label = "No answer";
    entry.text = `The server did not answer: ${failure.message}`;
  }
  entry.took = performance.now() - began;
  id("send").disabled = false;
  id("send").textContent = "Send";
  sent.unshift(entry);
  sent.length = Math.min(sent.length, MOST_SENT);
  reveal(entry);
  history();
  refresh();
}

function reveal(entry) {
  const served = entry.served ? `, ${duration(Number(entry.served))} of it in the server` : "";
  id("verdict").replaceChildren(make("span", `badge ${entry.good ? "good" : "bad"}`, entry.label), document.createTextNode(` ${duration(entry.took)}${served}`));
  id("no-answer").hidden = true;
  id("answer").hidden = Boolean(entry.file);
  id("file").hidden = !entry.file;
  if (download) URL.revokeObjectURL(download);
  download = null;
  if (entry.file) {
    download = URL.createObjectURL(entry.file.blob);
    const link = make("a", "button", `Save ${entry.file.name}`);
    link.href = download;
    link.download = entry.file.name;
    id("file").replaceChildren(link, document.createTextNode(` ${bytes(entry.file.blob.size)}, ${entry.file.type}`));
  } else {
    const cut = entry.text.length > LONGEST_SHOWN;
    paint(id("answer"), cut ? `${entry.text.slice(0, LONGEST_SHOWN)}\n… ${entry.text.length - LONGEST_SHOWN} more characters` : entry.text);
    id("answer").scrollTop = 0;
  }
}

function history() {
  id("history-part").hidden = !sent.length;
  id("history").replaceChildren(...sent.map((entry) => {
    const button = make("button");
    button.type = "button";
    button.title = "Show it again";
    const shown = Object.entries(entry.filled).map(([name, value]) => `${name}=${mask(name, value)}`).join(" ");
    button.append(make("span", "time", entry.at.toLocaleTimeString()), make("b", "", entry.command), make("span", "grow", shown), make("span", `badge ${entry.good ? "good" : "bad"}`, entry.label), make("span", "sub", duration(entry.took)));
    button.addEventListener("click", () => {
      drafts.set(entry.command, entry.filled);
      if (current.name === entry.command) fill(entry.filled);
      else location.hash = entry.command;
      reveal(entry);
    });
    const item = make("li");
    item.append(button);
    return item;
  }));
}

async function copy(kind) {
  const text = snippets[kind](request());
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", "hidden", text);   // without TLS there is no clipboard for scripts
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  id("copied").textContent = `Copied: ${text.split("\n").find((line) => line.trim() && !line.startsWith("from")) || ""}`;
}

// --- the page -----------------------------------------------------------------------------------------------------
id("form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
id("example").addEventListener("click", () => fill(current.example));
id("clear").addEventListener("click", () => fill({}));
id("search").addEventListener("input", list);
id("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "ArrowDown") {
    event.preventDefault();
    const first = id("commands").querySelector("button");
    if (event.key === "Enter") first?.click(); else first?.focus();
  }
});
id("commands").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...id("commands").querySelectorAll("button")];
  const place = buttons.indexOf(document.activeElement) + step;
  (buttons[place] || id("search")).focus();
});
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy));
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName || "");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !id("send").disabled) {
    event.preventDefault();
    send();
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    id("search").focus();
  }
});
addEventListener("hashchange", () => choose(decodeURIComponent(location.hash.slice(1)).toUpperCase()));

table = await (await fetch("/tryit/commands.json", { headers: { Accept: "application/json" } })).json();
for (const family of table.families) for (const command of family.commands) commands.set(command.name, command);
choose(decodeURIComponent(location.hash.slice(1)).toUpperCase() || "TEST");
document.getElementById("tryit").dataset.ready = "yes";
