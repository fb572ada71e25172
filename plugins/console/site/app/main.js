// Begins the console: finds out who is signed in, and shows the page of the address.
import { html, render, useEffect, useState } from "./ui.js";
import { path } from "./address.js";
import { get, me, offline } from "./api.js";
import { Empty, Loading, Problem } from "./parts.js";
import { Shell } from "./shell.js";
import { SignIn } from "../pages/sign_in.js";
import { Runs } from "../pages/runs.js";

// Pages beside the first one are loaded when they are first opened.
const PAGES = [
  [/^$/, () => Runs],
  [/^\/workflows\/([^/]+)$/, async () => (await import("../pages/run.js")).Run],
  [/^\/problems$/, async () => (await import("../pages/problems.js")).Problems],
  [/^\/tasks$/, async () => (await import("../pages/tasks.js")).Tasks],
  [/^\/tasks\/([^/]+)$/, async () => (await import("../pages/task.js")).Task],
  [/^\/schedules$/, async () => (await import("../pages/schedules.js")).Schedules],
  [/^\/agents$/, async () => (await import("../pages/agents.js")).Agents],
  [/^\/agents\/([^/]+)$/, async () => (await import("../pages/agent.js")).Agent],
  [/^\/tokens$/, async () => (await import("../pages/tokens.js")).Tokens],
  [/^\/audit$/, async () => (await import("../pages/audit.js")).Audit],
  [/^\/promises$/, async () => (await import("../pages/promises.js")).Promises],
  [/^\/queues$/, async () => (await import("../pages/queues.js")).Queues],
  [/^\/edition$/, async () => (await import("../pages/edition.js")).Edition],
  [/^\/workers$/, async () => (await import("../pages/workers.js")).Workers],
  [/^\/account$/, async () => (await import("../pages/account.js")).Account],
  [/^\/p\/([^/]+)\/(.+)$/, async () => (await import("../pages/added.js")).Added],
];

function NotFound() {
  return html`<${Empty} title="There is no such page">Choose one above.</${Empty}>`;
}

function NoTenant() {
  return html`<${Empty} title="This credential belongs to no tenant">
    Workflows are seen with a credential of their tenant. Operators administer tenants over the API.
  </${Empty}>`;
}

// A module that could not be loaded is not asked for again by every browser: the whole page is, when the server is back.
function loadAgainLater() {
  offline.value = true;
  setTimeout(() => get("/api/v1/me").then(() => location.reload(), loadAgainLater), 3000);
}

function Routed() {
  const [shown, set] = useState(null);
  const place = path.value;
  useEffect(() => {
    let left = false;
    const found = PAGES.map(([pattern, load]) => [place.match(pattern), load]).find(([match]) => match);
    const show = (Page, parameters) => left || set({ Page, parameters, place });
    if (!found) show(NotFound, []);
    else if (!me.value.tenant && place !== "/account") show(NoTenant, []);
    else Promise.resolve(found[1]()).then((Page) => show(Page, found[0].slice(1).map(decodeURIComponent)), loadAgainLater);
    return () => void (left = true);
  }, [place]);
  if (!shown || shown.place !== place) return html`<${Loading} />`;
  return html`<${shown.Page} key=${place} parameters=${shown.parameters} />`;
}

function App() {
  const [error, setError] = useState(null);
  const ask = () => get("/api/v1/me").then((found) => (me.value = found), (failed) => failed.status === 401 || setError(failed));
  useEffect(() => {
    if (path.value !== "/sign-in") ask();
  }, []);
  useEffect(() => {
    if (error?.status !== 0) return;
    const timer = setTimeout(() => (setError(null), ask()), 3000);
    return () => clearTimeout(timer);
  }, [error]);
  if (path.value === "/sign-in") return html`<${SignIn} />`;
  if (error) return html`<main class="alone"><${Problem} error=${error} retry=${() => (setError(null), ask())} /></main>`;
  if (!me.value) return html`<main class="alone"><${Loading} /></main>`;
  return html`<${Shell}><${Routed} /></${Shell}>`;
}

render(html`<${App} />`, document.getElementById("app"));
