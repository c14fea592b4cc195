"""What Graphite is asked, and its answers as values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collector.metrics import part

FRESH = 45.0  # seconds: an older point says nothing of now; collectors send every ten
WINDOW = 300  # seconds that are asked for, to know since when a site is silent

# Below aerie.<federation>.<site>. What is here is on the page.
PATTERNS = (
    "collector.connected",
    "alerts.firing.*",
    "etcd.{health,has_leader,leader}",
    "zookeeper.{serving,leader}",
    "mesos.master.{elected,uptime}",
    "mesos.master.agents.{active,disconnected,unreachable}",
    "mesos.master.{cpus,memory}.{used,total}",
    "mesos.master.tasks.running",
    "marathon.leader",
    "bgp.{sessions,established}",
    "vpn.*.{up,rtt,handshake_age}",
    "machines.*.{registered,load}",
    "machines.*.{cpus,memory}.{used,total}",
    "machines.*.tasks.running",
    "containers.*.running",
    "condor.*.jobs.totals.{idle,running,held}.totals.{count,oldest}",
    "condor.*.executors.count",
    "condor.*.slots.Partitionable.totals.{Cpus,TotalSlotCpus}",
    "condor.*.slots.Static.totals.Cpus",
    "condor.*.slots.Static.Unclaimed.Cpus",
    "condor.*.waiting.*",
)
RANGES = {"hour": ("-1h", 180), "6h": ("-6h", 240), "week": ("-7d", 336)}  # from when, and points at most

Points = Sequence[tuple[float | None, int]]


@dataclass(frozen=True)
class Latest:
    """`values`: the last one of each metric that is of now, by site and name; `seen`: when a site's last point of any was."""

    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seen: Mapping[str, float] = field(default_factory=dict)


def targets(federation: str) -> list[str]:
    return [f"aerie.{part(federation)}.*.{pattern}" for pattern in PATTERNS]


def latest(answer: Iterable[Mapping[str, Any]], now: float) -> Latest:
    """From the render API's JSON. ValueError if it is none."""
    values: dict[str, dict[str, float]] = {}
    seen: dict[str, float] = {}
    for series in answer:
        try:
            _, _, site, name = series["target"].split(".", 3)
            last = next(((v, at) for v, at in reversed(series["datapoints"]) if v is not None), None)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Graphite answers {str(series)[:80]!r}, which is no series") from error
        if last is None:
            continue
        value, at = last
        seen[site] = max(seen.get(site, 0.0), float(at))
        if now - at <= FRESH:
            values.setdefault(site, {})[name] = float(value)
    return Latest(values, seen)


def curve_targets(federation: str, pool: str) -> list[str]:
    """A pool's curves, each called by its name on the page."""
    at = f"aerie.{part(federation)}.*.condor.{part(pool)}"
    jobs = [(state, f"maxSeries({at}.jobs.totals.{state}.totals.count)") for state in ("idle", "running", "held")]
    slots = f"{at}.slots"
    more = [
        ("executors", f"maxSeries({at}.executors.count)"),
        ("cores", f"sumSeries({slots}.Partitionable.totals.TotalSlotCpus,{slots}.Static.totals.Cpus)"),
        ("used", f"sumSeries({slots}.Dynamic.totals.Cpus,{slots}.Static.Claimed.*.*.Cpus)"),
    ]
    return [f'alias({target},"{name}")' for name, target in [*jobs, *more]]


def curves(answer: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """{"times": [...], "series": {name: [value or null, ...]}}, all as long as `times`. ValueError if it is no answer."""
    found: dict[str, dict[int, float]] = {}
    times: set[int] = set()
    for each in answer:
        try:
            points: Points = each["datapoints"]
            times |= {at for _, at in points}
            found[str(each["target"])] = {at: v for v, at in points if v is not None}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Graphite answers {str(each)[:80]!r}, which is no series") from error
    ordered = sorted(times)
    return {"times": ordered, "series": {name: [points.get(at) for at in ordered] for name, points in found.items()}}
