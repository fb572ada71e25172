// The audit log of the tenant: search it, verify its chain of hashes, and export it.
import { html, useEffect, useState } from "../app/ui.js";
import { base, query, setQuery } from "../app/address.js";
import { get, send, withQuery } from "../app/api.js";
import { count, shortId, span, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, Table, Time } from "../app/parts.js";

const PLACE = "/api/v1/p/audit-log";
const ACTIONS = ["view", "create", "update", "delete", "execute", "manage"];
const CODES = [["", "Any outcome"], ["ok", "Ok"], ["forbidden", "Forbidden"], ["unauthorized", "Unauthorized"], ["invalid", "Invalid"], ["not_found", "Not found"], ["unknown", "Unknown"]];

// Paths without what all of them begin with; methods without their package.
const shortOf = (operation) => operation.replace(/\/api\/v1(\/tenants\/\{slug\})?/, "").replace(/^\/flovyn\.v1\./, "");

const COLUMNS = [
  { title: "Number", name: "id", cell: (event) => html`<span class="mono">${event.sequence}</span>` },
  { title: "Operation", name: "kind", cell: (event) => html`<span class="strong" title=${visible(event.operation)}>${visible(shortOf(event.operation))}</span>` },
  { title: "Outcome", name: "state", cell: (event) => html`<span class=${`status ${event.code === "ok" ? "status-completed" : "status-failed"}`}><i aria-hidden="true"></i>${visible(event.code)}</span>` },
  { title: "At", name: "time", cell: (event) => html`<${Time} at=${event.at} />` },
  { title: "Caller", cell: (event) => visible(event.principalId ?? "–") },
  { title: "Thing", cell: (event) => html`${visible(event.resource)} ${event.resourceId && html`<span class="mono quiet" title=${visible(event.resourceId)}>${visible(event.resourceId.length > 20 ? shortId(event.resourceId) : event.resourceId)}</span>`}` },
  { title: "Took", name: "time", cell: (event) => (event.durationUs === null ? "–" : span(event.durationUs / 1000)) },
];

function wanted(found) {
  return Object.fromEntries(["principal", "action", "code", "resource"].map((name) => [name, found.get(name) ?? ""]));
}

// Verifies the chain a part at a time, and tells how far it came.
async function verify(tell) {
  let start = null;
  for (;;) {
    const verdict = await send("POST", `${PLACE}/verify`, start === null ? {} : { start });
    tell(verdict);
    if (!verdict.ok || verdict.complete) return;
    start = verdict.verifiedTo + 1;
  }
}

function Verdict({ of }) {
  if (!of) return null;
  if (!of.ok) return html`<div class="problem" role="alert"><strong>The chain is broken</strong><span>at event ${of.brokenAt}: ${visible(of.problem)}</span></div>`;
  const text = of.complete ? `The chain is whole: ${count(of.verifiedTo)} events, no one was changed or taken out.` : `Verified to event ${count(of.verifiedTo)} of ${count(of.head.sequence)}…`;
  return html`<p class="fine" role="status">${text}</p>`;
}

export function Audit() {
  useEffect(() => void (document.title = "Audit log · Flovyn"), []);
  const [verdict, setVerdict] = useState(null);
  const [failed, setFailed] = useState(null);
  const filters = wanted(query.value);
  const cursor = query.value.get("cursor") ?? "";
  const place = withQuery(`${PLACE}/events`, { ...filters, cursor, limit: 50 });
  const { value, error, reload } = useLoaded(() => get(place), [place]);
  const change = (name) => (event) => setQuery({ [name]: event.target.value.trim(), cursor: "" });
  const exported = (format) => base + withQuery(`${PLACE}/events/export`, { ...filters, format });
  return html`<div class="head"><h1>Audit log</h1><span class="grow"></span>
      <button type="button" onClick=${() => verify(setVerdict).catch(setFailed)}>Verify the chain</button>
      <a class="button" href=${exported("ndjson")} download>Export JSON</a><a class="button" href=${exported("csv")} download>Export CSV</a></div>
    <${Problem} error=${failed} /><${Verdict} of=${verdict} />
    <div class="filters">
      <input type="search" aria-label="Caller" placeholder="Caller" value=${filters.principal} onChange=${change("principal")} />
      <input type="search" aria-label="Kind of thing" placeholder="Kind of thing" value=${filters.resource} onChange=${change("resource")} />
      <select aria-label="Action" value=${filters.action} onChange=${change("action")}><option value="">Any action</option>${ACTIONS.map((each) => html`<option value=${each}>${each}</option>`)}</select>
      <select aria-label="Outcome" value=${filters.code} onChange=${change("code")}>${CODES.map(([code, text]) => html`<option value=${code}>${text}</option>`)}</select>
    </div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.events.length ? html`<${Table} caption="Events, newest first" columns=${COLUMNS} rows=${value.events} keyOf=${(event) => event.sequence} />` : html`<${Empty} title="No events">Calls that change something are recorded a moment after they end.</${Empty}>`)}
    <nav class="pages" aria-label="Pages of the list">
      ${cursor && html`<button type="button" onClick=${() => history.back()}>Back</button>`}
      ${value?.nextCursor && html`<button type="button" onClick=${() => setQuery({ cursor: value.nextCursor }, {})}>Older</button>`}</nav>`;
}
