// The caller: who it is, until when its session lasts, and what it may do.
import { html, useEffect, useState } from "../app/ui.js";
import { leaveForSignIn, me, send } from "../app/api.js";
import { visible } from "../app/format.js";
import { Facts, Problem, Table, Time } from "../app/parts.js";

const COLUMNS = [
  { title: "Resource", name: "kind", cell: ([resource]) => html`<span class="strong">${resource}</span>` },
  { title: "Actions", cell: ([, actions]) => html`<span class="tags">${actions.map((each) => html`<span>${each}</span>`)}</span>` },
];

export function Account() {
  useEffect(() => void (document.title = "Account · Flovyn"), []);
  const [error, setError] = useState(null);
  const { principalId, principalType, role, tenant, session, may } = me.value;
  const endAll = () => send("DELETE", "/api/v1/sessions").then(leaveForSignIn, setError);
  return html`<div class="head"><h1>${visible(principalId)}</h1><span class="grow"></span>
      ${session && html`<button type="button" class="danger" onClick=${endAll}>End all my sessions</button>`}</div>
    <${Problem} error=${error} />
    <${Facts} of=${[
      ["Type", principalType],
      ["Role", role],
      ["Tenant", tenant && visible(tenant.name)],
      ["Session ends", session && html`<${Time} at=${session.expiresAt} />`],
    ]} />
    <h2>What this credential may do</h2>
    <${Table} caption="Rights" columns=${COLUMNS} rows=${Object.entries(may)} keyOf=${([resource]) => resource} />`;
}
