// What stands on the page, from what /api/now says.
import { h } from "./vdom.js";
import { chart } from "./curves.js";
import { map } from "./map.js";
import { card, figure, icon, meter, sign, when } from "./parts.js";
import { ago, clock, duration, gigabytes, ms, nearness, number, plural, sentence, spaced } from "./words.js";

export function verdict(now) {
  const { state, text } = now.summary;
  return h("section", { class: `verdict is-${state}`, "aria-labelledby": "verdict" },
    h("p", { class: "verdict-line", id: "verdict", role: "status" }, sign(state), text),
    now.problems.length > 0 && h("ol", { class: "problems", "aria-label": "What is wrong, and what to do" }, now.problems.map((p) =>
      h("li", { key: p.text, class: `is-${p.level}` }, sign(p.level),
        h("div", null, h("p", { class: "problem-text break" }, p.text), h("p", { class: "todo break" }, h("span", null, "To do: "), p.todo))))));
}

const gone = (source, name, time) => source.state === "away" &&
  h("p", { key: name, class: "banner", role: "alert" }, icon("warn"),
    ` ${name} does not answer (${source.why}). ${source.good ? `What is shown of it is of ${clock(source.good, time)}, ${ago(source.good, time)}.` : "Nothing of it was heard yet."}`);

/** What is old, and since when. */
export function banners(live) {
  const { time, now } = live;
  return [
    live.cut && h("p", { key: "cut", class: "banner is-gone", role: "alert" }, icon("bad"),
      ` The page's server does not answer since ${clock(live.cut, time)}, ${ago(live.cut, time)} (${live.why}). What is shown is old.`),
    now && gone(now.sources.graphite, "Graphite", time),
    now && gone(now.sources.marathon, "Marathon", time),
  ];
}

export function federation(now, redraw) {
  const c = now.cluster;
  return card("map", "The federation", c && h("span", { class: "note" }, `${now.links.filter((l) => l.up).length} of ${now.links.length} ends of links up`),
    map(now, redraw),
    c && h("dl", { class: "figures" },
      figure("agents", number(c.agents), c.away ? "is-warn" : ""),
      figure("tasks", number(c.tasks)),
      figure("cores", [number(c.cpus_used), h("small", null, ` of ${number(c.cpus_total)}`), meter("Cores in use", c.cpus_used, c.cpus_total)]),
      figure("memory, GB", [gigabytes(c.memory_used), h("small", null, ` of ${gigabytes(c.memory_total)}`), meter("Memory in use", c.memory_used, c.memory_total)])));
}

export function alerts(now) {
  const known = now.sources.graphite.state === "answers";
  return card("alerts", "Alerts", h("span", { class: "count" }, String(now.alerts.length)),
    now.alerts.length
      ? h("ul", { class: "alerts" }, now.alerts.map((a) => h("li", { key: a.rule },
        h("p", { class: "alert-name" }, sign("warn"), a.rule, h("span", { class: "note" }, ` at ${a.sites.join(", ")}`)),
        h("p", null, sentence(a.means)), h("p", { class: "todo" }, h("span", null, "To do: "), a.todo))))
      : h("p", { class: "calm" }, sign(known ? "well" : "unknown"), known ? "No alert fires." : "It is not known whether one fires."));
}

const JOBS = [["running", "running"], ["idle", "idle"], ["held", "held"]];
const SLOTS = [["used", "in use"], ["cores", "cores"], ["executors", "executors"]];
const RANGES = [["hour", "last hour"], ["6h", "6 hours"], ["week", "week"]];

export function pools(live, redraw) {
  const { now } = live;
  const choice = h("div", { class: "ranges", role: "group", "aria-label": "How long back" }, RANGES.map(([id, called]) =>
    h("button", { key: id, type: "button", class: "range", "aria-pressed": String(live.range === id), on: { click: () => live.choose(id) } }, called)));
  return card("pools", "HTCondor pools", now.pools.length ? choice : null,
    now.pools.length ? now.pools.map((p) => pool(p, live, redraw)) : h("p", { class: "calm" }, "No pool tells anything. A pool is told of a minute or two after it came up."));
}

function pool(p, live, redraw) {
  const known = live.curves.get(`${p.name} ${live.range}`);
  return h("article", { key: p.name, class: "pool", "aria-labelledby": `pool-${p.name}` },
    h("h3", { id: `pool-${p.name}` }, p.name, h("span", { class: "note" }, ` submit node at ${p.site}`)),
    h("dl", { class: "figures" },
      figure("running", number(p.jobs.running)),
      figure(p.jobs.idle ? `idle, oldest ${duration(p.oldest_idle)}` : "idle", number(p.jobs.idle)),
      figure("held", number(p.jobs.held), p.jobs.held ? "is-warn" : ""),
      figure("executors", number(p.executors), p.executors ? "" : "is-warn"),
      figure("cores", [number(p.cores_used), h("small", null, ` of ${number(p.cores_total)}`), meter("Cores in use", p.cores_used, p.cores_total)])),
    waiting(p),
    known?.why && h("p", { class: "note" }, `The curves could not be read: ${known.why}`),
    h("div", { class: "charts" },
      chart(`jobs ${p.name}`, "Jobs", JOBS, known?.body, live.time, redraw),
      chart(`slots ${p.name}`, "Cores, executors", SLOTS, known?.body, live.time, redraw)));
}

function waiting(p) {
  const whole = p.waiting.reduce((sum, w) => sum + w.count, 0);
  if (!whole) return h("p", { class: "calm" }, sign("well"), "No job waits.");
  return h("section", { class: "waiting", "aria-label": "Why jobs wait" }, h("h4", null, "Why jobs wait"),
    h("ul", null, p.waiting.map((w) => h("li", { key: w.reason, class: `why-${w.reason}` },
      h("span", { class: "why-count" }, number(w.count)),
      h("div", null, h("p", { class: "why-name" }, spaced(w.reason), meter(`${spaced(w.reason)} of all that wait`, w.count, whole)),
        h("p", null, sentence(w.means)), h("p", { class: "todo" }, h("span", null, "To do: "), w.todo))))));
}

export function sites(now, time) {
  return card("sites", "Sites", h("span", { class: "count" }, String(now.sites.length)),
    h("div", { class: "sites" }, now.sites.map((site) => h("article", { key: site.name, class: `site is-${site.state}`, "aria-label": site.name },
      h("h3", null, sign(site.state), site.name, site.state === "unknown" && h("span", { class: "note" }, site.seen ? ` silent, last heard ${ago(site.seen, time)}` : " nothing heard")),
      h("ul", { class: "services", "aria-label": `Services of ${site.name}` }, site.services.map((s) => h("li", { key: s.name, class: `is-${s.state}` },
        sign(s.state), h("span", { class: "service-name" }, s.name), h("span", { class: "says" }, s.leads && icon("leads"), s.says)))),
      h("ul", { class: "machines", "aria-label": `Machines of ${site.name}` }, site.machines.map((m) => machine(m)))))));
}

function machine(m) {
  const state = m.registered === null ? "unknown" : m.registered ? "well" : "bad";
  return h("li", { key: m.name }, sign(state), h("span", { class: "machine-name break" }, m.name),
    h("span", { class: "says" }, state === "bad" ? "not registered" : state === "unknown" ? "not known" : `${number(m.cpus_used)} of ${number(m.cpus_total)} cores, ${plural(m.tasks ?? 0, "task")}`));
}

export function heat(now) {
  const { sites: names, ms: rows } = now.rtt;
  if (names.length < 2) return null;
  return card("rtt", "Round trips", h("span", { class: "note" }, "ms, from the row's site to the column's"),
    h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Round trips between the sites" }, h("table", { class: "heat" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, h("span", { class: "hidden" }, "from")), names.map((n) => h("th", { key: n, scope: "col" }, n)))),
      h("tbody", null, names.map((from, r) => h("tr", { key: from }, h("th", { scope: "row" }, from), names.map((to, c) => {
        if (from === to) return h("td", { key: to, class: "self" }, h("span", { class: "hidden" }, "itself"));
        const [level, called] = nearness(rows[r][c]);
        return h("td", { key: to, class: `near-${level}`, title: `${from} to ${to}: ${called}` }, ms(rows[r][c]), h("span", { class: "hidden" }, `, ${called}`));
      })))))),
    h("ul", { class: "heat-key", "aria-label": "Colours" }, [["0", "under 5"], ["1", "under 20"], ["2", "under 50"], ["3", "under 150"], ["4", "more"], ["none", "– not measured"]].map(([level, text]) =>
      h("li", { key: level }, h("span", { class: `swatch near-${level}`, "aria-hidden": "true" }), text))));
}

export function apps(now) {
  if (!now.apps.length) return null;
  return card("apps", "Marathon's apps", h("span", { class: "count" }, String(now.apps.length)),
    h("ul", { class: "apps" }, now.apps.map((a) => {
      const state = a.unhealthy ? "bad" : a.running < a.instances ? (a.deploying ? "starting" : "warn") : "well";
      const words = [`${a.running} of ${a.instances} run`, a.unhealthy ? `${a.unhealthy} unhealthy` : "", a.deploying ? "in deployment" : ""].filter(Boolean).join(", ");
      return h("li", { key: a.id }, sign(state), h("span", { class: "break" }, a.id), h("span", { class: "says" }, words));
    })));
}

export function events(now, time) {
  return card("events", "What happened lately", null, now.events.length
    ? h("ol", { class: "events", tabindex: "0", "aria-label": "Events, the newest first" }, now.events.map((e) => h("li", { key: `${e.at} ${e.text}` }, sign(e.kind),
      h("span", { class: "break" }, e.text), when(e.at, time))))
    : h("p", { class: "calm" }, "Nothing since this page's server started."));
}
