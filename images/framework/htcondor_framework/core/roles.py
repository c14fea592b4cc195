"""Central managers and the submit node: in order at first, and at once when one is lost."""

from __future__ import annotations

from .cycle import KILL_AGAIN, Cycle, Room
from .machines import NODE, place_to_ask
from .model import Homeless, Kind, Phase, Role, Task
from .rooms import leaving, satisfies
from .view import LAUNCH_WITHIN, REPLACE_AFTER, RoleTemplate

EXECUTOR = "executor"
LAST_RESORT = 15.0  # seconds that offers of machines that stay have time to come, before one that goes will do


def tend_roles(cycle: Cycle) -> None:
    """Ends what is out of date or came to nothing, and launches what is missing."""
    names = {template.name for template in cycle.view.roles}
    for task in list(cycle.tasks.values()):
        if not task.is_executor and task.name not in names:
            _end(cycle, task, "the pool has no such task any more")
    for template in cycle.view.roles:
        if _is_missing(cycle, template):
            _launch(cycle, template)


def _records(cycle: Cycle, name: str) -> list[Task]:
    return [t for t in cycle.tasks.values() if t.name == name and not t.is_executor]


def _is_missing(cycle: Cycle, template: RoleTemplate) -> bool:
    here: list[Task] = []
    away: list[Task] = []
    for task in _records(cycle, template.name):
        if not task.template:  # taken over: nobody told of what it was made
            task = cycle.change(task, template=template.template)
        (away if task.phase is Phase.UNREACHABLE else here).append(task)
    here.sort(key=lambda t: (t.phase is not Phase.RUNNING, t.launched, t.id))
    for n, task in enumerate(here):
        if task.phase is Phase.KILLING:
            _insist(cycle, task)
        elif n > 0 and here[0].phase is not Phase.KILLING:
            _end(cycle, task, f"there is another {task.name}")
        elif task.template != template.template:
            _end(cycle, task, "what it is made of was changed")
        elif task.phase is Phase.LAUNCHING and cycle.now >= task.launched + LAUNCH_WITHIN:
            cycle.failed(task.name)
            _end(cycle, task, f"it did not start within {LAUNCH_WITHIN:.0f} s", even_paused=True)
        else:
            if task.phase is Phase.LAUNCHING:
                cycle.wake(task.launched + LAUNCH_WITHIN)
            _move(cycle, template, task)
    if here:
        return False  # also one that is ending: two of it must not run
    if template.pinned and away:
        if all(_reborn(cycle, task) for task in away):
            return True
        cycle.say(f"{template.name} is on an agent that is away; it can run nowhere else")
        cycle.wants_offers = True
        return False
    for task in away:
        if cycle.now < task.since + REPLACE_AFTER:
            cycle.wake(task.since + REPLACE_AFTER)
            return False
    return True


def _move(cycle: Cycle, template: RoleTemplate, task: Task) -> None:
    """Ends it if its machine goes into maintenance and another has room for it, also while the pool is paused; one of several after
    the other. What is pinned stays as long as its machine does: its spool is there.

    Its address goes with it, so it cannot be started elsewhere before it has ended: the last one that starts would win."""
    if template.pinned or task.agent not in cycle.view.leaving:
        return
    others = [r.name for r in cycle.view.roles if r.role is template.role and r.name != template.name]
    up = {t.name for t in cycle.tasks.values() if t.phase is Phase.RUNNING and t.healthy is True}
    if down := [name for name in others if name not in up]:
        cycle.say(f"{task.name} stays on {task.hostname}, which goes into maintenance, until {down[0]} is up")
        return
    room = _room(cycle, template, staying=True)
    if room is None:
        cycle.say(f"{task.name} waits for an offer elsewhere: its machine {task.hostname} goes into maintenance")
        cycle.wants_offers = True
        return
    room.left = room.left - template.container
    _end(cycle, task, "its machine goes into maintenance, another has room", even_paused=True)


def _reborn(cycle: Cycle, task: Task) -> bool:
    """Whether the task's machine offers itself as another agent: the one that had the task will never come back."""
    return any(r.offer.hostname == task.hostname and r.offer.agent != task.agent for r in cycle.rooms)


def _end(cycle: Cycle, task: Task, why: str, even_paused: bool = False) -> None:
    if task.phase is Phase.KILLING:
        _insist(cycle, task)
    elif task.phase is not Phase.UNREACHABLE and (even_paused or not cycle.view.paused):
        cycle.say(f"{task.name} on {task.hostname} is killed: {why}")
        cycle.kill(task, why)


def _insist(cycle: Cycle, task: Task) -> None:
    if cycle.now >= task.since + KILL_AGAIN:
        cycle.kill(task, "it was told to end and has not")
    else:
        cycle.wake(task.since + KILL_AGAIN)


def started(cycle: Cycle) -> frozenset[str]:
    """What has been up once, as far as anyone remembers."""
    names = set(cycle.view.memory.started)
    executors = False
    for task in cycle.view.tasks.values():
        if task.is_executor:
            executors = True
        elif task.phase is not Phase.LAUNCHING and task.healthy is True:
            names.add(task.name)
            if task.role is Role.SUBMIT:  # healthy: the collector has its ad
                names.add(EXECUTOR)
    if executors:
        # There is an executor, so everything before it was up.
        names.add(EXECUTOR)
        names.update(t.name for t in cycle.view.roles)
    if cycle.pool is not None and cycle.pool.schedd:
        names.add(EXECUTOR)
    return frozenset(names)


def _launch(cycle: Cycle, template: RoleTemplate) -> None:
    if cycle.view.paused and template.name not in started(cycle):
        return
    negotiator = cycle.pool is not None and cycle.pool.negotiator
    if template.role is Role.SUBMIT and not negotiator and template.name not in started(cycle):
        cycle.say(f"{template.name} waits for a central manager: the collector has no ad of a negotiator yet")
        return
    missing = cycle.missing_since[template.name] = cycle.view.memory.missing_since.get(template.name, cycle.now)
    room = _room(cycle, template, staying=cycle.now < missing + LAST_RESORT)
    if cycle.view.leaving:
        cycle.wake(missing + LAST_RESORT)
    if room is None and cycle.homeless is None and (node := _where(cycle, template)):
        cycle.homeless = Homeless(node, template.container)
    if not cycle.may_launch(template.name):
        cycle.say(f"{template.name} waits a little: its last start failed")
        cycle.wants_offers = True
        if room is not None:
            room.left = room.left - template.container  # no executor may take its place meanwhile
        return
    if room is None:
        cycle.say(f"{template.name} waits for an offer that it fits in")
        cycle.wants_offers = True
        return
    task = Task(
        id=cycle.new_id(template.name, room),
        role=template.role,
        kind=Kind.NONE,
        name=template.name,
        agent=room.offer.agent,
        hostname=room.offer.hostname,
        place=room.offer.place,
        size=template.container,
        node=room.offer.attributes.get(NODE, ""),
        template=template.template,
        phase=Phase.LAUNCHING,
        since=cycle.now,
        launched=cycle.now,
    )
    cycle.launch(room, task)
    cycle.wake(cycle.now + LAUNCH_WITHIN)
    cycle.say(f"{template.name} is started on {room.offer.hostname}")


def _where(cycle: Cycle, template: RoleTemplate) -> str:
    """The node where it needs room, "" if it may be anywhere among several or nobody knows of any."""
    if template.pinned:
        nodes = template.constraints.get(NODE, frozenset())
        return next(iter(nodes)) if len(nodes) == 1 else ""
    return place_to_ask(cycle, template)


def _room(cycle: Cycle, template: RoleTemplate, staying: bool = False) -> Room | None:
    """The smallest that it fits in; not beside another of its kind, on a drained site or a leaving agent, if that can be avoided.
    `staying`: on no leaving agent, whatever comes of it.

    Of leaving agents only those `kept` will do, unless it is pinned: somebody may wait for the others to be empty, and has our word."""
    others = [
        t
        for t in cycle.tasks.values()
        if t.role is template.role and t.name != template.name and t.phase is not Phase.UNREACHABLE
    ]
    agents, places = {t.agent for t in others}, {t.place for t in others}
    fitting = [
        r
        for r in cycle.rooms
        if template.container.fits_in(r.left)
        and satisfies(r.offer, template.constraints)
        and (not leaving(cycle, r.offer) or template.pinned or (not staying and r.offer.agent in cycle.view.kept))
    ]
    return min(
        fitting,
        key=lambda r: (
            leaving(cycle, r.offer),
            r.offer.place in cycle.view.drain_sites,
            r.offer.agent in agents,
            r.offer.place in places,
            r.left.gpus,
            r.left,
            r.offer.id,
        ),
        default=None,
    )
