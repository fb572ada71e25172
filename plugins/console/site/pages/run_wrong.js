// What is wrong with a workflow, or what it waits for, in one line each.
import { html } from "../app/ui.js";
import { serverTime } from "../app/clock.js";
import { visible } from "../app/format.js";
import { brief } from "../app/json.js";
import { Time } from "../app/parts.js";
import { spansOf } from "./run_spans.js";

const QUIET_MS = 60_000;

function reasons(run, tasks, events) {
  const found = [];
  if (run.error) found.push(["bad", "It failed", html`<span class="mono">${visible(brief(run.error, 600))}</span>`]);
  for (const task of tasks) {
    if (task.error && task.status !== "COMPLETED") {
      const again = task.status === "FAILED" ? "has failed for good" : `fails and is tried again (attempt ${task.executionCount} of ${task.maxRetries + 1})`;
      found.push(["bad", `Task ${visible(task.kind)} ${again}`, html`<span class="mono">${visible(brief(task.error, 300))}</span>`]);
    }
  }
  if (run.status === "PENDING" && serverTime() - new Date(run.updatedAt) > QUIET_MS) {
    found.push(["warn", "No worker has taken it", html`It waits in the queue ${visible(run.queue)}; its last change: <${Time} at=${run.updatedAt} />.`]);
  }
  for (const warning of run.warnings) found.push(["warn", "Warning", visible(warning)]);
  if (run.status === "WAITING") {
    for (const span of spansOf(events).filter((each) => !each.end && each.kind !== "task").slice(0, 5)) {
      found.push(["info", `It waits for the ${span.kind} ${visible(brief(span.name, 80))}`, html`It began to wait: <${Time} at=${span.start} />.`]);
    }
  }
  return found;
}

export function Wrong({ run, tasks, events }) {
  const found = reasons(run, tasks, events);
  if (!found.length) return null;
  return html`<ul class="wrong" aria-label="What to know">${found.map(
    ([level, title, text]) => html`<li class=${level}><strong>${title}</strong><span>${text}</span></li>`,
  )}</ul>`;
}
