"""What a pool is, with everything decided: the input of the pure functions in `condor_config`, `tokens` and
`apps`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class PoolRole(StrEnum):
    """Value of AERIE_ROLE in the image `htcondor`."""

    CENTRAL_MANAGER = "central-manager"
    SUBMIT = "submit"
    EXECUTOR = "executor"


@dataclass(frozen=True)
class CentralManagerSpec:
    """Collector and negotiator. `address`: its fixed IPv4 address in the network `fixed`. `cpus` in cores,
    `memory` in MiB."""

    address: str
    cpus: float = 0.2
    memory: int = 256


@dataclass(frozen=True)
class SubmitNodeSpec:
    """Schedd and log-in. `address`: fixed IPv4 address in the network `fixed`. `site` and `node` (the agent's
    attribute `node`) say where its spool volume is, so where it must run. `ssh_port`: where users reach sshd
    from outside, on the site's front-end; in the container sshd always listens on 22. `cpus` in cores,
    `memory` in MiB."""

    address: str
    site: str
    node: str
    ssh_port: int = 2222
    cpus: float = 0.2
    memory: int = 256


@dataclass(frozen=True)
class ExecutorsSpec:
    """`count` containers of `cpus` cores, `memory` MiB and `disk` MiB each.

    `slots`: "partitionable", one slot that is cut to each job's request, or "fixed", one equal slot a core.
    `grace`: seconds that running jobs may go on when an executor is told to stop (scaled down, replaced,
    updated)."""

    count: int = 1
    cpus: float = 1.0
    memory: int = 1024
    disk: int = 2000
    slots: Literal["partitionable", "fixed"] = "partitionable"
    grace: int = 60


@dataclass(frozen=True)
class PoolUser:
    """Somebody who logs in and whose jobs run as himself. `ssh_keys`: lines as in a .pub file. `admin`: may
    drain, switch off and reconfigure daemons of the pool from the submit node."""

    name: str
    uid: int
    ssh_keys: tuple[str, ...] = ()
    admin: bool = False


@dataclass(frozen=True)
class Accounting:
    """HTCondor's accounting groups: name (dotted for subgroups) to its quota, a share (0 to 1) of the pool if
    below or equal to 1, else a number of cores. `accept_surplus`: idle shares of others may be used."""

    groups: Mapping[str, float] = field(default_factory=dict)
    accept_surplus: bool = True


@dataclass(frozen=True)
class PoolSpec:
    """One HTCondor pool.

    `sites`: where its containers may run. `site_networks`: site to its container network (CIDR), by which an
    executor knows its site. `condor_config`: the administrator's further lines, for all roles. `job_lease`:
    seconds without contact after which a job of a lost executor is run again, and for which a job outlives
    the absence of its submit node."""

    name: str
    sites: tuple[str, ...]
    central_manager: CentralManagerSpec
    submit_node: SubmitNodeSpec
    executors: ExecutorsSpec = ExecutorsSpec()
    users: tuple[PoolUser, ...] = ()
    via: Literal["marathon"] = "marathon"
    site_networks: Mapping[str, str] = field(default_factory=dict)
    condor_config: tuple[str, ...] = ()
    accounting: Accounting = Accounting()
    job_lease: int = 40

    @property
    def domain(self) -> str:
        """UID domain, trust domain of the tokens, and the domain of all host names of the pool."""
        return f"{self.name}.aerie"

    @property
    def slots(self) -> int:
        """How many single-core jobs it can run at once; timers follow from it."""
        return self.executors.count * max(1, int(self.executors.cpus))


@dataclass(frozen=True)
class RoleSecrets:
    """What one role's container is given. `signing_key`: bytes of the key file, for those who check tokens
    themselves. `admin_token`: for the tools that root runs in the central manager's container, towards the
    schedd. `user_tokens`: user name to the tokens in his home. `ssh_host_key`: OpenSSH private key."""

    token: str
    signing_key: bytes = b""
    admin_token: str = ""
    user_tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ssh_host_key: str = ""


@dataclass(frozen=True)
class PoolSecrets:
    """Made by `tokens.pool_secrets`."""

    central_manager: RoleSecrets
    submit: RoleSecrets
    executor: RoleSecrets

    def of(self, role: PoolRole) -> RoleSecrets:
        return {
            PoolRole.CENTRAL_MANAGER: self.central_manager,
            PoolRole.SUBMIT: self.submit,
            PoolRole.EXECUTOR: self.executor,
        }[role]
