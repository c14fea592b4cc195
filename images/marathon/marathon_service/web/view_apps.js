// The list of apps, in folders, with filters.
import { h } from "./vdom.js";
import { HEALTHS, STATUSES, crumbs, isFiltering, listOf, nameOf, sorted, tally } from "./model.js";
import { badge, button, empty, healthBar, icon, link, searchBox, shortAppLink, table, appLink } from "./parts.js";
import { address, toggled } from "./routes.js";
import { memory, number, plural } from "./words.js";
import * as act from "./group_actions.js";

const COLUMNS = [
  { id: "id", title: "Name", sort: "id", kind: "main" },
  { id: "status", title: "Status", sort: "status", kind: "self" },
  { id: "health", title: "Health", sort: "health", kind: "bar" },
  { id: "instances", title: "Running", sort: "instances", kind: "num" },
  { id: "cpus", title: "CPUs", sort: "cpus", kind: "num" },
  { id: "mem", title: "Memory", sort: "mem", kind: "num" },
];
const MOST = 400; // rows at once
const MOST_LABELS = 12;

export function appsView(page) {
  const { state, route, now } = page;
  const { id: group, query } = route;
  const { rows, below, flat } = listOf(state.apps, state.queue, group, query, now);
  const by = query.sort ?? "id";
  const down = query.down === "yes";
  const ordered = sorted(rows, by, down);
  const shown = ordered.slice(0, Number(query.rows ?? MOST));
  const go = (more) => page.replace(address("apps", group, { ...query, ...more }));
  const sort = { by, down, go: (column) => go({ sort: column, down: column === by && !down ? "yes" : "" }) };
  return h("div", { class: "with-side" },
    side(page, below),
    h("div", { class: "list" },
      h("div", { class: "bar-top" },
        trail(group),
        h("div", { class: "grow" }),
        group !== "/" && below.length > 0 && groupActions(page, group),
        searchBox("Search apps", query.q ?? "", (q) => go({ q })),
        link([icon("add"), "Create an app"], address("new", group), { class: "button primary" })),
      flat && h("p", { class: "found", role: "status" }, `${plural(rows.length, "app")} of ${below.length} `,
        link("Show all", address("apps", group))),
      shown.length
        ? table("Apps", COLUMNS, shown.map((r) => line(r, flat)), sort)
        : nothing(page, below.length, query),
      shown.length < ordered.length && h("p", { class: "found" },
        link(`Show all ${ordered.length}`, address("apps", group, { ...query, rows: String(ordered.length) })))));
}

function nothing(page, below, query) {
  if (!page.state.loaded) return empty("Loading the apps …");
  if (isFiltering(query) && below) return empty("No app passes the filters.", "Take one of them away, or search for less.");
  return empty("There is no app here yet.", "Create one, or send it to /v2/apps.");
}

function groupActions(page, group) {
  return h("div", { class: "actions", role: "group", "aria-label": "Actions on the group" },
    button("Scale", () => act.scale(page, group)),
    button("Restart", () => act.restart(page, group)),
    button("Destroy", () => act.destroy(page, group), { kind: "danger" }));
}

export function trail(id) {
  const all = crumbs(id);
  return h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("ol", null, all.map((c, n) => {
    const end = n === all.length - 1;
    return h("li", { key: c.id }, end
      ? h("h1", { "aria-current": "page", tabindex: "-1" }, c.name)
      : link(c.name, address("apps", c.id)));
  })));
}

function line(row, flat) {
  if (row.kind === "group") return folderLine(row);
  const { health } = row;
  return {
    key: row.id,
    cells: [
      h("span", { class: "name" }, icon("app"), h("span", { class: "name-text" }, flat ? appLink(row.id) : shortAppLink(row.id), labels(row.app))),
      badge(row.status),
      h("span", { class: "health-cell" }, healthBar(health), sign(health)),
      `${health.running} of ${row.instances}`,
      number(row.cpus),
      memory(row.mem),
    ],
  };
}

function folderLine(row) {
  const calls = STATUSES.filter((s) => row.statuses[s]);
  const odd = calls.filter((s) => s !== "running" && s !== "suspended");
  return {
    key: row.id + "/",
    kind: "folder",
    cells: [
      h("span", { class: "name" }, icon("folder"), h("span", { class: "name-text" }, link(nameOf(row.id), address("apps", row.id), { class: "id" }),
        h("span", { class: "note" }, plural(row.apps, "app")))),
      h("span", { class: "badges" }, (odd.length ? odd : calls.slice(0, 1)).map((s) =>
        h("span", { key: s }, badge(s, odd.length ? `${row.statuses[s]} ${s}` : s)))),
      h("span", { class: "health-cell" }, healthBar(row.health), sign(row.health)),
      `${row.health.running} of ${row.instances}`,
      number(row.cpus),
      memory(row.mem),
    ],
  };
}

function sign(health) {
  return health.unhealthy ? h("span", { class: "sign is-unhealthy" }, icon("unhealthy"), `${health.unhealthy}`) : null;
}

function labels(app) {
  const all = Object.entries(app.labels ?? {});
  if (!all.length) return null;
  return h("span", { class: "labels" }, all.slice(0, 3).map(([k, v]) =>
    h("span", { key: k, class: "label", title: `${k}: ${v}` }, v === "" ? k : `${k}:${v}`)),
  all.length > 3 && h("span", { class: "label", title: all.slice(3).map(([k, v]) => `${k}: ${v}`).join("\n") }, `+${all.length - 3}`));
}

function side(page, below) {
  const { route } = page;
  const { query, id } = route;
  const counts = tally(below);
  const box = (name, value, text) => h("label", { key: value, class: "check" },
    h("input", {
      type: "checkbox", checked: query[name].includes(value),
      on: { change: () => page.replace(address("apps", id, toggled(query, name, value))) },
    }), text, h("span", { class: "count" }, String(counts[name][value] ?? 0)));
  const names = [...new Set([...query.label, ...Object.keys(counts.label).sort((a, b) => counts.label[b] - counts.label[a] || (a < b ? -1 : 1)).slice(0, MOST_LABELS)])];
  const count = query.status.length + query.health.length + query.label.length;
  return h("details", { class: "side", open: page.wide }, h("summary", null, count ? `Filters (${count})` : "Filters"),
    h("fieldset", null, h("legend", null, "Status"), STATUSES.map((s) => box("status", s, badge(s)))),
    h("fieldset", null, h("legend", null, "Health"), HEALTHS.map((s) => box("health", s, badge(s)))),
    names.length > 0 && h("fieldset", null, h("legend", null, "Label"), names.map((n) => box("label", n, h("span", { class: "label" }, n)))));
}
