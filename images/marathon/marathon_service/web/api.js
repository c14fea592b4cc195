// Calls of the API beside the page.
import { problemsOf } from "./problems.js";

// Without a login that may stand in the page's own address: fetch refuses such addresses.
const base = new URL("../v2/", location.origin + location.pathname).href;

const AGAIN = 400; // ms

export const address = (path) => base + path;

export class Problem extends Error {
  constructor(problem) {
    super(problem.message);
    this.problem = problem;
  }
}

async function call(method, path, body) {
  let answer;
  let text;
  try {
    answer = await fetch(address(path), {
      method,
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    text = await answer.text();
  } catch {
    throw new Problem(problemsOf(0, null));
  }
  let parsed = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    // A proxy between us and the service speaks for itself, in HTML; the status says enough.
  }
  if (!answer.ok) throw new Problem(problemsOf(answer.status, parsed));
  return parsed;
}

/** Asking changes nothing, so what got no answer at all is asked once more: networks come and go. */
export async function get(path) {
  try {
    return await call("GET", path);
  } catch (e) {
    if (e.problem?.status !== 0) throw e;
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
    return call("GET", path);
  }
}

export const put = (path, body) => call("PUT", path, body);
export const post = (path, body) => call("POST", path, body);
export const del = (path) => call("DELETE", path);

/** An app's id in a path: its slashes stay. */
export const appPath = (id) => "apps" + id.split("/").map(encodeURIComponent).join("/");

export const groupPath = (id) => "groups" + id.split("/").map(encodeURIComponent).join("/");

/** Of a change of the app: ?force=true when it was asked for. */
export const forced = (path, force) => (force ? path + (path.includes("?") ? "&" : "?") + "force=true" : path);
