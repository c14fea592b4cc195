// Numbers and times in words. Pure.

export const plural = (n, one, many = one + "s") => `${number(n)} ${n === 1 ? one : many}`;

/** A number as short as it is still right: 1234 as 1,234, 0.4567 as 0.46. */
export function number(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
  return rounded.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

/** Milliseconds, with a digit behind the point only where that says something. */
export function ms(value) {
  if (value === null || value === undefined) return "–";
  return value >= 10 ? String(Math.round(value)) : value.toFixed(1);
}

/** MB as GB. */
export const gigabytes = (mb) => number(mb === null || mb === undefined ? null : Math.round((mb / 1024) * 10) / 10);

/** Seconds as the largest two units. */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => s >= size);
  if (first < 0) return "0 s";
  const [size, unit] = units[first];
  const rest = units[first + 1] ? Math.floor((s % size) / units[first + 1][0]) : 0;
  return `${Math.floor(s / size)} ${unit}` + (rest ? ` ${rest} ${units[first + 1][1]}` : "");
}

/** How long ago a time was; seconds count only in the first minute. */
export function ago(at, now) {
  const seconds = Math.max(0, now - at);
  if (seconds < 3) return "just now";
  return `${duration(seconds < 60 ? seconds : Math.floor(seconds / 60) * 60)} ago`;
}

const two = (n) => String(n).padStart(2, "0");

/** A time as the clock on the wall has it; with the day where that is another one. */
export function clock(at, now) {
  const [date, today] = [new Date(at * 1000), new Date(now * 1000)];
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return date.toDateString() === today.toDateString() ? time : `${day(at)} ${time}`;
}

/** 28 Nov */
export const day = (at) => new Date(at * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short" });

/** waiting reasons and rules of alerts: slots_busy as: slots busy */
export const spaced = (name) => name.replaceAll("_", " ");

/** With a large letter and a full stop. */
export const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** Which of five a round trip is in, and what that is called. */
export function nearness(value) {
  if (value === null || value === undefined) return ["none", "not measured"];
  const at = [[5, "next door"], [20, "near"], [50, "far"], [150, "very far"]].findIndex(([limit]) => value < limit);
  return at < 0 ? ["4", "too far"] : [String(at), ["next door", "near", "far", "very far"][at]];
}
