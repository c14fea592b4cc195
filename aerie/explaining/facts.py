"""What was found about a job, before anybody judges it. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import TypeAdapter

IDLE, RUNNING, REMOVED, COMPLETED, HELD, TRANSFERRING, SUSPENDED = range(1, 8)  # HTCondor's JobStatus


class JobId(NamedTuple):
    """`process` is None for a whole cluster."""

    cluster: int
    process: int | None = None

    def __str__(self) -> str:
        return str(self.cluster) if self.process is None else f"{self.cluster}.{self.process}"


@dataclass(frozen=True)
class Job:
    """One job. `cpus` cores, `memory` MB, `disk` KB as it asks for them, None if that is an expression; times in seconds since
    1970. `host` is where it runs or ran; `why`: why it is held, or was removed; `rejected` what the negotiator said last."""

    cluster: int
    process: int
    owner: str
    status: int
    submitted: float = 0
    since: float = 0  # in this state
    cpus: float | None = None
    memory: float | None = None
    disk: float | None = None
    gpus: float | None = None
    host: str = ""
    why: str = ""
    code: int = 0
    starts: int = 0
    exit_code: int | None = None
    rejected: str = ""
    looked_at: float = 0  # when the negotiator tried last

    @property
    def id(self) -> JobId:
        return JobId(self.cluster, self.process)


@dataclass(frozen=True)
class Slot:
    """A slot of an executor: what is free in it, and `total_*` what the executor has. Memory in MB, disk in KB."""

    machine: str
    site: str
    state: str
    partitionable: bool
    cpus: float
    memory: float
    disk: float
    gpus: float
    total_cpus: float
    total_memory: float
    total_disk: float
    total_gpus: float


@dataclass(frozen=True)
class Condition:
    """One step of HTCondor's analysis: how many slots it fits."""

    slots: int
    text: str


@dataclass(frozen=True)
class Analysis:
    """condor_q -better-analyze: slots looked at, and how many of them do what."""

    machines: int = 0
    rejected: int = 0  # by the job's requirements
    refuse: int = 0  # by their own
    mine: int = 0  # match, and run the same user's jobs
    others: int = 0  # match, and serve others
    able: int = 0
    conditions: tuple[Condition, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Waiting:
    """What the pool's framework says of jobs that want the same; `never`: only a change helps."""

    jobs: str
    why: str
    never: bool = False


@dataclass(frozen=True)
class Framework:
    """The pool's framework, if it has one. `trouble`: why it does not answer."""

    trouble: str = ""
    paused: bool = False
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Everything about `asked`. `trouble`: why the submit node could not be asked. `slots` is None if the collector does not answer."""

    pool: str
    asked: JobId
    now: float
    jobs: tuple[Job, ...] = ()
    left: Job | None = None  # one that is in the queue no more
    slots: tuple[Slot, ...] | None = ()
    analysis: Analysis | None = None
    framework: Framework | None = None
    trouble: str = ""


FACTS = TypeAdapter(Facts)
