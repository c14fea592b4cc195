"""The bodies of the scheduler API's calls.  Pure: JSON in Mesos' v1 form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .messages import Json


@dataclass(frozen=True)
class Framework:
    """What a framework says of itself when it subscribes.  `failover_timeout` in seconds."""

    name: str
    user: str = ""
    roles: tuple[str, ...] = ("*",)
    principal: str | None = None
    failover_timeout: float = 604800.0
    checkpoint: bool = True
    hostname: str | None = None
    webui_url: str | None = None
    capabilities: tuple[str, ...] = ("PARTITION_AWARE", "TASK_KILLING_STATE", "MULTI_ROLE")
    labels: tuple[tuple[str, str], ...] = ()

    def info(self, framework_id: str | None) -> Json:
        info: Json = {
            "name": self.name,
            "user": self.user,
            "roles": list(self.roles),
            "failover_timeout": self.failover_timeout,
            "checkpoint": self.checkpoint,
            "capabilities": [{"type": c} for c in self.capabilities],
        }
        if self.principal:
            info["principal"] = self.principal
        if self.hostname:
            info["hostname"] = self.hostname
        if self.webui_url:
            info["webui_url"] = self.webui_url
        if self.labels:
            info["labels"] = {"labels": [{"key": k, "value": v} for k, v in self.labels]}
        if framework_id:
            info["id"] = {"value": framework_id}
        return info


def ids(values: Iterable[str]) -> list[Json]:
    return [{"value": v} for v in values]


def filters(refuse_seconds: float | None) -> Json:
    return {} if refuse_seconds is None else {"filters": {"refuse_seconds": refuse_seconds}}


def subscribe(framework: Framework, framework_id: str | None, suppressed_roles: Sequence[str] = ()) -> Json:
    body: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": framework.info(framework_id)}}
    if suppressed_roles:
        body["subscribe"]["suppressed_roles"] = list(suppressed_roles)
    if framework_id:
        body["framework_id"] = {"value": framework_id}
    return body


def update_framework(framework: Framework, framework_id: str | None, suppressed_roles: Sequence[str] = ()) -> Json:
    body: Json = {"framework_info": framework.info(framework_id)}
    if suppressed_roles:
        body["suppressed_roles"] = list(suppressed_roles)
    return {"type": "UPDATE_FRAMEWORK", "update_framework": body}


def accept(offer_ids: Iterable[str], operations: Sequence[Json], refuse_seconds: float | None = None) -> Json:
    return {
        "type": "ACCEPT",
        "accept": {"offer_ids": ids(offer_ids), "operations": list(operations), **filters(refuse_seconds)},
    }


def launch(task_infos: Sequence[Json]) -> Json:
    """The operation (of an ACCEPT) that launches tasks."""
    return {"type": "LAUNCH", "launch": {"task_infos": list(task_infos)}}


def decline(offer_ids: Iterable[str], refuse_seconds: float | None = None) -> Json:
    return {"type": "DECLINE", "decline": {"offer_ids": ids(offer_ids), **filters(refuse_seconds)}}


def accept_inverse(inverse_offer_ids: Iterable[str], refuse_seconds: float | None = None) -> Json:
    body = {"inverse_offer_ids": ids(inverse_offer_ids), **filters(refuse_seconds)}
    return {"type": "ACCEPT_INVERSE_OFFERS", "accept_inverse_offers": body}


def decline_inverse(inverse_offer_ids: Iterable[str], refuse_seconds: float | None = None) -> Json:
    body = {"inverse_offer_ids": ids(inverse_offer_ids), **filters(refuse_seconds)}
    return {"type": "DECLINE_INVERSE_OFFERS", "decline_inverse_offers": body}


def revive(roles: Sequence[str] = ()) -> Json:
    return {"type": "REVIVE", **({"revive": {"roles": list(roles)}} if roles else {})}


def suppress(roles: Sequence[str] = ()) -> Json:
    return {"type": "SUPPRESS", **({"suppress": {"roles": list(roles)}} if roles else {})}


def kill(task_id: str, agent_id: str | None = None, grace_seconds: float | None = None) -> Json:
    body: Json = {"task_id": {"value": task_id}}
    if agent_id:
        body["agent_id"] = {"value": agent_id}
    if grace_seconds is not None:
        body["kill_policy"] = {"grace_period": {"nanoseconds": int(grace_seconds * 1e9)}}
    return {"type": "KILL", "kill": body}


def acknowledge(agent_id: str, task_id: str, uuid: str) -> Json:
    return {
        "type": "ACKNOWLEDGE",
        "acknowledge": {"agent_id": {"value": agent_id}, "task_id": {"value": task_id}, "uuid": uuid},
    }


def reconcile(tasks: Iterable[tuple[str, str | None]] = ()) -> Json:
    """Ask for the state of these (task id, agent id); of every task that Mesos knows when there are none."""
    return {
        "type": "RECONCILE",
        "reconcile": {
            "tasks": [
                {"task_id": {"value": task}, **({"agent_id": {"value": agent}} if agent else {})}
                for task, agent in tasks
            ]
        },
    }


def message(agent_id: str, executor_id: str, data: str) -> Json:
    """`data` is base64."""
    return {
        "type": "MESSAGE",
        "message": {"agent_id": {"value": agent_id}, "executor_id": {"value": executor_id}, "data": data},
    }


def teardown() -> Json:
    return {"type": "TEARDOWN"}
