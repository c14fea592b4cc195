// Questions, and the words that come after.
import { h } from "./vdom.js";
import { canForce, problemsOf } from "./problems.js";
import { button, icon, link } from "./parts.js";
import { address } from "./routes.js";

let number = 0;

/**
 * A dialog: {title, action, danger, fields: [{name, label, type, value, min, step}], body(values), run(values, force), then}.
 * `run` does it and gives the service's answer; its problem is shown in the dialog, which stays open.
 */
export function ask(page, question) {
  page.dialog = {
    fields: [], ...question, number: ++number, busy: false, problem: null, force: false, before: document.activeElement,
    values: Object.fromEntries((question.fields ?? []).map((f) => [f.name, f.value])),
  };
  page.draw();
}

export function close(page) {
  const before = page.dialog?.before;
  page.dialog = null;
  page.draw(() => before?.isConnected && before.focus());
}

async function act(page, dialog) {
  if (dialog.busy) return;
  Object.assign(dialog, { busy: true, problem: null });
  page.draw();
  try {
    const answer = await dialog.run(dialog.values, dialog.force);
    close(page);
    const id = answer?.deploymentId;
    page.say("good", `${dialog.action}: the service has taken it on.`, id && { text: "Deployments", to: address("deployments") });
    dialog.then?.();
  } catch (e) {
    Object.assign(dialog, { busy: false, problem: e.problem ?? problemsOf(500, { message: String(e.message ?? e) }) });
    page.draw();
  }
}

function field(page, dialog, f, first) {
  const set = (value) => {
    dialog.values[f.name] = value;
    page.draw();
  };
  if (f.type === "checkbox") {
    return h("label", { key: f.name, class: "check" },
      h("input", { type: "checkbox", name: f.name, checked: dialog.values[f.name], on: { change: (e) => set(e.target.checked) } }), f.label);
  }
  return h("label", { key: f.name, class: "field" }, h("span", null, f.label),
    h("input", {
      type: f.type, name: f.name, min: String(f.min), step: f.step ?? "1", required: true, inputmode: f.step ? "decimal" : "numeric", autofocus: first,
      value: dialog.values[f.name], on: { input: (e) => set(e.target.value) },
    }));
}

export function dialogView(page) {
  const d = page.dialog;
  if (!d) return null;
  const typed = d.fields.some((f) => f.type !== "checkbox");
  return h("dialog", {
    key: d.number, class: "dialog", "aria-labelledby": "dialog-title", hook: (el) => el.showModal(),
    on: { cancel: (e) => (e.preventDefault(), close(page)) },
  }, h("form", {
    on: { submit: (e) => (e.preventDefault(), act(page, d)) },
  },
  h("h2", { id: "dialog-title" }, d.title),
  d.body?.(d.values),
  d.fields.map((f, n) => field(page, d, f, n === 0 && f.type !== "checkbox")),
  d.problem && problemView(page, d),
  h("div", { class: "actions end" },
    // What ends something is not what the Enter key finds first.
    button("Cancel", () => close(page), { autofocus: !typed }),
    h("button", { type: "submit", class: d.danger ? "button danger" : "button primary", disabled: d.busy }, d.busy ? "One moment …" : d.action))));
}

function problemView(page, d) {
  const p = d.problem;
  return h("div", { class: "notice is-unhealthy", role: "alert" },
    h("p", null, canForce(p) ? "Another deployment has this app in hand." : p.message),
    p.items.length > 0 && h("ul", { class: "ends" }, p.items.map((i, n) => h("li", { key: n }, h("code", null, i.path), ` ${i.text}`))),
    canForce(p) && h("label", { class: "check" },
      h("input", { type: "checkbox", name: "force", checked: d.force, on: { change: (e) => ((d.force = e.target.checked), page.draw()) } }),
      "Do it all the same: that deployment is stopped where it is"));
}

/** Short messages at the edge of the page. */
export function toasts(page) {
  return h("div", { class: "toasts", role: "status", "aria-live": "polite" }, page.said.map((s) =>
    h("div", { key: s.number, class: `toast is-${s.kind}` }, icon(s.kind === "good" ? "healthy" : "unhealthy"),
      h("span", { class: "grow" }, s.text), s.link && link(s.link.text, s.link.to),
      h("button", { type: "button", class: "plain-button", "aria-label": "Close this message", on: { click: () => page.unsay(s) } }, icon("close")))));
}
