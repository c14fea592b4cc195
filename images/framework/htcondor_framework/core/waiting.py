"""Why idle jobs wait, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .demand import Demand
from .model import Elastic, Policy, Size
from .scaling import Scale
from .view import Overhead, Waiting
from .words import amount, listed, number
from .words import count as counted


@dataclass(frozen=True)
class Circumstances:
    """What holds for all groups. `known`: by place the largest room known. `largest_there`: by place the largest executor there
    is. `full`: sites at their own max. `start_held`: why nothing may be started at all, "" if it may."""

    policy: Policy | None
    overhead: Overhead
    known: Mapping[str, Size]
    largest_there: Mapping[str, Size]
    scale: Scale
    full: frozenset[str] = frozenset()
    drained: frozenset[str] = frozenset()
    start_held: str = ""
    placed: int = 0  # elastic executors that are launched in this cycle


def explain(d: Demand, left: int, coming: int, now: Circumstances) -> Waiting:
    """`left`: jobs of it that nothing there or on its way will take; `coming`: those that wait for executors on their way."""
    why, never = _why(d, left, coming, now)
    group = d.group
    return Waiting(group.jobs or group.key, group.count, group.owner, group.request, why, never)


def _why(d: Demand, left: int, coming: int, now: Circumstances) -> tuple[str, bool]:
    group = d.group
    if group.waits_for or not group.places:
        return group.waits_for or "their requirements fit no site of this pool", True
    if left > 0:
        return _no_room(d, now)
    if d.capped:
        return d.capped, False
    if coming > 0:
        return "executors for them are on their way", False
    return "negotiation: there is room, HTCondor will match them", False


def _no_room(d: Demand, now: Circumstances) -> tuple[str, bool]:
    elastic = now.policy.elastic if now.policy is not None else None
    takes = d.takes
    there = [s for p, s in now.largest_there.items() if p in d.group.places]
    if now.policy is None:
        return "the pool has no policy yet", False
    if elastic is None:
        if any(takes.fits_in(s) for s in there):
            return "the pool has no elastic executors: they wait for room on the fixed ones", False
        return f"{_wish(d)}; no executor is so large, and the pool has no elastic ones", bool(there)
    short = _shortage(takes, elastic.largest)
    if short:
        if any(takes.fits_in(s) for s in there):
            return f"{_wish(d)}; they wait for room on an executor that is there, new ones have {short} at most", False
        return f"{_wish(d)}; the largest executor has {short}", True
    if now.start_held:
        return now.start_held, False
    places = sorted(d.group.places - now.drained)
    if not places:
        return f"{listed(sorted(d.group.places))} is being emptied by the administrator", False
    rooms = [now.overhead.slots(now.known[p]) for p in places if p in now.known]
    if not rooms:
        return f"no offer from {listed(places, 'or')}", False
    shortages = [_shortage(takes, room) for room in rooms]
    if all(shortages):
        best = max(range(len(rooms)), key=lambda n: (rooms[n], shortages[n]))
        return f"{_wish(d)}; the largest offer is {shortages[best]}", False
    if now.scale.limit and now.scale.start == 0:
        return now.scale.limit, False
    if all(p in now.full for p in places):
        return f"{_at_max(places, elastic)}", False
    if now.placed and now.scale.limit:
        return now.scale.limit, False
    # Some were to be started and none was: whatever is offered now is too small for these.
    return f"{_wish(d)}; no offer from {listed(places, 'or')} has so much room now", False


def _at_max(places: list[str], elastic: Elastic) -> str:
    return listed(f"{p} is at its max ({counted(elastic.sites[p].max, 'executor')})" for p in places)


def _wish(d: Demand) -> str:
    request = d.group.request
    n = d.group.count
    parts = [amount(request.cpus, "cpu"), f"{number(request.memory)} MiB"]
    if request.gpus:
        parts.append(amount(request.gpus, "gpu"))
    return f"{counted(n, 'idle job')} {'wants' if n == 1 else 'want'} {listed(parts)}"


def _shortage(job: Size, room: Size) -> str:
    """The first thing of which `room` has too little, and how much it has; "" if it has enough."""
    if _more(job.cpus, room.cpus):
        return amount(room.cpus, "cpu")
    if _more(job.memory, room.memory):
        return f"{number(room.memory)} MiB of memory"
    if _more(job.disk, room.disk):
        return f"{number(room.disk)} MiB of disk"
    return amount(room.gpus, "gpu") if _more(job.gpus, room.gpus) else ""


def _more(asked: float, there: float) -> bool:
    return asked > there + 1e-6
