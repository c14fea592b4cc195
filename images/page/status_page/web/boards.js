// The dashboards' panels as pictures: tabs, sections, curves, figures, tables, and lines of what was when.
import { h } from "./vdom.js";
import { chart } from "./curves.js";
import { icon, sign, sized } from "./parts.js";
import { called, cells, latest, level, tick, together, unitScale } from "./units.js";
import { clock } from "./words.js";

const RANGES = [["1h", "1 hour", "last hour"], ["6h", "6 hours", "last 6 hours"], ["24h", "24 h", "last 24 hours"], ["7d", "7 days", "last 7 days"]];
const LEGEND = 6; // curves that are named under a picture at once
const LINES = 10; // of a table or of lines over time, before those that say least are put away

/** All of the view. */
export function boards(panels, live, redraw) {
  const { board } = panels;
  return [
    h("h1", { class: "hidden" }, "Panels of the dashboards"),
    tabs(panels, live.now?.pools ?? []),
    panels.why && h("p", { class: "banner", role: "alert" }, icon("warn"), ` The panels could not be read: ${panels.why}`),
    board ? [bar(panels, board, live.now), body(panels, board, live, redraw)]
      : !panels.why && h("p", { class: "calm" }, panels.boards ? `There is no board ${panels.at.board}.` : "Loading …"),
  ];
}

function tabs(panels, pools) {
  const plain = (panels.boards ?? []).filter((b) => !b.pool).map((b) => [`#panels/${b.name}`, b.title, b.name === panels.at.board]);
  const own = (panels.boards ?? []).some((b) => b.pool)
    ? pools.map((p) => [`#panels/pool/${encodeURIComponent(p.name)}`, `Pool ${p.name}`, panels.at.board === "pool" && panels.at.pool === p.name]) : [];
  return h("nav", { class: "tabs", "aria-label": "Boards" }, [...plain, ...own].map(([href, title, here]) =>
    h("a", { key: href, href, class: "tab", "aria-current": here ? "page" : null }, title)));
}

function bar(panels, board, now) {
  const buttons = (label, choices, chosen, choose) => h("div", { key: label, class: "ranges", role: "group", "aria-label": label }, choices.map(([id, text, whole]) =>
    h("button", { key: id, type: "button", class: "range", "aria-label": whole ?? null, "aria-pressed": String(chosen === id), on: { click: () => choose(id) } }, text)));
  const sites = (now?.sites ?? []).map((s) => s.name);
  return h("div", { class: "panels-bar" },
    h("p", { class: "note grow" }, board.text),
    board.sites && sites.length > 1 && h("label", { class: "choice" }, "Site ",
      h("select", { value: panels.site, on: { change: (e) => panels.choose(panels.range, e.currentTarget.value) } },
        h("option", { value: "" }, "all"), sites.map((name) => h("option", { key: name, value: name }, name)))),
    buttons("How long back", RANGES, panels.range, (id) => panels.choose(id, panels.site)));
}

function body(panels, board, live, redraw) {
  if (board.pool && !panels.at.pool) return h("p", { class: "calm" }, "No pool tells anything.");
  const { where } = panels;
  return board.sections.map((section, n) => {
    const known = panels.of(n);
    return h("section", { key: `${where} ${n}`, class: "card panels", "aria-labelledby": `section-${n}`, "aria-busy": String(Boolean(known.asking)), hook: watched(panels, n, panels.where) },
      h("div", { class: "card-head" }, h("h2", { id: `section-${n}` }, section.title),
        h("span", { class: "note" }, known.why ? `could not be read: ${known.why}` : known.asking && !known.panels ? "asking Graphite …" : "")),
      h("div", { class: "panel-grid" }, section.panels.map((panel, p) =>
        draw(`${where} ${n} ${panel.title}`, panel, known.panels?.[p] ?? null, panels, live.time, redraw))));
  });
}

/** Tells when the section is on the screen, or nearly, while its board is the one that is looked at. */
const watched = (panels, section, where) => (node) => {
  const watch = new IntersectionObserver((entries) => {
    if (!node.isConnected) watch.disconnect();
    else if (panels.where === where) panels.see(section, entries.at(-1).isIntersecting);
  }, { rootMargin: "200px" });
  watch.observe(node);
};

function draw(id, panel, found, panels, now, redraw) {
  const head = h("span", { class: "chart-title" }, panel.title,
    h("details", { class: "what" }, h("summary", { "aria-label": `What “${panel.title}” shows`, title: "What it shows" }, "i"), h("div", null, panel.text.split("\n\n").map((t) => h("p", { key: t, class: "break" }, t)))));
  if (!found?.length) {
    return h("figure", { key: id, class: `chart panel-${panel.kind}` }, h("figcaption", null, head),
      h("p", { class: "note plot-empty" }, found ? "No data of this time." : "…"));
  }
  return KINDS[panel.kind](id, panel, found, head, panels, now, redraw);
}

function graph(id, panel, found, head, panels, now, redraw) {
  return chart(id, panel.title, found.map((s, n) => [n, s.name]), together(found), now, redraw, {
    shown: (v) => called(v, panel), tick: (v) => tick(v, panel.unit), scale: (most) => unitScale(most, panel.unit),
    stacked: Boolean(panel.stacked), left: 56, most: LEGEND, head, all: panels.whole.has(id), more: () => panels.turn(id),
  });
}

const signed = (value, panel) => {
  const state = level(value, panel);
  return [state && sign(state), called(value, panel)];
};

function stat(id, panel, found, head) {
  return h("figure", { key: id, class: "chart panel-stat" }, h("figcaption", null, head),
    h("dl", { class: "figures" }, found.map((s) => {
      const value = latest(s.values);
      return h("div", { key: s.name, class: `figure is-${level(value, panel)}` }, h("dt", { class: "break" }, s.name), h("dd", null, signed(value, panel)));
    })));
}

/** Lines, those that say most first where there are many: what is not well, then as they come. */
function some(id, lines, quiet, panels) {
  if (lines.length <= LINES) return [lines, null];
  const whole = panels.whole.has(id);
  const kept = whole ? lines : lines.filter((line) => !quiet(line)).slice(0, Math.max(LINES, lines.filter((line) => !quiet(line)).length));
  const left = lines.length - kept.length;
  const button = (text) => h("button", { type: "button", class: "more", "aria-expanded": String(whole), on: { click: () => panels.turn(id) } }, text);
  if (whole) return [kept, button("fewer")];
  if (!kept.length) return [kept, h("p", { class: "quiet" }, sign("well"), `All ${left}: nothing is amiss.`, button("show them"))];
  return [kept, left > 0 && button(`and ${left} more, in which nothing is amiss`)];
}

function table(id, panel, found, head, panels) {
  const lines = found.map((s) => ({ name: s.name, value: latest(s.values) }));
  const [kept, button] = some(id, lines, (line) => ["well", "info"].includes(level(line.value, panel)), panels);
  return h("figure", { key: id, class: "chart panel-table" }, h("figcaption", null, head, h("span", { class: "chart-time" }, "now")),
    h("div", { class: "scroll tall", role: "region", tabindex: "0", "aria-label": panel.title }, h("table", { class: "values" },
      h("thead", { class: "hidden" }, h("tr", null, h("th", { scope: "col" }, "of"), h("th", { scope: "col" }, "latest value"))),
      h("tbody", null, kept.map((line) => h("tr", { key: line.name, class: `is-${level(line.value, panel)}` },
        h("th", { scope: "row", class: "break" }, line.name), h("td", null, signed(line.value, panel))))))), button);
}

function history(id, panel, found, head, panels, now, redraw) {
  const calm = (line) => line.parts.every((p) => ["well", "info", ""].includes(p.level));
  const { times } = together(found);
  const lines = found.map((s) => ({ name: s.name, value: latest(s.values), values: s.values, parts: cells(s.values, panel, s.values.length) }));
  const [kept, button] = some(id, lines, calm, panels);
  return h("figure", { key: id, class: "chart panel-history" }, h("figcaption", null, head,
    h("span", { class: "chart-time" }, `${clock(times[0], now)} to ${clock(times.at(-1), now)}`)),
  h("div", { class: "tall" }, h("ul", { class: "rows" }, kept.map((line) => h("li", { key: line.name },
    h("span", { class: "row-name break" }, line.name),
    sized(`${id} ${line.name}`, { class: "row-cells" }, redraw, (width) => strip(line, panel, width)),
    h("span", { class: "row-value" }, signed(line.value, panel)))))), button);
}

const HIGH = { well: 0.4, info: 0.4, warn: 0.7, bad: 1, "": 0 }; // parts of the line's height, so that colours are not the only sign

function strip(line, panel, width) {
  const height = 18;
  const parts = cells(line.values, panel, Math.max(10, Math.floor(width / 4)));
  const amiss = parts.filter((p) => ["warn", "bad"].includes(p.level)).length;
  return h("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${line.name}: ${called(line.value, panel)} now, ${amiss ? `amiss at ${amiss} ${amiss === 1 ? "time" : "times"}` : "nothing amiss"}` },
  parts.map((p, n) => h("rect", { key: n, class: `cell is-${p.level || "none"}`, x: (p.from * width).toFixed(1), width: Math.max(1, (p.to - p.from) * width).toFixed(1),
    y: height * (1 - (HIGH[p.level] || 0.08)), height: height * (HIGH[p.level] || 0.08) })));
}

const KINDS = { graph, stat, table, history };
