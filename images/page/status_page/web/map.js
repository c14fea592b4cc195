// The federation as a picture: sites on a ring, and the links between them.
import { h } from "./vdom.js";
import { icon, sized } from "./parts.js";
import { pairs, places } from "./shapes.js";
import { plural } from "./words.js";

export function map(now, redraw) {
  const names = now.sites.map((s) => s.name);
  const all = pairs(now.links);
  return [
    sized("map", { class: "map" }, redraw, (width) => draw(now, names, all, width)),
    h("ul", { class: "hidden" }, all.map((p) => h("li", { key: `${p.a} ${p.b}` }, `Link ${p.a} to ${p.b}: ${p.state === "bad" ? "" : "up, "}${p.text}`))),
    leaders(now),
  ];
}

function draw(now, names, all, width) {
  const small = width < 480;
  const [w, hh] = small ? [112, 52] : [156, 58];
  const height = names.length < 3 ? 130 : Math.min(small ? 290 : 330, 140 + names.length * 60);
  const at = places(names, width, height, w, hh);
  const crowded = all.length > 15; // then only what is wrong has its words
  return h("svg", {
    width: String(width), height: String(height), viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Map of the federation: ${names.join(", ")}. The links are listed below it.`,
  },
  all.map((p) => line(p, at, crowded)),
  now.sites.map((site) => node(site, at[site.name], w, hh)));
}

function line(p, at, crowded) {
  if (!at[p.a] || !at[p.b]) return null;
  const [[x1, y1], [x2, y2]] = [at[p.a], at[p.b]];
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const text = p.state === "bad" ? `✕ ${p.text}` : p.text;
  const wide = text.length * 7.5 + 16;
  return h("g", { key: `${p.a} ${p.b}`, class: `link is-${p.state}` },
    h("line", { x1, y1, x2, y2 }),
    (!crowded || p.state === "bad") && h("g", null,
      h("rect", { x: x - wide / 2, y: y - 11, width: wide, height: 22, rx: 11 }),
      h("text", { x, y: y + 4.5, "text-anchor": "middle" }, text)));
}

const SIGNS = { well: "✓", bad: "✕", unknown: "?" };

function node(site, [x, y], w, hh) {
  const there = site.machines.filter((m) => m.registered !== false).length;
  const all = plural(site.machines.length, "machine");
  const machines = site.state === "unknown" ? "silent" : there === site.machines.length ? all : `${there} of ${site.machines.length} up`;
  return h("g", { key: site.name, class: `node is-${site.state}` },
    h("rect", { x: x - w / 2, y: y - hh / 2, width: w, height: hh, rx: 10 }),
    h("text", { class: "node-sign", x: x - w / 2 + 18, y: y + 5.5, "text-anchor": "middle" }, SIGNS[site.state]),
    h("text", { class: "node-name", x: x - w / 2 + 34, y: y - 3 }, site.name.length > 13 ? `${site.name.slice(0, 12)}…` : site.name),
    h("text", { class: "node-more", x: x - w / 2 + 34, y: y + 15 }, machines));
}

/** Who leads what. */
function leaders(now) {
  const members = now.sites.filter((s) => s.quorum);
  if (!members.length) return null;
  const names = members[0].services.map((s) => s.name).filter((name) => ["etcd", "ZooKeeper", "Mesos master", "Marathon"].includes(name));
  return h("dl", { class: "leaders", "aria-label": "Who leads" }, names.map((name) => {
    const leader = members.find((s) => s.services.some((each) => each.name === name && each.leads));
    const silent = members.some((s) => s.services.some((each) => each.name === name && each.state === "unknown"));
    return h("div", { key: name, class: leader || silent ? "" : "is-bad" },
      h("dt", null, name), h("dd", null, icon(leader ? "leads" : silent ? "unknown" : "bad"), leader ? leader.name : silent ? "not known" : "nobody leads"));
  }));
}
