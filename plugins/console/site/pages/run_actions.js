// What can be done with a workflow; each asks first, and says how it ended.
import { html, useState } from "../app/ui.js";
import { go } from "../app/address.js";
import { may, own, send } from "../app/api.js";
import { visible } from "../app/format.js";
import { pretty } from "../app/json.js";
import { Dialog, Field, Problem } from "../app/parts.js";
import { spansOf } from "./run_spans.js";
import { StartDialog } from "./start.js";

const ENDED = ["COMPLETED", "FAILED", "CANCELLED"];

export function Actions({ run, events, changed }) {
  const [asked, ask] = useState(null);
  const ended = ENDED.includes(run.status);
  const change = may("workflow-execution", "update");
  const promises = ended ? [] : spansOf(events).filter((each) => each.kind === "promise" && !each.end);
  const close = () => ask(null);
  const done = () => (close(), changed());
  const button = (name, title, shown, kind = "") =>
    shown && html`<button type="button" class=${kind} onClick=${() => ask(name)}>${title}</button>`;
  return html`<div class="actions">
    ${button("promise", promises.length === 1 ? "Settle the promise" : "Settle a promise", change && promises.length > 0)}
    ${button("signal", "Signal", change && !ended)}
    ${button("retry", "Retry", change && run.status === "FAILED", "primary")}
    ${button("again", "Start again", may("workflow", "execute"))}
    ${button("cancel", "Cancel", change && !ended, "danger")}
    ${button("terminate", "Terminate", change && !ended, "danger")}
    ${button("delete", "Delete", may("workflow-execution", "delete") && ended, "danger")}
    ${asked === "cancel" && html`<${Cancel} run=${run} close=${close} done=${done} />`}
    ${asked === "terminate" && html`<${Terminate} run=${run} close=${close} done=${done} />`}
    ${asked === "delete" && html`<${Delete} run=${run} close=${close} done=${() => (close(), go(""))} />`}
    ${asked === "retry" && html`<${Retry} run=${run} close=${close} done=${done} />`}
    ${asked === "signal" && html`<${Signal} run=${run} close=${close} done=${done} />`}
    ${asked === "promise" && html`<${Settle} promises=${promises} close=${close} done=${done} />`}
    ${asked === "again" && html`<${StartDialog} kind=${run.kind} queue=${run.queue} input=${pretty(run.input)} close=${close} started=${(id) => (close(), go(`/workflows/${id}`))} />`}
  </div>`;
}

// A dialog with a form: `submit` gets the form's values, and the dialog closes when it succeeds.
export function Ask({ title, confirm, kind = "primary", submit, close, done, children }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      done(await submit(Object.fromEntries(new FormData(event.target))));
    } catch (failed) {
      setError(failed);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} close=${close}><form onSubmit=${send}>
    ${children}
    <${Problem} error=${error} />
    <div class="buttons"><button type="button" onClick=${close}>Back</button><button class=${kind} disabled=${busy}>${confirm}</button></div>
  </form></${Dialog}>`;
}

const of = (run, verb) => own(`/workflow-executions/${run.id}/${verb}`);

function Cancel({ run, ...more }) {
  const submit = ({ reason, cascade }) => send("POST", of(run, "cancel"), { reason: reason || "cancelled in the console", cascadeToChildren: Boolean(cascade) });
  return html`<${Ask} title="Cancel this workflow?" confirm="Cancel the workflow" kind="danger" submit=${submit} ...${more}>
    <p>${visible(run.kind)} stops with the next answer of its worker. This cannot be taken back.</p>
    <${Field} label="Reason"><input name="reason" maxlength="500" /></${Field}>
    <label class="check"><input type="checkbox" name="cascade" value="1" checked /> Cancel its children, too</label>
  </${Ask}>`;
}

function Terminate({ run, ...more }) {
  const submit = ({ reason, cascade }) => send("POST", of(run, "terminate"), { reason: reason || "terminated in the console", cascadeToChildren: Boolean(cascade) });
  return html`<${Ask} title="Terminate this workflow?" confirm="Terminate the workflow" kind="danger" submit=${submit} ...${more}>
    <p>${visible(run.kind)} ends at once. Its worker cannot clear up, and what it submits later changes nothing.</p>
    <${Field} label="Reason"><input name="reason" maxlength="500" /></${Field}>
    <label class="check"><input type="checkbox" name="cascade" value="1" checked /> Cancel its children, too</label>
  </${Ask}>`;
}

function Delete({ run, ...more }) {
  const submit = () => send("DELETE", own(`/workflow-executions/${run.id}`));
  return html`<${Ask} title="Delete this workflow?" confirm="Delete the workflow" kind="danger" submit=${submit} ...${more}>
    <p>Its history, tasks, timers and promises go with it; its children stay. This cannot be taken back.</p>
  </${Ask}>`;
}

function Retry({ run, ...more }) {
  const submit = ({ note }) => send("POST", of(run, "retry"), { note: note || null });
  return html`<${Ask} title="Retry this workflow?" confirm="Retry" submit=${submit} ...${more}>
    <p>The workflow goes on from the last point that it reached. What its failed tasks said is replaced.</p>
    <${Field} label="Note" hint="Kept beside the history"><input name="note" maxlength="500" /></${Field}>
  </${Ask}>`;
}

// The text of a field as JSON; sent as it was written, to the digit.
export function jsonOf(text, name) {
  if (!text.trim()) return null;
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is no JSON: ${error.message}`);
  }
  return JSON.rawJSON && !/^\s*[[{]/.test(text) ? JSON.rawJSON(text.trim()) : parseExact(text);
}

function parseExact(text) {
  return JSON.parse(text, (_key, value, context) => (typeof value === "number" && context && String(value) !== context.source ? JSON.rawJSON(context.source) : value));
}

function Signal({ run, ...more }) {
  const submit = ({ name, value }) => send("POST", of(run, "signal"), { signalName: name, signalValue: jsonOf(value, "The value") });
  return html`<${Ask} title="Send a signal" confirm="Send" submit=${submit} ...${more}>
    <${Field} label="Name"><input name="name" required maxlength="255" /></${Field}>
    <${Field} label="Value" hint="JSON; empty is null"><textarea name="value" rows="6" spellcheck=${false}></textarea></${Field}>
  </${Ask}>`;
}

export function Settle({ promises, ...more }) {
  const submit = ({ id, outcome, value }) =>
    outcome === "resolve"
      ? send("POST", own(`/promises/id:${id}/resolve`), { value: jsonOf(value, "The value") })
      : send("POST", own(`/promises/id:${id}/reject`), { error: value || "rejected in the console" });
  return html`<${Ask} title="Settle a promise" confirm="Settle" submit=${submit} ...${more}>
    <${Field} label="Promise"><select name="id">${promises.map((each) => html`<option value=${each.id}>${visible(each.name)}</option>`)}</select></${Field}>
    <fieldset><legend>Outcome</legend>
      <label class="check"><input type="radio" name="outcome" value="resolve" checked /> Resolve with a value</label>
      <label class="check"><input type="radio" name="outcome" value="reject" /> Reject with an error</label>
    </fieldset>
    <${Field} label="Value or error" hint="JSON to resolve, a text to reject"><textarea name="value" rows="5" spellcheck=${false}></textarea></${Field}>
  </${Ask}>`;
}
