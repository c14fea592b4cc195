import assert from "node:assert/strict";
import test from "node:test";
import * as words from "../../marathon_service/web/words.js";
import { canForce, problemsOf } from "../../marathon_service/web/problems.js";
import { address, parse, toggled } from "../../marathon_service/web/routes.js";

const app = { id: "/a", cpus: 24, mem: 2048, constraints: [["site", "LIKE", "bari"], ["hostname", "UNIQUE"]] };
const summary = (...reasons) => ({
  processedOffersCount: 10, unusedOffersCount: 9,
  rejectSummaryLastOffers: reasons.map(([reason, declined]) => ({ reason, declined, processed: 10 })),
});

test("amounts", () => {
  assert.deepEqual([words.memory(512), words.memory(1536), words.memory(3 * 1024 * 1024)], ["512 MiB", "1.5 GiB", "3 TiB"]);
  assert.deepEqual([words.duration(0), words.duration(59), words.duration(61), words.duration(7200), words.duration(90061)], ["0 s", "59 s", "1 min 1 s", "2 h", "1 d 1 h"]);
  const now = Date.parse("2026-01-01T00:02:31Z") / 1000;
  assert.equal(words.ago("2026-01-01T00:00:00Z", now), "2 min ago");
  assert.equal(words.ago("2026-01-01T00:02:31Z", now), "just now");
  assert.equal(words.ago("nonsense", now), "never");
});

test("reasons come in words, the most frequent first", () => {
  const item = { app, count: 2, processedOffersSummary: summary(["InsufficientCpus", 3], ["UnfulfilledConstraint", 7], ["InsufficientPorts", 0]) };
  assert.deepEqual(words.reasons(item).map((r) => r.text), [
    "a constraint is not met: site must match bari; no two instances on the same hostname", "not enough CPUs free: an instance wants 24",
  ]);
  assert.match(words.why(item, 0), /^2 instances wait: a constraint is not met/);
  assert.match(words.why({ ...item, count: 1 }, 75), /^1 instance waits: its tasks ended by themselves.* in 1 min 15 s\.$/);
  assert.match(words.why({ app, count: 1, processedOffersSummary: { processedOffersCount: 0 } }, 0), /Mesos has offered nothing yet/);
});

test("every reason of the service has words, and an unknown one its name", () => {
  for (const name of [
    "UnfulfilledRole", "UnfulfilledConstraint", "NoCorrespondingReservationFound", "AgentMaintenance", "InsufficientCpus",
    "InsufficientMemory", "InsufficientDisk", "InsufficientGpus", "InsufficientPorts", "DeclinedScarceResources",
  ]) assert.match(words.reason(name, app), / /, name);
  assert.equal(words.reason("SomethingNew", app), "something new");
  assert.match(words.reason("InsufficientPorts", { requirePorts: true, portDefinitions: [{ port: 80 }] }), /\(80\) are taken/);
});

test("health bars and tasks have words", () => {
  assert.equal(words.healthText({ healthy: 2, unhealthy: 1, missing: 0 }), "2 healthy, 1 unhealthy");
  assert.equal(words.healthText({}), "no instances");
  assert.equal(words.shortTask("demo_app.instance-44ad27e1-0000-0000-0000-000000000000._app.1"), "44ad27e1");
  assert.equal(words.shortTask("odd"), "odd");
});

test("the service's errors", () => {
  const invalid = problemsOf(422, { message: "Object is not valid", details: [{ path: "/cpus", errors: ["a", "b"] }, { path: "/id", errors: ["c"] }] });
  assert.deepEqual(invalid.items, [{ path: "/cpus", text: "a" }, { path: "/cpus", text: "b" }, { path: "/id", text: "c" }]);
  assert.equal(canForce(invalid), false);
  assert.equal(canForce(problemsOf(409, { message: "locked", deployments: [{ id: "d" }] })), true);
  assert.equal(canForce(problemsOf(409, { message: "there is one" })), false);
  assert.match(problemsOf(502, null).message, /502/);
  assert.match(problemsOf(0, null).message, /does not answer/);
});

test("addresses go both ways", () => {
  const hash = address("apps", "/shop/a b", { status: ["waiting", "delayed"], q: "x&y", tab: "" });
  const { view, id, query } = parse(hash);
  assert.deepEqual([view, id, query.status, query.q, query.label], ["apps", "/shop/a b", ["waiting", "delayed"], "x&y", []]);
  assert.deepEqual(parse("").view, "apps");
  assert.equal(parse("#/app/%").id, "/%");
  assert.deepEqual(toggled(toggled(query, "status", "waiting"), "status", "running").status, ["delayed", "running"]);
});
