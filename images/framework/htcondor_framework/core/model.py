"""The values that decisions are made of. Times are Unix times in seconds; cpus in cores, memory and disk in MiB.

A *place* is where an executor can be: a site of the pool. What a job requires is translated into places before it comes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a task of ours is. Values as AERIE_ROLE in the image `htcondor`."""

    CENTRAL_MANAGER = "central-manager"
    SUBMIT = "submit"
    EXECUTOR = "executor"


class Kind(StrEnum):
    """Why there is an executor: FIXED ones are always there, ELASTIC ones follow the queue. "" for other roles."""

    NONE = ""
    FIXED = "fixed"
    ELASTIC = "elastic"


@dataclass(frozen=True, order=True)
class Size:
    """Resources of a job, an executor or an offer. Never negative."""

    cpus: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    gpus: float = 0.0

    def __add__(self, other: Size) -> Size:
        return Size(self.cpus + other.cpus, self.memory + other.memory, self.disk + other.disk, self.gpus + other.gpus)

    def __sub__(self, other: Size) -> Size:
        """What is left; a dimension of which too much is taken is 0."""
        return Size(
            max(0.0, round(self.cpus - other.cpus, 6)),
            max(0.0, round(self.memory - other.memory, 6)),
            max(0.0, round(self.disk - other.disk, 6)),
            max(0.0, round(self.gpus - other.gpus, 6)),
        )

    def times(self, count: int) -> Size:
        return Size(self.cpus * count, self.memory * count, self.disk * count, self.gpus * count)

    def fits_in(self, other: Size) -> bool:
        return (
            self.cpus <= other.cpus + 1e-6
            and self.memory <= other.memory + 1e-6
            and self.disk <= other.disk + 1e-6
            and self.gpus <= other.gpus + 1e-6
        )

    def how_many_in(self, room: Size) -> int:
        """How many of this fit in `room`; 0 if not even one. A dimension of which nothing is asked does not count."""
        counts = [
            int((has + 1e-6) // asks)
            for asks, has in (
                (self.cpus, room.cpus),
                (self.memory, room.memory),
                (self.disk, room.disk),
                (self.gpus, room.gpus),
            )
            if asks > 0
        ]
        return min(counts) if counts else 0

    def least(self, other: Size) -> Size:
        """The smaller of both in each dimension."""
        return Size(
            min(self.cpus, other.cpus),
            min(self.memory, other.memory),
            min(self.disk, other.disk),
            min(self.gpus, other.gpus),
        )


@dataclass(frozen=True)
class JobGroup:
    """Idle jobs that ask for the same. `places`: where they may run, of the pool's sites; empty if nowhere.

    `waits_for`: why they can run nowhere, in plain words, "" if they can. `jobs`: some of their ids, as HTCondor writes them
    ("12.0 ... 12.4"). `since`: when the first was queued, 0 if not known."""

    key: str
    count: int
    request: Size
    places: frozenset[str]
    owner: str
    group: str = ""  # accounting group, "" without
    jobs: str = ""
    waits_for: str = ""
    since: float = 0.0


@dataclass(frozen=True)
class Usage:
    """Running jobs, summed up. `cores` by owner and by accounting group (those of subgroups count in each ancestor)."""

    running: int = 0
    by_owner: Mapping[str, float] = field(default_factory=dict)
    by_group: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Queue:
    """What the schedd said. `seen`: when. Without data there is no Queue at all: None is not an empty one."""

    seen: float
    idle: tuple[JobGroup, ...] = ()
    usage: Usage = Usage()
    held: int = 0


class SlotState(StrEnum):
    """An executor's startd, by its ads in the collector."""

    FREE = "free"  # no claim
    CLAIMED = "claimed"  # one claim or more
    DRAINING = "draining"  # told to drain, some claim is left
    DRAINED = "drained"  # told to drain, no claim is left: nobody can claim it any more


@dataclass(frozen=True)
class StartdAd:
    """One executor as the collector knows it. `name` is the startd's (HTCondor's host name). `address`: IPv4 of the container.

    `free`: what its partitionable slot has left (whole fixed slots that are unclaimed, summed, for fixed slots);
    `claims`: how many slots are claimed; `task` is the Mesos task's id, which its ad carries as AerieTask; "" if it has none."""

    name: str
    address: str
    task: str
    site: str
    state: SlotState
    total: Size
    free: Size
    claims: int
    heard: float


@dataclass(frozen=True)
class Pool:
    """What the collector said. `managers`: how many central managers answer with a fresh negotiator's ad. `schedd`: whether the
    submit node's ad is there and fresh."""

    seen: float
    startds: tuple[StartdAd, ...] = ()
    negotiator: bool = False
    schedd: bool = False


class Phase(StrEnum):
    """What we know of a task. It is stored; the order is that of a life."""

    LAUNCHING = "launching"  # written down, ACCEPT sent, Mesos has not said that it runs
    RUNNING = "running"
    UNREACHABLE = "unreachable"  # its agent is away; it may come back
    KILLING = "killing"  # we told Mesos to kill it
    # A task that ended is no record any more.


@dataclass(frozen=True)
class Task:
    """One task of ours, as it is stored. `size`: the container's, as Mesos is asked for it. `template`: hash of what it was
    made from, to see whether it is out of date.

    `drain`: why it is being drained ("" if it is not), `drain_asked` when the startd was last told so, 0 if never;
    with `drain` "" it is when the startd was last told to take jobs again, until its ad says that it does.
    `since`: when `phase` began. `idle_since`: since when it has no claim, 0 if it has one or nobody knows; not stored.
    `node`: the agent's attribute of that name, "" if not known."""

    id: str
    role: Role
    kind: Kind
    name: str  # for roles: "central-manager", "central-manager-2", "submit-node"; for executors as `id`
    agent: str
    hostname: str
    place: str
    size: Size
    template: str
    phase: Phase
    since: float
    launched: float
    drain: str = ""
    drain_asked: float = 0.0
    address: str = ""
    healthy: bool | None = None
    idle_since: float = 0.0
    seen: bool = False  # its ad was in the collector at least once; not stored
    node: str = ""

    @property
    def is_executor(self) -> bool:
        return self.role is Role.EXECUTOR


@dataclass(frozen=True)
class Offer:
    """One offer of Mesos. `place` is the agent's attribute `site`."""

    id: str
    agent: str
    hostname: str
    place: str
    attributes: Mapping[str, str]
    room: Size
    unavailable_from: float | None = None


class Placement(StrEnum):
    PACK = "pack"  # fill one machine before the next is used
    SPREAD = "spread"  # over sites, then machines


@dataclass(frozen=True)
class Limit:
    """`max`: never more executors. From `curb` of them on only half of what is wanted is started at a time (rounded up)."""

    max: int
    curb: int


@dataclass(frozen=True)
class Caps:
    """Cores that may be used, running and started for them, by one owner or one accounting group (subgroups included)."""

    each_user: float | None = None
    users: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Elastic:
    """`min` <= elastic executors <= `total.max`. `batch`: at the most so many are started in one cycle. `wait_cycles`: so many
    cycles must have wanted more before something is started (0: at once). `idle_timeout`, seconds without a claim until one is
    drained. `max_idle`: none is started while so many executors are free or on their way. `largest`: never larger than this."""

    min: int
    total: Limit
    batch: int
    wait_cycles: int
    idle_timeout: float
    max_idle: int
    largest: Size
    placement: Placement = Placement.PACK
    site_preference: tuple[str, ...] = ()
    sites: Mapping[str, Limit] = field(default_factory=dict)
    caps: Caps = Caps()


@dataclass(frozen=True)
class Share:
    """The pool's guaranteed share of the cluster: cores and MiB. What it has beyond may be taken back, by draining."""

    cpus: float
    memory: float


@dataclass(frozen=True)
class Policy:
    """What can change while the pool runs. `elastic` is None for a pool of fixed executors only."""

    fixed: int
    share: Share
    elastic: Elastic | None = None


@dataclass(frozen=True)
class Machine:
    """One agent's machine, by its attribute `node`. `room`: what was last offered of it, at `offered` (Unix time; 0 if never)."""

    node: str
    agent: str
    attributes: Mapping[str, str]
    room: Size
    offered: float


@dataclass(frozen=True)
class Homeless:
    """A submit node or central manager that found no room for some time, and the machine where it asks for it: the only one on which
    it can run, or the one that it chose. `node`: that agent's attribute."""

    node: str
    size: Size


@dataclass(frozen=True)
class Neighbour:
    """What another pool on the same cluster says of itself (or we of us). `holds`: resources of its executors, those that are
    draining not counted. `wants`: resources that it would start now and cannot get from the offers. `giving`: what its draining
    executors will leave, and what those that ended lately have left. `homeless`: a task of its own that needs room on one machine."""

    pool: str
    share: Share
    holds: Size
    wants: Size
    giving: Size = Size()
    homeless: Homeless | None = None
