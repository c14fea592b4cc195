// One app: what it is doing, why it waits, and what can be done with it.
import { h } from "./vdom.js";
import { delayLeft, healthOf, statusOf } from "./model.js";
import { badge, button, empty, facts, healthBar, link, notice, when } from "./parts.js";
import { address } from "./routes.js";
import { instancesTable } from "./view_tasks.js";
import { deploymentCard } from "./view_deployments.js";
import { reasonsList } from "./view_queue.js";
import { trail } from "./view_apps.js";
import { configuration, versions } from "./view_versions.js";
import { healthText, lasting, memory, number, plural, shortTask, taskState, why } from "./words.js";
import * as act from "./actions.js";

const TABS = [["", "Instances"], ["configuration", "Configuration"], ["versions", "Versions"], ["failures", "Failures"], ["deployments", "Deployments"]];

export function appView(page) {
  const { state, route, now } = page;
  const app = state.apps.get(route.id);
  if (!app) {
    return h("div", null, trail(route.id), state.loaded
      ? empty("There is no such app.", "It may have been destroyed, or its address is not quite right.")
      : empty("Loading the app …"));
  }
  const item = state.queue.get(app.id);
  const health = healthOf(app);
  const tab = route.query.tab ?? "";
  const body = { configuration, versions, failures, deployments }[tab] ?? instances;
  return h("div", { class: "app" },
    trail(app.id),
    h("header", { class: "app-head" },
      h("div", { class: "app-state" }, badge(statusOf(app, item, now)), healthBar(health), h("span", { class: "note" }, healthText(health))),
      actions(page, app)),
    item && waits(page, app, item),
    app.deployments?.length && !tab ? h("p", { class: "found" }, plural(app.deployments.length, "deployment"), " is changing it. ",
      link("See how far it is", address("app", app.id, { tab: "deployments" }))) : null,
    numbers(app, health),
    h("nav", { class: "tabs", "aria-label": "Parts of the app" }, TABS.map(([name, title]) =>
      link(count(title, name, page, app), address("app", app.id, { tab: name }), { key: name, "aria-current": name === tab ? "page" : null }))),
    body(page, app));
}

function count(title, name, page, app) {
  const n = { "": app.tasks?.length, deployments: app.deployments?.length, failures: seen(page, app).length }[name];
  return n ? [title, h("span", { class: "count" }, String(n))] : title;
}

function actions(page, app) {
  return h("div", { class: "actions", role: "group", "aria-label": "Actions" },
    button("Scale", () => act.scale(page, app)),
    link("Edit", address("edit", app.id), { class: "button" }),
    button("Restart", () => act.restart(page, app)),
    app.instances > 0 && button("Suspend", () => act.suspend(page, app)),
    button("Destroy", () => act.destroy(page, app), { kind: "danger" }));
}

function waits(page, app, item) {
  const left = delayLeft(item, page.now);
  return notice(left > 0 ? "delayed" : "waiting",
    h("h2", null, left > 0 ? "It is held back" : "It waits for a place"),
    h("p", null, why(item, left), ` The app has waited for ${lasting(item.since, page.now)}.`),
    left > 0 && h("p", null, button("Try again now", () => act.resetDelay(page, app.id))),
    reasonsList(item));
}

function numbers(app, health) {
  return h("div", { class: "numbers" }, [
    ["Instances", `${health.running} of ${app.instances}`],
    ["CPUs each", number(app.cpus)],
    ["Memory each", memory(app.mem)],
    ["Disk each", app.disk ? memory(app.disk) : null],
    ["GPUs each", app.gpus ? number(app.gpus) : null],
  ].filter(([, v]) => v !== null).map(([k, v]) => h("div", { key: k, class: "figure" }, h("b", null, v), h("span", null, k))));
}

function instances(page, app) {
  if (!app.tasks) return empty("Loading the instances …");
  return app.tasks.length
    ? h("div", null, instancesTable(page, app.tasks, { of: app }), readiness(app))
    : empty("No instance is there.", app.instances ? "What it waits for is said above." : "The app is suspended: scale it up to start it.");
}

/** What the readiness checks said last: of instances that a deployment waits for. */
function readiness(app) {
  const all = app.readinessCheckResults ?? [];
  if (!all.length) return null;
  return h("section", { class: "readiness", "aria-labelledby": "readiness" },
    h("h2", { id: "readiness" }, "Readiness"),
    h("div", { class: "cards" }, all.map((r) => h("section", { key: r.taskId + r.name, class: "card" },
      h("h3", null, badge(r.ready ? "healthy" : "waiting", r.ready ? "ready" : "not ready"), ` ${r.name} of `, h("code", { title: r.taskId }, shortTask(r.taskId))),
      r.lastResponse
        ? h("div", null,
          h("p", { class: "note" }, `The answer was ${r.lastResponse.status}${r.lastResponse.contentType ? `, ${r.lastResponse.contentType}` : ""}.`),
          r.lastResponse.body && h("pre", { class: "message" }, r.lastResponse.body))
        : h("p", { class: "note" }, "What it answered is not kept: set preserveLastResponse on the check.")))));
}

/** The last failure that the service keeps, and those that the page has seen itself. */
function seen(page, app) {
  const own = page.state.failures.filter((f) => f.appId === app.id);
  const last = app.lastTaskFailure;
  return last && !own.some((f) => f.taskId === last.taskId && f.state === last.state) ? [...own, last] : own;
}

function failures(page, app) {
  const all = seen(page, app);
  if (!all.length) return empty("No instance has failed.", "The service keeps the last failure; while this page is open, all are kept.");
  return h("div", { class: "cards" }, all.map((f, n) => h("section", { key: `${f.taskId}${f.state}${n}`, class: "card" },
    h("h2", null, badge("unhealthy", taskState(f.state)), " ", when(f.timestamp, page.now)),
    h("pre", { class: "message" }, f.message || "It gave no message."),
    facts([["Task", h("code", null, f.taskId)], ["Host", f.host], ["Version", f.version === app.version ? "the present one" : f.version]]))));
}

function deployments(page, app) {
  const ids = new Set((app.deployments ?? []).map((d) => d.id));
  const mine = page.state.deployments.filter((d) => ids.has(d.id) || d.affectedApps.includes(app.id));
  return mine.length
    ? h("div", { class: "cards" }, mine.map((d) => deploymentCard(page, d)))
    : empty("No deployment is changing this app.");
}
