"""Offers of Mesos as the core sees them, and the TaskInfo of a task. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from mesos_client import Offer as MesosOffer

from .condor.keys import executor_key
from .config import Config, Container, whole_slots
from .core.model import Kind, Offer, Role, Size, Task

Json = dict[str, Any]
SITE = "site"  # the agents' attribute that says where they are
_NAMES = {"cpus": "cpus", "mem": "memory", "disk": "disk", "gpus": "gpus"}
_EPSILON = 1e-6
HEALTH_CHECK: Json = {
    "type": "COMMAND",
    "command": {"shell": True, "value": "aerie-health"},
    "delay_seconds": 1,
    "grace_period_seconds": 60,
    "interval_seconds": 20,
    "timeout_seconds": 15,
    "consecutive_failures": 3,
}


class DoesNotFit(ValueError):
    """The task asks for more than the offer has left."""


def offer_of(offer: MesosOffer) -> Offer:
    """Only what any task may use counts: no volumes, nothing shared or revocable."""
    sums = dict.fromkeys(_NAMES.values(), 0.0)
    for r in offer.resources:
        if r.plain and r.scalar is not None and r.name in _NAMES:
            sums[_NAMES[r.name]] += r.scalar
    return Offer(
        id=offer.id,
        agent=offer.agent_id,
        hostname=offer.hostname,
        place=offer.attributes.get(SITE, ""),
        attributes=dict(offer.attributes),
        room=Size(**sums),
        unavailable_from=offer.unavailable_from,
    )


class Purse:
    """What is left of one offer while tasks are paid from it. A task's resources must carry what the offer's carry (allocation,
    reservations), so each part is taken from a resource of the offer; reserved ones first."""

    def __init__(self, offer: MesosOffer) -> None:
        self._role = offer.role
        plain = [r for r in offer.resources if r.plain and r.scalar is not None and r.name in _NAMES]
        plain.sort(key=lambda r: r.role == "*")
        self._left: list[tuple[str, Json, float]] = [(r.name, r.raw, r.scalar or 0.0) for r in plain]

    def pay(self, size: Size) -> list[Json]:
        """Raises DoesNotFit, and then takes nothing."""
        left, parts = list(self._left), []
        for name, dimension in _NAMES.items():
            need = getattr(size, dimension)
            for n, (what, raw, has) in enumerate(left):
                use = round(min(need, has), 6)
                if what != name or use <= _EPSILON:
                    continue
                template = {k: v for k, v in raw.items() if k != "scalar"}
                template.setdefault("allocation_info", {"role": self._role})
                parts.append({**template, "scalar": {"value": use}})
                left[n] = (what, raw, has - use)
                need -= use
            if need > _EPSILON:
                raise DoesNotFit(f"{need:g} more {name} than is left of the offer")
        self._left = left
        return parts


def task_info(config: Config, task: Task, resources: list[Json]) -> Json:
    """Raises KeyError if the pool has no such role (any more)."""
    container = config.executor if task.is_executor else config.container_of(task.name)
    if container is None:
        raise KeyError(task.name)
    env = environment(config, container, task)
    labels = {"aerie.pool": config.pool, "aerie.role": task.role.value}
    return {
        "name": f"{task.name if not task.is_executor else Role.EXECUTOR.value}.{config.pool}",
        "task_id": {"value": task.id},
        "agent_id": {"value": task.agent},
        "resources": resources,
        "command": {
            "shell": False,
            "arguments": [],
            "environment": {"variables": [{"name": k, "value": v} for k, v in env.items()]},
        },
        "container": {
            "type": "DOCKER",
            "docker": {
                "image": config.image,
                "network": "USER",
                "privileged": False,
                "force_pull_image": False,
                "parameters": [{"key": k, "value": v} for k, v in container.parameters],
            },
            "network_infos": [{"name": container.network}],
        },
        "health_check": HEALTH_CHECK,
        "kill_policy": {"grace_period": {"nanoseconds": int(container.kill_grace * 1e9)}},
        "labels": {"labels": [{"key": k, "value": v} for k, v in labels.items()]},
    }


def environment(config: Config, container: Container, task: Task) -> Mapping[str, str]:
    """The container's variables. Secret as a whole."""
    env = {**container.env, "AERIE_TASK": task.id, "HOST": task.hostname, "MESOS_TASK_ID": task.id}
    if not task.is_executor:
        return env
    slots = whole_slots(config.overhead.slots(task.size))
    env["AERIE_SLOT_CPUS"] = str(int(slots.cpus))
    env["AERIE_SLOT_MEMORY"] = str(int(slots.memory))
    env["AERIE_SLOT_DISK"] = str(int(slots.disk))
    if slots.gpus:
        env["AERIE_SLOT_GPUS"] = str(int(slots.gpus))
    if task.kind is Kind.ELASTIC:
        env["AERIE_ELASTIC"] = "1"
    if key := executor_key(config.condor.tokens, task.id):
        env["AERIE_SIGNING_KEY"] = base64.b64encode(key).decode()
    return env
