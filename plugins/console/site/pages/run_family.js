// The family of a workflow: its parent, and its children, each opened when it is wanted.
import { html, useState } from "../app/ui.js";
import { get, own } from "../app/api.js";
import { visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, RunLink, Status, Time } from "../app/parts.js";

export function Family({ run }) {
  return html`<div class="family">
    ${run.parentWorkflowExecutionId && html`<p>Child of <${RunLink} id=${run.parentWorkflowExecutionId} whole /></p>`}
    <${Children} id=${run.id} isRoot />
  </div>`;
}

function Children({ id, isRoot = false }) {
  const { value, error, reload } = useLoaded(() => get(own(`/workflow-executions/${id}/children`)), [id]);
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!value) return html`<${Loading} />`;
  if (!value.children.length) return isRoot ? html`<${Empty} title="No children">This workflow has started no other ones.</${Empty}>` : html`<p class="quiet">No children</p>`;
  return html`<ul class="tree">${value.children.map((child) => html`<${Child} key=${child.childWorkflowExecutionId} child=${child} />`)}</ul>`;
}

function Child({ child }) {
  const [open, set] = useState(false);
  const id = child.childWorkflowExecutionId;
  return html`<li><details open=${open} onToggle=${(event) => set(event.target.open)}>
    <summary><span class="strong">${visible(child.kind)}</span><${Status} of=${child.status} /><${RunLink} id=${id} /><span class="quiet">${visible(child.childExecutionName)} · <${Time} at=${child.createdAt} /></span></summary>
    ${open && html`<${Children} id=${id} />`}
  </details></li>`;
}
