"""Room for a submit node that can run on one machine only, or a central manager that finds none anywhere: executors have taken it.

The pool whose task it is says so to the others. They leave that room alone, and drain what they have there until it fits. So does the
pool itself: on a machine that was made anew its own executors may have been quicker than the word that its submit node is lost.

A pool without its central manager has no collector by which it could drain. It asks and tells those executors by themselves.
"""

from __future__ import annotations

from . import draining
from .crew import Crew, Member, Standing
from .cycle import Cycle
from .machines import NODE
from .model import Homeless, Size

# Seconds.
LOOKS_FOR = 15.0  # offers take a moment, and the room of an executor that has just ended comes by itself
TAKEN_UP_WITHIN = 45.0  # what was freed is to be offered to the other pool, and we are to hear that it has it
ANSWERS_WITHIN = 10.0  # executors that are asked by themselves


def ours(cycle: Cycle) -> tuple[Homeless | None, float, tuple[str, float]]:
    """What the others are to be told, since when the task has looked for room, and where since when (for the memory)."""
    own, memory = cycle.homeless, cycle.view.memory
    if own is None:
        return None, 0.0, ("", 0.0)
    asked = memory.asked if memory.asked[0] == own.node else (own.node, cycle.now)
    since = memory.homeless_since or cycle.now
    if cycle.now < since + LOOKS_FOR:
        cycle.wake(since + LOOKS_FOR)
        return None, since, asked
    cycle.say(
        f"the other pools are asked for room on {own.node}: a central manager or submit node of this one has none"
    )
    return own, since, asked


def keep_free(cycle: Cycle) -> None:
    """Takes what others wait for off our offers. After our own roles: they are no less."""
    for pool, home in _others(cycle).items():
        for room in cycle.rooms:
            if room.offer.attributes.get(NODE) == home.node:
                room.left = room.left - home.size
                cycle.say(
                    f"room on {home.node} is left to pool {pool}, whose central manager or submit node waits for it"
                )
    if (own := cycle.homeless) is not None:
        for room in cycle.rooms:
            if room.offer.attributes.get(NODE) == own.node:
                room.left = room.left - own.size


def make_room(cycle: Cycle, crew: Crew, own: Homeless | None = None) -> dict[str, float]:
    """Begins to drain what stands in the way of others, and takes it back when nobody needs it; the nodes where it is under way, for
    the memory."""
    homes = [*_others(cycle).values(), *([own] if own is not None else [])]
    nodes = {home.node for home in homes}
    for m in crew.members:
        if m.up and m.task.drain == draining.ROOM and m.task.node not in nodes:
            draining.cancel(cycle, m, "who waited for its room has it, or looks elsewhere")
    made = {node: until for node, until in cycle.view.memory.made_room.items() if until > cycle.now and node in nodes}
    for home in homes:
        there = [m for m in crew.members if m.task.node == home.node]
        going = [m for m in there if m.standing is Standing.ENDING or (m.up and m.task.drain)]
        for m in going:
            if m.up and m.task.drain:
                draining.begin(cycle, m, draining.ROOM)  # one that was only idle is not taken back
        if not going and home.node not in made:
            active = [m for m in there if m.active]
            if _to_be_asked_first(cycle, home, active):
                made[home.node] = cycle.now + ANSWERS_WITHIN
                cycle.wake(made[home.node])
                continue
            going = _enough(draining.victims(cycle, active), home.size)
            for m in going:
                draining.begin(cycle, m, draining.ROOM)
        if going:
            made[home.node] = cycle.now + TAKEN_UP_WITHIN
    return made


def to_ask(cycle: Cycle, crew: Crew) -> tuple[str, ...]:
    """Without a collector: executors that are in the way of somebody's room, and those that were told something."""
    if not cycle.alone:
        return ()
    nodes = {home.node for home in _others(cycle).values()}
    if cycle.homeless is not None:
        nodes.add(cycle.homeless.node)
    return tuple(
        m.task.id for m in crew.members if m.up and (m.task.node in nodes or m.task.drain or draining.cancelling(m))
    )


def _to_be_asked_first(cycle: Cycle, home: Homeless, active: list[Member]) -> bool:
    """Once, if nobody knows which of them have jobs."""
    return (
        cycle.alone
        and bool(active)
        and not any(m.ad is not None for m in active)
        and home.node not in cycle.view.memory.made_room
    )


def _enough(members: list[Member], size: Size) -> list[Member]:
    """The first of them that make so much room, or all."""
    chosen, room = [], Size()
    for m in members:
        if size.fits_in(room):
            break
        chosen.append(m)
        room = room + m.task.size
    return chosen


def _others(cycle: Cycle) -> dict[str, Homeless]:
    return {n.pool: n.homeless for n in cycle.view.neighbours if n.homeless is not None and n.pool != cycle.view.name}
