"""A simulated HTCondor pool in virtual time: a queue, a collector whose ads are late or lost, a negotiator, startds that drain."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field

from htcondor_framework.core.model import JobGroup, Pool, Queue, Role, Size, SlotState, StartdAd, Usage
from htcondor_framework.core.view import Overhead
from simulated_mesos import SimulatedContainer, SimulatedMesos

UPDATE_INTERVAL = 20.0
LIFETIME = 60.0
LEASE = 80.0  # a job whose executor is not heard of for so long is started elsewhere
STARTUP = 3.0  # a daemon's


@dataclass
class SimulatedJob:
    id: int
    request: Size
    places: frozenset[str]
    owner: str
    length: float
    queued: float
    runs: list[str] = field(default_factory=list)  # tasks it ran on
    on: str = ""
    ends: float = 0.0
    unheard_since: float = 0.0
    done: bool = False

    @property
    def idle(self) -> bool:
        return not self.done and not self.on


@dataclass
class SimulatedStartd:
    container: SimulatedContainer
    total: Size
    mute: bool  # never finds the collector
    draining: bool = False
    jobs: dict[int, Size] = field(default_factory=dict)
    sent: float = 0.0
    changed: bool = True
    registered: bool = False
    # Counted once after each change of `jobs`: it is asked for far more often than it changes.
    _free: Size | None = None

    @property
    def free(self) -> Size:
        if self._free is None:
            self._free = self.total
            for size in self.jobs.values():
                self._free = self._free - size
        return self._free

    def claim(self, job: int, size: Size) -> None:
        self._free = self.free - size
        self.jobs[job], self.changed = size, True

    def release(self, job: int) -> None:
        if job in self.jobs:
            del self.jobs[job]
            self._free, self.changed = None, True

    @property
    def state(self) -> SlotState:
        if self.draining:
            return SlotState.DRAINING if self.jobs else SlotState.DRAINED
        return SlotState.CLAIMED if self.jobs else SlotState.FREE

    def carve(self, request: Size) -> Size | None:
        """As HTCondor cuts a slot: memory in steps of 128 MiB, or if that does not fit, what is asked for."""
        stepped = Size(math.ceil(request.cpus), math.ceil(request.memory / 128) * 128, request.disk, request.gpus)
        if stepped.fits_in(self.free):
            return stepped
        return request if request.fits_in(self.free) else None


class SimulatedCondor:
    """One pool's daemons, as far as their containers run."""

    def __init__(
        self,
        name: str,
        rng: random.Random,
        mesos: SimulatedMesos,
        overhead: Overhead,
        mute: float = 0.0,
        lost_ads: float = 0.0,
    ) -> None:
        self.name, self.rng, self.mesos, self.overhead = name, rng, mesos, overhead
        self.mute, self.lost_ads = mute, lost_ads
        self.now = 0.0
        self.jobs: dict[int, SimulatedJob] = {}
        self.unfinished: dict[int, SimulatedJob] = {}  # of these, in the same order
        self.startds: dict[str, SimulatedStartd] = {}
        self.collector: dict[str, StartdAd] = {}
        self.ordered: dict[str, list[tuple[float, bool]]] = {}
        self.manager = ""
        self.negotiated = 0.0
        self.silent_until = 0.0  # nobody can ask it anything
        self._luck = random.Random(0)  # not of those that all else depends on

    # Containers.

    def _role(self, role: Role) -> SimulatedContainer | None:
        for c in self.mesos.containers(self.name):
            up = c.task.role is role and c.running and self.now >= c.running_since + STARTUP
            if up and c.agent.reachable(self.now):
                return c
        return None

    def step(self, now: float) -> None:
        self.now = now
        manager, submit = self._role(Role.CENTRAL_MANAGER), self._role(Role.SUBMIT)
        if (manager.task.id if manager else "") != self.manager:
            self.collector.clear()  # another one knows nobody
            self.manager = manager.task.id if manager else ""
        for c in (manager, submit):
            if c is not None and (self.manager or c is manager):
                self.mesos.report_health(c, True)
        self._obey()
        self._startds()
        self._end_jobs()
        for name in [n for n, ad in self.collector.items() if now > ad.heard + LIFETIME]:
            del self.collector[name]
        if manager is not None and submit is not None and now >= self.negotiated + self.rng.choice([3, 5, 10]):
            self.negotiated = now
            self._negotiate()

    def _startds(self) -> None:
        for c in self.mesos.containers(self.name):
            if c.task.role is Role.EXECUTOR and c.running and c.task.id not in self.startds:
                total = self.overhead.slots(c.task.size)
                self.startds[c.task.id] = SimulatedStartd(c, total, self.rng.random() < self.mute)
        for name, startd in list(self.startds.items()):
            c = startd.container
            if not c.alive:
                del self.startds[name]
                continue
            if (
                startd.mute
                or not self.manager
                or not c.agent.reachable(self.now)
                or self.now < c.running_since + STARTUP
            ):
                continue
            if startd.changed or self.now >= startd.sent + UPDATE_INTERVAL:
                startd.sent, startd.changed, startd.registered = self.now, False, True
                self.mesos.report_health(c, True)
                if self.rng.random() >= self.lost_ads:
                    self.collector[name] = self._ad(startd)

    def _ad(self, s: SimulatedStartd) -> StartdAd:
        c = s.container
        name = f"startd-{c.task.id}"
        return StartdAd(name, "", c.task.id, c.agent.place, s.state, s.total, s.free, len(s.jobs), self.now)

    def executor(self, task: str) -> StartdAd | None:
        """What a startd says when it is asked by itself: that takes no collector."""
        startd = self.startds.get(task)
        if startd is None or self.now < self.silent_until or self._luck.random() < self.lost_ads:
            return None
        c = startd.container
        up = c.alive and c.agent.reachable(self.now) and self.now >= c.running_since + STARTUP
        return self._ad(startd) if up else None

    def drain(self, task: str, cancel: bool) -> None:
        """By the collector, or without one by itself. Takes its time; orders to one startd come one after the other."""
        before = self.ordered.get(task, [(self.now, False)])[-1][0]
        at = max(before, self.now + self.rng.choice([0, 1, 1, 2, 8]))
        self.ordered.setdefault(task, []).append((at, cancel))

    def _obey(self) -> None:
        for task, orders in list(self.ordered.items()):
            while orders and self.now >= orders[0][0]:
                _, cancel = orders.pop(0)
                startd = self.startds.get(task)
                if startd is None or not startd.container.agent.reachable(self.now):
                    continue
                if self.rng.random() >= self.lost_ads:
                    startd.draining, startd.changed = not cancel, True
            if not orders:
                del self.ordered[task]

    def claims(self, task: str) -> int:
        startd = self.startds.get(task)
        return len(startd.jobs) if startd is not None and startd.container.alive else 0

    # Jobs.

    def submit(self, job: SimulatedJob) -> None:
        self.jobs[job.id] = self.unfinished[job.id] = job

    def _end_jobs(self) -> None:
        for job in list(self.unfinished.values()):
            if not job.on:
                continue
            startd = self.startds.get(job.on)
            heard = startd is not None and startd.container.alive and startd.container.agent.reachable(self.now)
            if not heard:
                job.unheard_since = job.unheard_since or self.now
                if self.now >= job.unheard_since + LEASE:
                    if startd is not None:
                        self.mesos.lost_tasks.add(job.on)  # cut off for too long: as good as lost
                    self._leave(job)
                continue
            job.unheard_since = 0.0
            if self.now >= job.ends:
                job.done = True
                del self.unfinished[job.id]
                self._leave(job)

    def _leave(self, job: SimulatedJob) -> None:
        startd = self.startds.get(job.on)
        if startd is not None:
            startd.release(job.id)
        job.on, job.unheard_since = "", 0.0

    def _negotiate(self) -> None:
        """Matches by the collector's ads; whether the claim is granted is the startd's to say."""
        ads = [ad for ad in self.collector.values() if ad.state in (SlotState.FREE, SlotState.CLAIMED)]
        self.rng.shuffle(ads)
        granting = []
        for ad in ads:
            startd = self.startds.get(ad.task)
            if startd is None or startd.draining or not startd.container.agent.reachable(self.now):
                continue
            if not startd.container.killed_at:  # else it is shutting down
                granting.append((ad, startd))
        # What found no room; nor will the next of the same, since there is only less of it from here on.
        full: set[tuple[Size, frozenset[str]]] = set()
        for job in self.unfinished.values():
            if not job.idle or job.queued > self.now or (job.request, job.places) in full:
                continue
            for ad, startd in granting:
                carved = startd.carve(job.request) if ad.site in job.places else None
                if carved is not None:
                    startd.claim(job.id, carved)
                    job.on, job.ends = ad.task, self.now + job.length
                    job.runs.append(ad.task)
                    break
            else:
                full.add((job.request, job.places))

    # What it tells.

    def queue(self) -> Queue | None:
        if self.now < self.silent_until or self._role(Role.SUBMIT) is None:
            return None
        groups: dict[tuple[Size, frozenset[str], str], int] = defaultdict(int)
        by_owner: dict[str, float] = defaultdict(float)
        running = 0
        for job in self.unfinished.values():
            if job.idle and job.queued <= self.now:
                groups[job.request, job.places, job.owner] += 1
            elif job.on:
                running += 1
                by_owner[job.owner] += job.request.cpus
        idle = tuple(
            JobGroup(f"{r.cpus}/{r.memory}/{o}/{'+'.join(sorted(p))}", n, r, p, o, jobs=str(n))
            for (r, p, o), n in groups.items()
        )
        return Queue(self.now, idle, Usage(running, dict(by_owner)))

    def pool(self) -> Pool | None:
        if self.now < self.silent_until or not self.manager:
            return None
        schedd = self._role(Role.SUBMIT) is not None
        return Pool(self.now, tuple(self.collector.values()), True, schedd)
