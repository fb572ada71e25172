// The conditions of the list of workflows; each is a parameter of the address.
import { html, signal, useEffect, useRef } from "../app/ui.js";
import { query, setQuery } from "../app/address.js";
import { get, own, withQuery } from "../app/api.js";
import { serverTime } from "../app/clock.js";
import { count } from "../app/format.js";
import { useLoaded } from "../app/load.js";

const CHIPS = [
  ["", "All"],
  ["PENDING,RUNNING,WAITING,CANCELLING", "Open"],
  ["RUNNING", "Running"],
  ["WAITING", "Waiting"],
  ["COMPLETED", "Completed"],
  ["FAILED", "Failed"],
  ["CANCELLED", "Cancelled"],
];
const TIMES = [["", "Any time"], ["15", "Last 15 minutes"], ["60", "Last hour"], ["1440", "Last day"], ["10080", "Last week"]];
const AGAIN_MS = 30_000;
const ID = /^[0-9a-f-]{4,36}$/i;

// Minutes are counted from the beginning of a minute, so that two loads of one page ask the same.
function since(minutes) {
  const at = Math.floor(serverTime() / 60_000) - Number(minutes);
  return new Date(at * 60_000).toISOString();
}

// What the box holds: a beginning of an id, key=value or key of the metadata, "error: words", or a kind.
function searched(text) {
  if (!text) return {};
  if (ID.test(text) && /[0-9]/.test(text)) return { idPrefix: text };
  if (text.startsWith("error:")) return { error: text.slice(6).trim() };
  const [key, value] = text.split(/=(.*)/s);
  if (value) return { metadata: JSON.stringify({ [key.trim()]: value.trim() }) };
  return { kind: text };
}

export function parametersOf(found) {
  const minutes = found.get("minutes");
  return {
    ...(found.get("status") && { status: found.get("status") }),
    ...(found.get("queue") && { queue: found.get("queue") }),
    ...(found.get("failing") && { failingTasks: "true" }),
    ...(minutes && { createdFrom: since(minutes) }),
    ...searched((found.get("q") ?? "").trim()),
  };
}

// Counts the changes that this page has made to many workflows: the numbers are asked for again.
export const changes = signal(0);

// The number of the workflows of some statuses; each status is counted up to a bound.
function totalOf(counts, status) {
  const wanted = counts.filter((each) => !status || status.split(",").includes(each.status));
  const total = wanted.reduce((sum, each) => sum + each.total, 0);
  return count(total) + (wanted.every((each) => each.totalIsExact) ? "" : "+");
}

function Chips() {
  const { status: chosen = "", ...parameters } = parametersOf(query.value);
  const { value } = useLoaded(() => get(withQuery(own("/workflow-executions/counts"), parameters)), [JSON.stringify(parameters), changes.value], AGAIN_MS);
  return html`<div class="chips" role="group" aria-label="Status">${CHIPS.map(
    ([status, title]) => html`<button key=${title} type="button" class="chip" aria-pressed=${chosen === status} onClick=${() => setQuery({ status, cursor: "" })}>
      ${title}<b>${value ? totalOf(value.counts, status) : ""}</b>
    </button>`,
  )}</div>`;
}

export function Filters() {
  const box = useRef(null);
  const text = query.value.get("q") ?? "";
  useEffect(() => {
    if (document.activeElement !== box.current) box.current.value = text;
  }, [text]);
  const search = (event) => {
    event.preventDefault();
    setQuery({ q: box.current.value.trim(), cursor: "" });
  };
  const failing = Boolean(query.value.get("failing"));
  return html`<form class="filters" role="search" onSubmit=${search}>
    <input ref=${box} type="search" aria-label="Search workflows" placeholder="Id, kind, key=value or error: words" onChange=${search} />
    <select aria-label="Time" value=${query.value.get("minutes") ?? ""} onChange=${(event) => setQuery({ minutes: event.target.value, cursor: "" })}>
      ${TIMES.map(([value, title]) => html`<option value=${value}>${title}</option>`)}
    </select>
    <button type="button" class="chip" aria-pressed=${failing} onClick=${() => setQuery({ failing: failing ? "" : "1", cursor: "" })}>Tasks that fail</button>
    <kbd aria-hidden="true">/</kbd>
  </form>
  <${Chips} />`;
}
