// The page's addresses: everything behind #, so that every state of it can be kept and sent to somebody. Pure.

const LISTS = ["status", "health", "label"];

/** "#/apps/shop?status=waiting" as {view, id, query: {q, status: [], health: [], label: [], tab, ...}}. */
export function parse(hash) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?");
  const [view, ...rest] = path.split("/").filter(Boolean).map(decode);
  const given = new URLSearchParams(search);
  const query = Object.fromEntries(given);
  for (const name of LISTS) query[name] = given.getAll(name).filter(Boolean);
  return { view: view || "apps", id: "/" + rest.join("/"), query };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The other way. */
export function address(view, id = "/", query = {}) {
  const path = id.split("/").filter(Boolean).map((p) => "/" + encodeURIComponent(p)).join("");
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one) search.append(name, one);
  }
  const text = search.toString();
  return `#/${view}${path}${text ? "?" + text : ""}`;
}

/** The query with `value` in or out of the list `name`. */
export function toggled(query, name, value) {
  const before = query[name] ?? [];
  return { ...query, [name]: before.includes(value) ? before.filter((v) => v !== value) : [...before, value] };
}
