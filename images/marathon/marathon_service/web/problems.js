// The service's errors as something to show. Pure.

/** {message, items: [{path, text}], deployments: [id], status} of an answer that is no success. */
export function problemsOf(status, body) {
  const message = typeof body?.message === "string" ? body.message : `The service answered with ${status}.`;
  const items = [];
  const details = body?.details;
  if (Array.isArray(details)) {
    for (const d of details) for (const text of d.errors ?? []) items.push({ path: d.path ?? "/", text: String(text) });
  } else if (typeof details === "string") {
    items.push({ path: "/", text: details });
  }
  const deployments = status === 409 ? (body?.deployments ?? []).map((d) => d.id) : [];
  return { status, message: IN_WORDS[status] ?? message, said: message, items, deployments };
}

const IN_WORDS = {
  401: "The service wants a login. Load the page again to give it.",
  0: "The service does not answer.",
};

/** Whether the same could be done by force: other deployments hold the app. */
export const canForce = (problem) => problem.status === 409 && problem.deployments.length > 0;
