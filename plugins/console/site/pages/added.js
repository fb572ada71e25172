// A page that another plugin adds: its module fills an element of this page.
import { html, useEffect, useRef, useState } from "../app/ui.js";
import { base, path } from "../app/address.js";
import { get, send } from "../app/api.js";
import { Problem } from "../app/parts.js";

async function show(element) {
  const { pages } = await get("/api/v1/console-pages");
  const page = pages.find((each) => each.path === `/console${path.value}`);
  if (!page) throw new Error("No plugin of this edition has this page.");
  document.title = `${page.title} · Flovyn`;
  const module = await import(new URL(base + page.module, location.origin));
  await module.show(element, { get, send });
  return page.title;
}

export function Added() {
  const element = useRef(null);
  const [title, setTitle] = useState("");
  const [error, setError] = useState(null);
  useEffect(() => void show(element.current).then(setTitle, setError), []);
  return html`<div class="head"><h1>${title}</h1></div><${Problem} error=${error} /><div class="added" ref=${element}></div>`;
}
