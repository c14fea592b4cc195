// From what the API says to what the page shows. Pure: no DOM, no clock, no network.

export const STATUSES = ["running", "deploying", "suspended", "delayed", "waiting"];
export const HEALTHS = ["healthy", "unhealthy", "unknown"];
const MOST = 1_000_000; // instances that an app is scaled to with its group
const SETTLING = 5; // seconds for which an app may be without a place before the page calls it waiting

/** Seconds that are left of a back-off, of an item of the queue that came at `at` (seconds), now. */
export function delayLeft(item, now) {
  const left = item?.delay?.timeLeftSeconds ?? 0;
  return !item || item.delay?.overdue ? 0 : Math.max(0, Math.ceil(left - Math.max(0, now - (item.at ?? now))));
}

/** One of STATUSES. `item` is the app's entry in the queue, `now` seconds since the epoch. */
export function statusOf(app, item, now) {
  if (item && item.count > 0) {
    if (delayLeft(item, now) > 0) return "delayed";
    const tried = item.processedOffersSummary?.processedOffersCount ?? 0;
    if (tried > 0 || now - Date.parse(item.since) / 1000 >= SETTLING) return "waiting";
  }
  if (app.deployments?.length) return "deploying";
  return app.instances === 0 && !app.tasksRunning && !app.tasksStaged ? "suspended" : "running";
}

/** How many instances are what; `missing`: wanted and not there, `over`: there and not wanted. */
export function healthOf(app) {
  const running = app.tasksRunning ?? 0;
  const staged = app.tasksStaged ?? 0;
  const healthy = app.tasksHealthy ?? 0;
  const unhealthy = app.tasksUnhealthy ?? 0;
  const there = running + staged;
  const checks = (app.healthChecks?.length ?? 0) > 0;
  const rest = Math.max(0, running - healthy - unhealthy);
  return {
    healthy, unhealthy,
    unknown: checks ? rest : 0,
    unchecked: checks ? 0 : rest,
    staged,
    missing: Math.max(0, app.instances - there),
    over: Math.max(0, there - app.instances),
    running,
    wanted: app.instances,
  };
}

export function addHealth(a, b) {
  return Object.fromEntries(Object.keys(b).map((k) => [k, (a[k] ?? 0) + b[k]]));
}

/** Which of HEALTHS an app counts as; null for one that runs nothing or has no checks. */
export function healthName(health) {
  if (health.unhealthy) return "unhealthy";
  if (health.unknown) return "unknown";
  return health.healthy ? "healthy" : null;
}

export const parentOf = (id) => id.slice(0, id.lastIndexOf("/")) || "/";
export const nameOf = (id) => id.slice(id.lastIndexOf("/") + 1) || "/";
const inside = (id, group) => group === "/" || id.startsWith(group + "/");

/** [{name, id}] from the root to `id`. */
export function crumbs(id) {
  const parts = id.split("/").filter(Boolean);
  return [{ name: "All apps", id: "/" }, ...parts.map((name, n) => ({ name, id: "/" + parts.slice(0, n + 1).join("/") }))];
}

/** `key`, `key:value` or `key=value` against an app's labels. */
export function hasLabel(app, label) {
  const labels = app.labels ?? {};
  if (Object.hasOwn(labels, label)) return true;
  return Object.entries(labels).some(([k, v]) => label === `${k}:${v}` || label === `${k}=${v}` || label === `${k}==${v}`);
}

/** Words of a search: each must be in the id, the command, the image or a label. */
export function matches(app, text) {
  const labels = Object.entries(app.labels ?? {}).map(([k, v]) => `${k}:${v}`);
  const where = [app.id, app.cmd, app.container?.docker?.image, ...labels].filter(Boolean).join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => where.includes(word));
}

export function isFiltering(filters) {
  return Boolean(filters.q || filters.status?.length || filters.health?.length || filters.label?.length);
}

function passes(row, filters) {
  return (
    (!filters.q || matches(row.app, filters.q)) &&
    (!filters.status?.length || filters.status.includes(row.status)) &&
    (!filters.health?.length || filters.health.includes(healthName(row.health))) &&
    (filters.label ?? []).every((l) => hasLabel(row.app, l))
  );
}

/** One app as a row. */
export function appRow(app, item, now) {
  return {
    kind: "app", id: app.id, app, status: statusOf(app, item, now), health: healthOf(app),
    cpus: app.cpus * app.instances, mem: app.mem * app.instances, instances: app.instances, apps: 1,
  };
}

function folder(id, rows) {
  const statuses = {};
  for (const r of rows) statuses[r.status] = (statuses[r.status] ?? 0) + 1;
  const sum = (key) => rows.reduce((total, r) => total + r[key], 0);
  return {
    kind: "group", id, apps: rows.length, statuses,
    // What is furthest from running speaks for the folder.
    status: ["waiting", "delayed", "deploying", "running", "suspended"].find((s) => statuses[s]) ?? "running",
    health: rows.map((r) => r.health).reduce(addHealth, {}),
    cpus: sum("cpus"), mem: sum("mem"), instances: sum("instances"),
  };
}

/**
 * What the list shows in `group`: folders and apps, or while filtering all apps below it that pass.
 * Returns {rows, below, shown}: `below` all apps under the group as rows (for the counts beside the filters).
 */
export function listOf(apps, queue, group, filters, now) {
  const below = [...apps.values()].filter((a) => inside(a.id, group)).map((a) => appRow(a, queue.get(a.id), now));
  if (isFiltering(filters)) return { rows: below.filter((r) => passes(r, filters)), below, flat: true };
  const prefix = group === "/" ? "/" : group + "/";
  const folders = new Map();
  const direct = [];
  for (const row of below) {
    const rest = row.id.slice(prefix.length);
    const cut = rest.indexOf("/");
    if (cut < 0) direct.push(row);
    else {
      const id = prefix + rest.slice(0, cut);
      folders.set(id, [...(folders.get(id) ?? []), row]);
    }
  }
  return { rows: [...[...folders].map(([id, rows]) => folder(id, rows)), ...direct], below, flat: false };
}

const KEYS = {
  id: (r) => r.id,
  status: (r) => STATUSES.indexOf(r.status),
  health: (r) => r.health.unhealthy * 1e6 + r.health.missing * 1e3 + r.health.unknown,
  instances: (r) => r.instances,
  cpus: (r) => r.cpus,
  mem: (r) => r.mem,
};

/** Sorted by one of id, status, health, instances, cpus, mem; folders stay first. */
export function sorted(rows, by, down) {
  const key = KEYS[by] ?? KEYS.id;
  const sign = down ? -1 : 1;
  const compare = (x, y) => (x < y ? -1 : x > y ? 1 : 0);
  return [...rows].sort(
    (a, b) => (a.kind === b.kind ? 0 : a.kind === "group" ? -1 : 1) || sign * compare(key(a), key(b)) || compare(a.id, b.id),
  );
}

/** {name: how many rows} for the filters. */
export function tally(rows) {
  const count = (of) => rows.reduce((t, r) => ((t[of(r)] = (t[of(r)] ?? 0) + 1), t), {});
  const labels = {};
  for (const r of rows) {
    for (const [k, v] of Object.entries(r.app.labels ?? {})) {
      const name = v === "" ? k : `${k}:${v}`;
      labels[name] = (labels[name] ?? 0) + 1;
    }
  }
  return { status: count((r) => r.status), health: count((r) => healthName(r.health)), label: labels };
}

/** healthy, unhealthy, unknown or null (no checks, or not running) of one task. */
export function taskHealth(task, app) {
  if (task.state !== "TASK_RUNNING") return null;
  const results = task.healthCheckResults ?? [];
  if (results.some((r) => !r.alive)) return "unhealthy";
  const checks = app?.healthChecks?.length ?? results.length;
  if (!checks) return null;
  return results.length >= checks ? "healthy" : "unknown";
}

/** The apps that are told to wait for this one. */
export function dependents(apps, id) {
  return [...apps.values()]
    .filter((a) => a.id !== id && (a.dependencies ?? []).some((d) => d === id))
    .map((a) => a.id).sort();
}

/** The apps outside of a group that are told to wait for it, or for something in it. */
export function dependentsOf(apps, group) {
  const meant = (d) => d === group || inside(d, group);
  return [...apps.values()]
    .filter((a) => !inside(a.id, group) && (a.dependencies ?? []).some(meant))
    .map((a) => a.id).sort();
}

/** The apps below a group: {id, from: instances that are wanted, there: those that are}. */
export function instancesBelow(apps, group) {
  return [...apps.values()].filter((a) => inside(a.id, group))
    .map((a) => ({ id: a.id, from: a.instances, there: (a.tasksRunning ?? 0) + (a.tasksStaged ?? 0) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Those of `instancesBelow` with `to`, what the service makes of `by` times as many; null where `by` is no such number. */
export function scaled(below, by) {
  const times = Number(by);
  if (String(by).trim() === "" || !(times >= 0) || times === Infinity) return null;
  return below.map((a) => ({ ...a, to: Math.min(MOST, Math.ceil(Number((a.from * times).toFixed(6)))) }));
}

const FIRST = ["id", "cmd", "args", "container", "instances", "cpus", "mem", "disk", "gpus", "env", "labels", "constraints"];

/** The definition without what the service adds by itself. */
export function definition(app) {
  const added = [
    "version", "versionInfo", "tasks", "tasksStaged", "tasksRunning", "tasksHealthy", "tasksUnhealthy", "deployments",
    "lastTaskFailure", "readinessCheckResults", "taskStats", "uris", "fullVersion",
  ];
  const first = FIRST.filter((k) => k in app);
  const names = [...first, ...Object.keys(app).filter((k) => !first.includes(k) && !added.includes(k))];
  return Object.fromEntries(names.filter((k) => app[k] !== null).map((k) => [k, app[k]]));
}

/** How far a deployment is: {done, total, steps: [{state, actions}]} with state done, now or later. */
export function progress(deployment) {
  const at = deployment.currentStep ?? 1;
  const steps = (deployment.steps ?? []).map((s, n) => ({
    state: n + 1 < at ? "done" : n + 1 === at ? "now" : "later",
    actions: s.actions ?? [],
  }));
  return { done: Math.max(0, at - 1), total: steps.length, steps };
}
