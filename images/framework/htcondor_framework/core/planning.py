"""The decision: given everything that is known, what to launch, drain and kill, and why.

Nothing that it is given is changed. The shell stores `Plan.tasks` first and acts then, so that a crash in between leaves a task
that is known, never a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from . import draining, homes, sharing
from .crew import Crew, muster, upkeep
from .cycle import Cycle
from .fleet import NOT_UP, PAUSED, Fleet, Jobs, launch, look_at_queue, take_back
from .machines import known_machines, ran_on
from .model import Size, Task
from .roles import started, tend_roles
from .rooms import known_agents, largest_by_place
from .view import Memory, Plan, RoleTemplate, View, Waiting
from .waiting import Circumstances, explain

# The pool must have wanted something for so many cycles more than it waits anyway before it tells its neighbours: offers take a
# moment, and what it gets of them it need not ask others for.
TELL_AFTER = 2


def plan(view: View) -> Plan:
    """One cycle. Whatever Mesos and HTCondor may say, it raises nothing."""
    cycle = Cycle.of(view)
    crew = muster(cycle)
    upkeep(cycle, crew)
    agents = known_agents(cycle)
    tend_roles(cycle)
    homeless, homeless_since, asked = homes.ours(cycle)
    homes.keep_free(cycle)
    draining.ordered_drains(cycle, crew)
    made_room = view.memory.made_room if view.paused else homes.make_room(cycle, crew, homeless)
    known = largest_by_place(agents)
    jobs, fleet = Jobs(), Fleet()
    cycles = view.memory.wanting
    us = None
    if view.policy is not None:
        if cycle.queue is not None and cycle.pool is not None:
            jobs = look_at_queue(cycle, crew, known)
        share = sharing.share(cycle, crew)
        if not view.paused:
            take_back(cycle, crew, jobs, share)
        cycles = _cycles(cycle, jobs)
        fleet = launch(cycle, crew, jobs, cycles, share, known)
        if not view.paused:
            draining.idle_drains(cycle, crew, jobs.used)
        _say_what_is_not_known(cycle)
    draining.follow_up(cycle, crew)
    gave = draining.taken_away(cycle, crew)
    if view.policy is not None:
        us = sharing.ourselves(cycle, crew, gave, _wants(cycle, crew, jobs, fleet, cycles), homeless)
    return Plan(
        launches=tuple(cycle.launches),
        kills=tuple(cycle.kills),
        drains=tuple(cycle.drains),
        wants_offers=cycle.wants_offers,
        decisions=tuple(cycle.decisions),
        waiting=_waiting(cycle, crew, jobs, fleet, known),
        asks=homes.to_ask(cycle, crew),
        tasks=cycle.tasks,
        us=us,
        memory=Memory(
            wanting=cycles,
            failures=cycle.failures,
            idle_since=crew.idle_since,
            unseen_since=crew.unseen_since,
            queue_seen=cycle.queue.seen if cycle.queue is not None else view.memory.queue_seen,
            pool_seen=cycle.pool.seen if cycle.pool is not None else view.memory.pool_seen,
            agents=agents,
            started=started(cycle),
            gave=gave,
            homeless_since=homeless_since,
            asked=asked,
            machines=known_machines(cycle),
            ran_on=ran_on(cycle),
            made_room=made_room,
            missing_since=cycle.missing_since,
        ),
        wake_at=cycle.wake_at,
    )


def busy_agents(tasks: Mapping[str, Task], roles: Iterable[RoleTemplate]) -> frozenset[str]:
    """Agents that something of ours has still to leave before their machines can go: all but what is pinned there. What is unreachable
    counts: an agent of which Mesos speaks is back, and will say the same of its tasks in a moment."""
    pinned = {r.name for r in roles if r.pinned}
    return frozenset(t.agent for t in tasks.values() if t.name not in pinned)


def _cycles(cycle: Cycle, jobs: Jobs) -> int:
    """How many cycles in a row wanted more; only new data of the queue makes a new one."""
    before, memory = cycle.view.memory.wanting, cycle.view.memory
    if cycle.queue is None or cycle.pool is None:
        return before
    if jobs.wanted == 0:
        return 0
    return before + 1 if cycle.queue.seen > memory.queue_seen else before


def _wants(cycle: Cycle, crew: Crew, jobs: Jobs, fleet: Fleet, cycles: int) -> Size:
    """What we would start within our share and have no offers for, as containers. Of what is left of the share only whole ones count:
    two pools that claim leftovers which neither can use would keep each other from all that is free."""
    policy, template = cycle.view.policy, cycle.view.executor
    assert policy is not None
    if fleet.held in (PAUSED, NOT_UP):
        return Size()
    claim = sharing.Claim(sharing.ourselves(cycle, crew, {}))
    claim.add(template.overhead.container(template.fixed), fleet.fixed_short)
    elastic = policy.elastic
    if elastic is None:
        return claim.size
    room = max(0, elastic.total.max - crew.elastic_existing(cycle.now) - fleet.placed.total)
    count = min(jobs.wanted, room)
    if count > 0 and cycles > elastic.wait_cycles + TELL_AFTER:
        fixed, most = claim.size, template.overhead.container(elastic.largest).times(count)
        for d, left, per in zip(jobs.demands, jobs.left, jobs.per, strict=True):
            if per > 0:
                claim.add(template.overhead.container(d.takes), left)
        return fixed + (claim.size - fixed).least(most)
    if fleet.scale.least > fleet.placed.total:
        smaller = elastic.largest.least(template.fixed)
        claim.add(template.overhead.container(smaller), fleet.scale.least - fleet.placed.total)
    return claim.size


def _waiting(cycle: Cycle, crew: Crew, jobs: Jobs, fleet: Fleet, known: Mapping[str, Size]) -> tuple[Waiting, ...]:
    if not jobs.demands:
        return ()
    there: dict[str, Size] = {}
    for m in crew.members:
        if m.active:
            total = m.ad.total if m.ad is not None else cycle.view.executor.overhead.slots(m.task.size)
            most = there.get(m.task.place, Size())
            there[m.task.place] = Size(
                max(most.cpus, total.cpus),
                max(most.memory, total.memory),
                max(most.disk, total.disk),
                max(most.gpus, total.gpus),
            )
    now = Circumstances(
        cycle.view.policy,
        cycle.view.executor.overhead,
        known,
        there,
        fleet.scale,
        fleet.full,
        cycle.view.drain_sites,
        fleet.held,
        fleet.placed.total,
    )
    return tuple(
        explain(d, left, coming, now) for d, left, coming in zip(jobs.demands, jobs.left, jobs.coming, strict=True)
    )


def _say_what_is_not_known(cycle: Cycle) -> None:
    assert cycle.view.policy is not None
    if cycle.view.policy.elastic is None:
        return
    silent = [who for who, data in (("the schedd", cycle.queue), ("the collector", cycle.pool)) if data is None]
    if silent:
        verb = "have" if len(silent) > 1 else "has"
        cycle.say(f"{' and '.join(silent)} {verb} told nothing lately: executors stay as they are")
