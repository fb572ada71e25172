// The events of a workflow. Only those in sight are in the page, so that 50,000 of them scroll as ten do.
import { html, useEffect, useMemo, useRef, useState } from "../app/ui.js";
import { span, visible } from "../app/format.js";
import { brief, pretty } from "../app/json.js";
import { Empty, Time, Value } from "../app/parts.js";

const HEIGHT = 34;
const MORE = 12;
const words = (type) => type.toLowerCase().replaceAll("_", " ");

function useWindow(length) {
  const frame = useRef(null);
  const [place, set] = useState({ top: 0, height: 560 });
  useEffect(() => {
    const element = frame.current;
    const look = () => set({ top: element.scrollTop, height: element.clientHeight });
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => element.removeEventListener("scroll", look);
  }, []);
  const first = Math.max(0, Math.floor(place.top / HEIGHT) - MORE);
  const end = Math.min(length, Math.ceil((place.top + place.height) / HEIGHT) + MORE);
  return { frame, first, end };
}

function download(run, events) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([pretty(events)], { type: "application/json" }));
  link.download = `${run.id}.json`;
  link.click();
  setTimeout(URL.revokeObjectURL, 1000, link.href);
}

export function Events({ run, events }) {
  const [type, setType] = useState("");
  const [chosen, choose] = useState(null);
  const types = useMemo(() => [...new Set(events.map((each) => each.eventType))].sort(), [events]);
  const found = useMemo(() => (type ? events.filter((each) => each.eventType === type) : events), [events, type]);
  const { frame, first, end } = useWindow(found.length);
  const began = +new Date(run.createdAt);
  return html`<div class="events">
    <div class="filters">
      <select aria-label="Type of event" value=${type} onChange=${(event) => setType(event.target.value)}>
        <option value="">All types</option>${types.map((each) => html`<option value=${each}>${words(each)}</option>`)}
      </select>
      <span class="grow"></span>
      <button type="button" class="small" onClick=${() => download(run, events)}>Download JSON</button>
    </div>
    ${!found.length && html`<${Empty} title="No events">The history begins when the workflow is started.</${Empty}>`}
    <div class="event-frame" ref=${frame} tabindex="0" role="group" aria-label="Events, in their order">
      <div class="event-all" style=${{ height: `${found.length * HEIGHT}px` }}>
        ${found.slice(first, end).map(
          (event, index) => html`<button type="button" key=${event.sequence} class="event" style=${{ top: `${(first + index) * HEIGHT}px` }} aria-pressed=${chosen === event.sequence} onClick=${() => choose(event.sequence)}>
            <span class="mono quiet">${event.sequence}</span><span class="quiet">+${span(new Date(event.timestamp) - began)}</span>
            <span class="strong">${words(event.eventType)}</span><span class="mono data">${visible(brief(event.data, 160))}</span>
          </button>`,
        )}
      </div>
    </div>
    ${chosen && html`<${Chosen} event=${events.find((each) => each.sequence === chosen)} />`}
  </div>`;
}

function Chosen({ event }) {
  return html`<div class="chosen"><h3>${event.sequence} · ${words(event.eventType)} <${Time} at=${event.timestamp} /></h3>
    ${event.superseded && html`<p class="quiet">A retry has replaced this event; workers do not see it.</p>`}
    <${Value} title="Data" of=${event.data} /></div>`;
}
