"""What a status update of Mesos changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesos_client.messages import TaskStatus, is_terminal

from . import delays, health
from .events import (
    alive_changed,
    check_failed,
    health_changed,
    instance_changed,
    status_update,
    unhealthy_kill,
    unknown_ended,
)
from .model import Instance, State, TaskFailure
from .spec import Json, ReadinessCheck

# Mesos has no such task (any more): it can be replaced at once.
GONE = frozenset({"TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_DROPPED", "TASK_LOST", "TASK_UNKNOWN"})


@dataclass
class Outcome:
    """`kill_strangers`: (task id, agent id) of tasks that run but are none of ours (any more)."""

    events: list[Json] = field(default_factory=list)
    kill_strangers: list[tuple[str, str | None]] = field(default_factory=list)
    changed: bool = False


def apply(state: State, status: TaskStatus, now: float) -> Outcome:
    instance = state.instances.get(status.task_id)
    if instance is None:
        stranger = not is_terminal(status.state) and status.state not in ("TASK_UNKNOWN", "TASK_UNREACHABLE")
        if stranger:
            return Outcome(kill_strangers=[(status.task_id, status.agent_id)])
        # What Mesos never heard of is the answer to a question of ours, not the end of a task.
        heard = is_terminal(status.state) and status.state not in GONE
        return Outcome([unknown_ended(status.task_id, status.state, now)] if heard else [])
    if is_terminal(status.state) or status.state == "TASK_UNKNOWN":
        return _ended(state, instance, status, now)
    if status.state == "TASK_UNREACHABLE":
        return _unreachable(state, instance, status, now)
    return _alive(state, instance, status, now)


def _alive(state: State, instance: Instance, status: TaskStatus, now: float) -> Outcome:
    # A reconciliation may tell an older state than what we have seen.
    order = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
    known = instance.state if instance.state in order else "TASK_STAGING"
    new_state = status.state if order.index(status.state) >= order.index(known) else known
    healthy = instance.mesos_healthy if status.healthy is None else status.healthy
    after = instance.but(
        state=new_state,
        unreachable_since=None,
        mesos_healthy=healthy,
        check_status=status.check_status or instance.check_status,
        ip_addresses=status.ip_addresses or instance.ip_addresses,
        started_at=instance.started_at or (status.timestamp or now if new_state == "TASK_RUNNING" else None),
    )
    if after == instance:
        return Outcome()
    state.put_instance(after)
    outcome = Outcome(changed=True)
    if after.state != instance.state or instance.unreachable_since is not None:
        outcome.events = [
            status_update(after, status.state, status.message, now),
            instance_changed(after, now),
        ]
    if after.mesos_healthy != instance.mesos_healthy:
        outcome.events.append(health_changed(after, after.mesos_healthy, now))
        outcome.events.append(alive_changed(after, bool(after.mesos_healthy), now))
    return outcome


def _unreachable(state: State, instance: Instance, status: TaskStatus, now: float) -> Outcome:
    if instance.unreachable_since is not None:
        return Outcome()
    after = instance.but(state="TASK_UNREACHABLE", unreachable_since=now)
    state.put_instance(after)
    return Outcome(
        [status_update(after, status.state, status.message, now), instance_changed(after, now)], changed=True
    )


def _ended(state: State, instance: Instance, status: TaskStatus, now: float) -> Outcome:
    state.drop_instance(instance.id)
    ended = instance.but(state=status.state)
    outcome = Outcome(
        [status_update(ended, status.state, status.message, now), instance_changed(ended, now)], changed=True
    )
    spec = state.apps.get(instance.app_id)
    if spec is None:
        return outcome
    if instance.kill_reason in (None, "unhealthy"):
        state.failures[instance.app_id] = TaskFailure(
            instance.app_id,
            instance.id,
            status.state,
            status.message or status.reason,
            instance.hostname,
            instance.agent_id,
            instance.version,
            now,
        )
        if status.state not in GONE and instance.version >= spec.config_version:
            delays.failed(state, spec, now)
    if instance.kill_reason is None and status.healthy is False:
        outcome.events.append(unhealthy_kill(ended, status.message, now))
    return outcome


def expire(state: State, now: float) -> list[Json]:
    """Unreachable instances whose time is over become inactive (they are replaced) or are forgotten; tasks that were
    told to stop on an agent that is away are forgotten too, since Mesos will kill them as strangers."""
    events: list[Json] = []
    for instance in state.restless():
        since = instance.unreachable_since
        if since is None:
            continue
        spec = state.spec_of(instance)
        limits = spec.unreachable if spec else None
        if (
            limits is None
            or instance.being_killed
            or (limits.expunge_after is not None and now >= since + limits.expunge_after)
        ):
            state.drop_instance(instance.id)
            events.append(instance_changed(instance.but(state="TASK_GONE"), now))
        elif limits.inactive_after is not None and not instance.inactive and now >= since + limits.inactive_after:
            after = instance.but(inactive=True)
            state.put_instance(after)
            events.append(instance_changed(after, now))
    return events


def check_result(state: State, instance_id: str, index: int, ok: bool, cause: str | None, now: float) -> Outcome:
    """One result of a health check that Marathon does itself."""
    instance = state.instances.get(instance_id)
    spec = state.spec_of(instance) if instance else None
    if instance is None or spec is None or index >= len(spec.health_checks) or not instance.running:
        return Outcome()
    after, kill = health.observe(instance, index, spec.health_checks[index], ok, cause, now)
    outcome = Outcome()
    if not ok:
        outcome.events.append(check_failed(after, spec.raw["healthChecks"][index], now))
    known = instance.health[index].alive if index < len(instance.health) else None
    if after.health[index].alive is not None and after.health[index].alive is not known:
        outcome.events.append(alive_changed(after, bool(after.health[index].alive), now))
    was, alive = instance.healthy(spec), after.healthy(spec)
    if was is not alive:
        outcome.events.append(health_changed(after, alive, now))
        outcome.changed = True
    if kill:
        after = after.but(kill_reason="unhealthy")
        outcome.events.append(unhealthy_kill(after, cause or "", now))
        outcome.changed = True
    state.put_instance(after)
    return outcome


def readiness_result(state: State, instance_id: str, check: ReadinessCheck, ready: bool, response: Json | None) -> bool:
    """One answer to a readiness check.  True when by it the instance has passed all of its checks."""
    instance = state.instances.get(instance_id)
    spec = state.spec_of(instance) if instance else None
    if instance is None or spec is None or not instance.running:
        return False
    result: Json = {"name": check.name, "taskId": instance_id, "ready": ready}
    if response is not None and check.keep_response:
        result["lastResponse"] = response
    results = state.readiness.setdefault(instance_id, {})
    results[check.name] = result
    if instance.passed or not all(results.get(c.name, {}).get("ready") for c in spec.readiness):
        return False
    state.put_instance(instance.but(passed=True))
    return True
