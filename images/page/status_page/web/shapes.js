// Where things stand in the pictures. Pure.
import { ms } from "./words.js";

/** Where the sites stand: {name: [x, y]}, the first above, in a box of that size with room for a node of `w` by `hh`. Pure. */
export function places(names, width, height, w, hh) {
  const [cx, cy, rx, ry] = [width / 2, height / 2, (width - w) / 2 - 2, (height - hh) / 2 - 2];
  if (names.length === 1) return { [names[0]]: [cx, cy] };
  const turn = names.length === 2 ? Math.PI : -Math.PI / 2;
  const at = names.map((_, n) => turn + (2 * Math.PI * n) / names.length);
  // As wide and as high as there is room: three of them do not reach the lower edge of a ring.
  const [xs, ys] = [at.map(Math.cos), at.map(Math.sin)];
  const spread = (values, half) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (v) => (high - low < 1e-6 ? 0 : ((v - low) / (high - low)) * 2 * half - half);
  };
  const [x, y] = [spread(xs, rx), spread(ys, ry)];
  return Object.fromEntries(names.map((name, n) => [name, [cx + x(xs[n]), cy + y(ys[n])]]));
}

/** Both ends of each link as one: {a, b, state: well, bad, half or unknown, rtt, text}. Pure. */
export function pairs(links) {
  const found = new Map();
  for (const end of links) {
    const [a, b] = [end.from, end.to].sort();
    const pair = found.get(`${a} ${b}`) ?? { a, b, ends: [] };
    pair.ends.push(end);
    found.set(`${a} ${b}`, pair);
  }
  return [...found.values()].map(({ a, b, ends }) => {
    const known = ends.filter((e) => e.up !== null);
    const rtts = ends.map((e) => e.rtt).filter((v) => v !== null);
    const rtt = rtts.length ? Math.min(...rtts) : null;
    const down = known.filter((e) => !e.up);
    if (!known.length) return { a, b, rtt, state: "unknown", text: "not known" };
    if (!down.length) return { a, b, rtt, state: known.length < ends.length ? "half" : "well", text: rtt === null ? "up" : `${ms(rtt)} ms` };
    return { a, b, rtt, state: "bad", text: down.length === known.length ? "down" : `${down[0].from} hears nothing` };
  });
}

/** A round number that is not below, and the steps to it: [top, step]. Pure. */
export function scale(most, lines = 4) {
  if (!(most > 0)) return [1, 1];
  const rough = most / lines;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((m) => m * size).find((s) => s >= rough));
  return [Math.max(1, Math.ceil(most / step)) * step, step];
}

/** The runs of points that follow each other: [[index, value], ...] each. Pure. */
export function runs(values) {
  const out = [];
  let run = null;
  values.forEach((value, n) => {
    if (value === null || value === undefined) run = null;
    else if (run) run.push([n, value]);
    else out.push((run = [[n, value]]));
  });
  return out;
}

/** The last index that has a value in any series, and that value of each. Pure. */
export function last(names, data) {
  for (let n = data.times.length - 1; n >= 0; n--) {
    if (names.some(([id]) => (data.series[id]?.[n] ?? null) !== null)) return n;
  }
  return data.times.length - 1;
}
