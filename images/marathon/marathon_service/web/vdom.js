// A small virtual DOM: what a view describes becomes elements, and only what changed is touched, so that focus, selection
// and scrolling survive every live change. Text becomes text nodes and nothing else: there is no way from text to HTML.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "circle", "rect", "g", "line", "polyline", "text"]);
const PROPERTIES = new Set(["value", "checked", "open", "disabled", "indeterminate"]);
const HREF = /^(#|https?:\/\/)/i;

/** A description of an element. Children: descriptions, texts, numbers, lists of them; null and false are left out. */
export function h(tag, props, ...children) {
  const { key, ...rest } = props ?? {};
  return { tag, key: key ?? null, props: rest, children: flat(children) };
}

function flat(children) {
  return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== true)
    .map((c) => (typeof c === "object" ? c : { tag: null, key: null, text: String(c) }));
}

/** What may stand in an attribute; throws on one that could run or fetch something. */
export function checked(name, value) {
  if (/^on|^style$|^srcdoc$|html$/i.test(name)) throw new Error(`${name} is not set from a view`);
  if (["href", "src", "action", "formaction", "xlink:href"].includes(name.toLowerCase()) && !HREF.test(value)) {
    throw new Error(`${name} must be an address, not ${value}`);
  }
  return value;
}

const handlers = new WeakMap(); // element -> {event: function}
const drawn = new WeakMap(); // node -> its description

/** Makes the children of `parent` what the descriptions say. */
export function patch(parent, children) {
  const old = new Map();
  for (const node of parent.childNodes) {
    if (drawn.has(node)) old.set(drawn.get(node).id, node);
  }
  const counts = new Map();
  const wanted = flat([children]).map((v) => {
    const kind = v.tag ?? "#text";
    const n = counts.get(kind) ?? 0;
    if (v.key === null) counts.set(kind, n + 1);
    return { v, id: v.key === null ? `${kind}:${n}` : `${kind}=${v.key}` };
  });
  const kept = new Set(wanted.map((w) => w.id));
  for (const [id, node] of old) {
    if (!kept.has(id)) node.remove();
  }
  let at = parent.firstChild;
  for (const { v, id } of wanted) {
    let node = old.get(id);
    old.delete(id); // a key that is there twice makes a second element
    if (node) update(node, drawn.get(node).v, v);
    else node = create(v);
    drawn.set(node, { id, v });
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
    if (v.props?.hook && !hooked.has(node)) {
      hooked.add(node);
      v.props.hook(node);
    }
  }
}

const hooked = new WeakSet();

function create(v) {
  if (v.tag === null) return document.createTextNode(v.text);
  const node = SVG_TAGS.has(v.tag) ? document.createElementNS(SVG, v.tag) : document.createElement(v.tag);
  update(node, { props: {} }, v);
  return node;
}

function update(node, before, v) {
  if (v.tag === null) {
    if (node.nodeValue !== v.text) node.nodeValue = v.text;
    return;
  }
  // A select takes its value only once its options are there.
  patch(node, v.children);
  for (const name of new Set([...Object.keys(before.props), ...Object.keys(v.props)])) {
    set(node, name, before.props[name], v.props[name]);
  }
}

function set(node, name, before, value) {
  if (name === "hook") return;
  if (name === "on") return listen(node, value ?? {});
  if (name === "vars") return variables(node, before ?? {}, value ?? {});
  if (PROPERTIES.has(name)) return property(node, name, before, value);
  if (before === value) return;
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, checked(name, value === true ? "" : String(value)));
}

function property(node, name, before, value) {
  // What somebody is typing is theirs; `open` of details too, once it was drawn.
  if (name === "value" && node === document.activeElement && before !== undefined) return;
  if (name === "open" && before === value) return;
  if (node[name] !== (value ?? "")) node[name] = value ?? "";
}

function variables(node, before, vars) {
  for (const name of Object.keys(before)) if (!(name in vars)) node.style.removeProperty(name);
  for (const [name, value] of Object.entries(vars)) if (before[name] !== value) node.style.setProperty(name, value);
}

function listen(node, wanted) {
  const known = handlers.get(node) ?? {};
  for (const kind of Object.keys(wanted)) {
    if (!(kind in known)) node.addEventListener(kind, (event) => handlers.get(node)?.[kind]?.(event));
  }
  const silent = Object.fromEntries(Object.keys(known).map((kind) => [kind, null]));
  handlers.set(node, { ...silent, ...wanted });
}
