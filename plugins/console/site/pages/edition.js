// This edition: its build, its plugins, and the migrations that its database has.
import { html, useEffect } from "../app/ui.js";
import { get } from "../app/api.js";
import { count, span, visible } from "../app/format.js";
import { useLoaded } from "../app/load.js";
import { Facts, Loading, Problem, Table, Time } from "../app/parts.js";

const STATES = { APPLIED: ["completed", "Applied"], PENDING: ["waiting", "Pending"], NEWER: ["cancelled", "Of a newer edition"] };

function State({ of }) {
  const [look, text] = STATES[of];
  return html`<span class=${`status status-${look}`}><i aria-hidden="true"></i>${text}</span>`;
}

const PLUGINS = [
  { title: "Plugin", name: "kind", cell: (each) => html`<span class="strong">${visible(each.name)}</span>` },
  { title: "Version", name: "state", cell: (each) => visible(each.version) },
];
const MIGRATIONS = [
  { title: "Migration", name: "kind", cell: (each) => html`<span class="mono">${String(each.version).padStart(4, "0")}</span> <span class="strong">${visible(each.description)}</span>` },
  { title: "Of", cell: (each) => visible(each.owner) },
  { title: "State", name: "state", cell: (each) => html`<${State} of=${each.state} />` },
  { title: "Applied", name: "time", cell: (each) => html`<${Time} at=${each.appliedAt} />` },
  { title: "Took", name: "time", cell: (each) => (each.durationMs === null ? "–" : span(each.durationMs)) },
];

export function Edition() {
  useEffect(() => void (document.title = "Edition · Flovyn"), []);
  const { value, error, reload } = useLoaded(() => get("/api/v1/edition"), [""]);
  const missing = value?.migrations.filter((each) => each.state === "PENDING").length;
  return html`<div class="head"><h1>Edition${value ? ` ${visible(value.name)}` : ""}</h1></div>
    <${Problem} error=${error} retry=${reload} />
    ${!value && !error && html`<${Loading} />`}
    ${value && html`<${Facts} of=${[
        ["Version", visible(value.version)],
        ["Python", value.platform ? `${value.python} on ${value.platform}` : value.python],
        ["Commit", value.commit && html`<span class="mono">${value.commit.slice(0, 12)}</span>`],
        ["Commit date", value.commitDate],
      ]} />
      ${missing > 0 && html`<p class="note">The database lacks ${count(missing)} migrations. Run migrate, or start the server again.</p>`}
      <h2>Plugins</h2>
      ${value.plugins.length ? html`<${Table} caption="Plugins, by name" columns=${PLUGINS} rows=${value.plugins} keyOf=${(each) => each.name} />` : html`<p class="quiet">This edition has no plugins.</p>`}
      <h2>Migrations</h2>
      <${Table} caption="Migrations, the core's first" columns=${MIGRATIONS} rows=${value.migrations} keyOf=${(each) => `${each.owner} ${each.version}`} />`}`;
}
