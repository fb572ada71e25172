// The workers of the tenant, and the kinds of workflows and tasks that they registered.
import { html, useEffect } from "../app/ui.js";
import { get, own } from "../app/api.js";
import { count, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, Status, Table, Time } from "../app/parts.js";

const names = (list) => (list.length ? html`<span class="tags">${list.map((each) => html`<span>${visible(each)}</span>`)}</span>` : html`<span class="quiet">–</span>`);

const WORKERS = [
  { title: "Worker", name: "kind", cell: (each) => html`<span class="strong">${visible(each.workerName)}</span> <span class="quiet">${visible(each.workerVersion)}</span>` },
  { title: "Status", name: "state", cell: (each) => html`<${Status} of=${each.status} />` },
  { title: "Last sign of life", name: "time", cell: (each) => html`<${Time} at=${each.lastHeartbeatAt} />` },
  { title: "Host", cell: (each) => `${visible(each.hostName)} · ${visible(each.processId)}` },
  { title: "Workflows", cell: (each) => names(each.workflows) },
  { title: "Tasks", cell: (each) => names(each.tasks) },
];
const KINDS = [
  { title: "Kind", name: "kind", cell: (each) => html`<span class="strong">${visible(each.kind)}</span> <span class="quiet">${visible(each.version)}</span>` },
  { title: "Availability", name: "state", cell: (each) => html`<${Status} of=${each.availability} />` },
  { title: "Description", cell: (each) => visible(each.description) },
  { title: "Workers", cell: (each) => names(each.workers) },
  { title: "Registered", name: "time", cell: (each) => html`<${Time} at=${each.updatedAt} />` },
];

async function load() {
  const [workers, workflows, tasks] = await Promise.all(
    ["/workers", "/workflow-definitions", "/task-definitions"].map((place) => get(own(`${place}?limit=100`))),
  );
  return { workers, workflows: workflows.workflowDefinitions, tasks: tasks.taskDefinitions };
}

export function Workers() {
  useEffect(() => void (document.title = "Workers · Flovyn"), []);
  const { value, error, reload } = useLoaded(load, [""], 10_000);
  return html`<div class="head"><h1>Workers</h1>${value && html`<span class="quiet total">${count(value.workers.total)}</span>`}</div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.workers.workers.length ? html`<${Table} caption="Workers, by name" columns=${WORKERS} rows=${value.workers.workers} keyOf=${(each) => each.id} />` : html`<${Empty} title="No workers">A worker registers itself when it connects to this server.</${Empty}>`)}
    ${value && [["Workflow kinds", value.workflows], ["Task kinds", value.tasks]].map(
      ([title, list]) => list.length > 0 && html`<h2>${title}</h2><${Table} caption=${title} columns=${KINDS} rows=${list} keyOf=${(each) => each.id} />`,
    )}`;
}
