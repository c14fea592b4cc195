// Numbers, times and the queue's reasons in words. Pure.

export const plural = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;

export function number(value) {
  return Number.isFinite(value) ? String(Math.round(value * 100) / 100) : "0";
}

/** MiB in the unit that reads best. */
export function memory(mib) {
  if (mib >= 1024 * 1024) return `${number(mib / 1024 / 1024)} TiB`;
  return mib >= 1024 ? `${number(mib / 1024)} GiB` : `${number(mib)} MiB`;
}

/** Seconds as the largest two units. */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => s >= size);
  if (first < 0) return "0 s";
  const [size, unit] = units[first];
  const rest = units[first + 1] ? Math.floor((s % size) / units[first + 1][0]) : 0;
  return `${Math.floor(s / size)} ${unit}` + (rest ? ` ${rest} ${units[first + 1][1]}` : "");
}

/** For how long it has been since a time in ISO form, `now` in seconds. Seconds count only in the first minute. */
export function lasting(stamp, now) {
  const seconds = Math.max(0, now - Date.parse(stamp) / 1000);
  return duration(seconds < 60 ? seconds : Math.floor(seconds / 60) * 60);
}

/** How long ago that was. */
export function ago(stamp, now) {
  if (!Number.isFinite(Date.parse(stamp))) return "never";
  const text = lasting(stamp, now);
  return text === "0 s" ? "just now" : `${text} ago`;
}

const OPERATORS = {
  UNIQUE: (f) => `no two instances on the same ${f}`,
  CLUSTER: (f, v) => (v ? `${f} must be ${v}` : `all instances on the same ${f}`),
  GROUP_BY: (f, v) => `spread evenly over ${v ? `${v} values of ${f}` : f}`,
  LIKE: (f, v) => `${f} must match ${v}`,
  UNLIKE: (f, v) => `${f} must not match ${v}`,
  MAX_PER: (f, v) => `at most ${v} instances for each ${f}`,
  IS: (f, v) => `${f} must be ${v}`,
  IN: (f, v) => `${f} must be one of ${v}`,
};

/** ["site", "LIKE", "torino"] as: site must match torino. */
export function constraint([field, operator, value]) {
  return OPERATORS[operator]?.(field, value) ?? [field, operator, value].filter((x) => x !== undefined).join(" ");
}

function ports(app) {
  const wanted = [
    ...(app.requirePorts ? (app.portDefinitions ?? []).map((p) => p.port) : []),
    ...(app.container?.portMappings ?? []).map((p) => p.hostPort),
  ].filter(Boolean);
  return wanted.length ? `host ports that it wants (${wanted.join(", ")}) are taken` : "not enough free ports";
}

const REASONS = {
  UnfulfilledRole: (a) =>
    `offered for another role than the app takes (${(a.acceptedResourceRoles ?? [a.role ?? "*"]).join(", ")})`,
  UnfulfilledConstraint: (a) =>
    a.constraints?.length ? `a constraint is not met: ${a.constraints.map(constraint).join("; ")}` : "a constraint is not met",
  NoCorrespondingReservationFound: () => "nothing is reserved there for this app",
  AgentMaintenance: () => "the machine goes into maintenance",
  InsufficientCpus: (a) => `not enough CPUs free: an instance wants ${number(a.cpus)}`,
  InsufficientMemory: (a) => `not enough memory free: an instance wants ${memory(a.mem)}`,
  InsufficientDisk: (a) => `not enough disk free: an instance wants ${memory(a.disk)}`,
  InsufficientGpus: (a) => `not enough GPUs free: an instance wants ${number(a.gpus)}`,
  InsufficientPorts: ports,
  DeclinedScarceResources: () => "the machine has GPUs, which are kept for apps that want some",
  UnmatchedNetworkName: () => "the machine lacks a network of the app",
};

/** A reason of the queue in words, for this app. One that is not known here keeps its own name. */
export function reason(name, app) {
  return REASONS[name]?.(app) ?? name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
}

/** Why offers were not used, the most frequent first: [{reason, text, declined, processed}]. */
export function reasons(item) {
  const summary = item.processedOffersSummary ?? {};
  const last = summary.rejectSummaryLastOffers ?? [];
  const from = last.some((r) => r.declined) ? last : (summary.rejectSummaryLaunchAttempt ?? []);
  return from
    .filter((r) => r.declined > 0)
    .sort((a, b) => b.declined - a.declined)
    .map((r) => ({ ...r, text: reason(r.reason, item.app) }));
}

/** Why the app waits, in one sentence. `left`: seconds of back-off that are left. */
export function why(item, left) {
  const wants = `${plural(item.count, "instance")} ${item.count === 1 ? "waits" : "wait"}`;
  if (left > 0) {
    return `${wants}: its tasks ended by themselves, so the next one starts only in ${duration(left)}.`;
  }
  const found = reasons(item);
  const processed = item.processedOffersSummary?.processedOffersCount ?? 0;
  if (!processed) return `${wants}: Mesos has offered nothing yet. Either no machine has anything free, or none is connected.`;
  if (!found.length) return `${wants} for a place.`;
  return `${wants}: ${found[0].text}.`;
}

const ACTIONS = {
  StartApplication: "Create", ScaleApplication: "Scale", RestartApplication: "Replace the instances of", StopApplication: "End",
};

export const action = (name) => ACTIONS[name] ?? name.replace(/(?<=[a-z])(?=[A-Z])/g, " ");

const STATES = {
  TASK_STAGING: "staging", TASK_STARTING: "starting", TASK_RUNNING: "running", TASK_KILLING: "ending", TASK_FINISHED: "finished",
  TASK_FAILED: "failed", TASK_KILLED: "killed", TASK_ERROR: "refused", TASK_LOST: "lost", TASK_GONE: "gone",
  TASK_GONE_BY_OPERATOR: "gone", TASK_DROPPED: "dropped", TASK_UNREACHABLE: "unreachable", TASK_UNKNOWN: "unknown",
};

export const taskState = (state) => STATES[state] ?? state;

const HEALTH = {
  healthy: "healthy", unhealthy: "unhealthy", unknown: "not known yet", unchecked: "running without a check",
  staged: "starting", missing: "missing", over: "more than wanted",
};

/** A health bar for those who do not see it. */
export function healthText(health) {
  const parts = Object.keys(HEALTH).filter((k) => health[k]).map((k) => `${health[k]} ${HEALTH[k]}`);
  return parts.length ? parts.join(", ") : "no instances";
}

/** The short name of a task: what tells it from the others of its app. */
export function shortTask(id) {
  const m = /instance-([0-9a-f]{8})/.exec(id) ?? /[._]([0-9a-f]{8})-/.exec(id);
  return m ? m[1] : id;
}
