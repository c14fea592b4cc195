"""Offers as rooms: which may be used for what, and how large the agents are known to be."""

from __future__ import annotations

from collections.abc import Mapping

from .cycle import Cycle, Room
from .model import Offer, Size


def meets(attributes: Mapping[str, str], constraints: Mapping[str, frozenset[str]]) -> bool:
    return all(attributes.get(name, "") in values for name, values in constraints.items())


def satisfies(offer: Offer, constraints: Mapping[str, frozenset[str]]) -> bool:
    return meets(offer.attributes, constraints)


def leaving(cycle: Cycle, offer: Offer) -> bool:
    """Whether the agent goes into maintenance: nothing that lasts is put there."""
    return offer.unavailable_from is not None or offer.agent in cycle.view.leaving


def for_executors(cycle: Cycle) -> list[Room]:
    """Where an executor may be launched."""
    view = cycle.view
    return [
        room
        for room in cycle.rooms
        if room.offer.place not in view.drain_sites
        and not leaving(cycle, room.offer)
        and satisfies(room.offer, view.executor.constraints)
        and cycle.may_launch(room.offer.agent)
    ]


def known_agents(cycle: Cycle) -> dict[str, tuple[str, Size]]:
    """The largest room seen of each agent: what was offered of it and what we have there, by dimension. It tells what is possible,
    never what is not: others may have used the rest all the time."""
    view = cycle.view
    known = dict(view.memory.agents)
    if not view.offers:
        return known
    now: dict[str, Size] = {}
    places: dict[str, str] = {}
    for offer in view.offers:
        now[offer.agent] = now[offer.agent] + offer.room if offer.agent in now else offer.room
        places[offer.agent] = offer.place
    for task in view.tasks.values():
        if task.agent in now:
            now[task.agent] = now[task.agent] + task.size
    for agent, room in now.items():
        before = known.get(agent)
        if before is not None:
            b = before[1]
            if room.cpus <= b.cpus and room.memory <= b.memory and room.disk <= b.disk and room.gpus <= b.gpus:
                continue
            room = Size(
                max(b.cpus, room.cpus), max(b.memory, room.memory), max(b.disk, room.disk), max(b.gpus, room.gpus)
            )
        known[agent] = (places[agent], room)
    return known


def largest_by_place(agents: Mapping[str, tuple[str, Size]]) -> dict[str, Size]:
    """For each place the largest room known there, by dimension."""
    most: dict[str, list[float]] = {}
    for place, room in agents.values():
        m = most.get(place)
        if m is None:
            most[place] = [room.cpus, room.memory, room.disk, room.gpus]
            continue
        if room.cpus > m[0]:
            m[0] = room.cpus
        if room.memory > m[1]:
            m[1] = room.memory
        if room.disk > m[2]:
            m[2] = room.disk
        if room.gpus > m[3]:
            m[3] = room.gpus
    return {place: Size(*m) for place, m in most.items()}
