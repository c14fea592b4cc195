"""Taking executors away, without harm to a job: which are drained, which drains are taken back, and when a drained one is killed.

A drained startd cannot be claimed any more. So an executor is killed only when its ad, sent after the drain was asked for, says that
it is drained: between that and the kill no job can begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .crew import Crew, Member, Standing
from .cycle import Cycle
from .model import Kind, Size, SlotState, Task
from .view import Drain
from .words import executor as words

ASK_AGAIN = 15.0  # seconds

# Why an executor is drained (Task.drain), the weakest reason first: a stronger one replaces it, and only the weak are taken back
# because there are jobs again.
IDLE, SHARE, ROOM = "idle", "share", "room"
SURPLUS, UPDATE, MAINTENANCE, SITE, ADMINISTRATOR = "surplus", "update", "maintenance", "site", "administrator"
_STRENGTH = {
    reason: n for n, reason in enumerate((IDLE, SHARE, ROOM, SURPLUS, UPDATE, MAINTENANCE, SITE, ADMINISTRATOR))
}
_TEXT = {
    IDLE: "it has had nothing to do",
    SHARE: "other pools want what is their share",
    ROOM: "a central manager or a submit node waits for its room",
    SURPLUS: "there are more than the policy wants",
    UPDATE: "what it is made of was changed",
    MAINTENANCE: "its machine goes into maintenance",
    SITE: "its site is being emptied",
    ADMINISTRATOR: "the administrator asked for it",
}
# Somebody outside wants them, and takes them back: they go on while the pool is paused.
ORDERED = frozenset({MAINTENANCE, SITE, ADMINISTRATOR})


def begin(cycle: Cycle, m: Member, reason: str) -> None:
    """Drains `m`, or gives a drain that is under way a stronger reason."""
    if m.task.drain:
        if _STRENGTH[reason] > _STRENGTH.get(m.task.drain, 0):
            m.task = cycle.change(m.task, drain=reason)
        return
    if cancelling(m):
        return  # two orders at once might overtake each other: not before its ad says that it takes jobs again
    cycle.say(f"{words(m.task)} is drained: {_TEXT[reason]}")
    m.task = cycle.change(m.task, drain=reason)
    _ask(cycle, m)


def cancel(cycle: Cycle, m: Member, why: str) -> None:
    """Lets a draining executor take jobs again."""
    cycle.say(f"{words(m.task)} is not drained any more: {why}")
    m.task = cycle.change(m.task, drain="", drain_asked=cycle.now)
    cycle.drains.append(Drain(m.task.id, why, cancel=True))
    cycle.wake(cycle.now + ASK_AGAIN)


def _ask(cycle: Cycle, m: Member) -> None:
    cycle.drains.append(Drain(m.task.id, _TEXT.get(m.task.drain, m.task.drain)))
    m.task = cycle.change(m.task, drain_asked=cycle.now)
    cycle.wake(cycle.now + ASK_AGAIN)


def victims(cycle: Cycle, members: Iterable[Member]) -> list[Member]:
    """In the order in which they are to go: without claims first and of those the one that has been so for longest, then fewest
    claims; then least preferred site, then newest."""
    elastic = cycle.view.policy.elastic if cycle.view.policy is not None else None
    preference = elastic.site_preference if elastic is not None else ()
    rank = {place: n for n, place in enumerate(preference)}
    return sorted(
        members,
        key=lambda m: (
            0 if m.idle else 1 if m.standing is Standing.COMING else 2,
            -(m.idle_for or 0.0),
            m.claims,
            -rank.get(m.task.place, len(rank)),
            -m.task.launched,
            m.task.id,
        ),
    )


def _order(cycle: Cycle, task: Task) -> str:
    """Why somebody outside wants it drained, "" if nobody does."""
    view = cycle.view
    if task.id in view.drain_tasks:
        return ADMINISTRATOR
    if task.place in view.drain_sites:
        return SITE
    return MAINTENANCE if task.agent in view.leaving else ""


def ordered_drains(cycle: Cycle, crew: Crew) -> None:
    """What the administrator, Mesos' operator and the policy want drained, whatever the queue looks like; and what they want no more."""
    view = cycle.view
    for m in crew.members:
        if not m.up:
            continue
        if order := _order(cycle, m.task):
            begin(cycle, m, order)
            if m.task.drain in ORDERED and m.task.drain != order:
                m.task = cycle.change(m.task, drain=order)  # the stronger one was taken back
        elif m.task.drain == MAINTENANCE:
            cancel(cycle, m, "its machine stays")
        elif m.task.drain in ORDERED:
            cancel(cycle, m, "the administrator took it back")
    if view.paused or view.policy is None:
        return
    _outdated(cycle, crew)
    _surplus(cycle, crew)


def _outdated(cycle: Cycle, crew: Crew) -> None:
    """At most a quarter of all at a time."""
    template = cycle.view.executor.template
    # A task that was taken over has no template until there is a policy.
    old = [m for m in crew.members if m.task.template not in (template, "") and m.standing is not Standing.AWAY]
    for m in crew.members:
        if m.up and m.task.drain == UPDATE and m.task.template == template:
            cancel(cycle, m, "it is up to date again")
    total = sum(m.standing is not Standing.AWAY for m in crew.members)
    going = sum(bool(m.task.drain) or m.standing is Standing.ENDING for m in old)
    for m in old:
        if m.up and m.task.drain:
            begin(cycle, m, UPDATE)
    free = max(1, total // 4) - going
    for m in victims(cycle, (m for m in old if m.active))[: max(0, free)]:
        begin(cycle, m, UPDATE)


def _surplus(cycle: Cycle, crew: Crew) -> None:
    policy = cycle.view.policy
    assert policy is not None
    for m in crew.members:
        if m.elastic and m.up:
            if policy.elastic is None:
                begin(cycle, m, SURPLUS)
            elif m.task.drain == SURPLUS:
                cancel(cycle, m, "the policy wants elastic executors again")
    fixed = [m for m in crew.members if m.task.kind is Kind.FIXED]
    active = [m for m in fixed if m.active]
    too_many = len(active) - policy.fixed
    for m in victims(cycle, active)[: max(0, too_many)]:
        begin(cycle, m, SURPLUS)
    if too_many < 0:
        back = [m for m in fixed if m.up and m.task.drain == SURPLUS]
        for m in victims(cycle, back)[::-1][:-too_many]:
            cancel(cycle, m, "the policy wants it again")


def give_back(cycle: Cycle, crew: Crew, what: Size) -> None:
    """Drains executors until they are `what`: elastic ones before fixed ones, idle ones first, then those with fewest claims."""
    cpus, memory = what.cpus, what.memory
    active = [m for m in crew.members if m.active]
    elastic = victims(cycle, (m for m in active if m.elastic))
    for m in [*elastic, *victims(cycle, (m for m in active if not m.elastic))]:
        if cpus <= 1e-6 and memory <= 1e-6:
            return
        begin(cycle, m, SHARE)
        cpus -= m.task.size.cpus
        memory -= m.task.size.memory


def share_is_free(cycle: Cycle, crew: Crew) -> None:
    """Nobody wants our part beyond the share any more: fixed executors, which would only be started again, go on."""
    for m in crew.members:
        if m.up and m.task.drain == SHARE and m.task.kind is Kind.FIXED:
            cancel(cycle, m, "other pools want nothing any more")


def idle_drains(cycle: Cycle, crew: Crew, used: set[str]) -> None:
    """Elastic executors that have had no claim for long enough and that no job which waits could use; never under `min`."""
    elastic = cycle.view.policy.elastic if cycle.view.policy is not None else None
    if elastic is None or cycle.pool is None or cycle.queue is None:
        return
    active = [m for m in crew.members if m.elastic and m.active]
    spare = len(active) - elastic.min
    idle = [m for m in active if m.idle and m.idle_for is not None and m.task.id not in used]
    for m in victims(cycle, idle):
        assert m.idle_for is not None
        if m.idle_for < elastic.idle_timeout:
            cycle.wake(cycle.now + elastic.idle_timeout - m.idle_for)
        elif spare > 0 and not cancelling(m):
            begin(cycle, m, IDLE)
            spare -= 1


def take_back(cycle: Cycle, crew: Crew, may: Callable[[Member], bool]) -> None:
    """Takes drains for want of work back, the best first, where `may` says that it is of use (and counts it as there)."""
    going = [m for m in crew.members if m.up and m.task.drain in (IDLE, SHARE) and m.ad is not None]
    for m in victims(cycle, going)[::-1]:
        if may(m):
            cancel(cycle, m, "there are jobs for it again")


def cancelling(m: Member) -> bool:
    return not m.task.drain and m.task.drain_asked > 0


def follow_up(cycle: Cycle, crew: Crew) -> None:
    """Repeats what was not heard, and kills what is drained."""
    for m in crew.members:
        if not m.up or (cycle.view.paused and m.task.drain not in ORDERED):
            continue
        if m.task.drain:
            _drain_on(cycle, m)
        elif cancelling(m):
            _cancel_on(cycle, m)


def _drain_on(cycle: Cycle, m: Member) -> None:
    task, ad = m.task, m.ad
    if ad is not None and ad.state in (SlotState.DRAINING, SlotState.DRAINED) and task.drain_asked > 0:
        pool = cycle.pool
        told = ad.heard > task.drain_asked and (m.own or (pool is not None and pool.seen > task.drain_asked))
        if told and ad.state is SlotState.DRAINED and ad.claims == 0:
            why = f"it is drained ({_TEXT.get(task.drain, task.drain)})"
            cycle.say(f"{words(task)} is killed: {why}")
            m.task = cycle.kill(task, why)
            m.standing = Standing.ENDING
        return
    if cycle.now >= task.drain_asked + ASK_AGAIN:
        _ask(cycle, m)
    else:
        cycle.wake(task.drain_asked + ASK_AGAIN)


def _cancel_on(cycle: Cycle, m: Member) -> None:
    if m.ad is not None and m.ad.state in (SlotState.FREE, SlotState.CLAIMED) and m.ad.heard > m.task.drain_asked:
        m.task = cycle.change(m.task, drain_asked=0.0)
    elif m.ad is not None and m.ad.state in (SlotState.DRAINING, SlotState.DRAINED):
        if cycle.now >= m.task.drain_asked + ASK_AGAIN:
            cycle.drains.append(Drain(m.task.id, "it is wanted again", cancel=True))
            m.task = cycle.change(m.task, drain_asked=cycle.now)
        cycle.wake(m.task.drain_asked + ASK_AGAIN)


def taken_away(cycle: Cycle, crew: Crew) -> dict[str, tuple[float, Size]]:
    """Executors that are going or went lately, and until when they count: whoever gets what they leave has to be heard of first."""
    gave = {name: kept for name, kept in cycle.view.memory.gave.items() if kept[0] > cycle.now}
    for m in crew.members:
        if m.standing is Standing.ENDING or (m.up and m.task.drain):
            gave[m.task.id] = (cycle.now + ASK_AGAIN, m.task.size)
    return gave


def free_of(cycle: Cycle, m: Member) -> Size:
    """What the executor can take when it is not (or no more) draining; of one that is not seen now, all of it is hoped for."""
    if m.ad is None:
        return cycle.view.executor.overhead.slots(m.task.size)
    return m.ad.total if m.ad.state is SlotState.DRAINED else m.ad.free
