// An app's definition, as it is and as it was.
import { h } from "./vdom.js";
import { definition } from "./model.js";
import { appPath, get } from "./api.js";
import { badge, button, empty, facts, link, when } from "./parts.js";
import { address } from "./routes.js";
import { lines, pretty, shortened } from "./diff.js";
import { constraint, plural } from "./words.js";
import * as act from "./actions.js";

const list = (items) => (items.length ? h("ul", { class: "plain" }, items.map((x, n) => h("li", { key: n }, x))) : null);
const pairs = (object) => list(Object.entries(object ?? {}).map(([k, v]) =>
  h("code", { class: "break" }, `${k} = ${typeof v === "string" ? v : JSON.stringify(v)}`)));

function check(c) {
  const where = c.command?.value ?? `${c.path ?? ""}${c.port ? ` at port ${c.port}` : c.portIndex === undefined ? "" : ` at port number ${c.portIndex}`}`;
  return `${c.protocol} ${where}, every ${c.intervalSeconds} s, killed after ${c.maxConsecutiveFailures} failures in a row`;
}

export function configuration(page, app) {
  const docker = app.container?.docker;
  return h("div", { class: "cards" },
    h("section", { class: "card" },
      facts([
        ["Command", app.cmd && h("pre", { class: "message" }, app.cmd)],
        ["Arguments", app.args?.length ? h("code", { class: "break" }, JSON.stringify(app.args)) : null],
        ["Image", docker && h("code", { class: "break" }, docker.image)],
        ["Networks", list((app.networks ?? []).map((n) => [n.mode, n.name].filter(Boolean).join(" ")))],
        ["Ports", list([
          ...(app.portDefinitions ?? []).map((p) => `${p.name ?? "port"} ${p.port}/${p.protocol ?? "tcp"}`),
          ...(app.container?.portMappings ?? []).map((p) => `${p.name ?? "port"} ${p.containerPort} on host ${p.hostPort ?? "–"}/${p.protocol ?? "tcp"}`),
        ])],
        ["Health checks", list((app.healthChecks ?? []).map(check))],
        ["Constraints", list((app.constraints ?? []).map(constraint))],
        ["Depends on", list((app.dependencies ?? []).map((d) => link(d, address("app", d))))],
        ["Environment", pairs(app.env)],
        ["Labels", pairs(app.labels)],
        ["User", app.user],
        ["Last change of size", app.versionInfo?.lastScalingAt && when(app.versionInfo.lastScalingAt, page.now)],
        ["Last change otherwise", app.versionInfo?.lastConfigChangeAt && when(app.versionInfo.lastConfigChangeAt, page.now)],
      ])),
    h("details", { class: "card" }, h("summary", null, "All of it, as JSON"), h("pre", { class: "code", tabindex: "0", "aria-label": "Definition as JSON" }, pretty(definition(app)))));
}

/** What was fetched, by app; null while it is on its way. */
function known(page, app) {
  const kept = page.versions;
  if (kept.id !== app.id || kept.at !== app.version) {
    page.versions = { id: app.id, at: app.version, names: null, of: new Map(kept.id === app.id ? kept.of : []), problem: null };
    const mine = page.versions;
    get(`${appPath(app.id)}/versions`).then((body) => (mine.names = body.versions), (e) => (mine.problem = e.message)).then(page.draw);
  }
  return page.versions;
}

function version(page, app, name, kept) {
  if (name === app.version) return app;
  if (!kept.of.has(name)) {
    kept.of.set(name, null);
    get(`${appPath(app.id)}/versions/${encodeURIComponent(name)}`)
      .then((body) => kept.of.set(name, body), (e) => (kept.problem = e.message)).then(page.draw);
  }
  return kept.of.get(name);
}

export function versions(page, app) {
  const kept = known(page, app);
  if (kept.problem) return empty("The versions could not be read.", kept.problem);
  if (!kept.names) return empty("Loading the versions …");
  const names = kept.names;
  const chosen = names.includes(page.route.query.version) ? page.route.query.version : (names.find((n) => n !== app.version) ?? names[0]);
  const old = version(page, app, chosen, kept);
  return h("div", { class: "versions" },
    h("ol", { class: "version-list", "aria-label": "Versions" }, names.map((n) => h("li", { key: n },
      link([n.replace("T", " ").replace(/\.\d+Z$/, " UTC"), n === app.version ? badge("running", "present") : h("span", { class: "note" }, when(n, page.now))],
        address("app", app.id, { tab: "versions", version: n }), { "aria-current": n === chosen ? "true" : null })))),
    h("section", { class: "card" }, chosen === app.version
      ? [h("h2", null, "The present version"), h("pre", { class: "code", tabindex: "0", "aria-label": "Definition as JSON" }, pretty(definition(app)))]
      : old ? difference(page, app, chosen, old) : empty("Loading the version …")));
}

function difference(page, app, name, old) {
  const all = lines(pretty(definition(old)).split("\n"), pretty(definition(app)).split("\n"));
  const changed = all.filter((l) => l.kind !== "same").length;
  return [
    h("div", { class: "card-head" }, h("h2", null, "From that version to the present one"),
      button("Go back to that version", () => act.goBack(page, app, name, old), { kind: "small" })),
    changed ? h("div", { class: "diff", role: "region", tabindex: "0", "aria-label": "Differences" }, shortened(all).map((l, n) =>
      l.kind === "left out"
        ? h("div", { key: n, class: "diff-gap" }, `${plural(l.count, "line")} the same`)
        : h("div", { key: n, class: `diff-${l.kind}` }, h("span", { class: "hidden" }, { gone: "removed: ", new: "added: ", same: "" }[l.kind]),
          h("span", { class: "diff-sign", "aria-hidden": "true" }, { gone: "−", new: "+", same: " " }[l.kind]), l.text)))
      : h("p", { class: "note" }, "They do not differ: the app was only restarted."),
  ];
}
