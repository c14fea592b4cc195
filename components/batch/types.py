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
class ElasticSpec:
    """Executors that follow the queue (`via: framework` only): between `min` and `max` of them.

    `curb`: from so many on only half of what is wanted is started at a time. `batch`: at the most so many start in
    one cycle. `wait_cycles`: so many cycles must have wanted more before something is started. `idle_timeout`:
    seconds without a claim until the framework drains one. `orphan_timeout`: seconds without a claim after which
    one ends by itself, should no framework look after it. `max_idle`: none is started while so many are free or on
    their way. `largest_*`: no executor is larger, in cores, MiB, MiB and GPUs (what its jobs get, without the
    daemons' overhead). `site_preference`: sites, best first. `sites`: site to (max, curb) there. `each_user`,
    `user_caps`, `group_caps`: cores that one user, this user, this accounting group may use; None: any number."""

    min: int = 0
    max: int = 10
    curb: int = 8
    batch: int = 4
    wait_cycles: int = 1
    idle_timeout: int = 120
    orphan_timeout: int = 1800
    max_idle: int = 4
    largest_cpus: float = 4.0
    largest_memory: int = 4096
    largest_disk: int = 20000
    largest_gpus: int = 0
    placement: Literal["pack", "spread"] = "pack"
    site_preference: tuple[str, ...] = ()
    sites: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    each_user: float | None = None
    user_caps: Mapping[str, float] = field(default_factory=dict)
    group_caps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ExecutorsSpec:
    """`count` containers of `cpus` cores, `memory` MiB and `disk` MiB each.

    `slots`: "partitionable", one slot that is cut to each job's request, or "fixed", one equal slot a core.
    `grace`: seconds that running jobs may go on when an executor is told to stop (scaled down, replaced,
    updated). `elastic`: further ones that follow the queue."""

    count: int = 1
    cpus: float = 1.0
    memory: int = 1024
    disk: int = 2000
    slots: Literal["partitionable", "fixed"] = "partitionable"
    grace: int = 60
    elastic: ElasticSpec | None = None


@dataclass(frozen=True)
class ShareSpec:
    """What the pool is guaranteed of the cluster: `cpus` cores and `memory` MiB (`via: framework` only).

    `weight`: Mesos' weight of its role. `limit_cpus` (cores), `limit_memory` (MiB): it never gets more; None: no
    limit. `lend`: others may use what it does not want meanwhile, and give it back by draining."""

    cpus: float
    memory: int
    weight: float = 1.0
    limit_cpus: float | None = None
    limit_memory: int | None = None
    lend: bool = True


@dataclass(frozen=True)
class VolumeMount:
    """A directory of the machine, `source`, seen in the container as `target`; both absolute."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class ContainerPolicy:
    """What one role's containers get beyond what they need.

    `ulimits`: name to value as Docker takes it ("memlock": "-1:-1"). `devices`: the machine's, by path. `volumes`:
    bind mounts. `environment`: of the daemons' container. `condor_config`: the administrator's further lines for
    this role, after those for all. `attributes`: an agent's attribute to the value that it must have."""

    ulimits: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    condor_config: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


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

    `sites`: where its containers may run. `via`: who starts them, Marathon's apps or a framework of the pool's
    own. `site_networks`: site to its container network (CIDR), by which an executor knows its site.
    `condor_config`: the administrator's further lines, for all roles. `job_lease`: seconds without contact after
    which a job of a lost executor is run again, and for which a job outlives the absence of its submit node.
    `more_central_managers`: the second and third, that take over from the first. `containers`: what a role's
    containers get beyond the usual. `share`: of the cluster. `framework_address`: IPv4 address of the framework in
    the network `fixed`, "" without. `number`: the pool's number in the federation, from 1."""

    name: str
    sites: tuple[str, ...]
    central_manager: CentralManagerSpec
    submit_node: SubmitNodeSpec
    executors: ExecutorsSpec = ExecutorsSpec()
    users: tuple[PoolUser, ...] = ()
    via: Literal["marathon", "framework"] = "marathon"
    site_networks: Mapping[str, str] = field(default_factory=dict)
    condor_config: tuple[str, ...] = ()
    accounting: Accounting = Accounting()
    job_lease: int = 40
    more_central_managers: tuple[CentralManagerSpec, ...] = ()
    containers: Mapping[PoolRole, ContainerPolicy] = field(default_factory=dict)
    share: ShareSpec | None = None
    framework_address: str = ""
    number: int = 1

    @property
    def central_managers(self) -> tuple[CentralManagerSpec, ...]:
        """All of them, the first one first."""
        return (self.central_manager, *self.more_central_managers)

    def container(self, role: PoolRole) -> ContainerPolicy:
        """What the role's containers get beyond the usual."""
        return self.containers.get(role, ContainerPolicy())

    @property
    def domain(self) -> str:
        """UID domain, trust domain of the tokens, and the domain of all host names of the pool."""
        return f"{self.name}.aerie"

    @property
    def slots(self) -> int:
        """How many single-core jobs it can run at once, with all elastic executors; timers follow from it."""
        fixed = self.executors.count * max(1, int(self.executors.cpus))
        elastic = self.executors.elastic
        return fixed + (elastic.max * max(1, int(elastic.largest_cpus or 4)) if elastic else 0)


@dataclass(frozen=True)
class RoleSecrets:
    """What one role's container is given. `signing_key`: bytes of the key file, for those who check tokens
    themselves. `admin_token`: for the tools that root runs in the central manager's container, towards the
    schedd; the framework's is for its queries of the schedd. `user_tokens`: user name to the tokens in his home. `ssh_host_key`: OpenSSH private key."""

    token: str
    signing_key: bytes = b""
    admin_token: str = ""
    user_tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ssh_host_key: str = ""


@dataclass(frozen=True)
class PoolSecrets:
    """Made by `tokens.pool_secrets`. `framework`: the two tokens of the pool's framework, empty ones in a pool
    that has none."""

    central_manager: RoleSecrets
    submit: RoleSecrets
    executor: RoleSecrets
    framework: RoleSecrets = RoleSecrets(token="")

    def of(self, role: PoolRole) -> RoleSecrets:
        return {
            PoolRole.CENTRAL_MANAGER: self.central_manager,
            PoolRole.SUBMIT: self.submit,
            PoolRole.EXECUTOR: self.executor,
        }[role]
