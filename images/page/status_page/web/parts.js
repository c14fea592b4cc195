// What several views share.
import { h } from "./vdom.js";
import { ago, clock } from "./words.js";

const ICONS = {
  well: "M4.5 12.5l5 5 10-11",
  bad: "M6 6l12 12M18 6L6 18",
  warn: "M12 3.5l9.5 16.5h-19zM12 10v4.5M12 17.3v.2",
  unknown: "M8.5 9a3.5 3.5 0 1 1 5.2 3c-1.2.7-1.7 1.4-1.7 2.7M12 18.3v.2",
  starting: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5.5l3.5 2",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v6M12 7.5v.2",
  leads: "M12 4l2.4 5.2 5.6.7-4.1 3.9 1.1 5.6-5-2.8-5 2.8 1.1-5.6L4 9.9l5.6-.7z",
  machine: "M4 6.5A1.5 1.5 0 0 1 5.5 5h13A1.5 1.5 0 0 1 20 6.5v4a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 10.5zM4 13.5A1.5 1.5 0 0 1 5.5 12M20 13.5v4a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17.5v-4M7.5 8.5h.1M7.5 15.5h.1",
  farm: "M12 5L5 17M12 5l7 12M5.5 18h13",
};
ICONS.good = ICONS.well;
const CALLED = { well: "well", good: "good", bad: "wrong", warn: "attention", unknown: "not known", starting: "starting", info: "news", leads: "leads" };

export function icon(name) {
  return h("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: ICONS[name] }));
}

/** A sign for a state, with its name for those who do not see it. */
export const sign = (state) => h("span", { class: `sign is-${state}` }, icon(state), h("span", { class: "hidden" }, `${CALLED[state]}: `));

export function card(id, title, more, ...children) {
  return h("section", { class: "card", id, "aria-labelledby": `${id}-title` },
    h("div", { class: "card-head" }, h("h2", { id: `${id}-title` }, title), more), children);
}

export const when = (at, now) => h("time", { datetime: new Date(at * 1000).toISOString(), title: new Date(at * 1000).toString() }, `${clock(at, now)}, ${ago(at, now)}`);

/** A figure with its name below. */
export const figure = (name, value, kind = "") =>
  h("div", { key: name, class: `figure ${kind}`.trim() }, h("dt", null, name), h("dd", null, value));

/** A bar of a part of a whole; the numbers stand beside it. */
export function meter(label, used, total) {
  const part = total ? Math.min(1, used / total) : 0;
  return h("span", { class: "meter", role: "img", "aria-label": `${label}: ${Math.round(part * 100)} %`, vars: { "--part": `${Math.round(part * 100)}%` } });
}

const sizes = new Map();

/** A box whose content is drawn as wide as it is: `draw` gets the width in pixels. */
export function sized(key, props, redraw, draw) {
  const watch = (node) => new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width && sizes.get(key) !== width) {
      sizes.set(key, width);
      redraw();
    }
  }).observe(node);
  const width = sizes.get(key);
  return h("div", { key, ...props, hook: watch }, width ? draw(width) : null);
}
