"""What one cycle is given (View) and what it decides (Plan): the border between decisions and effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .model import Machine, Neighbour, Offer, Policy, Pool, Queue, Role, Size, StartdAd, Task

# Seconds.
FRESH = 60.0  # older data of HTCondor's is no data
ALONE_AFTER = 15.0  # no collector has answered for so long: executors are asked and told by themselves
REGISTER_WITHIN = 180.0  # a running executor whose ad never came is killed after this
REPLACE_AFTER = (
    30.0  # a task on an agent that is away is replaced after this (not the submit node: it is where its spool is)
)
LAUNCH_WITHIN = 300.0  # a launch of which Mesos says nothing, the image's pull included


@dataclass(frozen=True)
class Overhead:
    """What an executor's own daemons need of its container's memory, MiB: a container is this much larger than its slots."""

    base: float
    per_core: float

    def container(self, slots: Size) -> Size:
        """What Mesos is asked for, for an executor whose slots offer `slots`."""
        return Size(slots.cpus, slots.memory + self.base + self.per_core * slots.cpus, slots.disk, slots.gpus)

    def slots(self, container: Size) -> Size:
        """What the slots of a container of this size offer."""
        memory = container.memory - self.base - self.per_core * container.cpus
        return Size(container.cpus, max(0.0, memory), container.disk, container.gpus)


@dataclass(frozen=True)
class RoleTemplate:
    """A task that there is once: a central manager or the submit node. `container`: its size. `constraints`: agent attribute to
    the values it may have. `pinned`: it can run nowhere else (its spool is there), so it is never replaced while its agent is
    away. `template`: hash of all that it is made from."""

    name: str
    role: Role
    container: Size
    constraints: Mapping[str, frozenset[str]]
    template: str
    pinned: bool = False


@dataclass(frozen=True)
class ExecutorTemplate:
    """`fixed`: the slots of a fixed executor. `constraints` hold for every executor."""

    fixed: Size
    constraints: Mapping[str, frozenset[str]]
    template: str
    overhead: Overhead


@dataclass(frozen=True)
class Memory:
    """What one cycle leaves to the next. Nothing of it is stored: a new scheduler starts with an empty one.

    `wanting`: how many cycles in a row wanted more executors. `failures`: role's name, or agent of an executor, to how often in
    a row a launch failed there, and until when none is tried. `idle_since`: executor's task to since when it has no claim, and
    `unseen_since`: since when its ad is missed, both in the time of the pool's data (they stand still without any).
    `queue_seen`, `pool_seen`: `seen` of the last data that was fresh. `agents`: the largest room known of each agent, and its place.
    `started`: roles' names that have run, and "executor". `gave`: executors that were taken away, until when (Unix time) and how
    large: what they leave may not have been taken up yet. `homeless_since`: since when a submit node or central manager of ours has
    found no room, 0 if none; `asked`: the node where it asks for it, and since when. `machines`: by node, those known from offers and
    tasks; `ran_on`: role's name to the node where it was last. `made_room`: nodes to until when nothing more is drained there.
    `missing_since`: roles' names that are to be launched, and "executor" for fixed ones, and since when."""

    wanting: int = 0
    failures: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    idle_since: Mapping[str, float] = field(default_factory=dict)
    unseen_since: Mapping[str, float] = field(default_factory=dict)
    queue_seen: float = 0.0
    pool_seen: float = 0.0
    agents: Mapping[str, tuple[str, Size]] = field(default_factory=dict)
    started: frozenset[str] = frozenset()
    gave: Mapping[str, tuple[float, Size]] = field(default_factory=dict)
    homeless_since: float = 0.0
    asked: tuple[str, float] = ("", 0.0)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    ran_on: Mapping[str, str] = field(default_factory=dict)
    made_room: Mapping[str, float] = field(default_factory=dict)
    missing_since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """Everything known at `now`. `tasks` by id. `queue` and `pool` are None without fresh data. `own_ads`: what executors said of
    themselves, without any collector; those that Plan.asks named. `neighbours`: the other pools.
    `name`: this pool's, the first part of every task's id and what it is called among its neighbours.
    `paused`: nothing new is started and nothing taken away, but for roles that are lost. `drain_sites`: sites that the
    administrator empties; `drain_tasks`: executors that he empties. `leaving`: agents whose machines go into maintenance; `kept`: those
    of them of which Mesos has heard from us that they cannot go yet."""

    now: float
    policy: Policy | None
    roles: tuple[RoleTemplate, ...]
    executor: ExecutorTemplate
    tasks: Mapping[str, Task]
    offers: tuple[Offer, ...] = ()
    queue: Queue | None = None
    pool: Pool | None = None
    own_ads: tuple[StartdAd, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    paused: bool = False
    drain_sites: frozenset[str] = frozenset()
    drain_tasks: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    memory: Memory = Memory()
    name: str = "pool"


@dataclass(frozen=True)
class Launch:
    """Start `task` from this offer. Several may name one offer; together they fit in it."""

    offer: str
    task: Task


@dataclass(frozen=True)
class Kill:
    task: str
    why: str


@dataclass(frozen=True)
class Drain:
    """Tell the startd to take no new job and to let the running ones end, or (`cancel`) to take jobs again."""

    task: str
    why: str
    cancel: bool = False


@dataclass(frozen=True)
class Waiting:
    """Why a group of idle jobs waits, in plain words. `never`: nothing but a change of the job or the pool can help."""

    jobs: str
    count: int
    owner: str
    request: Size
    why: str
    never: bool = False


@dataclass(frozen=True)
class Plan:
    """What to do. Offers that no launch names are declined. `wants_offers`: without it offers are suppressed.

    `decisions`: what was decided and why, one line each, for people; the same situation gives the same lines.
    `asks`: executors' tasks that are to be asked for their own ads, since no collector tells of them.
    `tasks`: all records after this cycle (new ones, phases and drains changed), to be stored before anything is sent.
    `wake_at`: when something is due though nothing happens, at the latest."""

    launches: tuple[Launch, ...] = ()
    kills: tuple[Kill, ...] = ()
    drains: tuple[Drain, ...] = ()
    wants_offers: bool = False
    decisions: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    asks: tuple[str, ...] = ()
    tasks: Mapping[str, Task] = field(default_factory=dict)
    us: Neighbour | None = None
    memory: Memory = Memory()
    wake_at: float | None = None
