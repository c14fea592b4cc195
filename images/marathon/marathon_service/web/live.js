// Keeps what the page knows up to date: by the event stream, and by asking while that is cut.
import { address, appPath, get } from "./api.js";
import { nothing, note, parser } from "./events.js";

const ASK = 5_000; // between questions while the stream is cut
const WATCH = 3_000; // of queue and deployments, of whose progress not everything is an event
const WHOLE = 60_000; // everything, whatever the events said
const SILENCE = 45_000; // the service says something every 15 s
const STEADY = 5_000; // for which a stream must have lasted, to be taken up again at once
const SOON = 120; // events that come together are one question
const MANY = 8; // apps, from which on one question for all is less work
const MOST_FAILURES = 50;
const UNSEEN = 10_000; // for which a page may be hidden before its stream is given up: a browser has six connections to a service, for all tabs

export class Live {
  /** `changed` is called after every change of `this.state`. */
  constructor(changed) {
    this.changed = changed;
    this.state = {
      apps: new Map(), queue: new Map(), deployments: [], tasks: null, info: null, loaded: false, failures: [],
      connection: { kind: "starting" },
    };
    this.wanted = { tasks: false, app: null }; // what the open view needs beyond the lists
    this.stale = nothing();
    this.tries = 0;
    this.flushing = false;
    this.away = false; // left, kept by the browser for the way back, or long hidden: nothing is open then
    this.stop = null; // ends the open stream
    this.awake = null; // goes on with one that was given up
  }

  start() {
    this.follow();
    setInterval(() => this.watch(), WATCH);
    setInterval(() => this.whole(), WHOLE);
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.unseen);
      if (document.hidden) this.unseen = setTimeout(() => this.leave(), UNSEEN);
      else if (this.away) this.back();
      else this.whole();
    });
    addEventListener("pagehide", () => this.leave());
    addEventListener("pageshow", (e) => e.persisted && this.back());
  }

  /** Gives the stream up; what is shown stays as it is. */
  leave() {
    clearTimeout(this.unseen);
    clearInterval(this.asking);
    this.asking = null;
    this.away = true;
    this.stop?.abort();
  }

  /** Opens it again, and asks for what has changed meanwhile. */
  back() {
    this.away = false;
    this.tries = 0;
    this.awake?.();
  }

  /** What the open view shows besides the lists: `tasks` of all apps, or one `app`. */
  async want(wanted) {
    this.wanted = wanted;
    if (wanted.tasks) this.stale.tasks = true;
    if (wanted.app) this.stale.apps.add(wanted.app);
    await this.flush();
  }

  connection(kind, more = {}) {
    this.state.connection = { kind, ...more };
    this.changed();
  }

  async follow() {
    for (;;) {
      let why = "the stream of events ended";
      try {
        await this.stream();
      } catch (e) {
        why = e.name === "AbortError" ? "the stream of events fell silent" : e.message;
      }
      if (!this.away) this.cut(why);
      const wait = Math.min(30_000, 500 * 2 ** this.tries++) * (0.75 + Math.random() / 2);
      await new Promise((resolve) => {
        this.awake = resolve;
        if (!this.away) setTimeout(resolve, wait);
      });
      // It was left while it waited.
      if (this.away) await new Promise((resolve) => (this.awake = resolve));
    }
  }

  async stream() {
    const stop = (this.stop = new AbortController());
    let alarm = setTimeout(() => stop.abort(), SILENCE);
    try {
      const answer = await fetch(address("events"), { headers: { Accept: "text/event-stream" }, signal: stop.signal });
      if (!answer.ok) throw new Error(answer.status === 503 ? "no instance of the service leads now" : `answer ${answer.status}`);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = parser();
      this.open();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(alarm);
        alarm = setTimeout(() => stop.abort(), SILENCE);
        for (const { kind, data } of parse(value)) this.event(kind, data);
      }
    } finally {
      clearTimeout(alarm);
      stop.abort();
    }
  }

  open() {
    clearInterval(this.asking);
    this.asking = null;
    this.opened = Date.now();
    this.connection("live");
    this.whole(); // what happened in between was not told
  }

  cut(why) {
    if (this.opened && Date.now() - this.opened > STEADY) this.tries = 0;
    this.opened = null;
    if (!this.asking) {
      this.asking = setInterval(() => this.whole(), ASK);
      this.whole();
    }
    // The first time it may be back in a moment, so it is no more than a word.
    this.connection(this.tries ? "cut" : "again", { why, answers: this.state.connection.answers ?? true });
  }

  event(kind, data) {
    if (note(this.stale, kind, data)) this.soon();
  }

  soon() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.flush();
    }, SOON);
  }

  watch() {
    if (document.hidden || (!this.state.queue.size && !this.state.deployments.length)) return;
    this.stale.queue = this.stale.deployments = true;
    // What its readiness checks say is no event.
    if (this.wanted.app && this.state.apps.get(this.wanted.app)?.readinessChecks?.length) this.stale.apps.add(this.wanted.app);
    this.flush();
  }

  async whole() {
    if (document.hidden && this.state.loaded) return;
    this.stale.all = this.stale.queue = this.stale.deployments = true;
    if (this.wanted.tasks) this.stale.tasks = true;
    if (this.wanted.app) this.stale.apps.add(this.wanted.app);
    await this.flush();
  }

  /** Asks for what is stale; what becomes so meanwhile comes after. */
  async flush() {
    if (this.flushing) return;
    this.flushing = true;
    try {
      const stale = this.stale;
      this.stale = nothing();
      this.state.failures = [...stale.failures.reverse(), ...this.state.failures].slice(0, MOST_FAILURES);
      const all = stale.all || stale.apps.size > MANY;
      await Promise.all([
        all ? this.apps() : null,
        ...[...stale.apps].filter((id) => !all || id === this.wanted.app).map((id) => this.app(id)),
        stale.deployments ? this.deployments() : null,
        stale.queue ? this.queue() : null,
        stale.tasks && this.wanted.tasks ? this.tasks() : null,
        this.state.info ? null : get("info").then((info) => (this.state.info = info)),
      ]);
      this.answered(true);
    } catch (e) {
      this.stale.all = this.stale.queue = this.stale.deployments = true;
      this.answered(false, e.message);
      setTimeout(() => this.flush(), ASK);
    } finally {
      this.flushing = false;
    }
    this.changed();
    const left = this.stale;
    if (this.state.connection.answers !== false && (left.all || left.apps.size || left.deployments || left.queue)) this.soon();
  }

  answered(answers, problem = null) {
    this.state.connection = { ...this.state.connection, answers, problem };
  }

  async apps() {
    const { apps } = await get("apps?embed=apps.counts&embed=apps.deployments&embed=apps.lastTaskFailure");
    const old = this.state.apps;
    // The one that is open came with its tasks, which the list does not have.
    this.state.apps = new Map(apps.map((a) => [a.id, old.get(a.id)?.tasks ? { ...a, tasks: old.get(a.id).tasks } : a]));
    this.state.loaded = true;
  }

  async app(id) {
    try {
      const { app } = await get(`${appPath(id)}?embed=app.readiness`);
      this.state.apps.set(id, app);
    } catch (e) {
      if (e.problem?.status !== 404) throw e;
      this.state.apps.delete(id);
    }
  }

  async deployments() {
    this.state.deployments = await get("deployments");
  }

  async queue() {
    const { queue } = await get("queue");
    const at = Date.now() / 1000;
    this.state.queue = new Map(queue.map((item) => [item.app.id, { ...item, at }]));
  }

  async tasks() {
    this.state.tasks = (await get("tasks")).tasks;
  }
}
