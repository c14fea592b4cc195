// Instances: of one app, or of all.
import { h } from "./vdom.js";
import { taskHealth } from "./model.js";
import { appLink, badge, button, empty, facts, link, searchBox, table, when } from "./parts.js";
import { address } from "./routes.js";
import { plural, shortTask, taskState } from "./words.js";
import * as act from "./actions.js";

const MOST = 400;

export function tasksView(page) {
  const { state, route } = page;
  const { query } = route;
  const all = state.tasks ?? [];
  const words = (query.q ?? "").toLowerCase().split(/\s+/);
  const text = (t) => [t.id, t.appId, t.host, taskState(t.state), ...(t.ipAddresses ?? []).map((a) => a.ipAddress)].join("\n").toLowerCase();
  const found = all.filter((t) => words.every((w) => text(t).includes(w)));
  const shown = found.slice(0, Number(query.rows ?? MOST));
  const go = (more) => page.replace(address("tasks", "/", { ...query, ...more }));
  return h("div", null,
    h("div", { class: "bar-top" }, h("h1", { tabindex: "-1" }, "Tasks"),
      h("span", { class: "note" }, state.tasks ? plural(all.length, "task") : ""),
      h("div", { class: "grow" }), searchBox("Search tasks by app, host or address", query.q ?? "", (q) => go({ q }))),
    !state.tasks ? empty("Loading the tasks …")
      : shown.length ? instancesTable(page, shown, {})
        : empty(all.length ? "No task fits the search." : "Nothing runs."),
    shown.length < found.length && h("p", { class: "found" }, link(`Show all ${found.length}`, address("tasks", "/", { ...query, rows: String(found.length) }))));
}

/** A table of tasks. `of`: the app whose they are; without it each says its own. */
export function instancesTable(page, tasks, { of = null }) {
  const columns = [
    { id: "id", title: of ? "Instance" : "Task", kind: "main" },
    { id: "state", title: "State", kind: "self" },
    { id: "health", title: "Health", kind: "self" },
    { id: "host", title: "Host", kind: "wide" },
    { id: "where", title: "Address", kind: "wide" },
    { id: "version", title: "Version" },
    { id: "since", title: "Since" },
    { id: "do", title: "Actions", kind: "do" },
  ];
  return table(of ? "Instances" : "Tasks", columns, tasks.map((t) => line(page, t, of)));
}

function line(page, task, of) {
  const app = of ?? page.state.apps.get(task.appId);
  const health = taskHealth(task, app);
  const open = page.opened.has(task.id);
  return {
    key: task.id,
    below: open && details(page, task),
    cells: [
      h("span", { class: "name-text" },
        h("button", {
          type: "button", class: "open", "aria-expanded": String(open), title: task.id, "aria-label": `Details of instance ${task.id}`,
          on: { click: () => page.toggle(task.id) },
        }, h("span", { class: "turn", "aria-hidden": "true" }, "▸"), shortTask(task.id)),
        !of && appLink(task.appId)),
      badge(stateKind(task.state), taskState(task.state)),
      health ? badge(health) : h("span", { class: "note" }, task.state === "TASK_RUNNING" ? "no check" : "–"),
      h("span", { class: "break" }, task.host),
      addresses(task),
      !app || task.version === app.version ? h("span", { class: "note", title: task.version }, "present")
        : h("span", { title: task.version }, "older, ", when(task.version, page.now)),
      when(task.startedAt ?? task.stagedAt, page.now),
      button("Kill", () => act.kill(page, task), { kind: "small", "aria-label": `Kill instance ${shortTask(task.id)}` }),
    ],
  };
}

function stateKind(state) {
  if (state === "TASK_RUNNING") return "running";
  return ["TASK_STAGING", "TASK_STARTING"].includes(state) ? "deploying" : state === "TASK_UNREACHABLE" ? "unhealthy" : "delayed";
}

function addresses(task) {
  const ips = (task.ipAddresses ?? []).map((a) => a.ipAddress).filter((a) => a !== task.host);
  const ports = (task.ports ?? []).filter(Boolean);
  if (!ips.length && !ports.length) return h("span", { class: "note" }, "–");
  return h("span", { class: "stack" },
    ips.map((ip) => h("code", { key: ip }, ip)),
    ports.map((p) => h("code", { key: p }, outside(task.host, p))));
}

/** A port of the host as a link, where that makes an address. */
function outside(host, port) {
  const where = `http://${host}:${port}`;
  if (!URL.canParse?.(where)) return `:${port}`;
  return link(`:${port}`, where, { rel: "noreferrer noopener", target: "_blank", title: where, "aria-label": `${host}, port ${port}` });
}

function details(page, task) {
  const results = task.healthCheckResults ?? [];
  return h("div", { class: "details" },
    facts([
      ["Task", h("code", { class: "break" }, task.id)],
      ["Agent", h("code", null, task.slaveId)],
      ["Region", task.region], ["Zone", task.zone], ["Role", task.role === "*" ? null : task.role],
      ["Version", task.version],
      ["Staged", when(task.stagedAt, page.now)],
      ["Started", task.startedAt ? when(task.startedAt, page.now) : null],
    ]),
    results.map((r, n) => h("section", { key: n, class: "result" },
      h("h3", null, `Health check ${n + 1}: `, badge(r.alive ? "healthy" : "unhealthy")),
      facts([
        ["Last failure", r.lastFailureCause],
        ["Failed", r.lastFailure ? when(r.lastFailure, page.now) : null],
        ["Failures in a row", r.consecutiveFailures ? String(r.consecutiveFailures) : null],
        ["First success", r.firstSuccess ? when(r.firstSuccess, page.now) : null],
        ["Last success", r.lastSuccess ? when(r.lastSuccess, page.now) : null],
      ]))));
}
