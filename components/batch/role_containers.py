"""What each role's container is, whoever starts it: Marathon (`apps`) or the pool's framework. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from .condor_config import condor_config
from .types import PoolRole, PoolSecrets, PoolSpec

# Names of the Docker networks that the Calico driver keeps on every node.
ROUTED, FIXED = "calico", "fixed"
# Attributes of the agents: every one has both.
SITE, NODE = "site", "node"
# Labels by which Calico's policies know a container; the driver of its Docker networks copies those with this prefix.
POOL_LABEL, ROLE_LABEL, LABEL_PREFIX = "aerie-pool", "aerie-role", "org.projectcalico.label."

# A machine that vanishes closes no connection. HTCondor has the kernel probe after 10 s (TCP_KEEPALIVE_INTERVAL), but how often,
# and after how many probes a peer is dead, is the kernel's: 75 s and 9 times by default, ten minutes in all. With these half a
# minute; and data that nobody acknowledges is given up after about 100 s, not 15 minutes.
DEAD_PEERS = {"tcp_keepalive_intvl": 5, "tcp_keepalive_probes": 4, "tcp_retries2": 8}


@dataclass(frozen=True, kw_only=True)
class Container:
    """What any container of a pool is made with. `cpus` in cores, `memory` and `disk` in MiB, `kill_grace` in seconds.

    `network`: of Docker. `constraints`: an agent's attribute to the values that it may have. `pinned`: what it keeps is on one
    machine, so it is never started on another. `parameters`: for `docker run`, in order; a key may be there more than once."""

    cpus: float
    memory: int
    disk: int = 0
    network: str = FIXED
    constraints: Mapping[str, list[str]]
    pinned: bool = False
    kill_grace: int = 10
    parameters: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class RoleContainer(Container):
    """One container of HTCondor's, or each of the executors'.

    `name`: "central-manager", "central-manager-2", ..., "submit-node" or "executor". `env`: secret as a whole, and empty values
    in it if it was made without secrets."""

    name: str
    role: PoolRole
    env: Mapping[str, str] = field(repr=False)


def parameters(pool: str, role: str, *own: tuple[str, str]) -> list[tuple[str, str]]:
    """A container's own, and those that all have."""
    return [
        *own,
        # Without these it reaches nobody, and nobody it.
        *(("label", f"{LABEL_PREFIX}{name}={value}") for name, value in ((POOL_LABEL, pool), (ROLE_LABEL, role))),
        # No set-uid program makes anybody more than who he is.
        ("security-opt", "no-new-privileges"),
        *(("sysctl", f"net.ipv4.{name}={value}") for name, value in DEAD_PEERS.items()),
    ]


def role_containers(spec: PoolSpec, secrets: PoolSecrets) -> list[RoleContainer]:
    """All roles' containers, in the order in which they are best started; the executor is the last one, and one
    entry for any number of them."""
    managers = [_central_manager(spec, index, secrets) for index in range(len(spec.central_managers))]
    return [*managers, _submit_node(spec, secrets), _executor(spec, secrets)]


def central_manager_name(index: int) -> str:
    """`index` from 0."""
    return "central-manager" if index == 0 else f"central-manager-{index + 1}"


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
    policy = spec.container(role)
    env = {
        **policy.environment,
        # Tools find a pool's containers on a machine by these two.
        "AERIE_POOL": spec.name,
        "AERIE_ROLE": role.value,
        "AERIE_CONDOR_CONFIG": _b64(condor_config(spec, role)),
        "AERIE_TOKEN": _b64(own.token),
    }
    if policy.environment:
        env["AERIE_ENVIRONMENT"] = _json(sorted(policy.environment))
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


def _parameters(spec: PoolSpec, role: PoolRole, own: list[tuple[str, str]]) -> list[tuple[str, str]]:
    policy = spec.container(role)
    return [
        *parameters(spec.name, role.value, *own),
        *(("ulimit", f"{name}={value}") for name, value in sorted(policy.ulimits.items())),
        *(("device", device) for device in policy.devices),
        *(("volume", f"{v.source}:{v.target}:{'ro' if v.read_only else 'rw'}") for v in policy.volumes),
    ]


def _constraints(spec: PoolSpec, role: PoolRole, own: dict[str, list[str]]) -> dict[str, list[str]]:
    """The policy's attributes narrow the role's own ones; they never widen them."""
    found = dict(own)
    for attribute, value in sorted(spec.container(role).attributes.items()):
        found[attribute] = [value] if value in found.get(attribute, [value]) else []
    return found


def _central_manager(spec: PoolSpec, index: int, secrets: PoolSecrets) -> RoleContainer:
    own, role = spec.central_managers[index], PoolRole.CENTRAL_MANAGER
    name = central_manager_name(index)
    return RoleContainer(
        name=name,
        role=role,
        cpus=own.cpus,
        memory=own.memory,
        constraints=_constraints(spec, role, {SITE: list(spec.sites)}),
        parameters=_parameters(spec, role, [("ip", own.address), ("hostname", f"{name}.{spec.domain}")]),
        env=environment(spec, role, secrets),
    )


def _submit_node(spec: PoolSpec, secrets: PoolSecrets) -> RoleContainer:
    own, role = spec.submit_node, PoolRole.SUBMIT
    return RoleContainer(
        name="submit-node",
        role=role,
        cpus=own.cpus,
        memory=own.memory,
        constraints=_constraints(spec, role, {SITE: [own.site], NODE: [own.node]}),
        pinned=True,
        kill_grace=20,
        parameters=_parameters(
            spec,
            role,
            [
                ("ip", own.address),
                ("hostname", f"submit-node.{spec.domain}"),
                ("volume", f"{spool_volume(spec)}:/var/spool/condor"),
            ],
        ),
        env=environment(spec, role, secrets),
    )


def _executor(spec: PoolSpec, secrets: PoolSecrets) -> RoleContainer:
    own, role = spec.executors, PoolRole.EXECUTOR
    return RoleContainer(
        name="executor",
        role=role,
        cpus=own.cpus,
        memory=own.memory,
        disk=own.disk,
        network=ROUTED,
        constraints=_constraints(spec, role, {SITE: list(spec.sites)}),
        kill_grace=own.grace,
        parameters=_parameters(spec, role, []),
        env=environment(spec, role, secrets),
    )
