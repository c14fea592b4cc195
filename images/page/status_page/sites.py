"""Sites with their services and machines, links, and round trips, from the latest values. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from collector.metrics import part

from .series import FRESH, Latest

Json = dict[str, Any]
Values = Mapping[str, float]

WELL, BAD, UNKNOWN = "well", "bad", "unknown"
QUORUMS = {"etcd": "etcd.leader", "ZooKeeper": "zookeeper.leader", "Mesos master": "mesos.master.elected", "Marathon": "marathon.leader"}  # fmt: skip
_SERVES = {"etcd": "etcd.health", "ZooKeeper": "zookeeper.serving", "Mesos master": "mesos.master.uptime", "Marathon": "marathon.leader"}  # fmt: skip
_CONTAINERS = {
    "etcd": "etcd",
    "ZooKeeper": "zookeeper",
    "Mesos master": "mesos-master",
    "Marathon": "marathon",
    "Calico, BGP": "calico",
    "VPN": "vpn",
    "collector": "collector",
    "Graphite": "graphite",
}


def parts(values: Values, pattern: str) -> dict[str, float]:
    """The metrics of a name with one <part>, by what stands there."""
    expression = re.compile(re.sub(r"<\w+>", "([^.]+)", pattern.replace(".", r"\.")))
    return {found[1]: value for name, value in values.items() if (found := expression.fullmatch(name))}


def service(name: str, state: str, says: str, leads: bool = False) -> Json:
    return {"name": name, "state": state, "says": says, "leads": leads}


def _member(name: str, values: Values) -> Json:
    """A quorum's member. It serves if its metric says so; Mesos and Marathon serve if they answer at all."""
    serves = values.get(_SERVES[name])
    if serves is None:
        return _no_answer(name, values)
    if serves == 0 and name in ("etcd", "ZooKeeper"):
        return service(name, BAD, "does not serve: it has no majority")
    leads = values.get(QUORUMS[name]) == 1
    return service(name, WELL, "leads" if leads else "follows", leads)


def _no_answer(name: str, values: Values) -> Json:
    """Known to run, so it should answer. Of what nothing at all is known (yet), nothing is said."""
    if f"containers.{_CONTAINERS[name]}.running" in values:
        return service(name, BAD, "does not answer")
    return service(name, UNKNOWN, "not known yet")


def _of(name: str, up: float, wanted: float, what: str) -> Json:
    return service(name, WELL if up >= wanted else BAD, f"{up:.0f} of {wanted:.0f} {what}")


def services(values: Values, quorum: bool, keeper: bool) -> list[Json]:
    """What runs on a site's front-end. A container that is told to be stopped is that, whatever else is said."""
    out = [_member(name, values) for name in QUORUMS] if quorum else []
    if "bgp.sessions" in values:
        out.append(_of("Calico, BGP", values.get("bgp.established", 0.0), values["bgp.sessions"], "sessions"))
    else:
        out.append(_no_answer("Calico, BGP", values))
    if tunnels := parts(values, "vpn.<peer>.up"):
        out.append(_of("VPN", sum(tunnels.values()), len(tunnels), "tunnels"))
    elif "containers.vpn.running" in values:
        out.append(service("VPN", BAD, "does not answer"))
    out.append(service("collector", WELL, "sends"))
    if keeper:
        out.append(service("Graphite", WELL, "answers"))
    stopped = {name for name, container in _CONTAINERS.items() if values.get(f"containers.{container}.running") == 0}
    return [service(s["name"], BAD, "is stopped") if s["name"] in stopped else s for s in out]


def silent_services(quorum: bool, keeper: bool) -> list[Json]:
    """Of a site that tells nothing."""
    names = [*(QUORUMS if quorum else ()), "Calico, BGP", "VPN", "collector", *(["Graphite"] if keeper else [])]
    return [service(name, UNKNOWN, "not known") for name in names]


def machines(values: Values) -> list[Json]:
    """By name; cores, MB and tasks of its Mesos agent, null where it does not answer."""
    return [
        {
            "name": name,
            "registered": bool(registered),
            **{
                f"{what}_{kind}": values.get(f"machines.{name}.{what}.{kind}")
                for what in ("cpus", "memory")
                for kind in ("used", "total")
            },
            "tasks": values.get(f"machines.{name}.tasks.running"),
        }
        for name, registered in sorted(parts(values, "machines.<machine>.registered").items())
    ]


def site(
    name: str, latest: Latest, now: float, quorum: bool, keeper: bool, known: Sequence[Json] = (), away: bool = False
) -> Json:
    """`known`: its machines by what was heard before, for when it tells nothing. `now`: when Graphite answered;
    `away`: that it does not answer any more."""
    seen = latest.seen.get(part(name))
    silent = seen is None or now - seen > FRESH
    values: Values = latest.values.get(part(name), {})
    own = silent_services(quorum, keeper) if silent else services(values, quorum, keeper)
    if keeper and away:
        own = [service("Graphite", BAD, "does not answer") if s["name"] == "Graphite" else s for s in own]
    there = [{**m, "registered": None} for m in known] if silent else machines(values)
    bad = any(s["state"] == BAD for s in own) or any(m["registered"] is False for m in there)
    return {
        "name": name,
        "quorum": quorum,
        "state": UNKNOWN if silent else BAD if bad else WELL,
        "seen": seen,
        "services": own,
        "machines": there,
    }


def links(names: Sequence[str], latest: Latest) -> list[Json]:
    """Each end of each tunnel, as that end's site sees it. `up` is null where that site tells nothing, and the other does."""
    ends: dict[tuple[str, str], Json] = {}
    by_part = {part(name): name for name in names}
    for name in names:
        values = latest.values.get(part(name), {})
        for there, up in parts(values, "vpn.<peer>.up").items():
            if (peer := by_part.get(there)) is not None:
                ends[name, peer] = {
                    "from": name,
                    "to": peer,
                    "up": bool(up),
                    "rtt": values.get(f"vpn.{there}.rtt"),
                    "handshake_age": values.get(f"vpn.{there}.handshake_age"),
                }
    for a, b in list(ends):
        ends.setdefault((b, a), {"from": b, "to": a, "up": None, "rtt": None, "handshake_age": None})
    return [ends[key] for key in sorted(ends)]


def round_trips(names: Sequence[str], ends: Sequence[Json]) -> list[list[float | None]]:
    """ms, a row for each site that measures, a column for each site that answers; null where nothing is measured."""
    known = {(e["from"], e["to"]): e["rtt"] for e in ends}
    return [[known.get((a, b)) for b in names] for a in names]


def cluster(latest: Latest) -> Json | None:
    """Of all sites together, by the leading Mesos master; null if none leads."""
    leader = next((v for v in latest.values.values() if v.get("mesos.master.elected") == 1), None)
    if leader is None:
        return None
    m = "mesos.master"
    names = {
        "agents": f"{m}.agents.active",
        "away": f"{m}.agents.unreachable",
        "tasks": f"{m}.tasks.running",
        "cpus_used": f"{m}.cpus.used",
        "cpus_total": f"{m}.cpus.total",
        "memory_used": f"{m}.memory.used",
        "memory_total": f"{m}.memory.total",
    }
    return {key: leader.get(name) for key, name in names.items()}
