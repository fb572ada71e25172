// The page of the plugin: the greetings of the tenant in which the browser is signed in.
import { show } from "./greetings.js";

const base = document.documentElement.dataset.base;

async function get(path) {
  const answer = await fetch(base + path, { headers: { accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

show(document.getElementById("greetings"), { get });
