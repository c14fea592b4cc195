// Values with their units, and round scales for them. Pure.
import { number } from "./words.js";

const BYTES = ["B", "KB", "MB", "GB", "TB", "PB"];
const TIMES = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
const ROUND_TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

/** A value as it is read, by Grafana's name of its unit. */
export function shown(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  switch (unit) {
    case "bytes": return bytes(value, 0);
    case "kbytes": return bytes(value, 1);
    case "mbytes": return bytes(value, 2);
    case "Bps": return `${bytes(value, 0)}/s`;
    case "percentunit": return `${number(value * 100)} %`;
    case "percent": return `${number(value)} %`;
    case "ms": return value >= 1000 ? `${small(value / 1000)} s` : `${small(value)} ms`;
    case "s": return time(value);
    case "cpm": return `${small(value)}/min`;
    default: return small(value);
  }
}

/** The same beside an axis, where there is room for seven signs. */
export const tick = (value, unit) => (unit === "none" && value >= 1e4 ? (value >= 1e6 ? `${number(value / 1e6)}M` : `${number(value / 1e3)}k`) : shown(value, unit));

/** Of numbers under one two digits that say something. */
const small = (value) => (value !== 0 && Math.abs(value) < 0.1 ? String(Number(value.toPrecision(2))) : number(value));

function bytes(value, from) {
  let [size, name] = [value, from];
  while (Math.abs(size) >= 1024 && name < BYTES.length - 1) [size, name] = [size / 1024, name + 1];
  return `${Math.abs(size) >= 100 ? Math.round(size) : Number(size.toFixed(1))} ${BYTES[name]}`;
}

function time(seconds) {
  if (seconds < 1 && seconds > 0) return `${small(seconds * 1000)} ms`;
  const [size, name] = TIMES.find(([s]) => seconds >= s) ?? [1, "s"];
  return `${number(Math.round((seconds / size) * 10) / 10)} ${name}`;
}

/** A round number of the unit that is not below, and the steps to it: [top, step]. */
export function unitScale(most, unit, lines = 4) {
  if (!(most > 0)) return [1, 1];
  const rough = most / lines;
  let step;
  if (unit === "s" && rough > 1) step = ROUND_TIMES.find((s) => s >= rough) ?? Math.ceil(rough / 86400) * 86400;
  else {
    const base = /bytes|Bps/.test(unit) ? 1024 ** Math.max(0, Math.floor(Math.log(rough) / Math.log(1024))) : 1;
    const size = 10 ** Math.floor(Math.log10(rough / base));
    step = [1, 2, 5, 10].map((m) => m * size * base).find((s) => s >= rough * (1 - 1e-9));
  }
  return [Math.ceil(most / step - 1e-9) * step, step];
}

const LEVELS = { green: "well", yellow: "warn", red: "bad", blue: "info" };

/** What a value is by the panel's limits: well, warn, bad or info; "" without limits or value. */
export function level(value, panel) {
  if (!panel.limits || value === null || value === undefined) return "";
  const [first, second] = panel.limits;
  const colours = panel.colours ?? ["green", "yellow", "red"];
  const rank = first <= second ? (value < first ? 0 : value < second ? 1 : 2) : value >= first ? 0 : value >= second ? 1 : 2;
  return LEVELS[colours[rank]] ?? "info";
}

/** A value by the panel's words for it, or with its unit. */
export const called = (value, panel) => (value === null || value === undefined ? "–" : (panel.words?.[String(value)] ?? shown(value, panel.unit)));

/** The last value that there is. */
export const latest = (values) => values.findLast((v) => v !== null) ?? null;

/** Series of their own times as {times, series: {number: values}} of one time. */
export function together(found) {
  const step = Math.max(1, ...found.map((s) => s.step));
  const start = Math.min(...found.map((s) => s.start));
  const end = Math.max(...found.map((s) => s.start + s.step * (s.values.length - 1)));
  const times = Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, n) => start + n * step);
  const series = {};
  found.forEach((s, n) => {
    const values = Array(times.length).fill(null);
    s.values.forEach((v, k) => {
      const at = Math.floor((s.start + k * s.step - start) / step);
      if (v !== null) values[at] = v;
    });
    series[n] = values;
  });
  return { times, series };
}

/** Each of the series upon those before it: {number: values}; what is not known adds nothing. */
export function stacked(names, series) {
  const out = {};
  let below = null;
  for (const [id] of names) {
    const under = below;
    out[id] = series[id].map((v, n) => (v === null ? null : v + (under?.[n] ?? 0)));
    below = series[id].map((v, n) => (v ?? 0) + (under?.[n] ?? 0));
  }
  return out;
}

/** Runs of one level in cells of a width, each the worst of its values: [{from, to, level}], in parts of the whole. */
export function cells(values, panel, count) {
  const ranks = { "": -1, info: 0, well: 0, warn: 1, bad: 2 };
  const n = Math.max(1, Math.min(count, values.length));
  const out = [];
  for (let k = 0; k < n; k++) {
    const some = values.slice(Math.floor((k * values.length) / n), Math.floor(((k + 1) * values.length) / n));
    const found = some.map((v) => level(v, panel)).reduce((a, b) => (ranks[b] > ranks[a] ? b : a), "");
    const before = out.at(-1);
    if (before?.level === found) before.to = (k + 1) / n;
    else out.push({ from: k / n, to: (k + 1) / n, level: found });
  }
  return out;
}
