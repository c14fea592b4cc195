"""What `make status` found out, before anybody judges it. Plain values, so that a whole federation fits in a JSON file."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations


@dataclass(frozen=True)
class Machine:
    """A machine that should be there. `container` is its name on the operator's Docker engine, "" if it is none of that."""

    name: str
    site: str
    address: str
    front_end: bool
    services: tuple[str, ...]
    container: str = ""


@dataclass(frozen=True)
class PoolWanted:
    """A pool that should be there. `login` is the command that gets its first user in; `executors` are the fixed ones."""

    name: str
    submit_site: str
    executors: int
    login: str = ""
    framework: bool = False  # run by a framework of its own, not by three Marathon apps


@dataclass(frozen=True)
class Wanted:
    """What should be there: sites by the files, machines by the stacks' outputs.

    `agents_in_file` is what Pulumi.<site>.yaml asks for, of the sites whose file is here. `networks` are each site's LAN and
    containers; `links` the pairs of sites with a tunnel, None if every pair has one; `page` the URL of the status page, "" without."""

    federation: str
    sites: tuple[str, ...]
    quorum_sites: tuple[str, ...]
    machines: tuple[Machine, ...] = ()
    pools: tuple[PoolWanted, ...] = ()
    agents_in_file: dict[str, int] = field(default_factory=dict)
    topology: str = "full-mesh"
    as_numbers: dict[str, int] = field(default_factory=dict)
    networks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] | None = None
    page: str = ""

    def of_site(self, site: str) -> tuple[Machine, ...]:
        """The site's machines, the front-end first."""
        return tuple(m for m in self.machines if m.site == site)

    def front_end(self, site: str) -> Machine | None:
        """The site's front-end, if its stack has one."""
        return next((m for m in self.machines if m.site == site and m.front_end), None)

    def linked(self) -> tuple[tuple[str, str], ...]:
        """The pairs of sites with a tunnel, each once, in the order of the sites."""
        every = combinations(self.sites, 2)
        if self.links is None:
            return tuple(every)
        have = {frozenset(pair) for pair in self.links}
        return tuple(pair for pair in every if frozenset(pair) in have)


@dataclass(frozen=True)
class Container:
    """A service's container. `age` is how long ago, in seconds, it started (running) or ended (not running)."""

    name: str
    state: str
    restarts: int = 0
    exit_code: int = 0
    out_of_memory: bool = False
    age: float = 0.0


@dataclass(frozen=True)
class Tunnel:
    """What a front-end knows of the tunnel to a peer site; `age` in seconds since the last handshake, None before the first.

    `rtt` in ms, None if it was not measured; `alive`: whether the peer answers through it, None if nobody watches."""

    peer: str
    age: int | None
    rtt: float | None = None
    alive: bool | None = None


@dataclass(frozen=True)
class Session:
    """One BGP session of a machine, to the machine with this address. `age`: seconds in this state; `error`: the last one."""

    peer: str
    state: str
    age: float | None = None
    error: str = ""


@dataclass(frozen=True)
class Etcd:
    """What a member says of itself. `leader` is "" without one."""

    member: str
    leader: str


@dataclass(frozen=True)
class Slots:
    """An executor's cores, as HTCondor's slots hold them."""

    executor: str
    site: str
    claimed: int
    idle: int


@dataclass(frozen=True)
class Jobs:
    """The jobs of all users; `done` counts those in the schedd's history."""

    idle: int
    running: int
    held: int
    done: int


@dataclass(frozen=True)
class Pool:
    """What the submit node says. `trouble` is why something of it is missing."""

    slots: tuple[Slots, ...] | None = None
    jobs: Jobs | None = None
    trouble: str = ""


@dataclass(frozen=True)
class OnMachine:
    """What was found on a machine. If it was not `reached`, `trouble` says why and the rest is empty.

    `prefixes`: how many networks and addresses of each site BGP told it; None if it was not asked, as front-ends are."""

    reached: bool
    trouble: str = ""
    containers: tuple[Container, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    sessions: tuple[Session, ...] = ()
    prefixes: dict[str, int] | None = None
    etcd: Etcd | None = None
    zookeeper: str = ""  # leader, follower or standalone; "" if it does not serve
    pools: dict[str, Pool] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)  # of single questions, by name


@dataclass(frozen=True)
class Agent:
    """A registered Mesos agent; memory in MB."""

    node: str
    site: str
    active: bool
    cpus: float
    cpus_used: float
    memory: float
    memory_used: float


@dataclass(frozen=True)
class Master:
    """A Mesos master. `agents` only of one that leads, and None if it does not tell them: it is still recovering."""

    answers: bool
    trouble: str = ""
    leads: bool = False
    agents: tuple[Agent, ...] | None = None
    frameworks: int = 0


@dataclass(frozen=True)
class App:
    """A Marathon app. `checked`: it has health checks. `hosts`: addresses of the agents where its tasks run."""

    id: str
    instances: int
    running: int
    healthy: int
    checked: bool
    deploying: bool = False
    hosts: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Marathon:
    """A Marathon instance. `leader` is the address that it names; `apps` only if it leads itself."""

    answers: bool
    trouble: str = ""
    leader: str = ""
    apps: tuple[App, ...] | None = None


@dataclass(frozen=True)
class Role:
    """A central manager or the submit node, as the pool's framework sees it. `why` it is not healthy."""

    name: str
    phase: str
    healthy: bool
    why: str = ""


@dataclass(frozen=True)
class Count:
    """Executors of one kind."""

    running: int = 0
    launching: int = 0
    draining: int = 0
    unreachable: int = 0


@dataclass(frozen=True)
class WaitingJobs:
    """Idle jobs that ask for the same, and why they wait; `never`: nothing but a change of them or of the pool can help."""

    jobs: str
    count: int
    owner: str
    why: str
    never: bool = False


@dataclass(frozen=True)
class Decision:
    """What the framework decided; `when` as it says it."""

    when: str
    text: str


@dataclass(frozen=True)
class Framework:
    """What a pool's framework says. If it does not answer, `trouble` says why and the rest is empty.

    `data_age`: seconds since HTCondor last told it of the queue, None if it never did. `idle`, `held`: jobs; None without data.
    `holds`, `share`: cores."""

    answers: bool
    trouble: str = ""
    url: str = ""
    connected: bool = False
    paused: bool = False
    gone: bool = False
    roles: tuple[Role, ...] = ()
    fixed_wanted: int = 0
    fixed: Count = Count()
    elastic_max: int = 0
    elastic: Count = Count()
    data_age: float | None = None
    idle: int | None = None
    running: int | None = None
    held: int | None = None
    holds: float = 0.0
    share: float = 0.0
    waiting: tuple[WaitingJobs, ...] = ()
    decisions: tuple[Decision, ...] = ()
    drained_sites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Everything. `stacks` are those that the backend has, with resources; `engine` is the state of the federation's
    containers on the operator's Docker engine, None if that does not answer; `masters` and `marathons` by site,
    `frameworks` by pool; `load` is this machine's, per core."""

    wanted: Wanted
    stacks: tuple[str, ...] = ()
    engine: dict[str, str] | None = None
    machines: dict[str, OnMachine] = field(default_factory=dict)
    masters: dict[str, Master] = field(default_factory=dict)
    marathons: dict[str, Marathon] = field(default_factory=dict)
    frameworks: dict[str, Framework] = field(default_factory=dict)
    seconds: float = 0.0
    load: float = 0.0
