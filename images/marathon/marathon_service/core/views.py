"""The State in the JSON of the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from . import delays, paths
from .events import addresses
from .model import Deployment, Health, Instance, State, TaskFailure
from .planning import Rejections
from .spec import AppSpec, Json
from .stamps import stamp


def health_json(instance: Instance, health: Health) -> Json:
    def when(value: float | None) -> str | None:
        return None if value is None else stamp(value)

    return {
        "alive": bool(health.alive),
        "consecutiveFailures": health.consecutive_failures,
        "firstSuccess": when(health.first_success),
        "lastFailure": when(health.last_failure),
        "lastSuccess": when(health.last_success),
        "lastFailureCause": health.last_failure_cause,
        "instanceId": instance.id.partition("._app")[0],
    }


def health_results(state: State, instance: Instance) -> list[Json]:
    spec = state.spec_of(instance)
    results = []
    for n, check in enumerate(spec.health_checks if spec else ()):
        if check.by_marathon:
            if n < len(instance.health) and instance.health[n] != Health():
                results.append(health_json(instance, instance.health[n]))
        elif instance.mesos_healthy is not None:
            seen = instance.started_at if instance.mesos_healthy else None
            results.append(health_json(instance, Health(instance.mesos_healthy, first_success=seen)))
    return results


def task(state: State, instance: Instance) -> Json:
    spec = state.spec_of(instance)
    body: Json = {
        "id": instance.id,
        "appId": instance.app_id,
        "host": instance.hostname,
        "slaveId": instance.agent_id,
        "state": instance.state,
        "ports": instance.host_ports,
        "stagedAt": stamp(instance.staged_at),
        "startedAt": None if instance.started_at is None else stamp(instance.started_at),
        "version": instance.version,
        "ipAddresses": addresses(instance),
        "role": instance.role,
        "servicePorts": [p.service for p in spec.ports] if spec else [],
        "healthCheckResults": health_results(state, instance),
    }
    if instance.region:
        body["region"] = instance.region
    if instance.zone:
        body["zone"] = instance.zone
    return body


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


def app(state: State, spec: AppSpec, embed: Collection[str]) -> Json:
    """`embed`: tasks, counts, deployments, lastTaskFailure, readiness, taskStats."""
    body = dict(spec.raw)
    if "counts" in embed:
        body.update(counts(state, spec.id))
    if "deployments" in embed:
        body["deployments"] = [{"id": d.id} for d in state.locking([spec.id])]
    if "tasks" in embed:
        body["tasks"] = [task(state, i) for i in state.of_app(spec.id)]
    if "lastTaskFailure" in embed and spec.id in state.failures:
        body["lastTaskFailure"] = failure(state.failures[spec.id])
    if "readiness" in embed:
        body["readinessCheckResults"] = []
    return body


ALL = frozenset({"tasks", "counts", "deployments", "lastTaskFailure", "readiness"})


def embeds(values: Collection[str]) -> set[str]:
    """The parts named by embed=apps.tasks, app.counts and so on."""
    found = set()
    for value in values:
        part = value.rpartition(".")[2]
        # app.failures and apps.failures are short for everything with the last failure.
        found |= set(ALL) if part == "failures" else {part}
        if part in ("tasks", "failures"):
            found |= {"counts", "deployments"} if value.startswith("apps.") else set()
    return found


def label_filter(text: str) -> Callable[[Json], bool]:
    """`key`, `key==value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, joined by commas.  Raises ValueError."""
    tests: list[Callable[[Json], bool]] = []
    for part in re.split(r",(?![^(]*\))", text):
        m = re.fullmatch(r"\s*([\w./-]+)\s*(?:(==|!=)\s*([^\s,()]+)|(in|notin)\s*\(([^)]*)\))?\s*", part)
        if m is None:
            raise ValueError(f"not a label selector: {part}")
        key, operator = m[1], m[2] or m[4]
        values = {m[3]} if m[3] is not None else {v.strip() for v in (m[5] or "").split(",")}
        tests.append(_label_test(key, operator, values))
    return lambda labels: all(t(labels) for t in tests)


def _label_test(key: str, operator: str | None, values: Collection[str | None]) -> Callable[[Json], bool]:
    match operator:
        case None:
            return lambda labels: key in labels
        case "==" | "in":
            return lambda labels: labels.get(key) in values and key in labels
        case _:
            return lambda labels: labels.get(key) not in values
    raise ValueError(operator)


def deployment(d: Deployment) -> Json:
    step = min(d.step, max(0, len(d.steps) - 1))
    current = d.steps[step] if d.steps else ()
    return {
        "id": d.id,
        "version": d.version,
        "affectedApps": d.apps,
        "affectedPods": [],
        "steps": [{"actions": [{"action": a.kind, "app": a.app} for a in s]} for s in d.steps],
        "currentActions": [{"action": a.kind, "app": a.app, "readinessCheckResults": []} for a in current],
        "currentStep": step + 1,
        "totalSteps": len(d.steps),
    }


def group(state: State, group_id: str, embed: Collection[str] = frozenset()) -> Json:
    """A group with its apps and groups, whole."""
    children = {g for a in state.apps for g in [paths.parent(a)] if paths.inside(g, group_id)}
    children |= {g for g in state.groups if paths.inside(g, group_id)}
    prefix = group_id.rstrip("/") + "/"
    direct = sorted({prefix + c[len(prefix) :].split("/")[0] for c in children})
    version = max((s.version for a, s in state.apps.items() if paths.inside(a, group_id)), default=None)
    return {
        "id": group_id,
        "apps": [app(state, s, embed) for a, s in sorted(state.apps.items()) if paths.parent(a) == group_id],
        "groups": [group(state, g, embed) for g in direct],
        "pods": [],
        "dependencies": state.groups.get(group_id, {}).get("dependencies", []),
        "version": version or state.last_version or stamp(0),
    }


def queue(state: State, unplaced: dict[str, int], rejections: dict[str, Rejections], now: float) -> list[Json]:
    items = []
    for app_id, count in sorted(unplaced.items()):
        spec = state.apps.get(app_id)
        if spec is None:
            continue
        left = delays.left(state, spec, now)
        seen = rejections.get(app_id, Rejections())
        summary: Json = {
            "processedOffersCount": seen.processed,
            "unusedOffersCount": seen.unused,
            "rejectSummaryLastOffers": _reasons(seen),
            "rejectSummaryLaunchAttempt": _reasons(seen),
        }
        if seen.last_unused is not None:
            summary["lastUnusedOfferAt"] = stamp(seen.last_unused)
        if seen.last_used is not None:
            summary["lastUsedOfferAt"] = stamp(seen.last_used)
        items.append(
            {
                "app": spec.raw,
                "count": count,
                "delay": {"timeLeftSeconds": int(left + 0.999), "overdue": left <= 0},
                "since": stamp(state.waiting_since.get(app_id, now)),
                "processedOffersSummary": summary,
            }
        )
    return items


def _reasons(seen: Rejections) -> list[Json]:
    order = [
        "UnfulfilledRole",
        "UnfulfilledConstraint",
        "NoCorrespondingReservationFound",
        "AgentMaintenance",
        "InsufficientCpus",
        "InsufficientMemory",
        "InsufficientDisk",
        "InsufficientGpus",
        "InsufficientPorts",
        "DeclinedScarceResources",
    ]
    return [{"reason": r, "declined": seen.reasons.get(r, 0), "processed": seen.processed} for r in order]
