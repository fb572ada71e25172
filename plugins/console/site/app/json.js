// JSON as it was sent: numbers that JavaScript would round are kept as their digits.

const RISKY = /[0-9.]{16}|[[:,]\s*-?\d+(\.\d+)?[eE]|\.\d*0\b|-0\b/;

function exact(_name, value, context) {
  if (typeof value !== "number" || !context || String(value) === context.source) return value;
  return JSON.rawJSON(context.source);
}

export function parse(text) {
  return RISKY.test(text) && JSON.rawJSON ? JSON.parse(text, exact) : JSON.parse(text);
}

export function pretty(value) {
  return JSON.stringify(value, null, 2) ?? "null";
}

// One line for a table; long texts are cut.
export function brief(value, longest = 120) {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}
