// The event stream as text, and what each event makes stale. Pure.

/** A parser of server-sent events: give it pieces of text, it returns the events that are whole: {kind, data}. */
export function parser() {
  let rest = "";
  return (text) => {
    rest += text;
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/);
    rest = blocks.pop();
    return blocks.map(block).filter(Boolean);
  };
}

function block(text) {
  let kind = "message";
  const data = [];
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") kind = value;
    if (field === "data") data.push(value);
  }
  if (!data.length) return null;
  try {
    return { kind, data: JSON.parse(data.join("\n")) };
  } catch {
    return null; // one event that cannot be read must not end the others
  }
}

const ENDED = new Set([
  "TASK_FAILED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNREACHABLE",
]);

/** Nothing is stale. */
export const nothing = () => ({ apps: new Set(), all: false, deployments: false, queue: false, tasks: false, failures: [] });

/** What is stale after this event, on top of `stale`. */
export function note(stale, kind, data) {
  const add = (id) => id && stale.apps.add(id);
  switch (kind) {
    case "status_update_event":
      add(data.appId);
      stale.queue = stale.tasks = true;
      if (ENDED.has(data.taskStatus)) {
        stale.failures.push({
          appId: data.appId, taskId: data.taskId, state: data.taskStatus, message: data.message,
          host: data.host, version: data.version, timestamp: data.timestamp,
        });
      }
      break;
    case "unhealthy_instance_kill_event":
    case "unhealthy_task_kill_event":
      add(data.appId);
      stale.failures.push({
        appId: data.appId, taskId: data.taskId, state: "killed: unhealthy", message: data.reason,
        host: data.host, version: data.version, timestamp: data.timestamp,
      });
      break;
    case "instance_changed_event":
    case "instance_health_changed_event":
    case "health_status_changed_event":
    case "failed_health_check_event":
      add(data.runSpecId ?? data.appId);
      stale.tasks = true;
      break;
    case "deployment_info":
    case "deployment_step_success":
    case "deployment_step_failure":
    case "deployment_success":
    case "deployment_failed":
      stale.deployments = stale.queue = true;
      for (const side of ["original", "target"]) for (const app of data.plan?.[side]?.apps ?? []) add(app.id);
      break;
    case "app_terminated_event":
      add(data.appId);
      break;
    case "api_post_event":
      add(data.appDefinition?.id);
      break;
    case "group_change_success":
    case "group_change_failed":
      stale.deployments = true;
      break;
    default:
      return false;
  }
  return true;
}
