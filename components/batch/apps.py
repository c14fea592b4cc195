"""A pool as Marathon apps (v2 API, the form of Marathon 1.5 and later). Pure: no Marathon is spoken to here."""

from __future__ import annotations

import re
from typing import Any

from .role_containers import SITE, RoleContainer, role_containers
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
    """Of the first one, should the pool have several central managers."""
    return f"/{spec.name}/{APP_NAME[role]}"


def _any_of(names: list[str]) -> str:
    """A regular expression that matches exactly these."""
    return "|".join(re.sub(r"[.\\+*?\[\]^$(){}|]", r"\\\g<0>", name) for name in names)


def _constraints(container: RoleContainer) -> list[list[str]]:
    return [[attribute, "LIKE", _any_of(values)] for attribute, values in container.constraints.items()]


def _app(spec: PoolSpec, container: RoleContainer, image: str) -> App:
    name = APP_NAME[PoolRole.EXECUTOR] if container.role is PoolRole.EXECUTOR else container.name
    return {
        "id": f"/{spec.name}/{name}",
        "instances": 1,
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
        "env": dict(container.env),
        "labels": {"aerie.pool": spec.name, "aerie.role": container.role.value},
        "constraints": _constraints(container),
        "healthChecks": [
            {
                "protocol": "COMMAND",
                "command": {"value": "aerie-health"},
                "delaySeconds": 1,
                "gracePeriodSeconds": 60,
                "intervalSeconds": 20,
                "timeoutSeconds": 15,
                "maxConsecutiveFailures": 3,
            }
        ],
        # Two with one address, or on one queue, must never run at once.
        "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
        "unreachableStrategy": dict(UNREACHABLE_PINNED if container.pinned else UNREACHABLE),
        "taskKillGracePeriodSeconds": container.kill_grace,
        "backoffSeconds": 1,
        "backoffFactor": 1.5,
        "maxLaunchDelaySeconds": 30,
        "cpus": container.cpus,
        "mem": container.memory,
    }


def _apart(spec: PoolSpec, index: int, app: App) -> App:
    """Several central managers keep to sites of their own, if there are as many: Marathon keeps the instances of one
    app apart, not two apps."""
    number = len(spec.central_managers)
    if number == 1 or len(spec.sites) < number:
        return app
    allowed = _any_of(list(spec.sites[index::number]))
    rest = [c for c in app["constraints"] if c[0] != SITE]
    return app | {"constraints": [[SITE, "LIKE", allowed], *rest]}


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
    """The pool's apps, in the order in which they are best created: central manager (each of them), submit node,
    executors."""
    apps = []
    for index, container in enumerate(role_containers(spec, secrets)):
        app = _app(spec, container, image)
        if container.role is PoolRole.CENTRAL_MANAGER:
            app = _apart(spec, index, app)
        elif container.role is PoolRole.EXECUTOR:
            app = _executors(spec, app)
        apps.append(app)
    return apps
