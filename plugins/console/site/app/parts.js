// Small parts of which pages are made.
import { html, useEffect, useRef, useState } from "./ui.js";
import { href } from "./address.js";
import { exactTime, shortId, time, visible } from "./format.js";
import { pretty } from "./json.js";

export function Status({ of }) {
  return html`<span class="status status-${of.toLowerCase()}"><i aria-hidden="true"></i>${of[0]}${of.slice(1).toLowerCase()}</span>`;
}

export function Time({ at, none = "–" }) {
  if (!at) return html`<span class="quiet">${none}</span>`;
  return html`<time datetime=${at} title=${exactTime(at)}>${time(at)}</time>`;
}

export function RunLink({ id, whole = false }) {
  return html`<a class="mono" href=${href(`/workflows/${id}`)} title=${id}>${whole ? id : shortId(id)}</a>`;
}

export function Problem({ error, retry }) {
  if (!error) return null;
  return html`<div class="problem" role="alert">
    <strong>${error.status === 0 ? "No connection" : "This did not work"}</strong>
    <span>${visible(error.message)}</span>
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

export function Loading() {
  return html`<div class="loading" role="status"><span class="sr-only">Loading</span><i></i><i></i><i></i></div>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong><p>${children}</p></div>`;
}

export function Copy({ text, label = "Copy" }) {
  const [done, set] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    set(true);
    setTimeout(set, 1500, false);
  };
  return html`<button type="button" class="small" onClick=${copy}>${done ? "Copied" : label}</button>`;
}

const SHOWN = 20_000;

// A value as it was sent. A long one is cut, and can be shown whole.
export function Value({ of, title, open = true }) {
  const text = typeof of === "string" && title === "Error" ? of : pretty(of);
  const [whole, set] = useState(false);
  const shown = whole || text.length <= SHOWN ? text : text.slice(0, SHOWN);
  return html`<details class="value" open=${open}>
    <summary>${title}<span class="quiet">${text.length > 99 ? ` ${text.length} characters` : ""}</span></summary>
    <div class="value-tools"><${Copy} text=${text} /></div>
    <pre tabindex="0" aria-label=${title}>${visible(shown)}</pre>
    ${shown.length < text.length && html`<button type="button" onClick=${() => set(true)}>Show all</button>`}
  </details>`;
}

// A dialog of the browser's own: it keeps the focus inside, and Escape closes it.
export function Dialog({ title, close, children }) {
  const element = useRef(null);
  useEffect(() => element.current.showModal(), []);
  return html`<dialog ref=${element} aria-labelledby="dialog-title" onClose=${close}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}

export function Field({ label, hint, children }) {
  return html`<label class="field"><span>${label}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}

// A table whose rows are links: on a narrow screen each row is a card.
export function Table({ caption, columns, rows, keyOf }) {
  return html`<div class="table-frame"><table>
    <caption class="sr-only">${caption}</caption>
    <thead><tr>${columns.map((column) => html`<th scope="col" class=${column.name ?? ""}>${column.title}</th>`)}</tr></thead>
    <tbody>${rows.map(
      (row) => html`<tr key=${keyOf(row)}>${columns.map(
        (column) => html`<td class=${column.name ?? ""} data-title=${column.title}>${column.cell(row)}</td>`,
      )}</tr>`,
    )}</tbody>
  </table></div>`;
}

export function Facts({ of }) {
  return html`<dl class="facts">${of
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
