"""The executors that are to be started: fixed ones, then elastic ones by the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import draining
from .crew import Crew, Member, Standing
from .cycle import Cycle, Room
from .demand import Demand, demands
from .filling import fill
from .model import Caps, Elastic, Kind, Size, SlotState
from .placing import ElasticPlacer, Placed, place_fixed
from .roles import EXECUTOR, started
from .rooms import for_executors
from .scaling import Scale, executors_for, largest_executors, per_executor, scale
from .sharing import Sharing
from .supply import Free, Supplier
from .words import count as counted
from .words import listed

PAUSED, NOT_UP = "paused", "the submit node is not up"
MATCHED_WITHIN = 300.0  # seconds: jobs for which there is room are expected to run by then


@dataclass
class Jobs:
    """The queue as this cycle goes on, by demand: `left`, jobs that nothing will take; `coming`, those that executors on their way
    will take; `per`, how many fit in the largest executor. `used`: executors that take some."""

    demands: list[Demand] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    coming: list[int] = field(default_factory=list)
    per: list[int] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    @property
    def wanted(self) -> int:
        return executors_for(self.left, self.per)


@dataclass
class Fleet:
    """What was decided about executors. `fixed_short`: fixed ones that are still missing; `held`: why nothing may be started at
    all, "" if it may."""

    scale: Scale = field(default_factory=Scale)
    placed: Placed = field(default_factory=Placed)
    fixed_short: int = 0
    held: str = ""
    full: frozenset[str] = frozenset()


def look_at_queue(cycle: Cycle, crew: Crew, known: dict[str, Size]) -> Jobs:
    """What of the queue is left when every executor that is there, or on its way, has taken what it can."""
    policy, queue = cycle.view.policy, cycle.queue
    assert policy is not None and queue is not None
    elastic = policy.elastic
    caps, largest = (elastic.caps, elastic.largest) if elastic is not None else (Caps(), None)
    found = demands(queue.idle, queue.usage, caps, largest)
    preference = elastic.site_preference if elastic is not None else ()
    supply = Supplier(_free(cycle, crew), preference).fill(found)
    sizes = largest_executors(elastic, known, cycle.view.executor.overhead) if elastic is not None else {}
    per = [
        per_executor(d, elastic, sizes) if elastic is not None and n else 0
        for d, n in zip(found, supply.left, strict=True)
    ]
    return Jobs(found, supply.left, supply.coming, per, supply.used)


def _free(cycle: Cycle, crew: Crew) -> list[Free]:
    """What is there first, so that of two free executors the one goes on idling that would be drained first."""
    rank = {Standing.THERE: 0, Standing.MISSING: 1, Standing.COMING: 2}
    active = draining.victims(cycle, (m for m in crew.members if m.active))[::-1]
    active.sort(key=lambda m: (rank[m.standing], m.elastic))
    result = []
    for m in active:
        if m.ad is not None and m.ad.state in (SlotState.DRAINING, SlotState.DRAINED) and not draining.cancelling(m):
            continue  # somebody drains it by hand
        result.append(Free(m.task.id, m.task.place, draining.free_of(cycle, m), m.standing is Standing.COMING))
    return result


def take_back(cycle: Cycle, crew: Crew, jobs: Jobs, sharing: Sharing) -> None:
    """Executors that drain for want of work are used before new ones are started."""
    overhead = cycle.view.executor.overhead

    def may(m: Member) -> bool:
        if sharing.pressed and sharing.beyond(m.task.size):
            return False
        free = draining.free_of(cycle, m)
        order = [
            i
            for i in range(len(jobs.demands) - 1, -1, -1)
            if jobs.left[i] > 0 and m.task.place in jobs.demands[i].group.places
        ]
        filling = fill(order, jobs.demands, jobs.left, free, None, overhead)
        if filling is None:
            return False
        for i, n in filling.jobs.items():
            jobs.left[i] -= n
            jobs.coming[i] += n
        jobs.used.add(m.task.id)
        sharing.started = sharing.started + m.task.size
        return True

    if any(jobs.left):
        draining.take_back(cycle, crew, may)


def launch(cycle: Cycle, crew: Crew, jobs: Jobs, cycles: int, sharing: Sharing, known: Mapping[str, Size]) -> Fleet:
    """Starts what may be started. `cycles`: how many in a row wanted more; `known`: the largest room known of each place."""
    policy = cycle.view.policy
    assert policy is not None
    fleet = Fleet()
    if cycle.view.paused:
        fleet.held = PAUSED
    elif EXECUTOR not in started(cycle):
        fleet.held = NOT_UP
    if fleet.held:
        return fleet
    rooms = for_executors(cycle)
    # One whose machine goes is replaced at once: its jobs may take hours to end.
    fixed = sum(
        m.task.kind is Kind.FIXED and not m.gone(cycle.now) and m.task.drain != draining.MAINTENANCE
        for m in crew.members
    )
    missing = max(0, policy.fixed - fixed)
    done, awaited = place_fixed(cycle, crew, rooms, missing, sharing.allows, known)
    if done:
        cycle.say(f"{counted(done, 'fixed executor')} {_are(done)} started{_where(cycle, Kind.FIXED)}")
    fleet.fixed_short = missing - done
    if awaited and not sharing.refused:
        n = awaited.total()
        cycle.say(f"{counted(n, 'fixed executor')} wait{_s(n)} a moment for offers of {listed(sorted(awaited))}")
    elif fleet.fixed_short and not sharing.refused:
        cycle.say(
            f"{counted(fleet.fixed_short, 'fixed executor')} wait{_s(fleet.fixed_short)} for an offer that is large enough"
        )
    if policy.elastic is not None:
        _launch_elastic(cycle, crew, rooms, jobs, cycles, sharing, policy.elastic, fleet)
    if sharing.refused:
        cycle.say("nothing is started beyond this pool's share: other pools want what is theirs")
        fleet.held = "other pools want what is their share, and this one has its own"
    cycle.wants_offers = cycle.wants_offers or _wants_offers(fleet, jobs, sharing, policy.elastic, crew, cycle)
    return fleet


def _launch_elastic(
    cycle: Cycle,
    crew: Crew,
    rooms: list[Room],
    jobs: Jobs,
    cycles: int,
    sharing: Sharing,
    elastic: Elastic,
    fleet: Fleet,
) -> None:
    members = [m for m in crew.members if m.elastic and not m.gone(cycle.now)]
    fleet.scale = scale(
        jobs.wanted,
        elastic,
        existing=len(members),
        ready=_ready(members, jobs, elastic),
        standing=sum(not m.task.drain and m.standing is not Standing.ENDING for m in members),
        cycles=cycles,
    )
    count = max(fleet.scale.start, fleet.scale.least)
    at_place = Counter(m.task.place for m in members)
    if count:
        placer = ElasticPlacer(cycle, crew, elastic, rooms, jobs.demands, jobs.left, jobs.per, sharing.allows)
        placed = fleet.placed = placer.run(count, fleet.scale.least)
        for i, n in placed.jobs.items():
            jobs.coming[i] += n
        at_place += placed.by_place
        n = placed.total
        if n:
            served = sum(placed.jobs.values())
            purpose = f" for {counted(served, 'idle job')}" if served else " (min)"
            cycle.say(f"{counted(n, 'elastic executor')} {_are(n)} started{purpose}{_where(cycle, Kind.ELASTIC)}")
    missing = count - fleet.placed.total
    if missing > 0 and not sharing.refused:
        cycle.say(
            f"{counted(missing, 'elastic executor')} {_are(missing)} wanted and wait{_s(missing)} for an offer with room"
        )
    fleet.full = frozenset(p for p, limit in elastic.sites.items() if at_place[p] >= limit.max)


def _ready(members: list[Member], jobs: Jobs, elastic: Elastic) -> int:
    """Executors that are free or on their way, as `max_idle` counts them: neither those that `min` keeps although no job can use
    them, nor those with room for jobs that HTCondor has not put there for long. Either would stop the pool for good."""
    coming = useful = useless = 0
    for m in members:
        if not m.active:
            continue
        if m.standing is Standing.COMING:
            coming += 1
        elif m.idle and m.task.id not in jobs.used:
            useless += 1
        elif m.idle and (m.idle_for or 0.0) < MATCHED_WITHIN:
            useful += 1
    return coming + useful + max(0, useless - elastic.min)


def _wants_offers(
    fleet: Fleet, jobs: Jobs, sharing: Sharing, elastic: Elastic | None, crew: Crew, cycle: Cycle
) -> bool:
    if sharing.refused:
        return False
    if fleet.fixed_short > 0:
        return True
    if elastic is None:
        return False
    done = fleet.placed.total
    if done < fleet.scale.least:
        return True
    if crew.elastic_existing(cycle.now) + done >= elastic.total.max or jobs.wanted == 0:
        return False
    # What is only put off (by the batch, or for some cycles) is soon asked for.
    return not fleet.scale.enough


def _where(cycle: Cycle, kind: Kind) -> str:
    places = Counter(x.task.place for x in cycle.launches if x.task.kind is kind)
    return ": " + listed(f"{n} on {place}" for place, n in sorted(places.items()))


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _s(n: int) -> str:
    return "s" if n == 1 else ""
