// Starts a workflow: the kind, the queue and the input, with what is known of the kind's input.
import { html, useState } from "../app/ui.js";
import { go } from "../app/address.js";
import { get, own, send } from "../app/api.js";
import { visible } from "../app/format.js";
import { pretty } from "../app/json.js";
import { useLoaded } from "../app/load.js";
import { Field } from "../app/parts.js";
import { Ask, jsonOf } from "./run_actions.js";

export function Start() {
  const [open, set] = useState(false);
  return html`<button type="button" class="primary" onClick=${() => set(true)}>Start a workflow</button>
    ${open && html`<${StartDialog} close=${() => set(false)} started=${(id) => go(`/workflows/${id}`)} />`}`;
}

// An example of a value that a JSON schema describes: only what is required.
function exampleOf(schema) {
  if (!schema || typeof schema !== "object") return {};
  if (schema.default !== undefined) return schema.default;
  if (schema.enum?.length) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object" || schema.properties) {
    return Object.fromEntries((schema.required ?? Object.keys(schema.properties ?? {})).map((name) => [name, exampleOf(schema.properties?.[name])]));
  }
  return { array: [], string: "", number: 0, integer: 0, boolean: false, null: null }[type] ?? {};
}

export function StartDialog({ kind = "", queue = "", input = null, close, started }) {
  const [chosen, choose] = useState(kind);
  const { value } = useLoaded(() => get(own("/workflow-definitions?limit=100")), [""]);
  const kinds = value?.workflowDefinitions ?? [];
  const definition = kinds.find((each) => each.kind === chosen);
  const schema = definition?.inputSchema;
  const shown = input ?? (schema ? pretty(exampleOf(schema)) : "{}");
  const submit = (form) =>
    send("POST", own("/workflow-executions"), { kind: form.kind, input: jsonOf(form.input, "The input"), ...(form.queue && { queue: form.queue }) });
  return html`<${Ask} title=${kind ? "Start it again" : "Start a workflow"} confirm="Start" submit=${submit} close=${close} done=${(made) => started(made.workflowExecutionId)}>
    <${Field} label="Kind"><input name="kind" required list="kinds" value=${chosen} onInput=${(event) => choose(event.target.value)} /></${Field}>
    <datalist id="kinds">${kinds.map((each) => html`<option value=${each.kind}>${visible(each.name)}</option>`)}</datalist>
    ${definition?.availability === "UNAVAILABLE" && html`<p class="note">No worker of this kind is online; the workflow waits for one.</p>`}
    <${Field} label="Queue" hint="Empty for the usual one"><input name="queue" value=${queue} maxlength="255" /></${Field}>
    <${Field} label="Input" hint="JSON"><textarea key=${shown} name="input" rows="9" spellcheck=${false}>${shown}</textarea></${Field}>
  </${Ask}>`;
}
