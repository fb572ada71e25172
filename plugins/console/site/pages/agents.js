// The agents: those of a status, newest first.
import { html, useEffect } from "../app/ui.js";
import { href, query, setQuery } from "../app/address.js";
import { get, own, withQuery } from "../app/api.js";
import { count, shortId, visible } from "../app/format.js";
import { brief } from "../app/json.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, Status, Table, Time } from "../app/parts.js";

const STATUSES = ["", "PENDING", "RUNNING", "WAITING", "COMPLETED", "FAILED", "CANCELLED"];

export const AgentLink = ({ id }) => html`<a class="mono" href=${href(`/agents/${id}`)} title=${id}>${shortId(id)}</a>`;

export function waitsFor({ waitingFor }) {
  if (!waitingFor) return "";
  if (waitingFor.signalName) return `the signal ${visible(waitingFor.signalName)}`;
  return `${waitingFor.ids.length || "all"} ${visible(waitingFor.kind.toLowerCase().replaceAll("_", " "))}`;
}

export const COLUMNS = [
  { title: "Agent", name: "id", cell: (agent) => html`<${AgentLink} id=${agent.id} />` },
  { title: "Kind", name: "kind", cell: (agent) => html`<span class="strong">${visible(agent.kind)}</span>` },
  { title: "Status", name: "state", cell: (agent) => html`<${Status} of=${agent.status} />` },
  { title: "Created", name: "time", cell: (agent) => html`<${Time} at=${agent.createdAt} />` },
  { title: "Waits for", cell: waitsFor },
  { title: "Queue", name: "queue", cell: (agent) => visible(agent.queue) },
  { title: "Error", name: "error", cell: (agent) => agent.error && html`<span class="bad">${visible(brief(agent.error))}</span>` },
];

export function Agents() {
  useEffect(() => void (document.title = "Agents · Flovyn"), []);
  const status = query.value.get("status") ?? "";
  const kind = query.value.get("kind") ?? "";
  const cursor = query.value.get("cursor") ?? "";
  const place = withQuery(own("/agent-executions"), { status, kind, cursor, limit: 50 });
  const { value, error, reload } = useLoaded(() => get(place), [place], cursor ? 0 : 10_000);
  return html`<div class="head"><h1>Agents</h1>${value && html`<span class="quiet total">${count(value.total)}</span>`}</div>
    <div class="filters"><input type="search" aria-label="Kind" placeholder="Kind" value=${kind} onChange=${(event) => setQuery({ kind: event.target.value.trim(), cursor: "" })} /></div>
    <div class="chips" role="group" aria-label="Status">${STATUSES.map(
      (each) => html`<button type="button" class="chip" aria-pressed=${status === each} onClick=${() => setQuery({ status: each, cursor: "" })}>${each ? each[0] + each.slice(1).toLowerCase() : "All"}</button>`,
    )}</div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.agentExecutions.length ? html`<${Table} caption="Agents, newest first" columns=${COLUMNS} rows=${value.agentExecutions} keyOf=${(agent) => agent.id} />` : html`<${Empty} title="No agents">An agent appears here as soon as an SDK or the API creates it.</${Empty}>`)}
    <nav class="pages" aria-label="Pages of the list">
      ${cursor && html`<button type="button" onClick=${() => history.back()}>Back</button>`}
      ${value?.nextCursor && html`<button type="button" onClick=${() => setQuery({ cursor: value.nextCursor }, {})}>Older</button>`}</nav>`;
}
