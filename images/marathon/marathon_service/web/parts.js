// What several views share.
import { h } from "./vdom.js";
import { nameOf } from "./model.js";
import { address } from "./routes.js";
import { ago, healthText } from "./words.js";

const ICONS = {
  folder: "M3 6.5A1.5 1.5 0 0 1 4.5 5h4l2 2.5h9A1.5 1.5 0 0 1 21 9v8.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5z",
  app: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  running: "M8 5.5v13l10.5-6.5z",
  deploying: "M20 12a8 8 0 1 1-2.5-5.8M20 3v4.5h-4.5",
  suspended: "M8 5v14M16 5v14",
  delayed: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.5l3.5 2",
  waiting: "M7 3h10M7 21h10M8 3c0 5 8 6 8 9s-8 4-8 9M16 3c0 5-8 6-8 9s8 4 8 9",
  healthy: "M4.5 12.5l5 5 10-11",
  unhealthy: "M12 3.5l9.5 16.5h-19zM12 10v4.5M12 17.3v.2",
  unknown: "M8.5 9a3.5 3.5 0 1 1 5.2 3c-1.2.7-1.7 1.4-1.7 2.7M12 18.3v.2",
  add: "M12 5v14M5 12h14",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L21 21",
  close: "M6 6l12 12M18 6L6 18",
};

export function icon(name) {
  return h("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: ICONS[name] }));
}

/** A word with a colour and a sign, so that it does not hang on the colour. */
export function badge(name, text = name, more = {}) {
  return h("span", { class: `badge is-${name}`, ...more }, ICONS[name] && icon(name), text);
}

const SEGMENTS = ["healthy", "unchecked", "unknown", "unhealthy", "staged", "missing"];

export function healthBar(health) {
  const parts = SEGMENTS.filter((k) => health[k]);
  return h("span", { class: "health", role: "img", "aria-label": `Health: ${healthText(health)}`, title: healthText(health) },
    parts.length
      ? parts.map((k) => h("span", { key: k, class: `seg seg-${k}`, vars: { "--n": String(health[k]) } }))
      : h("span", { key: "none", class: "seg seg-none", vars: { "--n": "1" } }));
}

/** A time as how long ago it was; the time itself on the pointer. */
export function when(stamp, now) {
  return stamp ? h("time", { datetime: stamp, title: stamp }, ago(stamp, now)) : "–";
}

export function button(text, click, more = {}) {
  const { kind = "", ...rest } = more;
  return h("button", { type: "button", class: `button ${kind}`.trim(), on: { click }, ...rest }, text);
}

export const link = (text, href, more = {}) => h("a", { href, ...more }, text);
export const appLink = (id, text = id) => link(text, address("app", id), { class: "id" });
export const shortAppLink = (id) => link(nameOf(id), address("app", id), { class: "id" });

export function empty(title, ...text) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text.map((t) => h("p", null, t)));
}

export function notice(kind, ...children) {
  return h("div", { class: `notice is-${kind}` }, children);
}

/**
 * A table that becomes cards on a narrow screen. columns: [{id, title, kind, sort}], kind num, main, wide (a line of its own as a card), self (needs no name there), bar or do;
 * rows: [{key, cells: [...], kind, below}], `below` a line of its own. `sort`: {by, down, go(by)}.
 */
export function table(label, columns, rows, sort = null) {
  const head = columns.map((c) => {
    const here = sort && c.sort && sort.by === c.sort;
    const inner = sort && c.sort
      ? h("button", { type: "button", class: "sort", on: { click: () => sort.go(c.sort) } }, c.title,
        h("span", { class: "arrow", "aria-hidden": "true" }, here ? (sort.down ? "▾" : "▴") : ""))
      : c.title;
    return h("th", {
      key: c.id, class: c.kind, role: "columnheader", scope: "col",
      "aria-sort": here ? (sort.down ? "descending" : "ascending") : null,
    }, inner);
  });
  const line = (row) => [
    h("tr", { key: row.key, role: "row", class: row.kind ?? "" }, columns.map((c, n) =>
      h("td", { key: c.id, class: c.kind ?? "", role: "cell", "data-label": c.title }, row.cells[n]))),
    row.below && h("tr", { key: `${row.key}+`, role: "row", class: "below" },
      h("td", { role: "cell", colspan: String(columns.length) }, row.below)),
  ];
  // Roles by name: as cards, the browser no longer takes it for a table.
  return h("div", { class: "table-box" }, h("table", { role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, rows.map(line))));
}

/** Name and value, one under the other. Values that are null are left out. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, v]) => v !== null && v !== undefined && v !== "").map(([k, v]) =>
    h("div", { key: k }, h("dt", null, k), h("dd", null, v))));
}

export function searchBox(label, value, type) {
  return h("label", { class: "search" }, icon("search"), h("span", { class: "hidden" }, label),
    h("input", { type: "search", placeholder: label, value, autocomplete: "off", spellcheck: "false", "data-search": "", on: { input: (e) => type(e.target.value) } }));
}
