// Shows an operation when it is opened: its parameters, bodies, answers and examples, and a form that makes the call.
// The browser sends the session's cookie with each call; no credential passes through this page.

const base = document.documentElement.dataset.base;
const DEEPEST = 6;
let asked = null;

const described = () => (asked ??= fetch(`${base}/api/docs/openapi.json`).then((answer) => answer.json()));

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolved(schema, doc) {
  let found = schema ?? {};
  while (found.$ref) found = found.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
  return found.allOf?.length === 1 ? { ...resolved(found.allOf[0], doc), ...found, allOf: undefined } : found;
}

// A value that a schema describes, for people to begin with.
function exampleOf(schema, doc, depth = 0) {
  const found = resolved(schema, doc);
  if (found.example !== undefined) return found.example;
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  const choice = found.anyOf ?? found.oneOf;
  if (choice) return exampleOf(choice[0], doc, depth);
  if (depth > DEEPEST) return null;
  if (found.type === "array") return [exampleOf(found.items, doc, depth + 1)];
  if (found.properties) {
    return Object.fromEntries(Object.entries(found.properties).map(([name, each]) => [name, exampleOf(each, doc, depth + 1)]));
  }
  const texts = { uuid: "00000000-0000-4000-8000-000000000000", "date-time": "2026-01-01T00:00:00Z" };
  return { string: texts[found.format] ?? "text", integer: found.minimum ?? 0, number: 0, boolean: false, object: {} }[found.type] ?? null;
}

function typeOf(schema, doc) {
  const found = resolved(schema, doc);
  const choice = found.anyOf ?? found.oneOf;
  const type = choice ? choice.map((each) => typeOf(each, doc)).join(" or ") : (found.enum?.join(" | ") ?? found.format ?? found.type ?? "any JSON");
  return type === "array" ? `list of ${typeOf(found.items, doc)}` : type;
}

function table(caption, rows) {
  return make("table", {}, make("caption", { className: "quiet", textContent: caption }), make("tbody", {}, ...rows.map(
    ([name, type, needed, text]) => make("tr", {}, make("th", { scope: "row" }, make("code", { textContent: name })),
      make("td", { textContent: type }), make("td", { textContent: needed ? "required" : "" }), make("td", { textContent: text ?? "" })),
  )));
}

function members(schema, doc, caption) {
  const { properties = {}, required = [] } = resolved(schema, doc);
  const rows = Object.entries(properties).map(([name, each]) => [name, typeOf(each, doc), required.includes(name), resolved(each, doc).description]);
  return rows.length ? table(caption, rows) : null;
}

const pretty = (value) => JSON.stringify(value, null, 2);
const block = (label, text) => make("pre", { tabIndex: 0, ariaLabel: label, textContent: text });

function body(title, content, doc) {
  const [type, { schema }] = Object.entries(content ?? {})[0] ?? ["", {}];
  if (!schema) return type ? [make("h3", { textContent: `${title}: ${type}` })] : [];
  return [make("h3", { textContent: title }), members(schema, doc, "Members"), block(`Example: ${title}`, pretty(exampleOf(schema, doc)))];
}

function field(parameter) {
  const input = make("input", { name: `${parameter.in} ${parameter.name}`, required: parameter.required, autocomplete: "off" });
  return make("label", {}, make("span", {}, make("code", { textContent: parameter.name }), parameter.required ? " required" : ""), input);
}

async function call(method, path, form) {
  const values = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  const place = path.replace(/\{([^}]+)\}/g, (_all, name) => encodeURIComponent(values[`path ${name}`] ?? ""));
  const of = (kind) => Object.entries(values).filter(([name]) => name.startsWith(`${kind} `)).map(([name, value]) => [name.slice(kind.length + 1), value]);
  const query = new URLSearchParams(of("query"));
  const headers = { accept: "application/json", ...Object.fromEntries(of("header")) };
  if (method !== "GET") headers["x-flovyn-session"] = "1";
  if (values.body) headers["content-type"] = "application/json";
  const began = performance.now();
  const answer = await fetch(`${base}${place}${query.size ? `?${query}` : ""}`, { method, headers, body: values.body });
  const text = await answer.text();
  return `${answer.status} ${answer.statusText} · ${Math.round(performance.now() - began)} ms\n\n${indented(text)}`;
}

// Indented if nothing gets lost: a number that JavaScript would round leaves the answer as it was sent.
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text)) === text.replace(/([,:])\s/g, "$1") ? pretty(JSON.parse(text)) : text;
  } catch {
    return text;
  }
}

function tryIt(method, path, operation, doc) {
  const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const answer = make("pre", { tabIndex: 0, ariaLabel: "Answer", hidden: true });
  answer.setAttribute("role", "status");
  const form = make("form", { onsubmit: (event) => {
    event.preventDefault();
    answer.hidden = false;
    answer.textContent = "…";
    call(method, path, form).then((text) => (answer.textContent = text), (error) => (answer.textContent = String(error)));
  } }, make("strong", { textContent: "Try it with your session" }), ...(operation.parameters ?? []).map(field),
  schema && make("label", {}, "Body", make("textarea", { name: "body", rows: 8, spellcheck: false, value: pretty(exampleOf(schema, doc)) })),
  make("button", { textContent: method === "GET" ? "Send" : `Send ${method}` }));
  return [form, answer];
}

async function fill(details) {
  const doc = await described();
  const { method, path } = details.dataset;
  const operation = doc.paths[path][method.toLowerCase()];
  const parameters = (operation.parameters ?? []).map((each) => [`${each.name} (${each.in})`, typeOf(each.schema, doc), each.required, each.description ?? resolved(each.schema, doc).description]);
  const content = make("div", { className: "content" });
  content.append(
    ...[operation.description && make("p", { textContent: operation.description }), parameters.length ? table("Parameters", parameters) : null,
      ...body("Body", operation.requestBody?.content, doc),
      ...Object.entries(operation.responses).filter(([status]) => status < "300").flatMap(([status, each]) => body(`Answer ${status}`, each.content, doc)),
      table("Refusals", Object.entries(operation.responses).filter(([status]) => status >= "300").map(([status, each]) => [status, "", false, each.description])),
      ...tryIt(method, path, operation, doc)].filter(Boolean),
  );
  details.append(content);
}

addEventListener("toggle", ({ target }) => {
  if (!target.open || target.dataset.shown) return;
  target.dataset.shown = "1";
  fill(target).catch((error) => target.append(make("p", { className: "content", textContent: `The document cannot be read: ${error}` })));
}, true);
