"""A pool as three Marathon apps (v2 API, the form of Marathon 1.5 and later). Pure: no Marathon is spoken to
here."""

from __future__ import annotations

import base64
import json
from typing import Any

from .condor_config import condor_config
from .types import PoolRole, PoolSecrets, PoolSpec

App = dict[str, Any]

# Names of the Docker networks that the Calico driver keeps on every node.
ROUTED, FIXED = "calico", "fixed"
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

# A machine that vanishes closes no connection. HTCondor has the kernel probe after 10 s (TCP_KEEPALIVE_INTERVAL), but how often,
# and after how many probes a peer is dead, is the kernel's: 75 s and 9 times by default, ten minutes in all. With these half a
# minute; and data that nobody acknowledges is given up after about 100 s, not 15 minutes.
DEAD_PEERS = {"tcp_keepalive_intvl": 5, "tcp_keepalive_probes": 4, "tcp_retries2": 8}


def app_id(spec: PoolSpec, role: PoolRole) -> str:
    return f"/{spec.name}/{APP_NAME[role]}"


def spool_volume(spec: PoolSpec) -> str:
    """Docker volume of the submit node: its queue and the users' homes."""
    return f"aerie-{spec.name}-spool"


def _b64(data: bytes | str) -> str:
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def _json(value: object) -> str:
    return _b64(json.dumps(value, sort_keys=True, separators=(",", ":")))


def environment(spec: PoolSpec, role: PoolRole, secrets: PoolSecrets) -> dict[str, str]:
    """What the image's entrypoint reads. Secret as a whole: it holds tokens and keys."""
    own = secrets.of(role)
    env = {
        "AERIE_ROLE": role.value,
        "AERIE_CONDOR_CONFIG": _b64(condor_config(spec, role)),
        "AERIE_TOKEN": _b64(own.token),
    }
    if own.signing_key:
        env["AERIE_SIGNING_KEY"] = _b64(own.signing_key)
    if own.admin_token:
        env["AERIE_ADMIN_TOKEN"] = _b64(own.admin_token)
    if role is PoolRole.SUBMIT:
        env["AERIE_SSH_HOST_KEY"] = _b64(own.ssh_host_key)
        env["AERIE_USERS"] = _json(
            [
                {
                    "name": user.name,
                    "uid": user.uid,
                    "ssh_keys": user.ssh_keys,
                    "tokens": own.user_tokens.get(user.name, ()),
                }
                for user in spec.users
            ]
        )
    if role is PoolRole.EXECUTOR:
        env["AERIE_USERS"] = _json([{"name": user.name, "uid": user.uid} for user in spec.users])
        env["AERIE_SITES"] = _json(dict(spec.site_networks))
    return env


def _any_of(names: tuple[str, ...]) -> str:
    """A regular expression that matches exactly these."""
    return "|".join(name.replace(".", r"\.") for name in names)


def _app(spec: PoolSpec, role: PoolRole, image: str, secrets: PoolSecrets, parameters: dict[str, str]) -> App:
    all_parameters = [
        *parameters.items(),
        # No set-uid program makes a job more than its user.
        ("security-opt", "no-new-privileges"),
        *(("sysctl", f"net.ipv4.{name}={value}") for name, value in DEAD_PEERS.items()),
    ]
    return {
        "id": app_id(spec, role),
        "instances": 1,
        "disk": 0,
        "container": {
            "type": "DOCKER",
            "docker": {
                "image": image,
                "privileged": False,
                "forcePullImage": False,
                "parameters": [{"key": key, "value": value} for key, value in all_parameters],
            },
        },
        "networks": [{"mode": "container", "name": FIXED}],
        "env": environment(spec, role, secrets),
        "labels": {"aerie.pool": spec.name, "aerie.role": role.value},
        "constraints": [["site", "LIKE", _any_of(spec.sites)]],
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
        "unreachableStrategy": dict(UNREACHABLE),
        "taskKillGracePeriodSeconds": 10,
        "backoffSeconds": 1,
        "backoffFactor": 1.5,
        "maxLaunchDelaySeconds": 30,
    }


def _central_manager(spec: PoolSpec, image: str, secrets: PoolSecrets) -> App:
    own = spec.central_manager
    parameters = {"ip": own.address, "hostname": f"central-manager.{spec.domain}"}
    app = _app(spec, PoolRole.CENTRAL_MANAGER, image, secrets, parameters)
    return app | {"cpus": own.cpus, "mem": own.memory}


def _submit_node(spec: PoolSpec, image: str, secrets: PoolSecrets) -> App:
    own = spec.submit_node
    parameters = {
        "ip": own.address,
        "hostname": f"submit-node.{spec.domain}",
        "volume": f"{spool_volume(spec)}:/var/spool/condor",
    }
    app = _app(spec, PoolRole.SUBMIT, image, secrets, parameters)
    return app | {
        "cpus": own.cpus,
        "mem": own.memory,
        "constraints": [["site", "LIKE", _any_of((own.site,))], ["node", "LIKE", _any_of((own.node,))]],
        "unreachableStrategy": dict(UNREACHABLE_PINNED),
        "taskKillGracePeriodSeconds": 20,
    }


def _executors(spec: PoolSpec, image: str, secrets: PoolSecrets) -> App:
    own = spec.executors
    app = _app(spec, PoolRole.EXECUTOR, image, secrets, {})
    return app | {
        "instances": own.count,
        "cpus": own.cpus,
        "mem": own.memory,
        "disk": own.disk,
        "networks": [{"mode": "container", "name": ROUTED}],
        "constraints": [*app["constraints"], ["site", "GROUP_BY", str(len(spec.sites))]],
        # One after the other, in the room that there is; half of the pool goes on working.
        "upgradeStrategy": {"minimumHealthCapacity": 0.5 if own.count > 1 else 0, "maximumOverCapacity": 0},
        "taskKillGracePeriodSeconds": own.grace,
        "killSelection": "YOUNGEST_FIRST",
    }


def marathon_apps(spec: PoolSpec, image: str, secrets: PoolSecrets) -> list[App]:
    """The pool's apps, in the order in which they are best created: central manager, submit node,
    executors."""
    return [make(spec, image, secrets) for make in (_central_manager, _submit_node, _executors)]
