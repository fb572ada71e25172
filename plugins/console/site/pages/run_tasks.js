// The tasks of a workflow, each with its attempts and its log.
import { html, useState } from "../app/ui.js";
import { get, own } from "../app/api.js";
import { span, visible } from "../app/format.js";
import { brief } from "../app/json.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, Status, Table, Time, Value } from "../app/parts.js";

export function RunTasks({ run, tasks }) {
  if (!tasks.length) return html`<${Empty} title="No tasks">This workflow has scheduled no tasks.</${Empty}>`;
  return html`<div class="task-list">${tasks.map((task) => html`<${OneTask} key=${task.id} run=${run} task=${task} />`)}</div>`;
}

function OneTask({ run, task }) {
  const [open, set] = useState(task.status === "FAILED");
  return html`<details class="task" open=${open} onToggle=${(event) => set(event.target.open)}>
    <summary><span class="strong">${visible(task.kind)}</span><${Status} of=${task.status} />
      <span class="quiet">attempt ${task.executionCount} of ${task.maxRetries + 1}</span>
      ${task.progress !== null && html`<progress max="1" value=${task.progress} aria-label="Progress"></progress>`}
      ${task.error && html`<span class="bad">${visible(brief(task.error, 120))}</span>`}</summary>
    ${open && html`<${Details} place=${own(`/workflow-executions/${run.id}/tasks/${task.id}`)} task=${task} />`}
  </details>`;
}

const ATTEMPTS = [
  { title: "Attempt", cell: (each) => each.attempt },
  { title: "Status", cell: (each) => html`<${Status} of=${each.status} />` },
  { title: "Began", cell: (each) => html`<${Time} at=${each.startedAt} />` },
  { title: "Took", cell: (each) => (each.durationMs === null ? "–" : span(each.durationMs)) },
  { title: "Worker", cell: (each) => visible(each.workerId ?? "–") },
  { title: "Error", name: "error", cell: (each) => each.error && html`<span class="bad">${visible(brief(each.error, 300))}</span>` },
];

export function Details({ place, task }) {
  const key = `${place} ${task.status} ${task.executionCount}`;
  const attempts = useLoaded(() => get(`${place}/attempts`), [key]);
  const log = useLoaded(() => get(`${place}/logs?limit=200`), [key]);
  const error = attempts.error ?? log.error;
  return html`<div class="task-details">
    <${Problem} error=${error} retry=${() => (attempts.reload(), log.reload())} />
    ${!attempts.value && !error && html`<${Loading} />`}
    ${attempts.value?.attempts.length > 0 && html`<${Table} caption="Attempts" columns=${ATTEMPTS} rows=${attempts.value.attempts} keyOf=${(each) => each.attempt} />`}
    <div class="payloads"><${Value} title="Input" of=${task.input} open=${false} /><${Value} title="Output" of=${task.output} open=${false} /></div>
    ${log.value?.logs.length > 0 && html`<pre class="log" tabindex="0" aria-label="Log">${log.value.logs.map(
      (line) => `${line.timestamp}  ${line.level.padEnd(5)}  ${visible(line.message)}\n`,
    )}</pre>`}
  </div>`;
}
