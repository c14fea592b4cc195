"""From the facts to the status: what each table says. Pure. What is wrong and why is in `status_problems`."""

from __future__ import annotations

from collections import Counter, defaultdict

from components.spec.addresses import majority

from .status_facts import App, Facts, Machine, Pool
from .status_look import BUSY, STALE, running
from .status_model import AppLine, FrameworkLine, PoolLine, Problem, Quorum, Site, SiteSlots, Status, Verdict
from .status_problems import find, notes
from .status_routing import routing, session_counts


def _quorum(name: str, sites: tuple[str, ...], up: list[str], leader: str) -> Quorum:
    members = len(sites)
    held = bool(leader) and len(up) >= majority(members)
    return Quorum(name, members, len(up), leader, held, len(up) - majority(members) if held else 0)


def quorums(facts: Facts) -> tuple[Quorum, ...]:
    """etcd, ZooKeeper, Mesos' masters and Marathon's instances."""
    want = facts.wanted
    sites = want.quorum_sites
    ends = {s: facts.machines.get(m.name) for s in sites if (m := want.front_end(s))}
    etcd = {s: on.etcd for s, on in ends.items() if on and on.etcd and on.etcd.leader}
    # Whom most members take for the leader: one that was cut off may still believe in an old one.
    said = Counter(e.leader for e in etcd.values()).most_common(1)
    etcd_leader = next((s for s, e in etcd.items() if said and e.member == said[0][0]), "another" if said else "")
    keepers = {s: on.zookeeper for s, on in ends.items() if on and on.zookeeper}
    keeper = next((s for s, mode in keepers.items() if mode in ("leader", "standalone")), "")
    masters = [s for s in sites if s in facts.masters and facts.masters[s].answers]
    master = next((s for s in masters if facts.masters[s].leads), "")
    marathons = [s for s in sites if s in facts.marathons and facts.marathons[s].answers]
    addresses = {m.address: s for s in sites if (m := want.front_end(s))}
    named = Counter(facts.marathons[s].leader for s in marathons if facts.marathons[s].leader).most_common(1)
    marathon = addresses.get(named[0][0], named[0][0]) if named else ""
    return (
        _quorum("etcd", sites, list(etcd), etcd_leader),
        _quorum("ZooKeeper", sites, list(keepers), keeper),
        _quorum("Mesos", sites, masters, master),
        _instances(sites, marathons, marathon),
    )


def _instances(sites: tuple[str, ...], up: list[str], leader: str) -> Quorum:
    """Marathon has no majority of its own: ZooKeeper elects, and one instance is enough."""
    held = bool(leader) and bool(up)
    return Quorum("Marathon", len(sites), len(up), leader, held, len(up) - 1 if held else 0)


def sites(facts: Facts) -> tuple[Site, ...]:
    """A line for each site of the federation."""
    want = facts.wanted
    leader = next((m for m in facts.masters.values() if m.leads), None)
    agents = {a.node: a for a in leader.agents or () if a.active} if leader else {}
    sessions = session_counts(facts)
    out = []
    for site in want.sites:
        machines = want.of_site(site)
        found = [
            (m, facts.machines[m.name]) for m in machines if m.name in facts.machines and facts.machines[m.name].reached
        ]
        here = [agents[m.name] for m in machines if m.name in agents]
        linked = [pair for pair in want.linked() if site in pair]
        ages = [t.age for _, on in found for t in on.tunnels if t.age is not None and t.age <= STALE]
        out.append(
            Site(
                name=site,
                machines=len(machines),
                machines_up=len(found),
                agents=len(machines),
                agents_up=len(here),
                cpus=sum(a.cpus for a in here),
                cpus_used=round(sum(a.cpus_used for a in here), 2),
                memory=sum(a.memory for a in here),
                memory_used=sum(a.memory_used for a in here),
                tunnels=len(linked) if machines else 0,
                tunnels_up=len(ages),
                handshake=max(ages, default=None),
                sessions=sessions[site][1],
                sessions_up=sessions[site][0],
                services=sum(len(m.services) for m in machines),
                services_up=sum(running(facts, m, service) for m in machines for service in m.services),
            )
        )
    return tuple(out)


def app_line(app: App, machines: dict[str, Machine]) -> AppLine:
    """How an app does; `machines` by address."""
    places = Counter(machines[h].site if h in machines else h for h in app.hosts)
    good = app.running == app.instances and (not app.checked or app.healthy == app.instances)
    if app.deploying:
        state = "in deployment"
    elif app.instances == 0:
        state = "scaled to 0"
    elif app.running < app.instances:
        state = f"{app.instances - app.running} missing"
    elif app.running > app.instances:
        state = f"{app.running - app.instances} too many"
    elif not app.checked:
        state = "running"
    elif app.healthy < app.running:
        state = f"{app.running - app.healthy} not healthy"
    else:
        state = "healthy"
    good = good and not app.deploying
    return AppLine(
        app.id, app.instances, app.running, app.healthy, app.checked, good, state, tuple(sorted(places.items()))
    )


def apps(facts: Facts) -> tuple[AppLine, ...]:
    """The apps, by the leading Marathon."""
    machines = {m.address: m for m in facts.wanted.machines}
    found = next((m.apps for m in facts.marathons.values() if m.apps is not None), ())
    return tuple(app_line(app, machines) for app in found)


def pools(facts: Facts) -> tuple[PoolLine, ...]:
    """The pools whose stack is up."""
    out, order = [], {site: number for number, site in enumerate(facts.wanted.sites)}
    for pool in facts.wanted.pools:
        if pool.name not in facts.stacks:
            continue
        end = facts.wanted.front_end(pool.submit_site)
        on = facts.machines.get(end.name) if end else None
        said = on.pools.get(pool.name, Pool()) if on else Pool()
        by_site: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for slot in said.slots or ():
            by_site[slot.site][0] += slot.claimed
            by_site[slot.site][1] += slot.idle
        framework = facts.frameworks.get(pool.name)
        wanted = pool.executors
        if framework and framework.answers:  # what it started, be it more or less than the fixed ones
            wanted = sum(c.running + c.draining for c in (framework.fixed, framework.elastic))
        out.append(
            PoolLine(
                pool.name,
                wanted,
                None if said.slots is None else len(said.slots),
                tuple(
                    SiteSlots(site, *both)
                    for site, both in sorted(by_site.items(), key=lambda s: order.get(s[0], len(order)))
                ),
                said.jobs,
            )
        )
    return tuple(out)


def frameworks(facts: Facts) -> tuple[FrameworkLine, ...]:
    """The pools by a framework that answers."""
    return tuple(
        FrameworkLine(
            name=name,
            roles=len(f.roles),
            roles_good=sum(r.healthy and r.phase == "running" for r in f.roles),
            fixed=f.fixed.running,
            fixed_wanted=f.fixed_wanted,
            elastic=f.elastic.running,
            elastic_max=f.elastic_max,
            launching=f.fixed.launching + f.elastic.launching,
            draining=f.fixed.draining + f.elastic.draining,
            holds=f.holds,
            share=f.share,
            decisions=tuple(f"{d.when} {d.text}" for d in f.decisions),
            waiting=tuple(f"{w.count} of {w.owner or 'somebody'} ({w.jobs}): {w.why}" for w in f.waiting),
        )
        for name, f in facts.frameworks.items()
        if f.answers and not f.gone
    )


def _busy(facts: Facts, wrong: bool) -> tuple[str, ...]:
    """A doubt about what is wrong, where machines share this one's cores."""
    if not wrong or facts.load <= BUSY or not any(m.container for m in facts.wanted.machines):
        return ()
    return (f"this machine is busy ({facts.load:.0f} processes wait for each core): what seems down may be late",)


def _not_up(facts: Facts) -> Problem:
    name = facts.wanted.federation
    if any(container.endswith("-front-end") for container in facts.engine or {}):
        return Problem(
            f"the state that is looked at does not know the federation {name}, though its machines are on this Docker engine",
            "set AERIE_HOME as it was when they were made, or: make down",
        )
    return Problem(f"the federation {name} is not up", "make up")


def judge(facts: Facts) -> Status:
    """The whole status."""
    want = facts.wanted
    held = quorums(facts)
    lines = apps(facts)
    nothing = not any(on.reached for on in facts.machines.values())
    problems = find(facts, held, lines)
    verdict: Verdict = "not up" if nothing else "wrong" if problems else "good"
    if nothing and "federation" not in facts.stacks and not want.machines:
        problems = (_not_up(facts),)
    if problems:
        do_next = problems[0].do
    elif want.pools and want.pools[0].login:
        do_next = f"{want.pools[0].login}   and there: condor_submit FILE"
    else:
        do_next = "write a pool's file, Pulumi.<pool>.yaml, then make up"
    return Status(
        want.federation,
        verdict,
        held,
        sites(facts),
        routing(facts),
        lines,
        pools(facts),
        frameworks(facts),
        problems,
        notes(facts) + _busy(facts, bool(problems)),
        do_next,
        facts.seconds,
        "" if nothing else want.page,
    )
