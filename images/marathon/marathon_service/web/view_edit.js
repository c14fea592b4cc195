// An app as JSON: a new one, or an old one changed. What the service does not accept is shown where it stands.
import { h } from "./vdom.js";
import { appPath, forced, post, put } from "./api.js";
import { definition, parentOf } from "./model.js";
import { button, empty, link, notice } from "./parts.js";
import { canForce, problemsOf } from "./problems.js";
import { address } from "./routes.js";
import { trail } from "./view_apps.js";
import { SyntaxProblem, locate, position, tree } from "./json_text.js";

const SAMPLE = { cmd: "sleep 3600", cpus: 0.1, mem: 64, instances: 1, container: { type: "DOCKER", docker: { image: "debian:stable" } } };

export function newView(page) {
  const group = page.route.id === "/" ? "" : page.route.id;
  return editor(page, `new ${group}`, () => ({ text: JSON.stringify({ id: `${group}/my-app`, ...SAMPLE }, null, 2), version: null }), {
    title: "Create an app",
    action: "Create",
    send: (body) => post("apps", body),
    back: address("apps", page.route.id),
  });
}

export function editView(page) {
  const app = page.state.apps.get(page.route.id);
  if (!app) return h("div", null, trail(page.route.id), empty(page.state.loaded ? "There is no such app." : "Loading the app …"));
  return editor(page, app.id, () => ({ text: JSON.stringify(definition(app), null, 2), version: app.version }), {
    title: `Edit ${app.id}`,
    action: "Change",
    present: app.version,
    // The whole: what was taken out of the text is to go.
    send: (body, force) => put(forced(`${appPath(app.id)}?partialUpdate=false`, force), body),
    back: address("app", app.id),
  });
}

function editor(page, key, begin, how) {
  if (!page.drafts.has(key)) page.drafts.set(key, { ...begin(), problem: null, busy: false, force: false });
  const draft = page.drafts.get(key);
  const places = draft.problem ? draft.problem.items.map((i) => ({ ...i, place: i.place ?? locate(draft.text, i.path) })) : [];
  const drop = () => page.drafts.delete(key);
  return h("div", { class: "edit" },
    h("div", { class: "bar-top" }, h("h1", { tabindex: "-1" }, how.title)),
    how.present && how.present !== draft.version && notice("waiting",
      h("p", null, "The app was changed meanwhile. What you send takes the place of that change. ",
        button("Start again from the present one", () => (drop(), page.draw()), { kind: "small" }))),
    draft.problem && problems(page, draft, places),
    h("form", { on: { submit: (e) => (e.preventDefault(), send(page, key, draft, how)) } },
      code(page, draft, places),
      h("div", { class: "actions" },
        h("button", { type: "submit", class: "button primary", disabled: draft.busy }, draft.busy ? "One moment …" : how.action),
        link("Cancel", how.back, { class: "button", on: { click: drop } }))));
}

function code(page, draft, places) {
  const count = draft.text.split("\n").length;
  const bad = new Set(places.map((p) => p.place?.line));
  return h("div", { class: "editor" },
    h("div", { class: "gutter", "aria-hidden": "true" }, h("div", { class: "gutter-in" }, Array.from({ length: count }, (_, n) =>
      h("div", { key: n, class: bad.has(n + 1) ? "line is-bad" : "line" }, String(n + 1))))),
    h("textarea", {
      id: "definition", "aria-label": "Definition of the app as JSON", "aria-describedby": places.length ? "problems" : null,
      "aria-invalid": places.length ? "true" : null, spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off",
      rows: String(Math.min(40, Math.max(16, count + 1))), value: draft.text,
      on: {
        input: (e) => {
          draft.text = e.target.value;
          // The places of the last answer are those of the text that was sent.
          draft.problem = null;
          page.draw();
        },
        scroll: (e) => e.target.previousSibling.firstChild.style.setProperty("--up", `${-e.target.scrollTop}px`),
      },
    }));
}

function problems(page, draft, places) {
  return h("div", { class: "notice is-unhealthy", role: "alert", id: "problems" },
    h("h2", null, canForce(draft.problem) ? "Another deployment has this app in hand" : draft.problem.message),
    places.length > 0 && h("ul", { class: "problems" }, places.map((p, n) => h("li", { key: n },
      p.place
        ? h("button", { type: "button", class: "plain-button", on: { click: () => mark(p.place) } }, h("code", null, p.path), h("span", { class: "note" }, `line ${p.place.line}`))
        : h("code", null, p.path),
      h("span", null, p.text)))),
    canForce(draft.problem) && h("label", { class: "check" },
      h("input", { type: "checkbox", name: "force", checked: draft.force, on: { change: (e) => ((draft.force = e.target.checked), page.draw()) } }),
      "Do it all the same: that deployment is stopped where it is"));
}

/** Selects a place in the text, and brings it into sight. */
function mark(place) {
  const area = document.getElementById("definition");
  area.focus();
  area.setSelectionRange(place.start, place.end);
  const height = parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max(0, (place.line - 4) * height);
}

async function send(page, key, draft, how) {
  if (draft.busy) return;
  const text = draft.text;
  let body;
  try {
    tree(text);
    body = JSON.parse(text);
  } catch (e) {
    if (!(e instanceof SyntaxProblem)) throw e;
    const { line, column } = position(text, e.offset);
    const place = { start: e.offset, end: e.offset + 1, line };
    draft.problem = { ...problemsOf(0, null), message: "This is no JSON yet", items: [{ path: `line ${line}, column ${column}`, text: e.message, place }] };
    page.draw(() => mark(place));
    return;
  }
  draft.busy = true;
  draft.problem = null;
  page.draw();
  try {
    const answer = await how.send(body, draft.force);
    page.drafts.delete(key);
    const id = answer?.id ?? page.route.id;
    page.say("good", `${id} is sent; a deployment brings it about.`, { text: "Deployments", to: address("deployments") });
    page.go(page.route.view === "edit" || answer?.id ? address("app", id) : address("apps", parentOf(id)));
  } catch (e) {
    draft.busy = false;
    draft.problem = e.problem ?? problemsOf(500, { message: String(e.message ?? e) });
    page.draw();
  }
}
