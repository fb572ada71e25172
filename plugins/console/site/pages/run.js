// A workflow: what is wrong first, then what went in and came out, its timeline, its events and its family.
import { html, useEffect, useRef, useState } from "../app/ui.js";
import { base, href } from "../app/address.js";
import { get, own } from "../app/api.js";
import { bytes, shortId, span, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Copy, Facts, Loading, Problem, RunLink, Status, Time, Value } from "../app/parts.js";
import { Actions } from "./run_actions.js";
import { Events } from "./run_events.js";
import { Family } from "./run_family.js";
import { RunTasks } from "./run_tasks.js";
import { Timeline } from "./run_timeline.js";
import { Wrong } from "./run_wrong.js";

const ENDED = ["COMPLETED", "FAILED", "CANCELLED"];

const PAGE = 1000;

// The history so far; each load asks only for events after the last one that is known, a page of them. So a long history is
// shown from its first page on, while the rest comes.
async function loadRun(id, known) {
  const place = own(`/workflow-executions/${id}`);
  const last = known.current.events.at(-1)?.sequence ?? 0;
  const [run, { events, nextCursor }, { tasks }] = await Promise.all([
    get(place),
    get(`${place}/events?sinceSequence=${last}&limit=${PAGE}`),
    get(`${place}/tasks`),
  ]);
  const end = known.current.events.at(-1)?.sequence ?? 0;
  const fresh = events.filter((each) => each.sequence > end);
  if (fresh.length) known.current = { events: [...known.current.events, ...fresh] };
  return { run, tasks, events: known.current.events, more: nextCursor !== null };
}

// Asks again when the stream of the workflow tells of a change; the stream opens again by itself when it ends.
function useChanges(id, isOpen, reload) {
  useEffect(() => {
    if (!isOpen) return undefined;
    const stream = new EventSource(`${base}${own(`/workflow-executions/${id}/stream`)}`);
    let timer = 0;
    const changed = () => {
      timer ||= setTimeout(() => ((timer = 0), reload()), 200);
    };
    for (const kind of ["data", "token", "progress", "error", "message"]) stream.addEventListener(kind, changed);
    stream.addEventListener("open", changed);
    return () => (stream.close(), clearTimeout(timer));
  }, [id, isOpen]);
}

export function Run({ parameters: [id] }) {
  const known = useRef({ events: [] });
  const { value, error, reload } = useLoaded(() => loadRun(id, known), [id]);
  const isOpen = Boolean(value) && !ENDED.includes(value.run.status);
  useChanges(id, isOpen, reload);
  useEffect(() => void (value?.more && reload()), [value]);
  useEffect(() => void (document.title = `${value ? visible(value.run.kind) : "Workflow"} · Flovyn`), [value]);
  if (!value) return error ? html`<h1>Workflow</h1><${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  const { run, tasks, events } = value;
  return html`<article class="run">
    <nav class="crumbs" aria-label="Where you are"><a href=${href("")}>Workflows</a><span aria-hidden="true">/</span><span class="mono">${shortId(id)}</span></nav>
    <div class="head">
      <h1>${visible(run.kind)}</h1><${Status} of=${run.status} />
      <span class="grow"></span>
      <${Actions} run=${run} events=${events} changed=${reload} />
    </div>
    <${Problem} error=${error} retry=${reload} />
    <${Wrong} run=${run} tasks=${tasks} events=${events} />
    <${Facts} of=${factsOf(run)} />
    <${Timeline} run=${run} events=${events} tasks=${tasks} />
    <${Parts} run=${run} tasks=${tasks} events=${events} />
  </article>`;
}

function factsOf(run) {
  const metadata = Object.entries(run.metadata);
  return [
    ["Workflow", html`<span class="mono">${run.id}</span> <${Copy} text=${run.id} />`],
    ["Started", html`<${Time} at=${run.createdAt} />`],
    ["Took", run.completedAt ? span(new Date(run.completedAt) - new Date(run.createdAt)) : html`<span class="quiet">not ended</span>`],
    ["Queue", visible(run.queue)],
    ["Version", run.workflowVersion && visible(run.workflowVersion)],
    ["Worker", run.workerId && visible(run.workerId)],
    ["Parent", run.parentWorkflowExecutionId && html`<${RunLink} id=${run.parentWorkflowExecutionId} />`],
    ["Retries", run.retryAttempt || ""],
    ["History", `${run.currentSequence} events, ${bytes(run.historyBytes)}`],
    ["Metadata", metadata.length ? html`<span class="tags">${metadata.map(([key, value]) => html`<span>${visible(key)}=${visible(value)}</span>`)}</span>` : ""],
  ];
}

const TABS = ["Input and output", "Tasks", "Events", "Family"];

function Parts({ run, tasks, events }) {
  const [tab, setTab] = useState(TABS[0]);
  const numbers = { Tasks: tasks.length, Events: events.length };
  return html`<div class="tabs" role="tablist" aria-label="Parts of the workflow">${TABS.map(
      (title) => html`<button type="button" role="tab" id=${`tab-${title[0]}`} aria-controls="part" aria-selected=${tab === title} onClick=${() => setTab(title)}>
        ${title}${numbers[title] !== undefined && html` <b>${numbers[title]}</b>`}
      </button>`,
    )}</div>
    <section id="part" role="tabpanel" aria-labelledby=${`tab-${tab[0]}`}>
      ${tab === TABS[0] && html`<div class="payloads">
        <${Value} title="Input" of=${run.input} />
        ${run.error ? html`<${Value} title="Error" of=${run.error} />` : run.completedAt && html`<${Value} title="Output" of=${run.output} />`}
      </div>`}
      ${tab === "Tasks" && html`<${RunTasks} run=${run} tasks=${tasks} />`}
      ${tab === "Events" && html`<${Events} run=${run} events=${events} />`}
      ${tab === "Family" && html`<${Family} run=${run} />`}
    </section>`;
}
