// The queue: what waits, and why.
import { h } from "./vdom.js";
import { delayLeft } from "./model.js";
import { appLink, badge, button, empty } from "./parts.js";
import { duration, lasting, plural, reasons, why } from "./words.js";
import * as act from "./actions.js";

export function queueView(page) {
  const items = [...page.state.queue.values()];
  return h("div", null,
    h("div", { class: "bar-top" }, h("h1", { tabindex: "-1" }, "Queue"), h("span", { class: "note" }, items.length ? `${plural(items.length, "app")} in it` : "")),
    items.length ? h("div", { class: "cards" }, items.map((i) => card(page, i)))
      : empty(page.state.loaded ? "Nothing waits." : "Loading the queue …", "Instances that find no place, or are held back after failures, are listed here."));
}

function card(page, item) {
  const left = delayLeft(item, page.now);
  const id = item.app.id;
  return h("section", { key: id, class: "card", "aria-label": `${id} in the queue` },
    h("div", { class: "card-head" },
      h("h2", null, appLink(id), " ", badge(left > 0 ? "delayed" : "waiting", left > 0 ? `held back for ${duration(left)}` : "waiting")),
      left > 0 && button("Try again now", () => act.resetDelay(page, id), { kind: "small" })),
    h("p", null, why(item, left), ` The app has waited for ${lasting(item.since, page.now)}.`),
    reasonsList(item));
}

/** Each reason with how many of the offers it kept from being used. */
export function reasonsList(item) {
  const all = reasons(item);
  if (!all.length) return null;
  // The one reason has been said in the sentence above.
  if (all.length === 1) {
    return h("p", { class: "note", title: all[0].reason }, `That was so with the last offer of ${plural(all[0].declined, "machine")}.`);
  }
  // Each machine's offer counts for the first thing that was wrong with it.
  const machines = all.reduce((sum, r) => sum + r.declined, 0);
  return h("div", { class: "reasons" },
    h("p", { class: "note" }, `What was wrong with the last offer of each of ${plural(machines, "machine")}:`),
    h("ul", null, all.map((r) => h("li", { key: r.reason },
      h("span", { class: "meter", vars: { "--part": String(r.declined / machines) }, "aria-hidden": "true" }),
      h("span", { class: "meter-number" }, `${r.declined} of ${machines}`),
      h("span", { title: r.reason }, r.text)))));
}
