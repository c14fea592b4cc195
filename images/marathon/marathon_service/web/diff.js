// Two definitions side by side, as lines. Pure.

/** JSON with its names in order, so that two versions differ only where they differ. */
export function pretty(value) {
  return JSON.stringify(ordered(value), null, 2);
}

function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((k) => [k, ordered(value[k])]));
}

/** [{kind: "same" | "gone" | "new", text}] from one list of lines to the other. */
export function lines(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const a = before.slice(head, before.length - tail);
  const b = after.slice(head, after.length - tail);
  const same = (text) => ({ kind: "same", text });
  return [
    ...before.slice(0, head).map(same),
    ...middle(a, b),
    ...(tail ? before.slice(-tail).map(same) : []),
  ];
}

function middle(a, b) {
  // Longest common subsequence; common[i][j] is that of a[i..] and b[j..].
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const found = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push({ kind: "same", text: a[i] });
      i++;
      j++;
    } else if (i < a.length && (j >= b.length || common[i + 1][j] >= common[i][j + 1])) {
      found.push({ kind: "gone", text: a[i++] });
    } else {
      found.push({ kind: "new", text: b[j++] });
    }
  }
  return found;
}

/** Long stretches that are the same become one entry {kind: "left out", count}. */
export function shortened(all, around = 3) {
  const near = all.map((l, n) => all.slice(Math.max(0, n - around), n + around + 1).some((x) => x.kind !== "same"));
  const found = [];
  all.forEach((line, n) => {
    if (near[n]) found.push(line);
    else if (found.at(-1)?.kind === "left out") found.at(-1).count++;
    else found.push({ kind: "left out", count: 1 });
  });
  return found;
}
