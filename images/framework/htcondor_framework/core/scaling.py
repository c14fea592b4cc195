"""How many executors to start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .demand import Demand
from .model import Elastic, Limit, Size
from .view import Overhead

_EPSILON = 1e-9


@dataclass(frozen=True)
class Scale:
    """`wanted`: executors of the largest size that the jobs which nobody will take need, without any limit. `start`: how many may
    be started for them now, `least`: how many of them (or more than them) `min` asks for at once. `limit`: what held `start`
    under `wanted`, "" if nothing. `enough`: `max_idle` lets none be started."""

    wanted: int = 0
    start: int = 0
    least: int = 0
    limit: str = ""
    enough: bool = False


def largest_executors(elastic: Elastic, known: Mapping[str, Size], overhead: Overhead) -> dict[str, Size]:
    """For each place known the slots of the largest executor that it may get."""
    return {place: elastic.largest.least(overhead.slots(room)) for place, room in known.items()}


def per_executor(demand: Demand, elastic: Elastic, largest: Mapping[str, Size]) -> int:
    """How many of the group's jobs fit in the largest executor that it may get; 0 if `Elastic.largest` is too small for it. An
    agent that had enough room only for less is not the last word: on a full cluster none has."""
    job = demand.takes
    if not demand.group.places or demand.group.waits_for or not job.fits_in(elastic.largest):
        return 0
    rooms = {(s.cpus, s.memory, s.disk, s.gpus): s for p, s in largest.items() if p in demand.group.places}
    here = max((job.how_many_in(s) for s in rooms.values()), default=0)
    return here or job.how_many_in(elastic.largest)


def executors_for(left: Sequence[int], per: Sequence[int]) -> int:
    """The executors of the largest size that `left` jobs of each group need, mixed."""
    return math.ceil(sum(n / k for n, k in zip(left, per, strict=True) if k > 0) - _EPSILON)


def batch_at(batch: int, limit: Limit, existing: int) -> int:
    """How many may be started in one cycle: half of `batch`, rounded up, from the curb on."""
    return (batch + 1) // 2 if existing >= limit.curb else batch


def scale(
    wanted: int,
    elastic: Elastic,
    *,
    existing: int,
    ready: int,
    standing: int,
    cycles: int,
) -> Scale:
    """The rule. `existing`: elastic executors that may still live; `ready`: of these how many are free or on their way; `standing`:
    how many count for `min` (not those that are to go); `cycles`: how many cycles in a row, with this one, wanted something."""
    room = max(0, elastic.total.max - existing)
    least = min(max(0, elastic.min - standing), room)
    limits = [
        (room, f"the pool is at max ({elastic.total.max} executors)"),
        (
            max(0, elastic.max_idle - ready),
            f"enough executors are free or on their way (max_idle is {elastic.max_idle})",
        ),
        (batch_at(elastic.batch, elastic.total, existing), "more are started in the next cycles"),
    ]
    if cycles <= elastic.wait_cycles:
        limits.insert(0, (0, "whether they go on waiting is looked at for some cycles (wait_cycles)"))
    start, limit = wanted, ""
    for allowed, why in limits:
        if allowed < start:
            start, limit = allowed, why
    return Scale(wanted, start, least, limit, enough=ready >= elastic.max_idle)
