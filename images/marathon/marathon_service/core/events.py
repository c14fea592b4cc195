"""The bodies of the events that /v2/events gives out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import paths
from .model import Deployment, Instance
from .spec import AppSpec, Json
from .stamps import stamp

_CONDITIONS = {
    "TASK_STAGING": "Staging",
    "TASK_STARTING": "Starting",
    "TASK_RUNNING": "Running",
    "TASK_KILLING": "Killing",
    "TASK_FINISHED": "Finished",
    "TASK_FAILED": "Failed",
    "TASK_KILLED": "Killed",
    "TASK_ERROR": "Error",
    "TASK_GONE": "Gone",
    "TASK_GONE_BY_OPERATOR": "Gone",
    "TASK_DROPPED": "Dropped",
    "TASK_LOST": "Gone",
    "TASK_UNKNOWN": "Unknown",
    "TASK_UNREACHABLE": "Unreachable",
}


def condition(instance: Instance) -> str:
    if instance.unreachable_since is not None and instance.inactive:
        return "UnreachableInactive"
    return _CONDITIONS.get(instance.state, "Unknown")


def event(kind: str, now: float, **fields: Any) -> Json:
    return {"eventType": kind, "timestamp": stamp(now), **fields}


def instance_name(task_id: str) -> str:
    """The instance's id out of that of its task (foo.instance-<uuid>._app.1)."""
    return task_id.partition("._app")[0]


def addresses(instance: Instance) -> list[Json]:
    return [{"ipAddress": a, "protocol": "IPv6" if ":" in a else "IPv4"} for a in instance.ip_addresses]


def status_update(instance: Instance, state: str, message: str, now: float) -> Json:
    return event(
        "status_update_event",
        now,
        slaveId=instance.agent_id,
        taskId=instance.id,
        taskStatus=state,
        message=message,
        appId=instance.app_id,
        host=instance.hostname,
        ipAddresses=addresses(instance),
        ports=instance.host_ports,
        version=instance.version,
    )


def instance_changed(instance: Instance, now: float) -> Json:
    return event(
        "instance_changed_event",
        now,
        instanceId=instance_name(instance.id),
        condition=condition(instance),
        runSpecId=instance.app_id,
        agentId=instance.agent_id,
        host=instance.hostname,
        runSpecVersion=instance.version,
    )


def health_changed(instance: Instance, healthy: bool | None, now: float) -> Json:
    return event(
        "instance_health_changed_event",
        now,
        instanceId=instance_name(instance.id),
        runSpecId=instance.app_id,
        runSpecVersion=instance.version,
        healthy=healthy,
    )


def unhealthy_kill(instance: Instance, reason: str, now: float) -> Json:
    return event(
        "unhealthy_instance_kill_event",
        now,
        appId=instance.app_id,
        taskId=instance.id,
        instanceId=instance_name(instance.id),
        version=instance.version,
        reason=reason,
        host=instance.hostname,
        slaveId=instance.agent_id,
    )


def app_posted(definition: Json, uri: str, client: str, now: float) -> Json:
    """A client changed an app by the API."""
    return event("api_post_event", now, clientIp=client, uri=uri, appDefinition=definition)


def checks_changed(app_id: str, before: AppSpec | None, after: AppSpec | None, now: float) -> list[Json]:
    """Health checks that an app has no more, and those that are new."""
    old = before.raw.get("healthChecks") or [] if before else []
    new = after.raw.get("healthChecks") or [] if after else []
    version = after.version if after else ""
    gone = [event("remove_health_check_event", now, appId=app_id, healthCheck=c) for c in old if c not in new]
    added = [
        event("add_health_check_event", now, appId=app_id, version=version, healthCheck=c) for c in new if c not in old
    ]
    return gone + added


def check_failed(instance: Instance, check: Json, now: float) -> Json:
    return event(
        "failed_health_check_event",
        now,
        appId=instance.app_id,
        taskId=instance.id,
        instanceId=instance_name(instance.id),
        healthCheck=check,
    )


def alive_changed(instance: Instance, alive: bool, now: float) -> Json:
    return event(
        "health_status_changed_event",
        now,
        appId=instance.app_id,
        taskId=instance.id,
        instanceId=instance_name(instance.id),
        version=instance.version,
        alive=alive,
    )


def unknown_ended(task_id: str, state: str, now: float) -> Json:
    """Mesos speaks of the end of a task that nobody knows."""
    prefix = instance_name(task_id).partition(".")[0]
    return event(
        "unknown_instance_terminated_event",
        now,
        instanceId=instance_name(task_id),
        runSpecId="/" + prefix.replace("_", "/"),
        condition=_CONDITIONS.get(state, "Unknown"),
    )


def plan_json(deployment: Deployment) -> Json:
    def group(definitions: Mapping[str, Json | None]) -> Json:
        return {
            "id": "/",
            "apps": [d for d in definitions.values() if d is not None],
            "groups": [],
            "pods": [],
            "dependencies": [],
            "version": deployment.version,
        }

    return {
        "id": deployment.id,
        "version": deployment.version,
        "original": group(deployment.original),
        "target": group(deployment.target),
        "steps": [{"actions": [{"action": a.kind, "app": a.app} for a in s]} for s in deployment.steps],
    }


def light(event: Json) -> Json:
    """As a client has it that asks for plan-format=light: without all definitions before and after."""
    plan = event.get("plan")
    if plan is None:
        return event
    return {**event, "plan": {k: v for k, v in plan.items() if k not in ("original", "target")}}


def group_of(deployment: Deployment) -> str:
    """The nearest group that holds all its apps."""
    groups = [[*reversed(paths.parents(a))] for a in deployment.target]
    common = "/"
    for level in zip(*groups, strict=False):
        if len(set(level)) > 1:
            break
        common = level[0]
    return common


def deployment_event(kind: str, deployment: Deployment, now: float) -> list[Json]:
    """`kind`: info, step_success, success or failed (another took its place, or it was cancelled)."""
    plan = plan_json(deployment)
    step = min(deployment.step, len(deployment.steps) - 1)
    actions = [{"action": a.kind, "app": a.app} for a in deployment.steps[step]] if deployment.steps else []
    change = {"groupId": group_of(deployment), "version": deployment.version}
    match kind:
        case "info" | "step_success":
            return [event(f"deployment_{kind}", now, plan=plan, currentStep={"actions": actions})]
        case "success":
            gone = [a for a, raw in deployment.target.items() if raw is None]
            return [
                *(event("app_terminated_event", now, appId=a) for a in gone if deployment.original.get(a)),
                event("group_change_success", now, **change),
                event("deployment_success", now, id=deployment.id, plan=plan),
            ]
    return [
        event("deployment_step_failure", now, plan=plan, currentStep={"actions": actions}),
        event("group_change_failed", now, **change, reason="the deployment was cancelled or replaced by another"),
        event("deployment_failed", now, id=deployment.id, plan=plan),
    ]
