// Curves over time, with the values under the pointer, the finger, or the arrow keys.
import { h } from "./vdom.js";
import { sized } from "./parts.js";
import { last, runs, scale } from "./shapes.js";
import { stacked } from "./units.js";
import { clock, day, number } from "./words.js";

const [RIGHT, TOP, BOTTOM] = [10, 10, 24];
const COLOURS = 8; // each with its own dashes; then they come again
const chosen = new Map(); // which point of a chart is looked at
const PLAIN = { shown: number, tick: (v) => short(v), scale, stacked: false, left: 38, most: Infinity, head: null, all: false, more: null };

/** `names`: [[id, what it is called], ...]; `data`: {times, series}. `options`: how values and ticks are `shown`, their `scale`, whether the
 * curves are `stacked`, room at the `left`, how many at `most` are in the legend unless `all` are wanted (`more` turns that), what
 * stands in the `head`. */
export function chart(id, title, names, data, now, redraw, options = {}) {
  const how = { ...PLAIN, ...options };
  const there = data && data.times.length > 1;
  const point = there ? (chosen.get(id) ?? last(names, data)) : null;
  const looked = there && chosen.has(id) && chosen.get(id) < data.times.length;
  const at = there ? Math.min(point, data.times.length - 1) : 0;
  const value = (name) => (there ? (looked ? data.series[name]?.[at] : (data.series[name] ?? []).findLast((v) => v !== null)) ?? null : null);
  const numbered = names.map(([name, called], n) => ({ name, called, n, value: value(name) }));
  const listed = numbered.length > how.most && !how.all ? new Set(numbered.toSorted((a, b) => (b.value ?? -1) - (a.value ?? -1)).slice(0, how.most)) : null;
  return h("figure", { key: id, class: "chart" },
    h("figcaption", null, how.head ?? h("span", { class: "chart-title" }, title),
      h("span", { class: "chart-time", "aria-live": looked ? "polite" : "off" }, there ? (looked ? `at ${clock(data.times[at], now)}` : "now") : "")),
    h("ul", { class: "legend" }, numbered.filter((each) => !listed || listed.has(each)).map((each) => h("li", { key: each.name },
      h("svg", { class: "key", viewBox: "0 0 26 8", "aria-hidden": "true" }, h("line", { class: `curve curve-${each.n % COLOURS}`, x1: 1, y1: 4, x2: 25, y2: 4 })),
      h("span", { class: "break" }, `${each.called} `), h("strong", null, how.shown(each.value)))),
    numbered.length > how.most && h("li", { key: "more" }, h("button", { type: "button", class: "more", "aria-expanded": String(how.all), on: { click: how.more } },
      how.all ? "fewer" : `and ${numbered.length - how.most} more`))),
    sized(id, { class: "plot" }, redraw, (width) => there
      ? plot(id, title, names, data, now, width, looked ? at : null, redraw, how)
      : h("p", { class: "note plot-empty" }, data ? "Nothing is known of this time yet." : "Loading …")));
}

function plot(id, title, names, known, now, width, at, redraw, how) {
  const height = 168;
  const LEFT = how.left;
  const data = how.stacked ? { times: known.times, series: stacked(names, known.series) } : known;
  const [inner, deep] = [width - LEFT - RIGHT, height - TOP - BOTTOM];
  const values = names.flatMap(([name]) => (data.series[name] ?? []).filter((v) => v !== null));
  const [top, step] = how.scale(values.reduce((a, b) => Math.max(a, b), 0));
  const [first, final] = [data.times[0], data.times.at(-1)];
  const x = (time) => LEFT + (inner * (time - first)) / (final - first);
  const y = (value) => TOP + deep * (1 - value / top);
  const look = (n) => {
    if (n === null) chosen.delete(id);
    else chosen.set(id, Math.max(0, Math.min(data.times.length - 1, n)));
    redraw();
  };
  const under = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    look(Math.round(((event.clientX - box.left - LEFT) / inner) * (data.times.length - 1)));
  };
  const keys = (event) => {
    const from = chosen.get(id) ?? last(names, data);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 10, PageDown: from + 10, Home: 0, End: data.times.length - 1, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    look(to);
  };
  const told = names.map(([name, called]) => `${called} ${how.shown(known.series[name]?.[at ?? last(names, known)] ?? null)}`).join(", ");
  return h("svg", {
    width, height, viewBox: `0 0 ${width} ${height}`, tabindex: "0", role: "img", class: "lines",
    "aria-label": `${title} from ${clock(first, now)} to ${clock(final, now)}; ${at === null ? "now" : `at ${clock(data.times[at], now)}`}: ${told}. Arrow keys move along.`,
    on: { pointermove: under, pointerdown: under, pointerleave: (e) => e.pointerType === "mouse" && look(null), keydown: keys, blur: () => look(null) },
  },
  Array.from({ length: Math.round(top / step) + 1 }, (_, n) => n * step).map((v) => h("g", { key: `y${v}` },
    h("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v) }),
    h("text", { class: "tick", x: LEFT - 6, y: y(v) + 4, "text-anchor": "end" }, how.tick(v)))),
  ticks(first, final, width).map(({ time, text, end }) => h("text", { key: `x${time}`, class: "tick", x: x(time), y: height - 6, "text-anchor": end }, text)),
  how.stacked && names.map(([name], n) => h("g", { key: `area ${name}` }, runs(data.series[name]).filter((run) => run.length > 1).map((run, i) =>
    h("path", { key: i, class: `area area-${n % COLOURS}`, d: area(run, data, n ? data.series[names[n - 1][0]] : null, x, y) })))),
  names.map(([name], n) => h("g", { key: name }, runs(data.series[name] ?? []).map((run, i) => run.length > 1
    ? h("polyline", { key: i, class: `curve curve-${n % COLOURS}`, points: run.map(([k, v]) => `${x(data.times[k]).toFixed(1)},${y(v).toFixed(1)}`).join(" ") })
    : h("circle", { key: i, class: `point point-${n % COLOURS}`, cx: x(data.times[run[0][0]]), cy: y(run[0][1]), r: 2 })))),
  at !== null && h("g", { key: "at" },
    h("line", { class: "cursor", x1: x(data.times[at]), x2: x(data.times[at]), y1: TOP, y2: TOP + deep }),
    names.map(([name], n) => (data.series[name]?.[at] ?? null) !== null &&
      h("circle", { key: name, class: `point point-${n % COLOURS}`, cx: x(data.times[at]), cy: y(data.series[name][at]), r: 3.5 }))));
}

/** Between a run of points and what is below it. */
function area(run, data, below, x, y) {
  const at = (n, v) => `${x(data.times[n]).toFixed(1)} ${y(v).toFixed(1)}`;
  return `M${run.map(([n, v]) => at(n, v)).join("L")}L${run.toReversed().map(([n]) => at(n, below?.[n] ?? 0)).join("L")}Z`;
}

const short = (v) => (v >= 1e6 ? `${number(v / 1e6)}M` : v >= 10000 ? `${number(v / 1000)}k` : number(v));

function ticks(first, final, width) {
  const count = width < 420 ? 3 : 5;
  const week = final - first > 2 * 86400;
  return Array.from({ length: count }, (_, n) => {
    const time = Math.round(first + ((final - first) * n) / (count - 1));
    return { time, text: week ? day(time) : clock(time, time), end: n === 0 ? "start" : n === count - 1 ? "end" : "middle" };
  });
}
