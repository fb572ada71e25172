// A standalone task.
import { html, useEffect } from "../app/ui.js";
import { href } from "../app/address.js";
import { get, own } from "../app/api.js";
import { shortId, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Copy, Facts, Loading, Problem, Status, Time, Value } from "../app/parts.js";
import { Details } from "./run_tasks.js";

export function Task({ parameters: [id] }) {
  const place = own(`/task-executions/${id}`);
  const { value: task, error, reload } = useLoaded(() => get(place), [id], 5000);
  useEffect(() => void (document.title = "Task · Flovyn"), []);
  if (!task) return error ? html`<h1>Task</h1><${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  return html`<article>
    <nav class="crumbs" aria-label="Where you are"><a href=${href("/tasks")}>Tasks</a><span aria-hidden="true">/</span><span class="mono">${shortId(id)}</span></nav>
    <div class="head"><h1>${visible(task.kind)}</h1><${Status} of=${task.status} /></div>
    ${task.error && html`<${Value} title="Error" of=${task.error} />`}
    <${Facts} of=${[
      ["Task", html`<span class="mono">${task.id}</span> <${Copy} text=${task.id} />`],
      ["Created", html`<${Time} at=${task.createdAt} />`],
      ["Attempts", `${task.executionCount} of ${task.maxRetries + 1}`],
      ["Queue", visible(task.queue)],
      ["Worker", task.workerId && visible(task.workerId)],
    ]} />
    <${Details} place=${place} task=${task} />
  </article>`;
}
