// The address of the page: all state that a link should keep is in it.
import { computed, signal } from "./ui.js";

export const base = document.documentElement.dataset.base;
export const home = `${base}/console`;

const current = signal(location.pathname + location.search);

export const path = computed(() => {
  const found = new URL(current.value, location.origin).pathname;
  return found.startsWith(home) ? found.slice(home.length).replace(/\/$/, "") : "";
});
export const query = computed(() => new URLSearchParams(new URL(current.value, location.origin).search));

addEventListener("popstate", () => (current.value = location.pathname + location.search));

export function href(to) {
  return home + to;
}

export function go(to, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", home + to);
  current.value = location.pathname + location.search;
  if (!replace) scrollTo(0, 0);
}

// Changes some parameters of the query; an empty value takes one out.
export function setQuery(changes, options = { replace: true }) {
  const next = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const text = next.toString();
  go(path.value + (text ? `?${text}` : ""), options);
}

// A link inside of the console is followed without a load of the page.
addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = !event.defaultPrevented && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (!plain || !link || link.target || link.origin !== location.origin) return;
  if (link.pathname !== home && !link.pathname.startsWith(`${home}/`)) return;
  event.preventDefault();
  go(link.pathname.slice(home.length) + link.search);
});
