// What is stuck, and why: each workflow with its reason in one line, and kinds that no worker carries out.
import { html, useEffect } from "../app/ui.js";
import { href } from "../app/address.js";
import { get, own, withQuery } from "../app/api.js";
import { serverTime } from "../app/clock.js";
import { visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, RunLink, Status, Table, Time } from "../app/parts.js";

const LIMIT = 50;
const AGAIN_MS = 10_000;
const QUIET_MS = 60_000;
const LONG_MS = 86_400_000;
const OPEN = "PENDING,RUNNING,WAITING,CANCELLING";

const before = (milliseconds) => new Date(Math.floor((serverTime() - milliseconds) / QUIET_MS) * QUIET_MS).toISOString();
const list = (parameters) => get(withQuery(own("/workflow-executions"), { view: "summary", limit: LIMIT, ...parameters })).then(({ workflows }) => workflows);

// A workflow is listed once, with the first reason that fits.
async function load() {
  const [failing, pending, waiting, definitions] = await Promise.all([
    list({ failingTasks: "true", status: OPEN }),
    list({ status: "PENDING", createdTo: before(QUIET_MS) }),
    list({ status: "WAITING", createdTo: before(LONG_MS) }),
    get(own("/workflow-definitions?limit=100")).then(({ workflowDefinitions }) => workflowDefinitions),
  ]);
  const offered = new Map(definitions.map((each) => [each.kind, each.availability]));
  const found = new Map();
  const add = (run, reason) => found.has(run.id) || found.set(run.id, { run, reason });
  for (const run of failing) add(run, "A task fails and is tried again.");
  for (const run of pending) if (serverTime() - new Date(run.updatedAt) > QUIET_MS) add(run, notTaken(run, offered.get(run.kind)));
  for (const run of waiting) add(run, "It waits for more than a day.");
  for (const { run } of found.values()) for (const warning of run.warnings) found.get(run.id).reason += ` ${warning}`;
  return { rows: [...found.values()], absent: definitions.filter((each) => each.availability === "UNAVAILABLE") };
}

function notTaken(run, availability) {
  if (availability === undefined) return `No worker has registered the kind ${run.kind}.`;
  if (availability === "UNAVAILABLE") return `No worker of the kind ${run.kind} is online.`;
  return `No worker takes it from the queue ${run.queue}.`;
}

const COLUMNS = [
  { title: "Workflow", name: "id", cell: ({ run }) => html`<${RunLink} id=${run.id} />` },
  { title: "Kind", name: "kind", cell: ({ run }) => html`<span class="strong">${visible(run.kind)}</span>` },
  { title: "Status", name: "state", cell: ({ run }) => html`<${Status} of=${run.status} />` },
  { title: "Last change", name: "time", cell: ({ run }) => html`<${Time} at=${run.updatedAt} />` },
  { title: "Reason", name: "error", cell: ({ reason }) => visible(reason) },
];
const KINDS = [
  { title: "Kind", name: "kind", cell: (each) => html`<a class="strong" href=${href(`?q=${encodeURIComponent(each.kind)}`)}>${visible(each.kind)}</a>` },
  { title: "Workers", cell: (each) => each.workers.map(visible).join(", ") },
  { title: "Registered", name: "time", cell: (each) => html`<${Time} at=${each.updatedAt} />` },
];

export function Problems() {
  useEffect(() => void (document.title = "Problems · Flovyn"), []);
  const { value, error, reload } = useLoaded(load, [""], AGAIN_MS);
  return html`<div class="head"><h1>Problems</h1>${value && html`<span class="quiet total">${value.rows.length}</span>`}</div>
    <p class="lead">The newest workflows that fail, that no worker takes, or that wait for long.</p>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.rows.length ? html`<${Table} caption="Workflows that are stuck" columns=${COLUMNS} rows=${value.rows} keyOf=${({ run }) => run.id} />` : html`<${Empty} title="Nothing is stuck">Each workflow goes on, or waits for less than a day.</${Empty}>`)}
    ${value?.absent.length > 0 && html`<h2>Kinds without a worker that is online</h2><${Table} caption="Kinds without a worker" columns=${KINDS} rows=${value.absent} keyOf=${(each) => each.id} />`}`;
}
