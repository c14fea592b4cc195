// What can be done, each with a question first that says what will happen.
import { appPath, del, forced, post, put } from "./api.js";
import { dependents } from "./model.js";
import { address } from "./routes.js";
import { appLink } from "./parts.js";
import { h } from "./vdom.js";
import { plural, shortTask } from "./words.js";

const MOST_NAMED = 8;

function shownTasks(tasks) {
  const more = tasks.length - MOST_NAMED;
  return h("ul", { class: "ends" },
    tasks.slice(0, MOST_NAMED).map((t) => h("li", { key: t.id }, h("code", null, shortTask(t.id)), ` on ${t.host}`)),
    more > 0 && h("li", { key: "more" }, `and ${plural(more, "more", "more")}`));
}

const running = (app) => (app.tasks ? app.tasks.length : (app.tasksRunning ?? 0) + (app.tasksStaged ?? 0));

function kept(app) {
  const part = app.upgradeStrategy?.minimumHealthCapacity ?? 1;
  const least = Math.min(app.instances, Math.ceil(app.instances * part));
  return least ? `At least ${least} of them ${least === 1 ? "stays" : "stay"} up all the time.` : "For a while none of them is up.";
}

export function scale(page, app) {
  page.ask({
    title: `Scale ${app.id}`,
    action: "Scale",
    fields: [{ name: "instances", label: "Instances", type: "number", min: 0, value: String(app.instances) }],
    body: ({ instances }) => {
      const by = Number(instances) - app.instances;
      if (instances === "" || by === 0) return h("p", null, `It has ${plural(app.instances, "instance")} now.`);
      return h("p", null, by > 0 ? `${plural(by, "instance")} more will be started.` : `${plural(-by, "instance")} will be ended.`);
    },
    run: ({ instances }, force) => put(forced(appPath(app.id), force), { instances: Number(instances) }),
  });
}

export function restart(page, app) {
  page.ask({
    title: `Restart ${app.id}?`,
    action: "Restart",
    body: () => h("p", null, `Its ${plural(app.instances, "instance")} will be replaced by new ones. `, kept(app)),
    run: (_, force) => post(forced(`${appPath(app.id)}/restart`, force)),
  });
}

export function suspend(page, app) {
  page.ask({
    title: `Suspend ${app.id}?`,
    action: "Suspend",
    body: () => h("div", null, h("p", null, `This ends ${plural(running(app), "instance")}. The app stays, and runs again once it is scaled up.`),
      app.tasks && shownTasks(app.tasks)),
    run: (_, force) => put(forced(appPath(app.id), force), { instances: 0 }),
  });
}

export function destroy(page, app) {
  const needed = dependents(page.state.apps, app.id);
  page.ask({
    title: `Destroy ${app.id}?`,
    action: "Destroy",
    danger: true,
    body: () => h("div", null,
      h("p", null, `This ends ${plural(running(app), "instance")} and removes the app with all its versions. It cannot be undone.`),
      app.tasks && shownTasks(app.tasks),
      needed.length > 0 && h("div", { class: "notice is-waiting" },
        h("p", null, needed.length === 1 ? "An app depends on it:" : `${needed.length} apps depend on it:`),
        h("ul", { class: "ends" }, needed.slice(0, MOST_NAMED).map((id) => h("li", { key: id }, appLink(id)))))),
    run: (_, force) => del(forced(appPath(app.id), force)),
    then: () => page.go(address("apps", app.id.slice(0, app.id.lastIndexOf("/")))),
  });
}

export function kill(page, task) {
  const lost = task.state === "TASK_UNREACHABLE";
  page.ask({
    title: `Kill instance ${shortTask(task.id)}?`,
    action: "Kill",
    danger: true,
    fields: [
      { name: "scale", label: "and let the app have one instance fewer", type: "checkbox", value: false },
      lost && { name: "wipe", label: "and forget it: its machine will not come back", type: "checkbox", value: false },
    ].filter(Boolean),
    body: ({ scale: fewer }) => h("p", null, `It is one of ${task.appId} and is on ${task.host}. `,
      fewer ? "No new one is started in its place." : "A new one is started in its place."),
    run: ({ scale: fewer, wipe }, force) => {
      const flags = [fewer && "scale=true", wipe && "wipe=true"].filter(Boolean).join("&");
      return del(forced(`${appPath(task.appId)}/tasks/${encodeURIComponent(task.id)}${flags ? "?" + flags : ""}`, force));
    },
  });
}

export function rollBack(page, deployment) {
  page.ask({
    title: "Roll this deployment back?",
    action: "Roll back",
    body: () => h("p", null, `A new deployment brings ${deployment.affectedApps.join(", ")} back to what was before. `,
      "An app that this deployment created is destroyed."),
    run: () => del(`deployments/${encodeURIComponent(deployment.id)}`),
  });
}

export function stop(page, deployment) {
  page.ask({
    title: "Stop this deployment?",
    action: "Stop",
    danger: true,
    body: () => h("p", null, "It is forgotten just as it is, and nothing is brought back. ",
      "The new definitions stay, and the service goes on to bring the apps to them; the apps can be changed again at once."),
    run: () => del(`deployments/${encodeURIComponent(deployment.id)}?force=true`),
  });
}

export function goBack(page, app, version, old) {
  page.ask({
    title: `Bring ${app.id} back to that version?`,
    action: "Go back",
    body: () => h("p", null, `It becomes what it was at ${version}, with ${plural(old.instances, "instance")}. Those that differ are replaced.`),
    run: (_, force) => put(forced(appPath(app.id), force), { version }),
  });
}

/** Nothing to ask: the next try is only earlier. */
export async function resetDelay(page, id) {
  try {
    await del(`queue${id.split("/").map(encodeURIComponent).join("/")}/delay`);
    page.say("good", `${id} may start again now.`);
  } catch (e) {
    page.say("bad", e.message);
  }
  page.live.event("deployment_info", { plan: { target: { apps: [{ id }] } } });
}
