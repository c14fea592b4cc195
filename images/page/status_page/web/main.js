// Draws the page, and draws it again after every change.
import { h, patch } from "./vdom.js";
import { boards } from "./boards.js";
import { Live } from "./live.js";
import { Panels } from "./panels.js";
import { icon } from "./parts.js";
import * as view from "./views.js";
import { ago } from "./words.js";

const root = document.getElementById("page");
let waiting = false;

function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

const live = new Live(redraw);
const panels = new Panels(redraw);
const all = () => /^#panels(\/|$)/.test(location.hash); // whether the panels are looked at, and not the state of now
live.more = () => {
  if (!all()) return live.all();
  panels.go(location.hash, (live.now?.pools ?? []).map((p) => p.name));
  panels.refresh(); // not waited for: the state of now does not wait for curves
  return null;
};

const NAV = [["map", "Map"], ["pools", "Pools"], ["sites", "Sites"], ["rtt", "Round trips"], ["events", "Events"], ["panels", "Panels"]];

/** Another address: what it names is drawn, and then gone to. */
function go() {
  live.more();
  draw();
  const there = all() ? null : document.getElementById(location.hash.slice(1));
  if (there) there.scrollIntoView();
  else window.scrollTo(0, 0);
}

/** The view stays as it is. */
function toContent(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function connection() {
  const { now, cut, time } = live;
  if (cut) return ["is-gone", "no answer"];
  if (!now) return ["", "asking …"];
  const { graphite } = now.sources;
  if (graphite.state === "away") return ["is-cut", graphite.good ? `old: ${ago(graphite.good, time)}` : "no metrics yet"];
  return ["is-live", graphite.good ? `Live, ${ago(graphite.good, time)}` : "Live"];
}

function draw() {
  const { now, time } = live;
  const [kind, words] = connection();
  if (now) document.title = `${{ well: "✓", bad: "✕", warn: "!", starting: "…" }[now.summary.state]} ${now.federation}`;
  patch(root, [
    h("a", { class: "skip", href: "#main", on: { click: toContent } }, "To the content"),
    h("header", { class: "top" },
      h("a", { class: "brand", href: "#main" }, icon("farm"), now ? now.federation : "The farm"),
      h("nav", { class: "main-nav", "aria-label": "Parts of the page" }, NAV.map(([id, called]) => h("a", { key: id, href: `#${id}`, "aria-current": id === "panels" && all() ? "page" : null }, called))),
      h("span", { class: `connection ${kind}` }, h("span", { class: "dot", "aria-hidden": "true" }), words)),
    view.banners(live),
    h("main", { id: "main", tabindex: "-1" }, all() ? h("div", { key: "panels", class: "boards" }, boards(panels, live, redraw)) : now ? [
      h("h1", { class: "hidden" }, `State of the federation ${now.federation}`),
      view.verdict(now),
      h("div", { class: "columns" },
        h("div", { class: "column" }, view.federation(now, redraw), view.pools(live, redraw), view.events(now, time)),
        h("div", { class: "column" }, view.alerts(now), view.sites(now, time), view.heat(now), view.apps(now))),
    ] : h("p", { class: "calm" }, "Asking …")),
    h("footer", { class: "foot" }, h("span", null, "Every number is the latest that Graphite and Marathon told; everything that is measured is under Panels.")),
  ]);
}

root.replaceChildren(); // what stood there until the scripts came
window.addEventListener("hashchange", go);
live.start();
setInterval(redraw, 1000); // ages grow by themselves
redraw();
