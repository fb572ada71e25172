// The worker tokens of the tenant: make, rotate and revoke them. A secret is shown once, when it is made.
import { html, useEffect, useState } from "../app/ui.js";
import { query, setQuery } from "../app/address.js";
import { get, may, send, withQuery } from "../app/api.js";
import { count, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Copy, Dialog, Empty, Field, Loading, Problem, Table, Time } from "../app/parts.js";
import { Ask } from "./run_actions.js";

const PLACE = "/api/v1/p/worker-token/tokens";
const OVERLAPS = [[0, "It ends at once"], [3600, "For an hour"], [86400, "For a day"], [604800, "For a week"]];

function stateOf(token) {
  if (token.revokedAt) return ["cancelled", "Revoked"];
  if (token.expiresAt && new Date(token.expiresAt) <= new Date()) return ["failed", "Expired"];
  return ["completed", "Valid"];
}

function State({ of }) {
  const [look, text] = stateOf(of);
  return html`<span class=${`status status-${look}`}><i aria-hidden="true"></i>${text}</span>`;
}

function Name({ of }) {
  return html`<span class="strong">${visible(of.displayName)}</span>${of.description && html`<span class="quiet under">${visible(of.description)}</span>`}`;
}

function Tools({ token, ask }) {
  if (token.revokedAt) return null;
  const button = (name, title, shown, kind = "") =>
    shown && html`<button type="button" class=${`small ${kind}`} aria-label=${`${title}: ${token.displayName}`} onClick=${() => ask({ name, token })}>${title}</button>`;
  return html`<span class="buttons">${button("rotate", "Rotate", may("worker-token", "update"))}${button("revoke", "Revoke", may("worker-token", "delete"), "danger")}</span>`;
}

export function Tokens() {
  useEffect(() => void (document.title = "Tokens · Flovyn"), []);
  const [asked, ask] = useState(null);
  const revoked = query.value.get("revoked") ?? "";
  const cursor = query.value.get("cursor") ?? "";
  const place = withQuery(PLACE, { includeRevoked: revoked && "true", cursor, limit: 50 });
  const { value, error, reload } = useLoaded(() => get(place), [place]);
  const columns = [
    { title: "Name", name: "kind", cell: (token) => html`<${Name} of=${token} />` },
    { title: "State", name: "state", cell: (token) => html`<${State} of=${token} />` },
    { title: "Begins with", cell: (token) => html`<span class="mono">${token.prefix}…</span>` },
    { title: "Last used", name: "time", cell: (token) => html`<${Time} at=${token.lastUsedAt} none="never" />` },
    { title: "Created", name: "time", cell: (token) => html`<${Time} at=${token.createdAt} />` },
    { title: "Expires", name: "time", cell: (token) => html`<${Time} at=${token.expiresAt} none="never" />` },
    { title: "Actions", name: "tools", cell: (token) => html`<${Tools} token=${token} ask=${ask} />` },
  ];
  const close = () => ask(null);
  const done = (made) => (reload(), ask(made?.token ? { name: "made", made } : null));
  return html`<div class="head"><h1>Tokens</h1>${value && html`<span class="quiet total">${count(value.total)}</span>`}<span class="grow"></span>
      ${may("worker-token", "create") && html`<button type="button" class="primary" onClick=${() => ask({ name: "create" })}>Create a token</button>`}</div>
    <p class="lead">Workers sign in with a token. The server keeps only a digest of each.</p>
    <div class="chips"><button type="button" class="chip" aria-pressed=${Boolean(revoked)} onClick=${() => setQuery({ revoked: revoked ? "" : "1", cursor: "" })}>With the revoked ones</button></div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && (value.tokens.length ? html`<${Table} caption="Tokens, oldest first" columns=${columns} rows=${value.tokens} keyOf=${(token) => token.id} />` : html`<${Empty} title="No tokens">Create one for each group of workers, so that you can revoke it alone.</${Empty}>`)}
    ${value?.nextCursor && html`<nav class="pages" aria-label="Pages of the list"><button type="button" onClick=${() => setQuery({ cursor: value.nextCursor }, {})}>More</button></nav>`}
    ${asked?.name === "create" && html`<${Create} close=${close} done=${done} />`}
    ${asked?.name === "rotate" && html`<${Rotate} token=${asked.token} close=${close} done=${done} />`}
    ${asked?.name === "revoke" && html`<${Revoke} token=${asked.token} close=${close} done=${done} />`}
    ${asked?.name === "made" && html`<${Made} made=${asked.made} close=${close} />`}`;
}

function Create(more) {
  const submit = ({ name, description, expires }) =>
    send("POST", PLACE, { displayName: name, description, ...(expires && { expiresAt: new Date(expires).toISOString() }) });
  return html`<${Ask} title="Create a token" confirm="Create" submit=${submit} ...${more}>
    <${Field} label="Name"><input name="name" required maxlength="100" /></${Field}>
    <${Field} label="Description"><input name="description" maxlength="500" /></${Field}>
    <${Field} label="Expires" hint="Empty: never"><input name="expires" type="datetime-local" /></${Field}>
  </${Ask}>`;
}

function Rotate({ token, ...more }) {
  const submit = ({ overlap }) => send("POST", `${PLACE}/${token.id}/rotate`, { overlapSeconds: Number(overlap) });
  return html`<${Ask} title=${`Rotate: ${visible(token.displayName)}?`} confirm="Rotate" submit=${submit} ...${more}>
    <p>The token gets a new secret.</p>
    <${Field} label="The present secret stays valid"><select name="overlap">${OVERLAPS.map(([seconds, text]) => html`<option value=${seconds}>${text}</option>`)}</select></${Field}>
  </${Ask}>`;
}

function Revoke({ token, ...more }) {
  const submit = () => send("DELETE", `${PLACE}/${token.id}`);
  return html`<${Ask} title=${`Revoke: ${visible(token.displayName)}?`} confirm="Revoke the token" kind="danger" submit=${submit} ...${more}>
    <p>Workers with this token are refused from now on. This cannot be taken back.</p>
  </${Ask}>`;
}

function Made({ made, close }) {
  return html`<${Dialog} title="The new secret" close=${close}>
    <p class="note">It is shown this once. Put it where your workers read it.</p>
    <pre class="secret" tabindex="0" aria-label="Secret">${made.token}</pre>
    <div class="buttons end"><${Copy} text=${made.token} label="Copy the secret" /><button type="button" class="primary" onClick=${close}>Done</button></div>
  </${Dialog}>`;
}
