// JSON as text: where each value stands, so that an error can be shown at its place. Pure.

export class SyntaxProblem extends Error {
  constructor(offset, message) {
    super(message);
    this.offset = offset;
  }
}

/** A tree of {start, end, kind, members: Map(key -> node) | items: [node]}. Throws SyntaxProblem. */
export function tree(text) {
  const reader = { text, at: 0 };
  const node = value(reader);
  blank(reader);
  if (reader.at < text.length) fail(reader, "nothing may follow the end of the object");
  return node;
}

function fail(r, message) {
  throw new SyntaxProblem(Math.min(r.at, r.text.length), message);
}

function blank(r) {
  while (" \t\n\r".includes(r.text[r.at] ?? "x")) r.at++;
}

function value(r) {
  blank(r);
  const start = r.at;
  const first = r.text[start];
  if (first === undefined) fail(r, "the text ends where a value is wanted");
  if (first === "{") return object(r, start);
  if (first === "[") return list(r, start);
  if (first === '"') {
    string(r);
    return { start, end: r.at, kind: "string" };
  }
  const m = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/.exec(r.text.slice(start, start + 400));
  if (!m) fail(r, first === "'" ? 'strings stand in double quotes (")' : "this is no JSON value (a word needs double quotes)");
  r.at += m[0].length;
  return { start, end: r.at, kind: "scalar" };
}

function string(r) {
  const m = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
  m.lastIndex = r.at;
  const found = m.exec(r.text);
  if (!found) fail(r, 'this string does not end, or holds a bad character; write \\" for a quote and \\n for a new line');
  r.at = m.lastIndex;
  return JSON.parse(found[0]);
}

function object(r, start) {
  const members = new Map();
  r.at++;
  for (let first = true; ; first = false) {
    blank(r);
    if (r.text[r.at] === "}" && (first || members.size)) {
      if (!first) fail(r, "a comma, and then nothing: take the comma away");
      break;
    }
    if (r.text[r.at] !== '"') fail(r, "a name in double quotes is wanted here");
    const at = r.at;
    const key = string(r);
    blank(r);
    if (r.text[r.at] !== ":") fail(r, "a colon is wanted after the name");
    r.at++;
    const node = value(r);
    members.set(key, { ...node, name: at });
    blank(r);
    if (r.text[r.at] === "}") break;
    if (r.text[r.at] !== ",") fail(r, "a comma or } is wanted here");
    r.at++;
  }
  r.at++;
  return { start, end: r.at, kind: "object", members };
}

function list(r, start) {
  const items = [];
  r.at++;
  blank(r);
  if (r.text[r.at] === "]") {
    r.at++;
    return { start, end: r.at, kind: "list", items };
  }
  for (;;) {
    items.push(value(r));
    blank(r);
    if (r.text[r.at] === "]") break;
    if (r.text[r.at] !== ",") fail(r, "a comma or ] is wanted here");
    r.at++;
  }
  r.at++;
  return { start, end: r.at, kind: "list", items };
}

/** {line, column} from 1 of an offset. */
export function position(text, offset) {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

/**
 * Where the service's path (/container/portMappings(0)/name) is in the text: {start, end, line, exact}.
 * What is not there ("is required") is shown at what should hold it, with exact false.
 */
export function locate(text, path) {
  let node;
  try {
    node = tree(text);
  } catch {
    return null;
  }
  let rest = path === "/" ? "" : path;
  let exact = true;
  let name = node.start;
  while (rest) {
    const step = child(node, rest);
    if (!step) {
      exact = false;
      break;
    }
    node = step.node;
    name = node.name ?? node.start;
    rest = step.rest;
  }
  const whole = node.kind === "object" || node.kind === "list";
  const end = whole ? node.start + 1 : node.end;
  return { start: name, end: Math.max(end, name + 1), line: position(text, name).line, exact };
}

function child(node, path) {
  const index = /^\/?\((\d+)\)|^\/(\d+)(?=\/|$)/.exec(path);
  if (node.kind === "list" && index) {
    const item = node.items[Number(index[1] ?? index[2])];
    return item ? { node: item, rest: path.slice(index[0].length) } : null;
  }
  if (node.kind !== "object") return null;
  // A name may hold a slash itself: the longest that fits is meant.
  const fits = [...node.members.keys()].filter((k) => {
    const after = path[k.length + 1];
    return path.startsWith("/" + k) && (after === undefined || after === "/" || after === "(");
  });
  if (!fits.length) return null;
  const key = fits.sort((a, b) => b.length - a.length)[0];
  return { node: node.members.get(key), rest: path.slice(key.length + 1) };
}
