"use strict";
// The dashboard: an event stream gives a snapshot and then changes; rows are built from text, never from HTML.
(() => {
  const id = (name) => document.getElementById(name);
  const STATES = { recording: "Recording", waiting: "Waiting for sound", no_sound: "No sound", not_recorded: "Not recorded" };
  const SIDES = { agent: "Agent", other: "Other", mixed: "Both" };
  const ARROWS = { I: ["↘", "incoming"], O: ["↗", "outgoing"] };
  const calls = new Map();   // key -> {call, row, clock}
  let devices = [];
  let screens = [];          // {screen, clock}
  let total = 0;
  let ahead = 0;             // seconds that the server's clock is ahead of ours

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const duration = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    return minutes >= 60 ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };
  const otherParty = (call) => {
    const [first, second] = call.direction === "O" ? [call.dnis, call.ani] : [call.ani, call.dnis];
    return first || (second !== call.device_id ? second : "") || "unknown";
  };

  const soundCell = (legs) => {
    const cell = make("td");
    for (const leg of legs) {
      const line = make("div", `level ${leg.side}`);
      line.append(make("b", "", SIDES[leg.side] || leg.side || "Leg"));
      const bar = make("i");
      bar.style.setProperty("--level", String(Math.min(1, Math.max(0, leg.level))));
      const lost = leg.lost ? `, ${leg.lost} lost` : "";
      line.append(bar, make("span", "", `${leg.packets.toLocaleString("en")} pkt${lost}`));
      line.title = leg.codec;
      cell.append(line);
    }
    if (!legs.length) cell.append(make("small", "", "none yet"));
    return cell;
  };
  const fill = (entry) => {
    const { call, row } = entry;
    const state = make("td");
    state.append(make("span", `state ${call.state}`, STATES[call.state] || call.state));
    state.title = call.decision;
    const agent = [call.agent, call.device_alias].filter(Boolean).join(" · ") || "–";
    const party = make("td", "party");
    const [arrow, word] = ARROWS[call.direction] || ["↔", "direction unknown"];
    const mark = make("span", "arrow", arrow);
    mark.setAttribute("aria-hidden", "true");
    party.append(mark, make("span", "hidden", word), ` ${otherParty(call)}`);
    party.title = word;
    entry.clock = make("td", "number");
    const warnings = make("td");
    if (call.blackout) warnings.append(make("span", "badge dark", "blackout"), " ");
    for (const warning of call.warnings) warnings.append(make("span", "badge fair", warning.replaceAll("_", " ")), " ");
    row.replaceChildren(state, make("td", "", call.device_id || "–"), make("td", "", agent), party, entry.clock, soundCell(call.legs), warnings);
  };
  const tick = () => {
    const now = Date.now() / 1000 + ahead;
    for (const { call, clock } of calls.values()) {
      const text = duration(now - call.started_at);
      if (clock.textContent !== text) clock.textContent = text;
    }
    for (const { screen, clock } of screens) clock.textContent = duration(now - screen.started_at);
  };

  const SCREEN_STATES = { capturing: ["recording", "Capturing"], black: ["waiting", "Black"], not_captured: ["no_sound", "Not captured"] };
  const showScreens = (running) => {
    screens = running.map((screen) => ({ screen, clock: make("td", "number") }));
    id("screens").replaceChildren(...screens.map(({ screen, clock }) => {
      const row = make("tr"), state = make("td"), warnings = make("td");
      const [look, word] = SCREEN_STATES[screen.state] || ["", screen.state];
      state.append(make("span", `state ${look}`, word));
      state.title = screen.reason.replaceAll("_", " ");
      for (const warning of screen.warnings) warnings.append(make("span", "badge fair", warning.replaceAll("_", " ")), " ");
      row.append(state, make("td", "", screen.session_id), make("td", "", screen.agent || String(screen.agent_id)));
      row.append(make("td", "", screen.computer || "–"), make("td", "", screen.group || "–"), clock, warnings);
      return row;
    }));
    id("screens-card").hidden = running.length === 0;
  };

  const put = (call) => {
    let entry = calls.get(call.key);
    if (!entry) {
      entry = { call, row: make("tr"), clock: null };
      calls.set(call.key, entry);
      const later = [...calls.values()].filter((other) => other !== entry && other.call.started_at <= call.started_at);
      const next = later.sort((a, b) => b.call.started_at - a.call.started_at)[0];
      id("calls").insertBefore(entry.row, next ? next.row : null);
    }
    entry.call = call;
    fill(entry);
  };
  const drop = (key) => {
    const entry = calls.get(key);
    if (!entry) return;
    entry.row.remove();
    calls.delete(key);
  };
  const showDevices = () => {
    const states = new Map();
    for (const { call } of calls.values()) {
      const rank = { not_recorded: 1, recording: 2, waiting: 3, no_sound: 4 };
      if ((rank[states.get(call.device_id)] || 0) < rank[call.state]) states.set(call.device_id, call.state);
    }
    id("devices").replaceChildren(...devices.map((device) => {
      const state = states.get(device.device_id) || "";
      const item = make("li", state);
      const words = make("div");
      const who = [device.agent, device.device_alias].filter(Boolean).join(" · ") || "nobody logged on";
      words.append(make("b", "", device.device_id), make("small", "", who));
      words.append(make("span", "hidden", state ? STATES[state] : "idle"));
      item.append(words);
      item.title = state ? STATES[state] : "Idle";
      return item;
    }));
    id("devices").hidden = devices.length === 0;
    id("devices-none").hidden = devices.length !== 0;
  };
  const showCounts = (counts) => {
    total = counts.calls;
    for (const [name, count] of Object.entries(counts)) {
      const place = id(`count-${name}`);
      place.textContent = count.toLocaleString("en");
      place.parentElement.classList.toggle("some", count > 0);
    }
  };
  const showNotices = (notices) => {
    id("notices").replaceChildren(...notices.map((notice) => make("p", "notice", notice)));
  };
  const apply = (news) => {
    ahead = news.now - Date.now() / 1000;
    (news.gone || []).forEach(drop);
    (news.calls || []).forEach(put);
    if (news.counts) showCounts(news.counts);
    if (news.devices) devices = news.devices;
    if (news.notices) showNotices(news.notices);
    if (news.screens) showScreens(news.screens);
    if (news.devices || news.calls || news.gone) showDevices();
    id("calls-table").hidden = calls.size === 0;
    id("calls-none").hidden = calls.size !== 0;
    const more = total - calls.size;
    id("calls-more").hidden = more <= 0;
    id("calls-more").textContent = `and ${more} more that began earlier`;
    tick();
    if (news.gone) [1500, 5000].forEach((delay) => setTimeout(renewLatest, delay));
  };

  const renewLatest = async () => {
    if (window.earshotIsPlaying && window.earshotIsPlaying()) return;
    const answer = await fetch("/latest", { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
    const text = await answer.text();
    const place = id("latest");
    if (place.dataset.shown !== text) {
      place.dataset.shown = text;
      place.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    }
  };

  const link = (state, word) => {
    id("link").className = `link ${state}`;
    if (id("link-word").textContent !== word) id("link-word").textContent = word;
  };
  const connect = () => {
    const stream = new EventSource("/live");
    stream.addEventListener("open", () => link("on", "Live"));
    stream.addEventListener("snapshot", (event) => {
      [...calls.keys()].forEach(drop);
      apply(JSON.parse(event.data));
    });
    stream.addEventListener("change", (event) => apply(JSON.parse(event.data)));
    stream.addEventListener("error", () => {
      link("off", "Connection lost, trying again…");
      if (stream.readyState === EventSource.CLOSED) afterRefusal();
    });
  };
  const afterRefusal = async () => {
    const answer = await fetch("/whoami", { headers: { Accept: "application/json" } }).catch(() => null);
    const who = answer && answer.ok ? await answer.json() : null;
    if (who && !who.user) location.assign("/login?next=/");
    else setTimeout(connect, 3000);
  };
  setInterval(tick, 500);
  connect();
})();
