"""The executors as they stand: each record beside what the collector says of it, and since when it has nothing to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .cycle import KILL_AGAIN, Cycle
from .model import Kind, Phase, Size, SlotState, StartdAd, Task
from .view import FRESH, LAUNCH_WITHIN, REGISTER_WITHIN, REPLACE_AFTER
from .words import executor as words


class Standing(StrEnum):
    COMING = "coming"  # on its way: its ad was never seen
    THERE = "there"  # its ad is in fresh data
    MISSING = "missing"  # it was seen; now its ad is not there, or nobody knows: it may well have jobs
    AWAY = "away"  # its agent is unreachable
    ENDING = "ending"  # it was told to end


_UP = frozenset({Standing.COMING, Standing.THERE, Standing.MISSING})
_THERE, _AWAY, _FREE = Standing.THERE, Standing.AWAY, SlotState.FREE


@dataclass
class Member:
    """One executor. `idle_for`: seconds without a claim, by the pool's data; None if it has one, or nobody knows. `own`: its ad is what
    it said itself, when no collector told of it."""

    task: Task
    ad: StartdAd | None
    standing: Standing
    idle_for: float | None = None
    own: bool = False

    @property
    def up(self) -> bool:
        """It works, or will, as far as anyone knows."""
        return self.standing in _UP

    @property
    def active(self) -> bool:
        return self.up and not self.task.drain

    @property
    def elastic(self) -> bool:
        return self.task.kind is Kind.ELASTIC

    @property
    def idle(self) -> bool:
        return self.standing is _THERE and self.ad is not None and self.ad.state is _FREE

    @property
    def claims(self) -> int:
        return self.ad.claims if self.ad is not None else 0

    def gone(self, now: float) -> bool:
        """Its agent has been away for so long that it counts no more."""
        return self.standing is _AWAY and now >= self.task.since + REPLACE_AFTER


@dataclass
class Crew:
    members: list[Member]
    idle_since: dict[str, float]
    unseen_since: dict[str, float]

    def elastic_existing(self, now: float) -> int:
        """Elastic executors that may still live, also those that are draining or ending."""
        return sum(m.elastic and not m.gone(now) for m in self.members)


def muster(cycle: Cycle) -> Crew:
    """Matches records and ads, completes the records of tasks that were taken over, and keeps the timers."""
    by_task, by_address = _ads(cycle)
    own_ads = {ad.task: ad for ad in cycle.view.own_ads if cycle.now - ad.heard <= FRESH}
    members = []
    for task in list(cycle.tasks.values()):
        if not task.is_executor:
            continue
        ad = by_task.get(task.id)
        if ad is None and task.address and task.phase in (Phase.RUNNING, Phase.KILLING):
            ad = by_address.get(task.address)
        if ad is not None and not task.seen:
            task = cycle.change(task, seen=True)
        said = own_ads.get(task.id)
        own = said is not None and (ad is None or said.heard > ad.heard)
        ad = said if own else ad
        members.append(Member(task, ad, _standing(cycle, task, ad), own=own))
    members.sort(key=lambda m: m.task.id)
    _complete(cycle, members)
    crew = Crew(members, {}, {})
    _timers(cycle, crew)
    return crew


def _ads(cycle: Cycle) -> tuple[dict[str, StartdAd], dict[str, StartdAd]]:
    by_task: dict[str, StartdAd] = {}
    by_address: dict[str, StartdAd] = {}
    for ad in cycle.pool.startds if cycle.pool is not None else ():
        index, key = (by_task, ad.task) if ad.task else (by_address, ad.address)
        known = index.get(key)
        if known is None or ad.heard > known.heard:
            index[key] = ad
    return by_task, by_address


def _standing(cycle: Cycle, task: Task, ad: StartdAd | None) -> Standing:
    if task.phase is Phase.KILLING:
        return Standing.ENDING
    if task.phase is Phase.UNREACHABLE:
        return Standing.AWAY
    if ad is not None:
        return Standing.THERE
    # Without data, one that runs may have been seen before this scheduler was started.
    known = task.seen or (cycle.pool is None and task.phase is Phase.RUNNING)
    return Standing.MISSING if known else Standing.COMING


def _complete(cycle: Cycle, members: list[Member]) -> None:
    """Tasks that were taken over: nobody told of what they were made, so they count as up to date; as fixed ones if such are
    missing. Their size is what their ad tells."""
    policy, template = cycle.view.policy, cycle.view.executor
    for m in members:
        changes: dict[str, object] = {}
        if not m.task.template and policy is not None:
            fixed = sum(o.task.kind is Kind.FIXED and bool(o.task.template) for o in members)
            kind = Kind.FIXED if policy.elastic is None or fixed < policy.fixed else Kind.ELASTIC
            changes = {"template": template.template, "kind": kind}
        if m.ad is not None and m.task.size == Size():
            changes |= {"size": template.overhead.container(m.ad.total)}
        if m.ad is not None and not m.task.place:
            changes |= {"place": m.ad.site}
        if changes:
            m.task = cycle.change(m.task, **changes)


def _timers(cycle: Cycle, crew: Crew) -> None:
    memory, pool = cycle.view.memory, cycle.pool
    if pool is None:
        crew.idle_since, crew.unseen_since = dict(memory.idle_since), dict(memory.unseen_since)
        return
    gap = pool.seen - memory.pool_seen
    pause = gap if memory.pool_seen and gap > FRESH else 0.0  # nobody knows what was in between: it does not count
    # A collector that has just started knows nobody yet.
    up = pool.negotiator or bool(pool.startds)
    for m in crew.members:
        name = m.task.id
        if m.idle:
            since = memory.idle_since[name] + pause if name in memory.idle_since else pool.seen
            crew.idle_since[name] = since
            m.idle_for = max(0.0, pool.seen - since)
        elif up and m.standing is Standing.COMING and m.task.phase is Phase.RUNNING and m.task.healthy is not True:
            since = memory.unseen_since[name] + pause if name in memory.unseen_since else pool.seen
            crew.unseen_since[name] = since
        if m.task.idle_since != crew.idle_since.get(name, 0.0):
            m.task = cycle.change(m.task, idle_since=crew.idle_since.get(name, 0.0))


def upkeep(cycle: Cycle, crew: Crew) -> None:
    """Ends launches that came to nothing, and repeats kills that were not heard."""
    for m in crew.members:
        task = m.task
        if m.standing is Standing.ENDING:
            _insist(cycle, m)
        elif cycle.view.paused:
            continue
        elif m.standing is Standing.COMING and task.phase is Phase.LAUNCHING:
            if cycle.now >= task.launched + LAUNCH_WITHIN:
                _give_up(cycle, m, f"it did not start within {LAUNCH_WITHIN:.0f} s")
            else:
                cycle.wake(task.launched + LAUNCH_WITHIN)
        elif task.id in crew.unseen_since and cycle.pool is not None:
            if cycle.pool.seen >= crew.unseen_since[task.id] + REGISTER_WITHIN:
                _give_up(cycle, m, f"it runs, but the collector heard nothing of it within {REGISTER_WITHIN:.0f} s")
            else:
                cycle.wake(crew.unseen_since[task.id] + REGISTER_WITHIN)


def _insist(cycle: Cycle, m: Member) -> None:
    if m.ad is not None and m.ad.claims > 0 and m.ad.heard > m.task.since:
        # The kill never came to it, and it has got a job since.
        m.task = cycle.change(m.task, phase=Phase.RUNNING, since=cycle.now)
        m.standing = Standing.THERE
        cycle.say(f"{words(m.task)} works again: its kill was lost")
    elif cycle.now >= m.task.since + KILL_AGAIN:
        m.task = cycle.kill(m.task, "it was told to end and has not")
    else:
        cycle.wake(m.task.since + KILL_AGAIN)


def _give_up(cycle: Cycle, m: Member, why: str) -> None:
    cycle.say(f"{words(m.task)} is killed: {why}")
    cycle.failed(m.task.agent)
    m.task = cycle.kill(m.task, why)
    m.standing = Standing.ENDING
