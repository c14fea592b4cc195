"""The machines, as far as offers and our own tasks tell of them; and on which of them room is asked for.

Nobody tells us of a machine that is full of other pools' executors: it makes no offers. So it is believed to be there until something
speaks against it.
"""

from __future__ import annotations

from .cycle import Cycle
from .model import Machine, Phase, Role, Size
from .rooms import leaving, meets
from .view import RoleTemplate

NODE, SITE = "node", "site"  # the agents' attributes that name their machine, and where it is
# Seconds.
RECENT = 120.0  # an offer tells so long that its machine is there, and what is free on it: all are asked for again every 30 s
PATIENCE = 300.0  # with a machine of which nothing is heard: jobs there may have to end first, or it may be gone


def known_machines(cycle: Cycle) -> dict[str, Machine]:
    """By node: what was offered of each last; those that only tasks of ours tell of, without room."""
    view = cycle.view
    known = {node: m for node, m in view.memory.machines.items() if m.agent not in view.leaving}
    now: dict[str, Machine] = {}
    for offer in view.offers:
        node = offer.attributes.get(NODE, "")
        if leaving(cycle, offer):
            known.pop(node, None)
        elif node:
            before = now.get(node)
            room = offer.room + before.room if before is not None and before.agent == offer.agent else offer.room
            now[node] = Machine(node, offer.agent, offer.attributes, room, cycle.now)
    known |= now
    for task in view.tasks.values():
        if not task.node or task.node in known or task.phase is Phase.UNREACHABLE or task.agent in view.leaving:
            continue
        attributes = {NODE: task.node, SITE: task.place}
        known[task.node] = Machine(task.node, task.agent, attributes, Size(), 0.0)
    return known


def ran_on(cycle: Cycle) -> dict[str, str]:
    """Role's name to the node where it is or was last; not to one that went away under it."""
    found = dict(cycle.view.memory.ran_on)
    for task in cycle.view.tasks.values():
        if task.is_executor:
            continue
        if task.phase is Phase.UNREACHABLE:
            if found.get(task.name) == task.node:
                del found[task.name]
        elif task.node:
            found[task.name] = task.node
    return found


def place_to_ask(cycle: Cycle, template: RoleTemplate) -> str:
    """The node on which room for a central manager is to be asked for, "" if none is known: the one that is asked already; else where
    it was last; else the one with room that is nearest to enough. None that is known to be away, and no more than PATIENCE one of
    which nothing is heard."""
    memory = cycle.view.memory
    asked, since = memory.asked
    last = ran_on(cycle).get(template.name, "")
    beside = _agents_of(cycle, template)
    away, alive = _agents(cycle, away=True), _agents(cycle, away=False)
    if asked:
        cycle.wake(since + PATIENCE)

    def order(m: Machine) -> tuple[bool, bool, bool, bool, bool, float, str]:
        heard = m.agent in alive or cycle.now <= m.offered + RECENT
        tired = not heard and m.node == asked and cycle.now >= since + PATIENCE
        room = m.room if cycle.now <= m.offered + RECENT else Size()
        return (
            tired,
            m.node != asked,
            m.agent in beside,
            m.node != last,
            not heard,
            shortage(template.container, room),
            m.node,
        )

    fitting = [
        m for m in known_machines(cycle).values() if m.agent not in away and meets(m.attributes, template.constraints)
    ]
    best = min(fitting, key=order, default=None)
    return best.node if best is not None else ""


def shortage(container: Size, room: Size) -> float:
    """How far the room is from being enough: the largest part that is missing of anything, from 0 (it fits) to 1."""
    pairs = (
        (container.cpus, room.cpus),
        (container.memory, room.memory),
        (container.disk, room.disk),
        (container.gpus, room.gpus),
    )
    return max((max(0.0, needs - has) / needs for needs, has in pairs if needs > 0), default=0.0)


def _agents(cycle: Cycle, away: bool) -> frozenset[str]:
    tasks = cycle.view.tasks.values()
    return frozenset(t.agent for t in tasks if (t.phase is Phase.UNREACHABLE) is away)


def _agents_of(cycle: Cycle, template: RoleTemplate) -> frozenset[str]:
    """Where others of its kind are: better not beside them."""
    others = (t for t in cycle.tasks.values() if t.role is Role.CENTRAL_MANAGER and t.name != template.name)
    return frozenset(t.agent for t in others if t.phase is not Phase.UNREACHABLE)
