// The standalone tasks.
import { html, useEffect } from "../app/ui.js";
import { href, query, setQuery } from "../app/address.js";
import { get, own, withQuery } from "../app/api.js";
import { count, shortId, visible } from "../app/format.js";
import { brief } from "../app/json.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, Status, Table, Time } from "../app/parts.js";

const STATUSES = ["", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];
const COLUMNS = [
  { title: "Task", name: "id", cell: (task) => html`<a class="mono" href=${href(`/tasks/${task.id}`)} title=${task.id}>${shortId(task.id)}</a>` },
  { title: "Kind", name: "kind", cell: (task) => html`<span class="strong">${visible(task.kind)}</span>` },
  { title: "Status", name: "state", cell: (task) => html`<${Status} of=${task.status} />` },
  { title: "Created", name: "time", cell: (task) => html`<${Time} at=${task.createdAt} />` },
  { title: "Attempts", cell: (task) => `${task.executionCount} of ${task.maxRetries + 1}` },
  { title: "Queue", name: "queue", cell: (task) => visible(task.queue) },
  { title: "Error", name: "error", cell: (task) => task.error && html`<span class="bad">${visible(brief(task.error))}</span>` },
];

export function Tasks() {
  useEffect(() => void (document.title = "Tasks · Flovyn"), []);
  const status = query.value.get("status") ?? "";
  const cursor = query.value.get("cursor") ?? "";
  const asked = { status, cursor, limit: 50, view: "summary" };
  const { value, error, reload } = useLoaded(() => get(withQuery(own("/task-executions"), asked)), [status, cursor], cursor ? 0 : 10_000);
  return html`<div class="head"><h1>Tasks</h1>${value && html`<span class="quiet total">${count(value.total)}</span>`}</div>
    <p class="lead">Tasks that were created by themselves. The tasks of a workflow are on its own page.</p>
    <div class="chips" role="group" aria-label="Status">${STATUSES.map(
      (each) => html`<button type="button" class="chip" aria-pressed=${status === each} onClick=${() => setQuery({ status: each, cursor: "" })}>${each ? each[0] + each.slice(1).toLowerCase() : "All"}</button>`,
    )}</div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.tasks.length ? html`<${Table} caption="Tasks, newest first" columns=${COLUMNS} rows=${value.tasks} keyOf=${(task) => task.id} />` : html`<${Empty} title="No tasks">A task appears here when one is created without a workflow.</${Empty}>`)}
    ${value?.nextCursor && html`<nav class="pages" aria-label="Pages of the list"><button type="button" onClick=${() => setQuery({ cursor: value.nextCursor }, {})}>Older</button></nav>`}`;
}
