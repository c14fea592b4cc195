import assert from "node:assert/strict";
import test from "node:test";
import * as model from "../../marathon_service/web/model.js";

const NOW = Date.parse("2026-01-01T00:01:00Z") / 1000;
const app = (id, more = {}) => ({ id, instances: 2, cpus: 0.5, mem: 100, tasksRunning: 2, labels: {}, deployments: [], ...more });
const item = (more = {}) => ({
  count: 1, since: "2026-01-01T00:00:00Z", at: NOW, delay: { timeLeftSeconds: 0, overdue: true }, processedOffersSummary: { processedOffersCount: 0 }, ...more,
});
const known = (...apps) => new Map(apps.map((a) => [a.id, a]));
const none = { q: "", status: [], health: [], label: [] };

test("status", () => {
  const is = (status, ...given) => assert.equal(model.statusOf(...given, NOW), status);
  is("running", app("/a"), undefined);
  is("suspended", app("/a", { instances: 0, tasksRunning: 0 }), undefined);
  is("running", app("/a", { instances: 0, tasksRunning: 1 }), undefined);
  is("deploying", app("/a", { deployments: [{ id: "d" }] }), undefined);
  is("waiting", app("/a", { deployments: [{ id: "d" }] }), item());
  is("delayed", app("/a"), item({ delay: { timeLeftSeconds: 9, overdue: false } }));
  // In its first seconds, before any offer was seen, an app does not wait yet.
  is("deploying", app("/a", { deployments: [{ id: "d" }] }), item({ since: "2026-01-01T00:00:58Z" }));
  is("waiting", app("/a"), item({ since: "2026-01-01T00:00:58Z", processedOffersSummary: { processedOffersCount: 3 } }));
});

test("a delay goes on by itself", () => {
  const delayed = { at: NOW - 4, delay: { timeLeftSeconds: 10, overdue: false } };
  assert.equal(model.delayLeft(delayed, NOW), 6);
  assert.equal(model.delayLeft(delayed, NOW + 60), 0);
  assert.equal(model.delayLeft(undefined, NOW), 0);
});

test("health", () => {
  const checked = { healthChecks: [{}], instances: 5, tasksRunning: 3, tasksHealthy: 1, tasksUnhealthy: 1, tasksStaged: 1 };
  const health = model.healthOf(app("/a", checked));
  assert.deepEqual(
    [health.healthy, health.unhealthy, health.unknown, health.unchecked, health.staged, health.missing, health.over],
    [1, 1, 1, 0, 1, 1, 0],
  );
  assert.equal(model.healthName(health), "unhealthy");
  const plain = model.healthOf(app("/a", { instances: 1 }));
  assert.equal(plain.unchecked, 2);
  assert.equal(plain.over, 1);
  assert.equal(model.healthName(plain), null);
});

test("folders sum up what is in them", () => {
  const apps = known(app("/x/a"), app("/x/y/b", { instances: 4, deployments: [{ id: "d" }] }), app("/c"), app("/xx"));
  const { rows, below, flat } = model.listOf(apps, new Map(), "/", none, NOW);
  assert.equal(flat, false);
  assert.equal(below.length, 4);
  const ordered = model.sorted(rows, "id", true);
  assert.deepEqual(ordered.map((r) => [r.kind, r.id]), [["group", "/x"], ["app", "/xx"], ["app", "/c"]]);
  assert.deepEqual([ordered[0].apps, ordered[0].instances, ordered[0].cpus, ordered[0].mem, ordered[0].status], [2, 6, 3, 600, "deploying"]);
  assert.deepEqual(model.listOf(apps, new Map(), "/x", none, NOW).rows.map((r) => r.id).sort(), ["/x/a", "/x/y"]);
});

test("filters go through all apps below", () => {
  const apps = known(
    app("/x/a", { labels: { team: "red" }, cmd: "serve --port" }), app("/x/y/b", { labels: { team: "blue", core: "" }, healthChecks: [{}], tasksUnhealthy: 1 }), app("/c"),
  );
  const found = (group, filters) => model.listOf(apps, new Map(), group, { ...none, ...filters }, NOW).rows.map((r) => r.id);
  assert.deepEqual(found("/", { q: "SERVE a" }), ["/x/a"]);
  assert.deepEqual(found("/", { label: ["core"] }), ["/x/y/b"]);
  assert.deepEqual(found("/", { label: ["team:red"] }), ["/x/a"]);
  assert.deepEqual(found("/", { label: ["team:red", "core"] }), []);
  assert.deepEqual(found("/", { health: ["unhealthy"] }), ["/x/y/b"]);
  assert.deepEqual(found("/x", { status: ["running", "waiting"] }), ["/x/a", "/x/y/b"]);
  const counts = model.tally(model.listOf(apps, new Map(), "/", none, NOW).below);
  assert.deepEqual([counts.status.running, counts.health.unhealthy, counts.label["team:red"], counts.label.core], [3, 1, 1, 1]);
});

test("names and crumbs", () => {
  assert.deepEqual(model.crumbs("/a/b").map((c) => c.id), ["/", "/a", "/a/b"]);
  assert.deepEqual([model.parentOf("/a/b"), model.parentOf("/a"), model.nameOf("/a/b")], ["/a", "/", "b"]);
});

test("health of a task", () => {
  const task = (state, ...alive) => ({ state, healthCheckResults: alive.map((a) => ({ alive: a })) });
  const checked = { healthChecks: [{}, {}] };
  assert.equal(model.taskHealth(task("TASK_RUNNING", true, true), checked), "healthy");
  assert.equal(model.taskHealth(task("TASK_RUNNING", true), checked), "unknown");
  assert.equal(model.taskHealth(task("TASK_RUNNING", true, false), checked), "unhealthy");
  assert.equal(model.taskHealth(task("TASK_RUNNING"), {}), null);
  assert.equal(model.taskHealth(task("TASK_STAGING", false), checked), null);
});

test("a definition is what somebody would write", () => {
  const given = app("/a", { version: "v", versionInfo: {}, tasks: [], args: null, cmd: "x" });
  assert.deepEqual(Object.keys(model.definition(given)).slice(0, 2), ["id", "cmd"]);
  for (const name of ["version", "versionInfo", "tasks", "tasksRunning", "deployments", "args"]) assert.ok(!(name in model.definition(given)), name);
});

test("progress and dependents", () => {
  const steps = [{ actions: [{ action: "StartApplication", app: "/a" }] }, { actions: [] }, { actions: [] }];
  const { done, total, steps: found } = model.progress({ currentStep: 2, steps });
  assert.deepEqual([done, total, found.map((s) => s.state)], [1, 3, ["done", "now", "later"]]);
  assert.deepEqual(model.dependents(known(app("/a"), app("/b", { dependencies: ["/a"] }), app("/c")), "/a"), ["/b"]);
});

test("the apps of a group, and what depends on them from outside", () => {
  const apps = known(
    app("/shop/web", { instances: 3, tasksRunning: 2, tasksStaged: 1 }), app("/shop/db/main", { instances: 1, tasksRunning: 1 }),
    app("/shopping", { dependencies: ["/shop/db"] }), app("/log", { dependencies: ["/shop"] }), app("/x", { dependencies: ["/shopping"] }),
  );
  assert.deepEqual(model.instancesBelow(apps, "/shop"), [{ id: "/shop/db/main", from: 1, there: 1 }, { id: "/shop/web", from: 3, there: 3 }]);
  assert.deepEqual(model.dependentsOf(apps, "/shop"), ["/log", "/shopping"]);
  assert.deepEqual(model.dependentsOf(apps, "/shop/web"), []);
});

test("a group is scaled as the service does it", () => {
  const to = (from, by) => model.scaled([{ id: "/a", from, there: 0 }], by)?.[0].to;
  assert.deepEqual([to(3, "0.5"), to(1, "2"), to(0, "9"), to(10, "1.1"), to(5, "0"), to(900_000, "2")], [2, 2, 0, 11, 0, 1_000_000]);
  for (const odd of ["", " ", "-1", "x", "Infinity"]) assert.equal(to(1, odd), undefined);
});
