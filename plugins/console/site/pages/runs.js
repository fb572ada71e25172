// The workflows: filters in the address, a page at a time, and new ones as they come.
import { html, useEffect, useState } from "../app/ui.js";
import { query, setQuery } from "../app/address.js";
import { get, may, own, withQuery } from "../app/api.js";
import { count, span, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { brief } from "../app/json.js";
import { Empty, Loading, Problem, RunLink, Status, Table, Time } from "../app/parts.js";
import { Bulk, mayChangeMany } from "./bulk.js";
import { changes, Filters, parametersOf } from "./runs_filters.js";
import { Start } from "./start.js";

const LIMIT = 50;
const AGAIN_MS = 10_000;

const COLUMNS = [
  { title: "Workflow", name: "id", cell: (run) => html`<${RunLink} id=${run.id} />` },
  { title: "Kind", name: "kind", cell: (run) => html`<span class="strong">${visible(run.kind)}</span>` },
  { title: "Status", name: "state", cell: (run) => html`<${Status} of=${run.status} />` },
  { title: "Started", name: "time", cell: (run) => html`<${Time} at=${run.createdAt} />` },
  { title: "Took", name: "time", cell: took },
  { title: "Queue", name: "queue", cell: (run) => visible(run.queue) },
  { title: "Error", name: "error", cell: (run) => run.error && html`<span class="bad" title=${visible(brief(run.error, 500))}>${visible(brief(run.error))}</span>` },
];

function took(run) {
  if (!run.completedAt) return html`<span class="quiet">–</span>`;
  return span(new Date(run.completedAt) - new Date(run.createdAt));
}

export function Runs() {
  useEffect(() => void (document.title = "Workflows · Flovyn"), []);
  const [many, setMany] = useState(false);
  const cursor = query.value.get("cursor");
  const parameters = parametersOf(query.value);
  const key = JSON.stringify(parameters) + cursor;
  const asked = { ...parameters, limit: LIMIT, view: "summary", cursor };
  const { value, error, reload } = useLoaded(() => get(withQuery(own("/workflow-executions"), asked)), [key], cursor ? 0 : AGAIN_MS);
  return html`<div class="head">
      <h1>Workflows</h1>
      ${value && html`<span class="quiet total">${count(value.total)}${value.totalIsExact === false ? "+" : ""}</span>`}
      <span class="grow"></span>
      ${value?.workflows.length > 0 && Object.keys(parameters).length > 0 && mayChangeMany() && html`<button type="button" onClick=${() => setMany(true)}>Change all that match</button>`}
      ${may("workflow", "execute") && html`<${Start} />`}
    </div>
    <${Filters} />
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.workflows.length ? html`<${Table} caption="Workflows, newest first" columns=${COLUMNS} rows=${value.workflows} keyOf=${(run) => run.id} />` : html`<${None} filtered=${Object.keys(parameters).length} />`)}
    ${many && html`<${Bulk} parameters=${parameters} close=${() => setMany(false)} done=${() => (setMany(false), changes.value++, reload())} />`}
    ${value && html`<${Pages} value=${value} cursor=${cursor} />`}`;
}

function None({ filtered }) {
  if (filtered) return html`<${Empty} title="No workflow fits">Take out a condition, or look at another time.</${Empty}>`;
  return html`<${Empty} title="No workflows yet">One appears here as soon as it is started: by an SDK, by a schedule, or with “Start a workflow”.</${Empty}>`;
}

function Pages({ value, cursor }) {
  if (!cursor && !value.nextCursor) return null;
  return html`<nav class="pages" aria-label="Pages of the list">
    ${cursor && html`<button type="button" onClick=${() => setQuery({ cursor: "" }, {})}>Newest</button>`}
    ${cursor && html`<button type="button" onClick=${() => history.back()}>Back</button>`}
    ${value.nextCursor && html`<button type="button" onClick=${() => setQuery({ cursor: value.nextCursor }, {})}>Older</button>`}
  </nav>`;
}
