// Times, durations and sizes as people read them.
import { signal } from "./ui.js";
import { now } from "./clock.js";

export { now };

const KINDS = ["relative", "local", "utc"];
const kept = localStorage.getItem("flovyn-time");

export const timeKind = signal(KINDS.includes(kept) ? kept : "relative");

export function nextTimeKind() {
  timeKind.value = KINDS[(KINDS.indexOf(timeKind.value) + 1) % KINDS.length];
  localStorage.setItem("flovyn-time", timeKind.value);
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function exactTime(moment) {
  return `${local.format(new Date(moment))} · ${new Date(moment).toISOString()}`;
}

export function time(moment) {
  const date = new Date(moment);
  if (timeKind.value === "utc") return date.toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
  if (timeKind.value === "local") return local.format(date);
  const seconds = (now.value - date.getTime()) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  return seconds >= 0 ? `${span(seconds * 1000)} ago` : `in ${span(-seconds * 1000)}`;
}

// Two units at most: 1.4 s, 3 m 20 s, 2 h 5 m, 4 d 3 h.
export function span(milliseconds) {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  let left = Math.round(seconds);
  const parts = [];
  for (const [name, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count || parts.length) parts.push(`${count} ${name}`);
    if (parts.length === 2) break;
  }
  return parts.filter((part) => !part.startsWith("0 ")).join(" ");
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1048576 ? `${(count / 1024).toFixed(1)} kB` : `${(count / 1048576).toFixed(1)} MB`;
}

export const count = (number) => new Intl.NumberFormat().format(number);

// An id in a table: its beginning and its end; UUIDs of one moment begin alike.
export const shortId = (id) => `${id.slice(0, 8)}…${id.slice(-4)}`;

// Characters that turn the direction of a text, or that no one sees, are shown as their numbers.
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
export const visible = (text) =>
  String(text).replace(HIDDEN, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
