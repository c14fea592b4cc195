// Keeps what the page knows up to date: asks every few seconds, and says since when it is old.

import { get } from "./ask.js";

const ASK = 5_000; // between two questions
const CURVES = 30_000; // between two questions for the curves that are shown

export class Live {
  /** `changed` is called after every change. `now` is what /api/now said, null at first; `cut` since when it says nothing. */
  constructor(changed) {
    this.changed = changed;
    this.now = null;
    this.cut = null;
    this.why = "";
    this.skew = 0;
    this.curves = new Map(); // "pool range" -> {body, at, why}
    this.range = "hour";
    this.more = () => this.all(); // what else is asked for, after each answer
  }

  /** Seconds since 1970 by the server's clock. */
  get time() {
    return Date.now() / 1000 + this.skew;
  }

  start() {
    document.addEventListener("visibilitychange", () => this.wake());
    window.addEventListener("pageshow", () => this.wake());
    this.wake();
  }

  wake() {
    clearTimeout(this.timer);
    if (!document.hidden) this.ask();
  }

  async ask() {
    if (!this.asking) {
      this.asking = true;
      try {
        const { body, skew } = await get("api/now");
        Object.assign(this, { now: body, skew: Math.abs(skew) < 3 ? 0 : skew, cut: null, why: "" });
        await this.more();
      } catch (e) {
        this.cut ??= this.time;
        this.why = e.message;
      }
      this.asking = false;
      this.changed();
    }
    clearTimeout(this.timer);
    if (!document.hidden) this.timer = setTimeout(() => this.ask(), ASK);
  }

  choose(range) {
    this.range = range;
    this.changed();
    this.all();
  }

  /** The curves of all pools, those that are old enough. */
  async all() {
    await Promise.all((this.now?.pools ?? []).map((pool) => this.curve(pool.name, this.range)));
  }

  async curve(pool, range) {
    const key = `${pool} ${range}`;
    const known = this.curves.get(key);
    if (known && (known.asking || Date.now() - known.at < CURVES)) return;
    this.curves.set(key, { ...known, asking: true, at: known?.at ?? 0 });
    try {
      const { body } = await get(`api/pool/${encodeURIComponent(pool)}?range=${range}`);
      this.curves.set(key, { body, at: Date.now(), why: "" });
    } catch (e) {
      this.curves.set(key, { ...known, asking: false, at: Date.now(), why: e.message });
    }
    this.changed();
  }
}
