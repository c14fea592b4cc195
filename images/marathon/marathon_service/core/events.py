"""The bodies of the events that /v2/events gives out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import Deployment, Instance
from .spec import Json
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


def deployment_event(kind: str, deployment: Deployment, now: float) -> list[Json]:
    """`kind`: info, step_success, success or failed."""
    match kind:
        case "info" | "step_success":
            step = min(deployment.step, len(deployment.steps) - 1)
            actions = [{"action": a.kind, "app": a.app} for a in deployment.steps[step]] if deployment.steps else []
            return [event(f"deployment_{kind}", now, plan=plan_json(deployment), currentStep={"actions": actions})]
        case "success":
            return [
                event("group_change_success", now, groupId="/", version=deployment.version),
                event("deployment_success", now, id=deployment.id, plan=plan_json(deployment)),
            ]
    return [event("deployment_failed", now, id=deployment.id, plan=plan_json(deployment))]
