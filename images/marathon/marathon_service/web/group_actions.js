// What can be done with all apps of a group; each question names what will be stopped.
import { appPath, del, forced, groupPath, post, put } from "./api.js";
import { dependentsOf, instancesBelow, scaled } from "./model.js";
import { address } from "./routes.js";
import { appLink } from "./parts.js";
import { h } from "./vdom.js";
import { plural } from "./words.js";

const MOST_NAMED = 8;

function named(items, line) {
  const more = items.length - MOST_NAMED;
  return h("ul", { class: "ends" },
    items.slice(0, MOST_NAMED).map((item) => h("li", { key: item.id }, line(item))),
    more > 0 && h("li", { key: "more" }, `and ${plural(more, "app")} more`));
}

const withCount = (app) => [appLink(app.id), `: ${plural(app.there, "instance")}`];

export function scale(page, group) {
  const wanted = instancesBelow(page.state.apps, group);
  page.ask({
    title: `Scale ${group}`,
    action: "Scale",
    fields: [{ name: "by", label: "Times as many instances", type: "number", min: 0, step: "any", value: "1" }],
    body: ({ by }) => {
      const after = scaled(wanted, by);
      if (!after) return h("p", null, `Write by how much the instances of its ${plural(wanted.length, "app")} are multiplied: 2 for twice as many, 0.5 for half.`);
      const changed = after.filter((a) => a.to !== a.from);
      if (!changed.length) return h("p", null, "Nothing changes.");
      return h("div", null,
        h("p", null, `${plural(changed.length, "app")} will have more or fewer instances:`),
        named(changed, (a) => [appLink(a.id), `: ${a.to} in place of ${a.from}`]));
    },
    run: ({ by }, force) => put(forced(groupPath(group), force), { scaleBy: Number(by) }),
  });
}

export function restart(page, group) {
  const apps = instancesBelow(page.state.apps, group).filter((a) => a.from > 0);
  page.ask({
    title: `Restart ${group}?`,
    action: "Restart",
    body: () => (apps.length
      ? h("div", null,
        h("p", null, `All instances of ${plural(apps.length, "app")} will be replaced by new ones, as each app's upgrade strategy says, in a deployment for each app:`),
        named(apps, withCount))
      : h("p", null, "None of its apps is to run, so there is nothing to restart.")),
    run: async (_, force) => {
      let last = null;
      for (const app of apps) last = await post(forced(`${appPath(app.id)}/restart`, force));
      return last;
    },
  });
}

export function destroy(page, group) {
  const apps = instancesBelow(page.state.apps, group);
  const there = apps.reduce((sum, a) => sum + a.there, 0);
  const needed = dependentsOf(page.state.apps, group);
  page.ask({
    title: `Destroy ${group} with all that is in it?`,
    action: "Destroy",
    danger: true,
    body: () => h("div", null,
      h("p", null, `This ends ${plural(there, "instance")} and removes ${plural(apps.length, "app")} with all their versions. It cannot be undone.`),
      named(apps, withCount),
      needed.length > 0 && h("div", { class: "notice is-waiting" },
        h("p", null, "Outside of the group these depend on it:"),
        named(needed.map((id) => ({ id })), (a) => appLink(a.id)))),
    run: (_, force) => del(forced(groupPath(group), force)),
    then: () => page.go(address("apps", group.slice(0, group.lastIndexOf("/")))),
  });
}
