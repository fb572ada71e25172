// An agent: its conversation, its checkpoints, tasks, signals and children.
import { html, useEffect, useRef, useState } from "../app/ui.js";
import { href } from "../app/address.js";
import { get, may, own, send } from "../app/api.js";
import { shortId, visible } from "../app/format.js";
import { brief } from "../app/json.js";
import { useLoaded } from "../app/load.js";
import { Copy, Empty, Facts, Field, Loading, Problem, Status, Table, Time, Value } from "../app/parts.js";
import { AgentLink, COLUMNS, waitsFor } from "./agents.js";
import { Ask, jsonOf } from "./run_actions.js";

const ENDED = ["COMPLETED", "FAILED", "CANCELLED"];
const AGAIN_MS = 4000;
const PAGE = 100;

const TASKS = [
  { title: "Task", name: "kind", cell: (task) => html`<span class="strong">${visible(task.kind)}</span>` },
  { title: "Status", name: "state", cell: (task) => html`<${Status} of=${task.status} />` },
  { title: "Attempts", cell: (task) => `${task.executionCount} of ${task.maxRetries + 1}` },
  { title: "Created", name: "time", cell: (task) => html`<${Time} at=${task.createdAt} />` },
  { title: "Error", name: "error", cell: (task) => task.error && html`<span class="bad">${visible(brief(task.error, 300))}</span>` },
];
const SIGNALS = [
  { title: "Signal", name: "kind", cell: (signal) => html`<span class="strong">${visible(signal.signalName)}</span>` },
  { title: "Value", cell: (signal) => html`<span class="mono">${visible(brief(signal.signalValue))}</span>` },
  { title: "Sent", name: "time", cell: (signal) => html`<${Time} at=${signal.createdAt} />` },
  { title: "Consumed", name: "time", cell: (signal) => html`<${Time} at=${signal.consumedAt} none="not yet" />` },
];

export function Agent({ parameters: [id] }) {
  const [asked, ask] = useState(null);
  const [open, setOpen] = useState(true);
  const place = own(`/agent-executions/${id}`);
  const { value: agent, error, reload } = useLoaded(() => get(place), [id], open ? AGAIN_MS : 0);
  useEffect(() => {
    document.title = `${agent ? visible(agent.kind) : "Agent"} · Flovyn`;
    if (agent) setOpen(!ENDED.includes(agent.status));
  }, [agent]);
  if (!agent) return error ? html`<h1>Agent</h1><${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  const steers = open && may("agent", "update");
  const more = { place, close: () => ask(null), done: () => (ask(null), reload()) };
  return html`<article>
    <nav class="crumbs" aria-label="Where you are"><a href=${href("/agents")}>Agents</a><span aria-hidden="true">/</span><span class="mono">${shortId(id)}</span></nav>
    <div class="head"><h1>${visible(agent.kind)}</h1><${Status} of=${agent.status} /><span class="grow"></span>
      ${steers && html`<div class="actions"><button type="button" onClick=${() => ask("signal")}>Signal</button><button type="button" class="danger" onClick=${() => ask("cancel")}>Cancel</button></div>`}</div>
    <${Problem} error=${error} retry=${reload} />
    ${agent.error && html`<ul class="wrong" aria-label="What to know"><li class="bad"><strong>It failed</strong><span class="mono">${visible(brief(agent.error, 600))}</span></li></ul>`}
    ${agent.waitingFor && html`<ul class="wrong" aria-label="What to know"><li class="info"><strong>It waits for ${waitsFor(agent)}</strong></li></ul>`}
    <${Facts} of=${factsOf(agent)} />
    <${Parts} place=${place} agent=${agent} />
    ${asked === "signal" && html`<${Signal} ...${more} />`}${asked === "cancel" && html`<${Cancel} ...${more} />`}
  </article>`;
}

function factsOf(agent) {
  return [
    ["Agent", html`<span class="mono">${agent.id}</span> <${Copy} text=${agent.id} />`],
    ["Created", html`<${Time} at=${agent.createdAt} />`],
    ["Ended", agent.completedAt && html`<${Time} at=${agent.completedAt} />`],
    ["Queue", visible(agent.queue)],
    ["Worker", agent.workerId && visible(agent.workerId)],
    ["Checkpoint", agent.currentCheckpointSeq < 0 ? "" : agent.currentCheckpointSeq],
    ["Open signals", agent.openSignals || ""],
    ["Parent", agent.parentExecutionId && html`<${AgentLink} id=${agent.parentExecutionId} />`],
  ];
}

const PARTS = {
  Conversation: Conversation,
  "Input and output": ({ agent }) => html`<div class="payloads"><${Value} title="Input" of=${agent.input} /><${Value} title="Output" of=${agent.output} /></div>`,
  Checkpoints: ({ place, at }) => html`<${Listed} place=${`${place}/checkpoints`} at=${at} of="checkpoints" none="The agent has kept no state yet.">${(list) => list.toReversed().map(
    (each, index) => html`<${Value} key=${each.id} title=${`Checkpoint ${each.sequence}`} of=${each.state} open=${index === 0} />`)}</${Listed}>`,
  Tasks: ({ place, at }) => html`<${Listed} place=${`${place}/tasks`} at=${at} of="tasks" none="The agent has scheduled no tasks.">${(list) => html`<${Table} caption="Tasks" columns=${TASKS} rows=${list} keyOf=${(each) => each.id} />`}</${Listed}>`,
  Signals: ({ place, at }) => html`<${Listed} place=${`${place}/signals`} at=${at} of="signals" none="No one has sent a signal.">${(list) => html`<${Table} caption="Signals" columns=${SIGNALS} rows=${list} keyOf=${(each) => each.id} />`}</${Listed}>`,
  Children: ({ place, at }) => html`<${Listed} place=${`${place}/children`} at=${at} of="children" none="The agent has spawned no others.">${(list) => html`<${Table} caption="Children" columns=${COLUMNS} rows=${list} keyOf=${(each) => each.id} />`}</${Listed}>`,
};

function Parts({ place, agent }) {
  const [tab, setTab] = useState("Conversation");
  return html`<div class="tabs" role="tablist" aria-label="Parts of the agent">${Object.keys(PARTS).map(
      (title) => html`<button type="button" role="tab" id=${`tab-${title.slice(0, 3)}`} aria-controls="part" aria-selected=${tab === title} onClick=${() => setTab(title)}>${title}</button>`,
    )}</div>
    <section id="part" role="tabpanel" aria-labelledby=${`tab-${tab.slice(0, 3)}`}><${PARTS[tab]} key=${tab} place=${place} agent=${agent} at=${agent.updatedAt} /></section>`;
}

// Loads when the part is shown, and again when the agent has changed; until then it shows what is known.
function useFresh(load, place, at) {
  const loaded = useLoaded(load, [place]);
  const seen = useRef(at);
  useEffect(() => {
    if (seen.current !== at) loaded.reload();
    seen.current = at;
  }, [at]);
  return loaded;
}

function Listed({ place, at, of, none, children }) {
  const { value, error, reload } = useFresh(() => get(place), place, at);
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!value) return html`<${Loading} />`;
  return value[of].length ? html`<div class="task-list">${children(value[of])}</div>` : html`<${Empty} title="Nothing here">${none}</${Empty}>`;
}

// Loads pages of entries until the last one.
async function allEntries(place) {
  const found = [];
  for (let after = ""; ; after = `&after=${found.at(-1).id}`) {
    const { entries } = await get(`${place}/entries?limit=${PAGE}${after}`);
    found.push(...entries);
    if (entries.length < PAGE) return { entries: found };
  }
}

const textOf = (content) => (typeof content === "string" ? content : typeof content?.text === "string" ? content.text : null);

function Conversation({ place, at }) {
  const { value, error, reload } = useFresh(() => allEntries(place), place, at);
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!value) return html`<${Loading} />`;
  if (!value.entries.length) return html`<${Empty} title="Nothing was said yet">Each message of the agent appears here.</${Empty}>`;
  return html`<ol class="talk">${value.entries.map(
    (entry) => html`<li key=${entry.id} class=${entry.role === "user" ? "theirs" : ""}>
      <div class="quiet"><b>${visible(entry.role ?? entry.entryType.toLowerCase())}</b> <${Time} at=${entry.createdAt} /></div>
      ${textOf(entry.content) === null ? html`<pre>${visible(brief(entry.content, 4000))}</pre>` : html`<p>${visible(textOf(entry.content))}</p>`}
    </li>`,
  )}</ol>`;
}

function Signal({ place, ...more }) {
  const submit = ({ name, value }) => send("POST", `${place}/signal`, { signalName: name, signalValue: jsonOf(value, "The value") });
  return html`<${Ask} title="Send a signal" confirm="Send" submit=${submit} ...${more}>
    <${Field} label="Name"><input name="name" required maxlength="255" /></${Field}>
    <${Field} label="Value" hint="JSON; empty is null"><textarea name="value" rows="6" spellcheck=${false}></textarea></${Field}>
  </${Ask}>`;
}

function Cancel({ place, ...more }) {
  const submit = ({ reason, cascade }) => send("POST", `${place}/cancel`, { reason: reason || "cancelled in the console", cascadeToChildren: Boolean(cascade) });
  return html`<${Ask} title="Cancel this agent?" confirm="Cancel the agent" kind="danger" submit=${submit} ...${more}>
    <p>The agent stops with the next answer of its worker. This cannot be taken back.</p>
    <${Field} label="Reason"><input name="reason" maxlength="500" /></${Field}>
    <label class="check"><input type="checkbox" name="cascade" value="1" checked /> Cancel its children, too</label>
  </${Ask}>`;
}
