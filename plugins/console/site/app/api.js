// Calls of the REST API, with the session of the browser or with one credential (at the sign-in).
import { signal } from "./ui.js";
import { base, go, path, query } from "./address.js";
import { heard } from "./clock.js";
import { parse } from "./json.js";

export const me = signal(null);
export const offline = signal(false);

export class ApiError extends Error {
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

async function call(method, place, { body, headers = {} } = {}) {
  const sent = { accept: "application/json", ...headers };
  if (method !== "GET") sent["x-flovyn-session"] = "1";
  if (body !== undefined) sent["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(base + place, { method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    offline.value = true;
    throw new ApiError(0, "offline", "The server does not answer. The page tries again.");
  }
  offline.value = false;
  heard(answer.headers.get("date"));
  const text = await answer.text();
  let found = null;
  try {
    found = text ? parse(text) : null;
  } catch {
    throw new ApiError(answer.status, "not_json", `The server answered ${answer.status} with something that is no JSON.`);
  }
  if (answer.ok) return found;
  if (answer.status === 401 && !headers.authorization) leaveForSignIn();
  throw new ApiError(answer.status, found?.code ?? "error", found?.error ?? `The server answered ${answer.status}.`);
}

export const get = (place) => call("GET", place);
export const send = (method, place, body, headers) => call(method, place, { body, headers });

export async function signIn(credential) {
  await call("POST", "/api/v1/session", { headers: { authorization: `Bearer ${credential}` } });
  me.value = await get("/api/v1/me");
}

export async function signOut() {
  await send("DELETE", "/api/v1/session");
  me.value = null;
  go("/sign-in");
}

export function leaveForSignIn() {
  me.value = null;
  if (path.value === "/sign-in") return;
  const wanted = path.value + (query.value.toString() ? `?${query.value}` : "");
  go(`/sign-in?next=${encodeURIComponent(`${base}/console${wanted}`)}`, { replace: true });
}

// The path of a resource of the caller's tenant.
export function own(place) {
  return `/api/v1/tenants/${encodeURIComponent(me.value.tenant.slug)}${place}`;
}

export function may(resource, action) {
  return Boolean(me.value?.may[resource]?.includes(action));
}

export function withQuery(place, parameters) {
  const found = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  return found.size ? `${place}?${found}` : place;
}
