// The queues that have work: how much waits, for how long, and whether workers take it.
import { html, useEffect } from "../app/ui.js";
import { href } from "../app/address.js";
import { get, own } from "../app/api.js";
import { count, span, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, Table } from "../app/parts.js";

const TYPES = { WORKFLOW: "Workflows", TASK: "Tasks", AGENT: "Agents" };
const LONG_S = 60;

const name = (each) => html`<span class="strong">${visible(each.name)}</span>`;
const linked = (each) => html`<a class="strong" href=${href(`?queue=${encodeURIComponent(each.name)}`)}>${visible(each.name)}</a>`;

function Oldest({ of }) {
  const seconds = of.oldestPendingSeconds;
  if (seconds === null) return html`<span class="quiet">–</span>`;
  return html`<span class=${seconds > LONG_S ? "bad" : ""}>${span(seconds * 1000)}</span>`;
}

function Taken({ of }) {
  if (of.onlineWorkers || of.busyWorkers) return html`${count(of.onlineWorkers)} online, ${count(of.busyWorkers)} busy`;
  return html`<span class="bad">No worker is seen</span>`;
}

const COLUMNS = [
  { title: "Queue", name: "kind", cell: (each) => (each.type === "WORKFLOW" ? linked(each) : name(each)) },
  { title: "Work", name: "state", cell: (each) => TYPES[each.type] },
  { title: "Pending", name: "time", cell: (each) => `${count(each.pending)}${each.pendingIsExact ? "" : "+"}` },
  { title: "Oldest waits", name: "time", cell: (each) => html`<${Oldest} of=${each} />` },
  { title: "Running", name: "time", cell: (each) => count(each.running) },
  { title: "Workers", name: "error", cell: (each) => html`<${Taken} of=${each} />` },
];

export function Queues() {
  useEffect(() => void (document.title = "Queues · Flovyn"), []);
  const { value, error, reload } = useLoaded(() => get(own("/queues")), [""], 10_000);
  return html`<div class="head"><h1>Queues</h1>${value && html`<span class="quiet total">${count(value.queues.length)}</span>`}</div>
    <p class="lead">Queues with pending or running work. A worker is online for a queue if it has registered a kind of this work.</p>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.queues.length ? html`<${Table} caption="Queues, by type of work and name" columns=${COLUMNS} rows=${value.queues} keyOf=${(each) => each.type + each.name} />` : html`<${Empty} title="No queue has work">Each workflow has ended or waits for something else than a worker.</${Empty}>`)}`;
}
