import assert from "node:assert/strict";
import test from "node:test";
import { nothing, note, parser } from "../../marathon_service/web/events.js";
import { lines, pretty, shortened } from "../../marathon_service/web/diff.js";
import { SyntaxProblem, locate, position, tree } from "../../marathon_service/web/json_text.js";
import { checked, h } from "../../marathon_service/web/vdom.js";

test("events come whole, however the text is cut", () => {
  const text = '\r\nevent: a\ndata: {"x":1}\n\n:comment\n\nevent: b\r\ndata: {"y":\r\ndata: 2}\r\n\r\nevent: bad\ndata: {\n\nevent: c\ndata: {}\n\n';
  for (const size of [1, 3, 7, text.length]) {
    const parse = parser();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...parse(text.slice(at, at + size)));
    assert.deepEqual(found.filter((e) => e.kind !== "message"), [{ kind: "a", data: { x: 1 } }, { kind: "b", data: { y: 2 } }, { kind: "c", data: {} }], `pieces of ${size}`);
  }
});

test("each event makes stale what it is about", () => {
  const stale = nothing();
  assert.equal(note(stale, "event_stream_attached", {}), false);
  assert.equal(note(stale, "status_update_event", { appId: "/a", taskStatus: "TASK_FAILED", message: "m", taskId: "t" }), true);
  note(stale, "deployment_success", { plan: { original: { apps: [{ id: "/gone" }] }, target: { apps: [{ id: "/new" }] } } });
  note(stale, "instance_health_changed_event", { runSpecId: "/h" });
  assert.deepEqual([...stale.apps], ["/a", "/gone", "/new", "/h"]);
  assert.ok(stale.deployments && stale.queue && stale.tasks && !stale.all);
  assert.deepEqual(stale.failures.map((f) => [f.appId, f.state, f.message]), [["/a", "TASK_FAILED", "m"]]);
});

test("where a path of the service's errors is in the text", () => {
  const text = JSON.stringify({ id: "/a", env: { "a/b": "x", A: 1 }, container: { portMappings: [{ name: "p" }, { name: "q" }] } }, null, 2);
  const at = (path) => {
    const place = locate(text, path);
    return [text.slice(place.start, place.end), place.exact];
  };
  assert.deepEqual(at("/id"), ['"id": "/a"', true]);
  assert.deepEqual(at("/env/A"), ['"A": 1', true]);
  assert.deepEqual(at("/env/a/b"), ['"a/b": "x"', true]);
  assert.deepEqual(at("/container/portMappings(1)/name"), ['"name": "q"', true]);
  assert.deepEqual(at("/cpus"), ["{", false]);
  assert.deepEqual(at("/container/portMappings(7)/name"), ['"portMappings": [', false]);
  assert.equal(locate(text, "/env/A").line, 5);
  assert.equal(locate("{", "/id"), null);
});

test("JSON that is none is said with its place", () => {
  for (const [text, offset, words] of [
    ["", 0, /ends where/], ['{"a": 1,}', 8, /comma away/], ["{'a': 1}", 1, /double quotes/], ['{"a" 1}', 5, /colon/], ['{"a": "x}', 6, /does not end/],
    ['{"a": nope}', 6, /no JSON value/], ['{"a": 1} x', 9, /after|end/], ['[1 2]', 3, /comma or \]/], ['{"a": 01}', 6, /no JSON value/],
  ]) {
    assert.throws(() => tree(text), (e) => e instanceof SyntaxProblem && e.offset === offset && words.test(e.message), text);
    assert.throws(() => JSON.parse(text), text);
  }
  assert.deepEqual(position("a\nbc", 3), { line: 2, column: 2 });
  for (const good of ['{"a": [1, -2.5e3, true, null, "\\u00e9\\n", {}, []]}', " [ ] ", '"x"']) assert.ok(tree(good) && JSON.parse(good) !== undefined);
});

test("differences", () => {
  const before = pretty({ b: 1, a: { y: 2, x: [1] } }).split("\n");
  const after = pretty({ a: { x: [1], y: 3 }, b: 1 }).split("\n");
  const all = lines(before, after);
  assert.deepEqual(all.filter((l) => l.kind !== "same").map((l) => [l.kind, l.text.trim()]), [["gone", '"y": 2'], ["new", '"y": 3']]);
  assert.deepEqual(all.filter((l) => l.kind !== "new").map((l) => l.text), before);
  assert.deepEqual(all.filter((l) => l.kind !== "gone").map((l) => l.text), after);
  assert.deepEqual(shortened(all, 1).map((l) => l.kind), ["left out", "same", "gone", "new", "same", "left out"]);
  assert.deepEqual(lines(["a"], ["a"]), [{ kind: "same", text: "a" }]);
});

test("a view can set nothing that runs", () => {
  for (const [name, value] of [["onclick", "x()"], ["style", "x"], ["innerHTML", "x"], ["srcdoc", "x"], ["href", "javascript:x()"], ["href", " javascript:x()"], ["src", "data:text/html,x"]]) {
    assert.throws(() => checked(name, value), `${name}=${value}`);
  }
  assert.equal(checked("href", "#/apps"), "#/apps");
  assert.deepEqual(h("p", null, ["<b>", null, false, 0]).children.map((c) => c.text), ["<b>", "0"]);
});
