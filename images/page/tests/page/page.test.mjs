import assert from "node:assert/strict";
import test from "node:test";
import { last, pairs, places, runs, scale } from "../../status_page/web/shapes.js";
import * as words from "../../status_page/web/words.js";

test("numbers", () => {
  assert.equal(words.number(1234.5), "1,235");
  assert.equal(words.number(0.456), "0.46");
  assert.equal(words.number(0), "0");
  assert.equal(words.number(null), "–");
  assert.equal(words.ms(9.96), "10.0");
  assert.equal(words.ms(21.7), "22");
  assert.equal(words.ms(null), "–");
  assert.equal(words.gigabytes(48000), "46.9");
  assert.equal(words.plural(1, "machine"), "1 machine");
  assert.equal(words.plural(0, "machine"), "0 machines");
});

test("times", () => {
  assert.equal(words.duration(4000), "1 h 6 min");
  assert.equal(words.duration(0), "0 s");
  assert.equal(words.ago(100, 101), "just now");
  assert.equal(words.ago(100, 159), "59 s ago");
  assert.equal(words.ago(100, 350), "4 min ago");
  assert.equal(words.ago(100, 90), "just now");
  assert.match(words.clock(1764350100, 1764350200), /^\d\d:\d\d$/);
  assert.match(words.clock(1764350100, 1764350100 + 3 * 86400), /^\d+ \w+ \d\d:\d\d$/);
});

test("round trips are near or far", () => {
  const level = (v) => words.nearness(v)[0];
  assert.deepEqual([0.3, 5, 20, 50, 150, null].map(level), ["0", "1", "2", "3", "4", "none"]);
});

test("sentences", () => {
  assert.equal(words.sentence("a tunnel is dead"), "A tunnel is dead.");
  assert.equal(words.spaced("slots_busy"), "slots busy");
});

test("sites stand apart and within the picture", () => {
  for (const count of [1, 2, 3, 4, 7, 12]) {
    const names = Array.from({ length: count }, (_, n) => `s${n}`);
    const at = Object.values(places(names, 600, 330, 150, 60));
    for (const [x, y] of at) assert.ok(x >= 75 && x <= 525 && y >= 30 && y <= 300, `${count}: ${x} ${y}`);
    assert.equal(new Set(at.map(String)).size, count);
  }
  const { a, b, c } = places(["a", "b", "c"], 600, 330, 150, 60);
  assert.ok(a[1] < b[1] && Math.abs(b[1] - c[1]) < 1e-6 && b[0] > c[0]);
});

test("both ends of a link are one", () => {
  const end = (from, to, up, rtt = null) => ({ from, to, up, rtt });
  const one = (...ends) => pairs(ends).map((p) => [p.a, p.b, p.state, p.text]);
  assert.deepEqual(one(end("a", "b", true, 11), end("b", "a", true, 12)), [["a", "b", "well", "11 ms"]]);
  assert.deepEqual(one(end("a", "b", false), end("b", "a", false)), [["a", "b", "bad", "down"]]);
  assert.deepEqual(one(end("a", "b", true, 11), end("b", "a", false)), [["a", "b", "bad", "b hears nothing"]]);
  assert.deepEqual(one(end("a", "b", true, 11), end("b", "a", null)), [["a", "b", "half", "11 ms"]]);
  assert.deepEqual(one(end("a", "b", null), end("b", "a", null)), [["a", "b", "unknown", "not known"]]);
  assert.deepEqual(one(end("a", "b", null), end("b", "a", false)), [["a", "b", "bad", "down"]]);
});

test("scales end at round numbers", () => {
  assert.deepEqual(scale(30), [30, 10]);
  assert.deepEqual(scale(0), [1, 1]);
  assert.deepEqual(scale(3), [3, 1]);
  for (const most of [1, 2, 7, 13, 99, 101, 12345]) {
    const [top, step] = scale(most);
    assert.ok(top >= most && top / step <= 6 && Number.isInteger(step), `${most}: ${top} ${step}`);
  }
});

test("curves have gaps where nothing is known", () => {
  assert.deepEqual(runs([1, 2, null, 3]), [[[0, 1], [1, 2]], [[3, 3]]]);
  assert.deepEqual(runs([null]), []);
  const data = { times: [1, 2, 3], series: { a: [1, null, null], b: [null, 0, null] } };
  assert.equal(last([["a"], ["b"]], data), 1);
  assert.equal(last([["none"]], data), 2);
});
