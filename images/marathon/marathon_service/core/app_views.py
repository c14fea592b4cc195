"""An app, its tasks and counts, in the JSON of the API."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable

from . import views
from .model import Instance, State, TaskFailure
from .spec import AppSpec, Json
from .stamps import stamp

_PREFIXES = ("group.apps.", "apps.", "app.")
_EMBEDS = {
    "tasks": ("tasks", "deployments"),
    "failures": ("tasks", "lastTaskFailure", "deployments"),
    "count": ("counts",),
    **{name: (name,) for name in ("counts", "deployments", "lastTaskFailure", "readiness", "taskStats")},
}


def embeds(values: Collection[str]) -> set[str]:
    """The parts named by embed=apps.tasks, app.counts and so on; what is no part is ignored."""
    found: set[str] = set()
    for value in values:
        part = next((value.removeprefix(p) for p in _PREFIXES if value.startswith(p)), value)
        found |= set(_EMBEDS.get(part, ()))
    return found


def counts(state: State, app_id: str) -> Json:
    staged = running = healthy = unhealthy = 0
    for i in state.of_app(app_id):
        staged += i.state in ("TASK_STAGING", "TASK_STARTING")
        if i.running:
            running += 1
            spec = state.spec_of(i)
            if spec and spec.has_health_checks:
                well = i.healthy(spec)
                healthy += well is True
                unhealthy += well is False
    return {
        "tasksStaged": staged,
        "tasksRunning": running,
        "tasksHealthy": healthy,
        "tasksUnhealthy": unhealthy,
    }


def failure(f: TaskFailure) -> Json:
    return {
        "appId": f.app_id,
        "host": f.host,
        "message": f.message,
        "state": f.state,
        "taskId": f.task_id,
        "slaveId": f.slave_id,
        "timestamp": stamp(f.timestamp),
        "version": f.version,
    }


def app(state: State, spec: AppSpec, embed: Collection[str], now: float | None = None) -> Json:
    """`embed`: tasks, counts, deployments, lastTaskFailure, readiness, taskStats.  `now` is for the last of them."""
    body = dict(spec.raw)
    if "counts" in embed:
        body.update(counts(state, spec.id))
    if "deployments" in embed:
        body["deployments"] = [{"id": d.id} for d in state.locking([spec.id])]
    if "tasks" in embed:
        body["tasks"] = [views.task(state, i) for i in state.of_app(spec.id)]
    if "lastTaskFailure" in embed and spec.id in state.failures:
        body["lastTaskFailure"] = failure(state.failures[spec.id])
    if "readiness" in embed:
        body["readinessCheckResults"] = views.readiness(state, spec.id)
    if "taskStats" in embed and (stats := task_stats(state, spec, now or 0.0)):
        body["taskStats"] = stats
    return body


def task_stats(state: State, spec: AppSpec, now: float) -> Json:
    """Counts and life times of the app's tasks, by how their version stands to the app's.  Empty where there is no task."""
    all_of_it = state.of_app(spec.id)
    parts = {
        "startedAfterLastScaling": [i for i in all_of_it if i.version >= spec.scaling_version],
        "withLatestConfig": [i for i in all_of_it if i.version >= spec.config_version],
        "withOutdatedConfig": [i for i in all_of_it if i.version < spec.config_version],
        "totalSummary": all_of_it,
    }
    return {name: {"stats": _stats(state, found, now)} for name, found in parts.items() if found}


def _stats(state: State, instances: Iterable[Instance], now: float) -> Json:
    found = list(instances)
    well = [i.healthy(spec) for i in found if i.running and (spec := state.spec_of(i)) and spec.has_health_checks]
    stats: Json = {
        "counts": {
            "staged": sum(i.state in ("TASK_STAGING", "TASK_STARTING") for i in found),
            "running": sum(i.running for i in found),
            "healthy": well.count(True),
            "unhealthy": well.count(False),
        }
    }
    if lives := [max(0.0, now - i.started_at) for i in found if i.started_at is not None]:
        stats["lifeTime"] = {"averageSeconds": statistics.fmean(lives), "medianSeconds": statistics.median(lives)}
    return stats
