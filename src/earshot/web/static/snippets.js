// The same request in other words: XML, a URL, curl, Python, a raw socket, the command line. No page in here.
const XML = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const escaped = (text) => text.replace(/[&<>]/g, (found) => XML[found]);
const shell = (text) => (/^[\w.,:\/@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
const TOKEN = "TOKEN OF THIS SERVER";

const all = (request) => [["TYPE", request.command], ["REQUESTID", request.id], ...(request.token ? [["TOKEN", TOKEN]] : []), ...request.pairs];

/** The document, one element per line; `mask(name, value)` may hide a value. */
export function xml(request, mask = (name, value) => value) {
  const lines = [["TYPE", request.command], ["REQUESTID", request.id], ...request.pairs]
    .map(([name, value]) => `  <${name}>${escaped(mask(name, value))}</${name}>`);
  return ["<REQUEST>", ...lines, "</REQUEST>"].join("\n");
}

const MARKS = /[!'()*]/g;   // what encodeURIComponent leaves, and a shell may not
const coded = (text) => encodeURIComponent(text).replace(MARKS, (mark) => `%${mark.charCodeAt(0).toString(16)}`);

/** The URL of the HTTP door. */
export function url(request, mask = (name, value) => value) {
  const query = all(request).map(([name, value]) => {
    const shown = mask(name, value);
    return `${name.toLowerCase()}=${shown === value ? coded(value) : shown}`;
  });
  return `${request.origin}/webAPI.aspx?${query.join("&")}`;
}

/** A form posted by curl: nothing of it stands in a URL. */
export function curl(request) {
  const parts = all(request).map(([name, value]) => `  --data-urlencode ${shell(`${name.toLowerCase()}=${value}`)}`);
  const save = request.isFile ? " --remote-header-name --remote-name" : "";
  return [`curl${save} ${request.origin}/webAPI.aspx`, ...parts].join(" \\\n");
}

/** A session over a socket. */
export function socket(request) {
  const line = `<REQUEST>${all(request).map(([name, value]) => `<${name}>${escaped(value)}</${name}>`).join("")}</REQUEST>`;
  return `printf '%s\\r\\n' ${shell(line)} | nc -w 5 ${request.host} ${request.port}`;
}

/** The command line. */
export function cli(request) {
  const words = request.pairs.map(([name, value]) => shell(`${name}=${value.startsWith("@") ? "@" : ""}${value}`));
  const where = request.host === "127.0.0.1" || request.host === "localhost" ? [] : ["--host", request.host];
  const token = request.token ? ["--token", shell(TOKEN)] : [];
  return ["earshot send", request.command, ...words, ...(request.isFile ? ["--output ."] : []), ...where, ...token].join(" ");
}

const NUMBERS = new Set(["integer", "count", "seconds", "unixtime"]);
const literal = (value, kind) => {
  if (NUMBERS.has(kind) && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(value)) return value;
  if (kind === "flag" && /^[YN]$/.test(value)) return value === "Y" ? "True" : "False";
  const text = JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return text;
};

/** A program with earshot.client. */
export function python(request) {
  const kinds = new Map(request.parameters.map((parameter) => [parameter.name, parameter.kind]));
  const given = request.pairs.map(([name, value]) => `${name.toLowerCase()}=${literal(value, kinds.get(name))}`);
  const options = [JSON.stringify(request.host), ...(request.token ? [`token=${JSON.stringify(TOKEN)}`] : [])];
  if (!request.isFile && request.port !== 5620) options.push(`api_port=${request.port}`);
  if (request.isFile && request.httpPort !== 2012) options.push(`http_port=${request.httpPort}`);
  const words = request.isFile ? ['"."', ...given] : given;
  const show = request.isFile ? "print(answer.path, answer.size)" : "print(answer.message, answer.body)";
  return [
    "from earshot.client import Client",
    "",
    `with Client(${options.join(", ")}) as client:`,
    `    answer = client.${request.command.toLowerCase()}(${words.join(", ")})`,
    `    ${show}`,
  ].join("\n") + "\n";
}
