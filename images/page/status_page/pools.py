"""HTCondor pools, alerts that fire, and Marathon's apps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collector.alert_rules import RULES
from collector.metrics import WAITING, part
from collector.sources.waiting import TODO

from .series import Latest
from .sites import Json, parts

STATES = ("idle", "running", "held")


def pool_names(latest: Latest) -> set[str]:
    return {
        name
        for values in latest.values.values()
        for name in parts(values, "condor.<pool>.jobs.totals.idle.totals.count")
    }


def pools(names: Sequence[str], latest: Latest) -> list[Json]:
    """Each pool at the site of its submit node; seconds, cores; why jobs wait, only what there is."""
    out = []
    for site in names:
        values = latest.values.get(part(site), {})
        for pool in sorted(parts(values, "condor.<pool>.jobs.totals.idle.totals.count")):
            out.append(_pool(pool, site, values))
    return sorted(out, key=lambda p: str(p["name"]))


def _pool(name: str, site: str, values: Mapping[str, float]) -> Json:
    at = f"condor.{name}"
    kinds = f"{at}.slots"

    def value(key: str) -> float:
        return values.get(key, 0.0)

    cores = value(f"{kinds}.Partitionable.totals.TotalSlotCpus") + value(f"{kinds}.Static.totals.Cpus")
    free = value(f"{kinds}.Partitionable.totals.Cpus") + value(f"{kinds}.Static.Unclaimed.Cpus")
    return {
        "name": name,
        "site": site,
        "jobs": {state: value(f"{at}.jobs.totals.{state}.totals.count") for state in STATES},
        "oldest_idle": value(f"{at}.jobs.totals.idle.totals.oldest"),
        "executors": value(f"{at}.executors.count"),
        "cores_total": cores,
        "cores_used": max(0.0, cores - free),
        "waiting": [
            {"reason": reason, "count": count, "means": means, "todo": TODO[reason]}
            for reason, means in WAITING.items()
            if (count := value(f"{at}.waiting.{reason}"))
        ],
    }


def alerts(names: Sequence[str], latest: Latest) -> list[Json]:
    """Rules of which an alert fires, and at which sites, in the rules' order. One that is not known here keeps its name."""
    firing: dict[str, list[str]] = {}
    for site in names:
        for rule, value in parts(latest.values.get(part(site), {}), "alerts.firing.<rule>").items():
            if value:
                firing.setdefault(rule, []).append(site)
    known = {rule.name: rule for rule in RULES}
    ordered = [*(n for n in known if n in firing), *sorted(set(firing) - set(known))]
    return [
        {
            "rule": name,
            "sites": firing[name],
            "means": known[name].means if name in known else "an alert that this page does not know yet",
            "todo": known[name].todo if name in known else "docker exec collector collector-alerts on the front-end",
        }
        for name in ordered
    ]


def apps(answer: Iterable[Mapping[str, Any]]) -> list[Json]:
    """Of Marathon's apps the names and numbers, and nothing else that is in them."""
    out = []
    for app in answer:
        counts = {
            key: int(app.get(name) or 0)
            for key, name in (
                ("instances", "instances"),
                ("running", "tasksRunning"),
                ("staged", "tasksStaged"),
                ("healthy", "tasksHealthy"),
                ("unhealthy", "tasksUnhealthy"),
            )
        }
        out.append({"id": str(app["id"]), **counts, "deploying": bool(app.get("deployments"))})
    return sorted(out, key=lambda a: str(a["id"]))
