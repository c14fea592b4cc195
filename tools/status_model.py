"""What `make status` says: the verdict, the tables, and a line for everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .status_facts import Jobs

Verdict = Literal["good", "wrong", "not up"]
EXIT_CODES: dict[Verdict, int] = {"good": 0, "wrong": 1, "not up": 2}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to do about it."""

    what: str
    do: str


@dataclass(frozen=True)
class Quorum:
    """`up` of `members` work together. `leader` is a site. Without a majority or a leader it is lost."""

    name: str
    members: int
    up: int
    leader: str
    held: bool
    tolerates: int


@dataclass(frozen=True)
class Site:
    """Counts are of what should be there; cpus in cores, memory in MB, `handshake` (the oldest) in seconds."""

    name: str
    machines: int
    machines_up: int
    agents: int
    agents_up: int
    cpus: float
    cpus_used: float
    memory: float
    memory_used: float
    tunnels: int
    tunnels_up: int
    handshake: int | None
    sessions: int
    sessions_up: int
    services: int
    services_up: int


@dataclass(frozen=True)
class SiteRouting:
    """A site's BGP: sessions established of those that must be (each end counts), and how many prefixes of each site its
    front-end was told; None if it could not be asked."""

    name: str
    as_number: int | None
    sessions: int
    sessions_up: int
    prefixes: dict[str, int] | None = None


@dataclass(frozen=True)
class Link:
    """The tunnel between two sites. `handshake` in seconds, `rtt` in ms; None if there is none."""

    a: str
    b: str
    up: bool
    handshake: int | None
    rtt: float | None = None


@dataclass(frozen=True)
class Routing:
    """`down` are the sessions that are not established, a line each."""

    topology: str
    sites: tuple[SiteRouting, ...]
    links: tuple[Link, ...]
    down: tuple[str, ...] = ()


@dataclass(frozen=True)
class AppLine:
    """`state` in one word or two; `places` are sites with the number of tasks there."""

    id: str
    instances: int
    running: int
    healthy: int
    checked: bool
    good: bool
    state: str
    places: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class SiteSlots:
    """Cores of a pool's executors at one site."""

    site: str
    claimed: int
    idle: int


@dataclass(frozen=True)
class PoolLine:
    """`executors` that the collector knows, of those `wanted`; None if nobody could be asked."""

    name: str
    wanted: int
    executors: int | None
    slots: tuple[SiteSlots, ...]
    jobs: Jobs | None


@dataclass(frozen=True)
class FrameworkLine:
    """How a pool by a framework does. `roles_good` of `roles` are healthy; `holds` of `share` in cores.

    `decisions` are the last ones, `waiting` says why jobs wait; a line each."""

    name: str
    roles: int
    roles_good: int
    fixed: int
    fixed_wanted: int
    elastic: int
    elastic_max: int
    launching: int
    draining: int
    holds: float
    share: float
    decisions: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """`notes` are no faults. `next` is the one line that says what to do; `page` the URL of the status page, "" without."""

    federation: str
    verdict: Verdict
    quorums: tuple[Quorum, ...]
    sites: tuple[Site, ...]
    routing: Routing
    apps: tuple[AppLine, ...]
    pools: tuple[PoolLine, ...]
    frameworks: tuple[FrameworkLine, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    next: str
    seconds: float
    page: str = ""

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]
