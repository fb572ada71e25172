// The frame around every page: navigation, the caller, and what is wrong with the connection.
import { html, useEffect, useState } from "./ui.js";
import { base, go, href, path } from "./address.js";
import { get, may, me, offline, signOut } from "./api.js";
import { nextTimeKind, timeKind } from "./format.js";

const PLACES = [
  ["", "Workflows", "workflow-execution", "r"],
  ["/problems", "Problems", "workflow-execution", "p"],
  ["/tasks", "Tasks", "task-execution", "t"],
  ["/agents", "Agents", "agent", "a"],
  ["/promises", "Promises", "workflow-execution", "o"],
  ["/schedules", "Schedules", "schedule", "s"],
  ["/queues", "Queues", "workflow-execution", "q"],
  ["/workers", "Workers", "worker", "w"],
  ["/tokens", "Tokens", "worker-token", "k"],
  ["/audit", "Audit log", "audit-log", "l", "manage"],
  ["/edition", "Edition", "edition", "e"],
];
const TIMES = { relative: "Relative times", local: "Local times", utc: "UTC" };

function isHere(place) {
  return place ? path.value.startsWith(place) : path.value === "" || path.value.startsWith("/workflows");
}

function useKeys() {
  useEffect(() => {
    let before = "";
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.matches("input, textarea, select, [contenteditable]")) return;
      const place = before === "g" && PLACES.find((each) => each[3] === event.key);
      before = event.key;
      if (place) go(place[0]);
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector("input[type=search]")?.focus();
      } else if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

// Moves the focus to the next or the previous row of the list.
function step(by) {
  const links = [...document.querySelectorAll("tbody tr td:first-child a, tbody tr th a")];
  const at = links.indexOf(document.activeElement);
  links[Math.max(0, Math.min(links.length - 1, at + by))]?.focus();
}

export function Shell({ children }) {
  const [added, setAdded] = useState([]);
  useKeys();
  useEffect(() => void get("/api/v1/console-pages").then(({ pages }) => setAdded(pages), () => {}), []);
  useEffect(() => document.querySelector(".top [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [path.value]);
  const caller = me.value;
  const places = caller.tenant ? PLACES.filter(([, , resource, , action = "view"]) => may(resource, action)) : [];
  return html`<a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href=${href("")}><span class="mark" aria-hidden="true"></span>Flovyn</a>
      <nav aria-label="Pages">
        ${places.map(([place, title]) => html`<a href=${href(place)} aria-current=${isHere(place) ? "page" : null}>${title}</a>`)}
        ${added.map(({ path: place, title }) => html`<a href=${base + place}>${title}</a>`)}
      </nav>
      <div class="caller">
        <button type="button" class="plain time-kind" title="Change how times are shown" onClick=${nextTimeKind}>${TIMES[timeKind.value]}</button>
        <a class="who" href=${href("/account")} title="Your account">
          <b>${caller.principalId}</b><span>${caller.tenant?.name ?? (caller.isOperator ? "Operator" : "")}</span>
        </a>
        ${caller.session && html`<button type="button" class="plain" onClick=${signOut}>Sign out</button>`}
      </div>
    </header>
    ${offline.value && html`<div class="offline" role="alert">The server does not answer. This page goes on by itself when it is back.</div>`}
    <main id="main" tabindex="-1">${children}</main>`;
}
