// The pending promises of all workflows, to settle.
import { html, useEffect, useState } from "../app/ui.js";
import { query, setQuery } from "../app/address.js";
import { get, may, own, withQuery } from "../app/api.js";
import { count, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, RunLink, Table, Time } from "../app/parts.js";
import { Settle } from "./run_actions.js";

export function Promises() {
  useEffect(() => void (document.title = "Promises · Flovyn"), []);
  const [asked, ask] = useState(null);
  const name = query.value.get("name") ?? "";
  const cursor = query.value.get("cursor") ?? "";
  const place = withQuery(own("/promises"), { name, cursor, limit: 50 });
  const { value, error, reload } = useLoaded(() => get(place), [place], cursor ? 0 : 10_000);
  const settles = may("workflow-execution", "update");
  const columns = [
    { title: "Name", name: "kind", cell: (each) => html`<span class="strong">${visible(each.name)}</span>` },
    { title: "Workflow", name: "id", cell: (each) => html`<${RunLink} id=${each.workflowExecutionId} />` },
    { title: "Created", name: "time", cell: (each) => html`<${Time} at=${each.createdAt} />` },
    { title: "Times out", name: "time", cell: (each) => html`<${Time} at=${each.timeoutAt} none="never" />` },
    { title: "Actions", name: "tools", cell: (each) => settles && html`<button type="button" class="small" aria-label=${`Settle: ${each.name}`} onClick=${() => ask(each)}>Settle</button>` },
  ];
  const search = (event) => setQuery({ name: event.target.value.trim(), cursor: "" });
  return html`<div class="head"><h1>Promises</h1>${value && html`<span class="quiet total">${count(value.total)}${value.totalIsExact ? "" : "+"}</span>`}</div>
    <p class="lead">Promises that wait: a workflow goes on when its promise is settled or times out.</p>
    <div class="filters"><input type="search" aria-label="Name of the promise" placeholder="Name" value=${name} onChange=${search} /></div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.promises.length ? html`<${Table} caption="Pending promises, newest first" columns=${columns} rows=${value.promises} keyOf=${(each) => each.id} />` : html`<${Empty} title="No promise is pending">The promises of a workflow, settled ones, too, are in its timeline.</${Empty}>`)}
    ${value?.nextCursor && html`<nav class="pages" aria-label="Pages of the list"><button type="button" onClick=${() => setQuery({ cursor: value.nextCursor }, {})}>Older</button></nav>`}
    ${asked && html`<${Settle} promises=${[asked]} close=${() => ask(null)} done=${() => (ask(null), reload())} />`}`;
}
