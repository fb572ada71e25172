// Changes all workflows that the list's conditions find: first a look at what matches, then a batch at a time.
import { html, useState } from "../app/ui.js";
import { may, own, send } from "../app/api.js";
import { count, shortId, visible } from "../app/format.js";
import { Dialog, Field, Problem, Status } from "../app/parts.js";
import { jsonOf } from "./run_actions.js";

const ACTIONS = [
  ["cancel", "Cancel", "cancelled"],
  ["terminate", "Terminate", "terminated"],
  ["signal", "Signal", "signalled"],
  ["retry", "Retry", "retried"],
  ["delete", "Delete", "deleted"],
];
const NEEDS = { delete: "delete" };

export const mayChangeMany = () => ACTIONS.some(([action]) => may("workflow-execution", NEEDS[action] ?? "update"));

// The conditions of the address, as the body of a call has them.
function filterOf({ status, failingTasks, ...others }) {
  return { ...others, ...(status && { status: status.split(",") }), ...(failingTasks && { failingTasks: true }) };
}

function fieldsOf(action, { reason, cascade, name, value, note }) {
  if (action === "cancel" || action === "terminate") return { reason: reason || `${action === "cancel" ? "cancelled" : "terminated"} in the console`, cascadeToChildren: Boolean(cascade) };
  if (action === "signal") return { signalName: name, signalValue: jsonOf(value, "The value") };
  return action === "retry" ? { note: note || null } : {};
}

// Each batch has a key, which stays the same until its answer is here: a batch whose answer was lost is not done twice.
const batchAt = (cursor, changed, skipped) => ({ cursor, changed, skipped, key: crypto.randomUUID() });

async function carryOut(place, body, next, tell) {
  for (;;) {
    const { cursor, changed, skipped, key } = next;
    const batch = await send("POST", place, { ...body, cursor }, { "idempotency-key": key });
    next = batchAt(batch.nextCursor, changed + batch.changed, skipped + batch.skipped);
    tell({ ...next, ended: next.cursor === null });
    if (next.cursor === null) return;
  }
}

export function Bulk({ parameters, close, done }) {
  const [action, setAction] = useState(may("workflow-execution", "update") ? "cancel" : "delete");
  const [body, setBody] = useState(null);
  const [first, setFirst] = useState(null);
  const [found, setFound] = useState(null);
  const [progress, setProgress] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const place = own(`/workflow-executions/bulk/${action}`);
  const attempt = async (work) => {
    setBusy(true);
    setError(null);
    await work().catch(setError);
    setBusy(false);
  };
  const look = (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    attempt(async () => {
      const asked = { filter: filterOf(parameters), ...fieldsOf(action, given) };
      setFound(await send("POST", place, { ...asked, dryRun: true }));
      setBody(asked);
      setFirst(batchAt(null, 0, 0));
    });
  };
  const start = () => attempt(() => carryOut(place, body, progress ?? first, setProgress));
  const [, title, past] = ACTIONS.find(([name]) => name === action);
  const leave = () => (progress ? done() : close());
  return html`<${Dialog} title="Change all that match" close=${leave}>
    ${!found && html`<form onSubmit=${look}>
      <${Field} label="What to do"><select value=${action} onChange=${(event) => setAction(event.target.value)}>
        ${ACTIONS.filter(([name]) => may("workflow-execution", NEEDS[name] ?? "update")).map(([name, text]) => html`<option value=${name}>${text}</option>`)}</select></${Field}>
      <${Fields} action=${action} />
      <${Problem} error=${error} />
      <div class="buttons"><button type="button" onClick=${leave}>Back</button><button class="primary" disabled=${busy}>See what matches</button></div>
    </form>`}
    ${found && !progress && html`<${Look} found=${found} />`}
    ${progress && html`<${Progress} of=${progress} total=${found.matched} past=${past} />`}
    ${found && html`<${Problem} error=${error} />
      <div class="buttons end">
        ${!progress?.ended && html`<button type="button" disabled=${busy} onClick=${() => (progress ? leave() : setFound(null))}>Back</button>`}
        ${!progress?.ended && found.matched > 0 && html`<button type="button" class=${action === "signal" || action === "retry" ? "primary" : "danger"} disabled=${busy} onClick=${start}>${progress ? "Go on" : `${title} ${many(found)}`}</button>`}
        ${progress?.ended && html`<button type="button" class="primary" onClick=${done}>Done</button>`}
      </div>`}
  </${Dialog}>`;
}

const many = ({ matched, matchedIsExact }) => `${count(matched)}${matchedIsExact ? "" : "+"} ${matched === 1 ? "workflow" : "workflows"}`;

function Fields({ action }) {
  if (action === "signal") return html`<${Field} label="Name"><input name="name" required maxlength="255" /></${Field}>
    <${Field} label="Value" hint="JSON; empty is null"><textarea name="value" rows="4" spellcheck=${false}></textarea></${Field}>`;
  if (action === "retry") return html`<${Field} label="Note" hint="Kept beside each history"><input name="note" maxlength="500" /></${Field}>`;
  if (action === "delete") return html`<p>Ended workflows go with their histories. This cannot be taken back.</p>`;
  return html`<${Field} label="Reason"><input name="reason" maxlength="500" /></${Field}>
    <label class="check"><input type="checkbox" name="cascade" value="1" checked /> Cancel their children, too</label>`;
}

function Look({ found }) {
  if (!found.matched) return html`<p role="status">No workflow matches that allows this change.</p>`;
  const others = found.matched - found.first.length;
  return html`<p role="status"><strong>${many(found)}</strong> ${found.matched === 1 ? "matches" : "match"}. Nothing has changed yet.</p>
    <ul class="matches">${found.first.map((run) => html`<li key=${run.id}><span class="strong">${visible(run.kind)}</span> <span class="mono quiet">${shortId(run.id)}</span> <${Status} of=${run.status} /></li>`)}
    ${others > 0 && html`<li class="quiet">and ${count(others)}${found.matchedIsExact ? "" : " or more"} others</li>`}</ul>`;
}

function Progress({ of, total, past }) {
  const skipped = of.skipped > 0 ? `; ${count(of.skipped)} had changed meanwhile and were left alone` : "";
  return html`<progress aria-label="Progress" max=${Math.max(total, of.changed + of.skipped)} value=${of.ended ? Math.max(total, of.changed + of.skipped) : of.changed + of.skipped}></progress>
    <p role="status">${count(of.changed)} ${past}${of.ended ? skipped : ` of ${count(total)}…`}</p>`;
}
