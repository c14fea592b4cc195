"""A pool as Marathon apps (v2 API, the form of Marathon 1.5 and later). Pure: no Marathon is spoken to here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .role_containers import SITE, Container, RoleContainer, role_containers
from .role_containers import environment as environment
from .role_containers import spool_volume as spool_volume
from .types import PoolRole, PoolSecrets, PoolSpec

App = dict[str, Any]

APP_NAME = {
    PoolRole.CENTRAL_MANAGER: "central-manager",
    PoolRole.SUBMIT: "submit-node",
    PoolRole.EXECUTOR: "executors",
}
# Seconds. An agent that is gone without a word: its tasks count as lost after the first, are given up after
# the second.
UNREACHABLE = {"inactiveAfterSeconds": 30, "expungeAfterSeconds": 60}
# The submit node cannot run anywhere else, its queue is there. Should its machine come back with it, it goes on; should the
# machine come back without it, another one starts at once.
UNREACHABLE_PINNED = {"inactiveAfterSeconds": 30, "expungeAfterSeconds": 600}


def app_id(spec: PoolSpec, role: PoolRole) -> str:
    """Where Marathon has it."""
    return f"/{spec.name}/{APP_NAME[role]}"


def _any_of(names: list[str]) -> str:
    """A regular expression that matches exactly these."""
    return "|".join(re.sub(r"[.\\+*?\[\]^$(){}|]", r"\\\g<0>", name) for name in names)


@dataclass(frozen=True)
class Health:
    """A check inside the container: every `interval` seconds, each `timeout` seconds at most, `failures` in a row end it."""

    command: str
    interval: int
    timeout: int
    failures: int


def single_app(spec: PoolSpec, name: str, role: str, image: str, container: Container, health: Health) -> App:
    """An app of one instance that must never run twice at once: two with one address, or on one queue."""
    return {
        "id": f"/{spec.name}/{name}",
        "instances": 1,
        "cpus": container.cpus,
        "mem": container.memory,
        "disk": container.disk,
        "container": {
            "type": "DOCKER",
            "docker": {
                "image": image,
                "privileged": False,
                "forcePullImage": False,
                "parameters": [{"key": key, "value": value} for key, value in container.parameters],
            },
        },
        "networks": [{"mode": "container", "name": container.network}],
        "labels": {"aerie.pool": spec.name, "aerie.role": role},
        "constraints": [[attribute, "LIKE", _any_of(values)] for attribute, values in container.constraints.items()],
        "healthChecks": [
            {
                "protocol": "COMMAND",
                "command": {"value": health.command},
                "delaySeconds": 1,
                "gracePeriodSeconds": 60,
                "intervalSeconds": health.interval,
                "timeoutSeconds": health.timeout,
                "maxConsecutiveFailures": health.failures,
            }
        ],
        "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        "unreachableStrategy": dict(UNREACHABLE_PINNED if container.pinned else UNREACHABLE),
        "taskKillGracePeriodSeconds": container.kill_grace,
        "backoffSeconds": 1,
        "backoffFactor": 1.5,
        "maxLaunchDelaySeconds": 30,
    }


def _app(spec: PoolSpec, container: RoleContainer, image: str) -> App:
    name = APP_NAME[PoolRole.EXECUTOR] if container.role is PoolRole.EXECUTOR else container.name
    app = single_app(spec, name, container.role.value, image, container, Health("aerie-health", 20, 15, 3))
    return app | {"env": dict(container.env)}


def _executors(spec: PoolSpec, app: App) -> App:
    own = spec.executors
    return app | {
        "instances": own.count,
        "constraints": [*app["constraints"], [SITE, "GROUP_BY", str(len(spec.sites))]],
        # One after the other, in the room that there is; half of the pool goes on working.
        "upgradeStrategy": {"minimumHealthCapacity": 0.5 if own.count > 1 else 0, "maximumOverCapacity": 0},
        "killSelection": "YOUNGEST_FIRST",
    }


def marathon_apps(spec: PoolSpec, image: str, secrets: PoolSecrets) -> list[App]:
    """The pool's apps, in the order in which they are best created: central manager, submit node, executors."""
    apps = []
    for container in role_containers(spec, secrets):
        app = _app(spec, container, image)
        apps.append(_executors(spec, app) if container.role is PoolRole.EXECUTOR else app)
    return apps
