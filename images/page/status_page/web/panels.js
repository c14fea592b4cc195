// The dashboards' panels: which board is looked at, and what is known of its sections. Nothing is asked but for what is on the screen.
import { get } from "./ask.js";

const AGES = { "1h": 20_000, "6h": 60_000, "24h": 120_000, "7d": 300_000 }; // between two questions for a section
const AGAIN = 15_000; // after one that came to nothing
const PATIENCE = 40_000; // for one answer

export class Panels {
  /** `changed` is called after every change. `boards` is null until they are known. */
  constructor(changed) {
    this.changed = changed;
    this.boards = null;
    this.why = "";
    this.range = "1h";
    this.site = "";
    this.at = { board: "overview", pool: "" };
    this.known = new Map(); // what is asked for -> {panels, at, why, asking}
    this.seen = new Set(); // sections on the screen
    this.whole = new Set(); // panels of which all lines are wanted
  }

  /** The board of an address #panels/NAME or #panels/pool/POOL; `pools` are those that there are. */
  go(hash, pools) {
    const [, board = "overview", pool = ""] = hash.replace(/^#/, "").split("/").map(decodeURIComponent);
    const at = { board, pool: board === "pool" ? pool || (pools[0] ?? "") : "" };
    if (at.board !== this.at.board || at.pool !== this.at.pool) {
      this.at = at;
      this.seen.clear();
    }
  }

  get board() {
    return this.boards?.find((b) => b.name === this.at.board) ?? null;
  }

  get where() {
    return `${this.at.board} ${this.at.pool}`.trim();
  }

  /** Asks for what is on the screen and old enough. */
  async refresh() {
    if (!this.boards) await this.list();
    else await Promise.all([...this.seen].map((n) => this.section(n)));
  }

  async list() {
    if (this.listing) return;
    this.listing = true;
    try {
      this.boards = (await get("api/panels")).body.boards;
      this.why = "";
    } catch (e) {
      this.why = e.message;
    }
    this.listing = false;
    this.changed();
  }

  choose(range, site) {
    Object.assign(this, { range, site });
    this.changed();
    this.refresh();
  }

  /** A section came to the screen, or left it. */
  see(section, there) {
    if (!there) this.seen.delete(section);
    else if (!this.seen.has(section)) {
      this.seen.add(section);
      this.section(section);
    }
  }

  turn(panel) {
    if (!this.whole.delete(panel)) this.whole.add(panel);
    this.changed();
  }

  key(section) {
    const { board } = this;
    const asked = new URLSearchParams({ range: this.range });
    if (board?.sites && this.site) asked.set("site", this.site);
    if (board?.pool) asked.set("pool", this.at.pool);
    return `api/panels/${this.at.board}/${section}?${asked}`;
  }

  of(section) {
    return this.known.get(this.key(section)) ?? {};
  }

  async section(section) {
    if (!this.board || !(section in this.board.sections) || (this.board.pool && !this.at.pool)) return;
    const key = this.key(section);
    const known = this.known.get(key);
    if (known && (known.asking || Date.now() - known.at < (known.why ? AGAIN : AGES[this.range]))) return;
    this.known.set(key, { ...known, asking: true });
    this.changed();
    try {
      const { body } = await get(key, PATIENCE);
      this.known.set(key, { panels: body.panels, at: Date.now(), why: "" });
    } catch (e) {
      this.known.set(key, { ...known, asking: false, at: Date.now(), why: e.message });
    }
    this.forget();
    this.changed();
  }

  /** Of what was looked at long ago nothing is kept. */
  forget() {
    for (const [key, { at, asking }] of this.known) if (!asking && Date.now() - at > 600_000) this.known.delete(key);
  }
}
