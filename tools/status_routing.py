"""Routing as `make status` sees it: which sessions there must be, links between sites, whose routes are where. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from . import bird
from .status_facts import Facts, Machine, Session, Wanted
from .status_look import STALE, ago, listed, logs, on_machine, running, up
from .status_model import Link, Problem, Routing, SiteRouting

WAITS = ("Connect", "Active", "OpenSent")  # for packets of the other end


def session_pairs(want: Wanted) -> Iterator[tuple[Machine, Machine]]:
    """Which machines must have a session with each other.

    Always a front-end with its site's machines, and with the front-ends to which it has a tunnel; in a full mesh all."""
    links = {frozenset(pair) for pair in want.linked()}
    for a, b in combinations(want.machines, 2):
        if a.site == b.site:
            needed = a.front_end or b.front_end
        else:
            needed = a.front_end and b.front_end and frozenset((a.site, b.site)) in links
        if needed or want.topology == "full-mesh":
            yield a, b


def session(facts: Facts, here: Machine, there: Machine) -> Session | None:
    """The session to `there` as `here` sees it."""
    on = facts.machines.get(here.name)
    return next((s for s in on.sessions if s.peer == there.address), None) if on else None


def established(facts: Facts, here: Machine, there: Machine) -> bool:
    """Whether `here` says that it is."""
    one = session(facts, here, there)
    return one is not None and one.state == bird.ESTABLISHED


def session_counts(facts: Facts) -> dict[str, tuple[int, int]]:
    """(established, wanted) of each site; each end of a session counts."""
    out = {site: [0, 0] for site in facts.wanted.sites}
    for a, b in session_pairs(facts.wanted):
        for here, there in ((a, b), (b, a)):
            out[here.site][0] += established(facts, here, there)
            out[here.site][1] += 1
    return {site: (good, all_) for site, (good, all_) in out.items()}


def said(facts: Facts, a: Machine, b: Machine) -> str:
    """A session that is down, in the field's words: eBGP cnaf-front-end -> bari-front-end: Connect, since 12 s."""
    here, there = a, b
    one = session(facts, a, b)
    if one is None or one.state == bird.ESTABLISHED:  # the other end tells more
        other = session(facts, b, a)
        if other is not None and other.state != bird.ESTABLISHED:
            here, there, one = b, a, other
    kind = "iBGP" if a.site == b.site else "eBGP"
    if one is None:
        return f"{kind} {here.name} -> {there.name}: BIRD does not know it"
    if one.state == bird.ESTABLISHED:
        return f"{kind} {here.name} -> {there.name}: {there.name} does not say"
    since = f", since {ago(one.age)}" if one.age is not None else ""
    return f"{kind} {here.name} -> {there.name}: {one.state}{since}{f' ({one.error})' if one.error else ''}"


def down(facts: Facts) -> Iterator[tuple[Machine, Machine]]:
    """The sessions that at least one end does not call established."""
    for a, b in session_pairs(facts.wanted):
        if not (established(facts, a, b) and established(facts, b, a)):
            yield a, b


def links(facts: Facts) -> tuple[Link, ...]:
    """The tunnels between sites, each once: up if there was a handshake lately, and nobody who watches says that it is dead."""
    out = []
    for pair in facts.wanted.linked():
        ends = []
        for here, there in (pair, pair[::-1]):
            end = facts.wanted.front_end(here)
            on = facts.machines.get(end.name) if end else None
            ends += [t for t in on.tunnels if t.peer == there] if on else []
        age = min((t.age for t in ends if t.age is not None), default=None)
        trips = [t.rtt for t in ends if t.rtt is not None]
        alive = age is not None and age <= STALE and not any(t.alive is False for t in ends)
        out.append(Link(*pair, alive, age, round(sum(trips) / len(trips), 3) if trips else None))
    return tuple(out)


def routing(facts: Facts) -> Routing:
    """The whole block."""
    counts, sites = session_counts(facts), []
    for site in facts.wanted.sites:
        end = facts.wanted.front_end(site)
        on = facts.machines.get(end.name) if end else None
        good, all_ = counts[site]
        sites.append(
            SiteRouting(site, facts.wanted.as_numbers.get(site), all_, good, on.prefixes if on and on.reached else None)
        )
    told = tuple(said(facts, a, b) for a, b in down(facts))
    return Routing(facts.wanted.topology, tuple(sites), links(facts), told)


def dead_links(facts: Facts) -> dict[frozenset[str], Link]:
    """Tunnels that are dead though the VPN runs at both ends."""
    ends = {s for s in facts.wanted.sites if _vpn(facts, s)}
    return {frozenset((link.a, link.b)): link for link in links(facts) if not link.up and {link.a, link.b} <= ends}


def _vpn(facts: Facts, site: str) -> bool:
    machine = facts.wanted.front_end(site)
    return machine is not None and up(facts, machine) and running(facts, machine, "vpn")


def link_problems(facts: Facts) -> Iterator[Problem]:
    """A line for each dead tunnel."""
    for link in dead_links(facts).values():
        machine = facts.wanted.front_end(link.a)
        assert machine is not None
        do = on_machine(machine, "docker exec vpn vpn status")
        if link.handshake is not None and link.handshake <= STALE:
            yield Problem(f"the VPN between {link.a} and {link.b} lets nothing through, though it had a handshake", do)
            continue
        since = "never had a handshake"
        if link.handshake is not None:
            since = f"had its last handshake {ago(link.handshake)} ago"
        yield Problem(f"the VPN between {link.a} and {link.b} {since}: is UDP open between their front-ends?", do)


def session_problems(facts: Facts) -> Iterator[Problem]:
    """Sessions that are down though both ends run Calico and the VPN between them works; else whose routes are missing."""
    dead = dead_links(facts)
    bad = []
    for a, b in down(facts):
        if not all(up(facts, m) and running(facts, m, "calico") for m in (a, b)):
            continue
        if a.site != b.site and (frozenset((a.site, b.site)) in dead or not all(_vpn(facts, m.site) for m in (a, b))):
            continue
        bad.append((a, b))
    if not bad:
        yield from _missing_routes(facts)
        return
    # One machine at which all of them end is the cause more likely than all the others.
    first, second = next(((a, b) for a, b in bad if a.site != b.site), bad[0])
    many = "1 BGP session is down" if len(bad) == 1 else f"{len(bad)} BGP sessions are down"
    common = set.intersection(*({a.name, b.name} for a, b in bad))
    if len(bad) > 2 and len(common) == 1:
        many += f", all of {next(iter(common))}"
    one = session(facts, first, second)
    if one is not None and one.state in WAITS:
        do = f"python -m tools.path {first.name} {second.name}"
    else:
        do = logs(first, "calico")
    ordered = sorted(bad, key=lambda pair: pair != (first, second))
    yield Problem(f"{many}: {listed((said(facts, a, b) for a, b in ordered), 2)}", do)


def _missing_routes(facts: Facts) -> Iterator[Problem]:
    """Front-ends whose sessions are all well, and that know nothing of a site whose own are too."""
    if dead_links(facts) or any(True for _ in down(facts)):
        return
    by_site: dict[str, list[Machine]] = defaultdict(list)
    for site in facts.wanted.sites:
        machine = facts.wanted.front_end(site)
        on = facts.machines.get(machine.name) if machine else None
        if machine is None or on is None or on.prefixes is None:
            continue
        for other in facts.wanted.sites:
            if other != site and facts.wanted.of_site(other) and not on.prefixes.get(other):
                by_site[other].append(machine)
    for other, machines in by_site.items():
        target = facts.wanted.front_end(other)
        if target is not None:
            yield Problem(
                f"no BGP route of {other} is on {listed(m.name for m in machines)}, though all sessions are established",
                on_machine(target, f"docker exec calico {bird.BIRDC} show route where source = RTS_STATIC"),
            )
