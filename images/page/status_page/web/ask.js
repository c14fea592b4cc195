// Asks the page's server.

const PATIENCE = 12_000; // for one answer

/** The address of something beside the page, without the name and password that the page's own may have in it. */
const address = (path) => new URL(path, location.origin + location.pathname).href;

/** What is there as JSON, and how far the server's clock is ahead. Throws an Error that says what is wrong. */
export async function get(path, patience = PATIENCE) {
  const stop = new AbortController();
  const alarm = setTimeout(() => stop.abort(), patience);
  try {
    const answer = await fetch(address(path), { signal: stop.signal, headers: { Accept: "application/json" } });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.message ?? `HTTP ${answer.status}`);
    const date = Date.parse(answer.headers.get("Date"));
    return { body, skew: Number.isFinite(date) ? date / 1000 - Date.now() / 1000 : 0 };
  } catch (e) {
    throw e.name === "AbortError" ? new Error("no answer in time") : e;
  } finally {
    clearTimeout(alarm);
  }
}
