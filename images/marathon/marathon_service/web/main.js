// The page as a whole: where one is, what is drawn, and when.
import { h, patch } from "./vdom.js";
import { parse, address } from "./routes.js";
import { Live } from "./live.js";
import { ask, close, dialogView, toasts } from "./dialog.js";
import { icon, link } from "./parts.js";
import { appsView } from "./view_apps.js";
import { appView } from "./view_app.js";
import { deploymentsView } from "./view_deployments.js";
import { queueView } from "./view_queue.js";
import { tasksView } from "./view_tasks.js";
import { editView, newView } from "./view_edit.js";

const VIEWS = {
  apps: [appsView, "Apps"], app: [appView, "App"], deployments: [deploymentsView, "Deployments"], queue: [queueView, "Queue"],
  tasks: [tasksView, "Tasks"], new: [newView, "Create an app"], edit: [editView, "Edit"],
};
const TOAST = 8_000;
const root = document.getElementById("page");
const wide = matchMedia("(min-width: 60rem)");

const page = {
  route: parse(location.hash), now: Date.now() / 1000, wide: wide.matches,
  dialog: null, said: [], drafts: new Map(), opened: new Set(), versions: { id: null, of: new Map() },
  draw,
  ask: (question) => ask(page, question),
  go: (hash) => { location.hash = hash; },
  /** Another address without another step back. */
  replace: (hash) => {
    history.replaceState(null, "", hash);
    page.route = parse(hash);
    draw();
  },
  toggle: (id) => {
    if (!page.opened.delete(id)) page.opened.add(id);
    draw();
  },
  say: (kind, text, to = null) => {
    const said = { kind, text, link: to, number: ++toast };
    page.said = [...page.said, said].slice(-3);
    setTimeout(() => page.unsay(said), TOAST);
    draw();
  },
  unsay: (said) => {
    page.said = page.said.filter((s) => s !== said);
    draw();
  },
};
page.live = new Live(draw);
page.state = page.live.state;

let after = [];
let asked = false;
let toast = 0;

/** Draws before the next frame; `then` comes after that. */
function draw(then = null) {
  if (typeof then === "function") after.push(then);
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    page.now = Date.now() / 1000;
    patch(root, shell());
    const ready = after;
    after = [];
    for (const f of ready) f();
  });
}

function shell() {
  const [view] = VIEWS[page.route.view] ?? VIEWS.apps;
  return [
    h("a", { class: "skip", href: "#content", on: { click: (e) => (e.preventDefault(), document.getElementById("content").focus()) } }, "Skip to the content"),
    h("header", { class: "top" },
      h("a", { class: "brand", href: address("apps") }, icon("app"), h("span", null, page.state.info?.name ?? "Marathon")),
      h("nav", { class: "main-nav", "aria-label": "Main" }, [
        ["apps", "Apps", 0], ["deployments", "Deployments", page.state.deployments.length],
        ["queue", "Queue", page.state.queue.size], ["tasks", "Tasks", 0],
      ].map(([name, text, count]) => link([text, count > 0 && h("span", { class: "count" }, String(count))], address(name), {
        key: name, "aria-current": current(name) ? "page" : null,
      }))),
      connection()),
    banner(),
    h("main", { id: "content", tabindex: "-1", key: page.route.view }, view(page)),
    foot(),
    toasts(page),
    dialogView(page),
  ];
}

const current = (name) => name === page.route.view || (name === "apps" && ["app", "edit", "new"].includes(page.route.view));

function connection() {
  const { kind, answers } = page.state.connection;
  const [sign, text] = answers === false ? ["gone", "No answer"]
    : { live: ["live", "Live"], starting: ["starting", "Connecting"], again: ["cut", "Reconnecting"], cut: ["cut", "Not live"] }[kind];
  return h("span", { class: `connection is-${sign}`, role: "status" }, h("span", { class: "dot", "aria-hidden": "true" }), text);
}

function banner() {
  const { kind, answers, problem, why } = page.state.connection;
  if (answers === false) return h("div", { key: "banner", class: "banner is-gone" }, `${problem} What is shown may be old; the page goes on asking.`);
  if (kind !== "cut") return null;
  return h("div", { key: "banner", class: "banner is-cut" }, `The events are cut (${why}). The page asks every 5 s until they are back.`);
}

function foot() {
  const info = page.state.info;
  if (!info) return null;
  const mesos = info.marathon_config?.mesos_leader_ui_url;
  return h("footer", { class: "foot" },
    h("span", null, `Version ${info.version}`),
    info.leader && h("span", null, `Leader ${info.leader}`),
    info.frameworkId && h("span", { class: "break" }, `Framework ${info.frameworkId}`),
    /^https?:\/\//.test(mesos ?? "") && link("Mesos", mesos, { rel: "noreferrer" }),
    link("API", `${location.origin}${new URL("../v2/info", location.origin + location.pathname).pathname}`));
}

function arrive(first) {
  const before = page.route;
  page.route = parse(location.hash);
  const { view, id } = page.route;
  const moved = view !== before.view || id !== before.id;
  const [, title] = VIEWS[view] ?? VIEWS.apps;
  document.title = `${["app", "edit"].includes(view) ? id : title} – Marathon`;
  page.live.want({ tasks: view === "tasks", app: ["app", "edit"].includes(view) ? id : null });
  if (moved && page.dialog) close(page);
  draw(() => {
    if (!moved || first) return;
    // Who listens to the page, or uses the keyboard, is told where they are now.
    (document.querySelector("h1[tabindex]") ?? document.getElementById("content")).focus({ preventScroll: true });
    scrollTo(0, 0);
  });
}

addEventListener("hashchange", () => arrive(false));
addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || page.dialog) return;
  if (/^(input|textarea|select)$/i.test(document.activeElement?.tagName ?? "")) return;
  const box = document.querySelector("[data-search]");
  if (box) {
    e.preventDefault();
    box.focus();
  }
});
wide.addEventListener("change", () => {
  page.wide = wide.matches;
  draw();
});
// Times and delays go on by themselves.
setInterval(() => document.hidden || draw(), 1_000);
root.replaceChildren();
arrive(true);
page.live.start();
