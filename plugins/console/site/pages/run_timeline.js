// The timeline of a workflow: one row for each task, timer, promise, child and signal, with long idle times folded.
import { html, useMemo, useState } from "../app/ui.js";
import { now, span, visible } from "../app/format.js";
import { brief } from "../app/json.js";
import { foldedScale, spansOf } from "./run_spans.js";

const ROWS = 40;
const percent = (place) => `${(place * 100).toFixed(3)}%`;

export function Timeline({ run, events, tasks }) {
  const spans = useMemo(() => spansOf(events), [events]);
  const [whole, setWhole] = useState(false);
  const first = +new Date(run.createdAt);
  const last = Math.max(run.completedAt ? +new Date(run.completedAt) : now.value, first + 1, ...spans.slice(-1).map((each) => +new Date(each.start)));
  const scale = useMemo(() => foldedScale(spans, first, last), [spans, first, last]);
  if (!spans.length) return null;
  const shown = whole ? spans : spans.slice(-ROWS);
  const attempts = new Map(tasks.map((task) => [task.id, task.executionCount]));
  return html`<section class="timeline" aria-labelledby="timeline-title">
    <div class="head small-head"><h2 id="timeline-title">Timeline</h2><span class="quiet">${span(last - first)}${scale.folds.length ? `, ${scale.folds.length} idle ${scale.folds.length > 1 ? "times" : "time"} folded` : ""}</span>
      <span class="grow"></span>
      ${spans.length > ROWS && html`<button type="button" class="small" onClick=${() => setWhole(!whole)}>${whole ? `Last ${ROWS}` : `All ${spans.length}`}</button>`}
    </div>
    <div class="rows" role="list">
      <div class="folds" aria-hidden="true">${scale.folds.map(
        (fold) => html`<i style=${{ left: percent(fold.from), width: percent(fold.to - fold.from) }}><b>${span(fold.length)}</b></i>`,
      )}</div>
      ${shown.map((each) => html`<${Row} key=${`${each.kind}${each.id}`} of=${each} scale=${scale} last=${last} attempts=${attempts.get(each.id)} />`)}
    </div>
  </section>`;
}

function Row({ of, scale, last, attempts }) {
  const start = +new Date(of.start);
  const end = of.end ? +new Date(of.end) : last;
  const from = scale.placeOf(start);
  const width = Math.max(scale.placeOf(end) - from, 0);
  const took = of.kind === "signal" || of.kind === "step" ? "" : span(end - start);
  const text = `${of.kind} ${visible(of.name)}, ${of.outcome}${took ? `, ${took}` : ""}${attempts > 1 ? `, ${attempts} attempts` : ""}`;
  return html`<div class="row" role="listitem" aria-label=${text} title=${text}>
    <span class="what"><em>${of.kind}</em><span>${visible(brief(of.name, 60))}</span></span>
    <span class="track"><i class=${`bar ${of.kind} ${of.outcome}`} style=${{ left: percent(Math.min(from, 0.995)), width: percent(width) }}></i></span>
    <span class="took">${took}${attempts > 1 ? html` <b>×${attempts}</b>` : ""}</span>
  </div>`;
}
