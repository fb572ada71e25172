// The schedules: what starts when, and pause, resume and trigger.
import { html, useEffect, useState } from "../app/ui.js";
import { get, may, own, send } from "../app/api.js";
import { count, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Empty, Loading, Problem, Table, Time } from "../app/parts.js";
import { Ask } from "./run_actions.js";

const when = (schedule) =>
  schedule.scheduleType.type === "once"
    ? html`once, <${Time} at=${schedule.scheduleType.runAt} />`
    : html`<span class="mono">${visible(schedule.scheduleType.cron)}</span> <span class="quiet">${visible(schedule.scheduleType.timezone)}</span>`;

const VERBS = {
  pause: ["Pause", "It starts nothing until it is resumed."],
  resume: ["Resume", "It starts again at its next instant."],
  trigger: ["Start now", "It starts once, now; its next instant stays."],
};

export function Schedules() {
  useEffect(() => void (document.title = "Schedules · Flovyn"), []);
  const [asked, ask] = useState(null);
  const { value, error, reload } = useLoaded(() => get(own("/schedules?limit=100")), [""], 10_000);
  const steers = may("schedule", "update");
  const columns = [
    { title: "Name", name: "kind", cell: (each) => html`<span class="strong">${visible(each.name)}</span>` },
    { title: "Starts", cell: (each) => visible(each.target.workflowKind ?? each.target.taskKind) },
    { title: "When", cell: when },
    { title: "Next", name: "time", cell: (each) => (each.enabled ? html`<${Time} at=${each.nextRunAt} none="never" />` : html`<span class="status status-cancelled"><i aria-hidden="true"></i>Paused</span>`) },
    { title: "Last", name: "time", cell: (each) => html`<${Time} at=${each.lastRunAt} none="never" />` },
    { title: "Runs", cell: (each) => count(each.runCount) },
    { title: "Actions", name: "tools", cell: (each) => steers && html`<span class="buttons">${[each.enabled ? "pause" : "resume", "trigger"].map((verb) => html`<button type="button" class="small" aria-label=${`${VERBS[verb][0]}: ${each.name}`} onClick=${() => ask({ each, verb })}>${VERBS[verb][0]}</button>`)}</span>` },
  ];
  return html`<div class="head"><h1>Schedules</h1>${value && html`<span class="quiet total">${count(value.total)}</span>`}</div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.schedules.length ? html`<${Table} caption="Schedules, newest first" columns=${columns} rows=${value.schedules} keyOf=${(each) => each.id} />` : html`<${Empty} title="No schedules">A schedule starts a workflow or a task at set times; an SDK or the API creates one.</${Empty}>`)}
    ${asked && html`<${Confirm} ...${asked} close=${() => ask(null)} done=${() => (ask(null), reload())} />`}`;
}

function Confirm({ each, verb, close, done }) {
  const [title, text] = VERBS[verb];
  const submit = () => send("POST", own(`/schedules/${each.id}/${verb}`));
  return html`<${Ask} title=${`${title}: ${visible(each.name)}?`} confirm=${title} submit=${submit} close=${close} done=${done}><p>${text}</p></${Ask}>`;
}
