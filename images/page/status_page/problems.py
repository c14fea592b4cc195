"""Whether all is well, in words, and what to do if not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .sites import BAD, QUORUMS, UNKNOWN, WELL, Json

LOOK = "make status (or aerie status) asks the machines themselves"
_STOPS = {
    "etcd": "no address or policy can be changed; what runs goes on",
    "ZooKeeper": "Mesos and Marathon cannot elect who leads",
    "Mesos master": "no container can be started; what runs goes on",
    "Marathon": "no app is started, scaled or healed; what runs goes on",
}


def problem(level: str, text: str, todo: str) -> Json:
    """`level`: bad, or warn for what can wait."""
    return {"level": level, "text": text, "todo": todo}


def names(words: Sequence[str]) -> str:
    """a, b and c"""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _sources(sources: Mapping[str, Json]) -> Iterator[Json]:
    graphite, marathon = sources["graphite"], sources["marathon"]
    if graphite["state"] == "away":
        yield problem(
            BAD,
            f"Graphite does not answer ({graphite['why']}): what is shown of sites, links, alerts and pools is old",
            "on the front-end that has it: docker ps; docker logs graphite; then make status",
        )
    if marathon["state"] == "away":
        yield problem(
            BAD,
            f"No Marathon answers ({marathon['why']}): apps and events are old",
            "docker logs marathon on a front-end with a quorum member; it needs a majority of ZooKeeper and a leading Mesos master",
        )


def _quorums(sites: Sequence[Json]) -> Iterator[Json]:
    """A quorum has a leader. A member of a site that is silent may be the one, unless those that are heard serve nobody."""
    members = [s for s in sites if s["quorum"]]
    heard = [s for s in members if s["state"] != UNKNOWN]
    for name in QUORUMS if heard else ():
        own = [service for site in heard for service in site["services"] if service["name"] == name]
        known = [s for s in own if s["state"] != UNKNOWN]
        elsewhere = len(known) < len(members) and any(s["state"] == WELL for s in known)
        if known and not elsewhere and not any(s["leads"] for s in known):
            yield problem(
                BAD,
                f"{name}: nobody leads, so {_STOPS[name]}",
                "bring its members back, a majority of them; make status says which are away",
            )


def _sites(sites: Sequence[Json]) -> Iterator[Json]:
    for site in sites:
        if site["state"] == UNKNOWN:
            yield problem(
                BAD, f"{site['name']} tells nothing", f"see whether its front-end is up and its tunnels; {LOOK}"
            )
            continue
        # A tunnel that is down is told as the link that it is.
        broken = [
            f"{s['name']} {s['says']}" for s in site["services"] if s["state"] == BAD and "tunnels" not in s["says"]
        ]
        if broken:
            yield problem(
                BAD, f"{site['name']}: {names(broken)}", f"docker ps and docker logs on its front-end; {LOOK}"
            )
        gone = [m["name"] for m in site["machines"] if m["registered"] is False]
        if gone:
            are = "is" if len(gone) == 1 else "are"
            yield problem(
                "warn",
                f"{names(gone)} {are} not registered with Mesos: no new task starts there",
                f"is the machine up, and its container mesos-agent? {LOOK}",
            )


def _links(ends: Sequence[Json]) -> Iterator[Json]:
    """Each pair once, whichever end says so."""
    pairs: dict[tuple[str, str], list[bool | None]] = {}
    for end in ends:
        pairs.setdefault((min(end["from"], end["to"]), max(end["from"], end["to"])), []).append(end["up"])
    for (a, b), states in sorted(pairs.items()):
        if False in states:
            one = " in one direction" if True in states else ""
            yield problem(
                BAD,
                f"The link between {a} and {b} is down{one}",
                "containers use other ways if there are any; docker logs vpn on both front-ends, and make rtt",
            )


def _alerts(alerts: Sequence[Json]) -> Iterator[Json]:
    for alert in alerts:
        yield problem("warn", f"Alert {alert['rule']} fires at {names(alert['sites'])}", alert["todo"])


def _apps(apps: Sequence[Json]) -> Iterator[Json]:
    for app in apps:
        if app["unhealthy"]:
            yield problem("warn", f"App {app['id']}: {app['unhealthy']} unhealthy", "see its tasks on Marathon's page")
        elif app["running"] < app["instances"] and not app["deploying"]:
            yield problem(
                "warn",
                f"App {app['id']}: {app['running']} of {app['instances']} run",
                "see on Marathon's page, under Queue, why it waits",
            )


def problems(
    sources: Mapping[str, Json],
    sites: Sequence[Json],
    ends: Sequence[Json],
    alerts: Sequence[Json],
    apps: Sequence[Json],
) -> list[Json]:
    """The worst first. While Graphite is away nothing is concluded from its old values."""
    found = list(_sources(sources))
    if sources["graphite"]["state"] == "answers":
        found += [*_quorums(sites), *_sites(sites), *_links(ends), *_alerts(alerts)]
    if sources["marathon"]["state"] == "answers":
        found += _apps(apps)
    return sorted(found, key=lambda p: p["level"] != BAD)


def summary(
    sources: Mapping[str, Json], found: Sequence[Json], sites: Sequence[Json], pools: Sequence[Json]
) -> dict[str, Any]:
    """The line at the top: {state: well, warn, bad or starting; text}."""
    if sources["graphite"]["state"] == "starting" or sources["marathon"]["state"] == "starting":
        return {"state": "starting", "text": "Asking Graphite and Marathon …"}
    if not found:
        machines = sum(len(s["machines"]) for s in sites)
        jobs = sum(p["jobs"]["running"] for p in pools)
        return {
            "state": "well",
            "text": f"All is well: {_count(len(sites), 'site')}, {_count(machines, 'machine')}, {_count(int(jobs), 'running job')}.",
        }
    bad = sum(p["level"] == BAD for p in found)
    if bad:
        rest = f", and {len(found) - bad} more to look at" if len(found) > bad else ""
        return {"state": "bad", "text": f"{_count(bad, 'thing')} {'is' if bad == 1 else 'are'} wrong{rest}."}
    return {"state": "warn", "text": f"The farm works; {_count(len(found), 'thing')} to look at."}


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
