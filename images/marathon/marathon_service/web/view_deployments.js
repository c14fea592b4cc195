// Deployments: their steps and how far they are.
import { h } from "./vdom.js";
import { healthOf, progress } from "./model.js";
import { appLink, button, empty, healthBar, when } from "./parts.js";
import { action, plural } from "./words.js";
import * as act from "./actions.js";

export function deploymentsView(page) {
  const all = page.state.deployments;
  return h("div", null,
    h("div", { class: "bar-top" }, h("h1", { tabindex: "-1" }, "Deployments"), h("span", { class: "note" }, all.length ? plural(all.length, "deployment") : "")),
    all.length ? h("div", { class: "cards" }, all.map((d) => deploymentCard(page, d)))
      : empty(page.state.loaded ? "No deployment is under way." : "Loading the deployments …", "A change of an app shows up here until it is done."));
}

export function deploymentCard(page, deployment) {
  const { done, total, steps } = progress(deployment);
  const id = deployment.id;
  return h("section", { key: id, class: "card", "aria-label": `Deployment ${id}` },
    h("div", { class: "card-head" },
      h("h2", null, h("code", { title: id }, id.slice(0, 8)), h("span", { class: "note" }, "started ", when(deployment.version, page.now))),
      h("div", { class: "actions" },
        button("Roll back", () => act.rollBack(page, deployment), { kind: "small" }),
        button("Stop", () => act.stop(page, deployment), { kind: "small danger" }))),
    h("div", { class: "progress", role: "progressbar", "aria-label": "Steps done", "aria-valuemin": "0", "aria-valuemax": String(total), "aria-valuenow": String(done) },
      h("span", { vars: { "--part": String(total ? done / total : 1) } })),
    h("ol", { class: "steps" }, steps.map((s, n) => h("li", { key: n, class: `step is-${s.state}`, "aria-current": s.state === "now" ? "step" : null },
      h("span", { class: "step-state" }, { done: "done", now: "now", later: "to come" }[s.state]),
      h("ul", null, s.actions.map((a) => h("li", { key: a.action + a.app }, h("span", null, action(a.action), " "), appLink(a.app),
        s.state === "now" && reached(page, a))))))));
}

function reached(page, { app: id, action: name }) {
  const app = page.state.apps.get(id);
  if (!app || name === "StartApplication" || name === "StopApplication") return null;
  const health = healthOf(app);
  return h("span", { class: "reached" }, healthBar(health), h("span", { class: "note" }, `${health.running} of ${app.instances} running`));
}
