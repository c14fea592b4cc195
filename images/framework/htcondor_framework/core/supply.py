"""How many idle jobs the executors that are there, or on their way, will take.

A greedy choice that is exact and monotone: more idle jobs of any group never leave fewer of another. Groups come in one fixed
order, each fills executors in one fixed order, and an executor that cannot take another job of a group which has some left is
closed for all later groups. (Were it left open, a small job more in it could keep a large one out, whose place a third then
takes.) An executor that could not take a single job of the group when it was empty of all these is not visited by it at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .demand import Demand
from .model import Size

_EPSILON = 1e-6


@dataclass(frozen=True)
class Free:
    """What one executor has free. `coming`: it is not there yet."""

    task: str
    place: str
    free: Size
    coming: bool = False


@dataclass
class Supply:
    """By the demands' order: `left`, jobs that nothing there can take; `matched`, jobs that an executor which is there takes;
    `coming`, those that one on its way takes. `used`: executors that take some."""

    left: list[int] = field(default_factory=list)
    matched: list[int] = field(default_factory=list)
    coming: list[int] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


class _Slot:
    """Numbers of one executor: what is free, and what was at first."""

    __slots__ = ("coming", "cpus", "cpus0", "disk", "disk0", "gpus", "gpus0", "memory", "memory0", "task")

    def __init__(self, free: Free) -> None:
        self.task, self.coming = free.task, free.coming
        self.cpus = self.cpus0 = free.free.cpus + _EPSILON
        self.memory = self.memory0 = free.free.memory + _EPSILON
        self.disk = self.disk0 = free.free.disk + _EPSILON
        self.gpus = self.gpus0 = free.free.gpus + _EPSILON

    def holds(self, d: Demand) -> int:
        counts = []
        if d.cpus > 0:
            counts.append(self.cpus // d.cpus)
        if d.memory > 0:
            counts.append(self.memory // d.memory)
        if d.disk > 0:
            counts.append(self.disk // d.disk)
        if d.gpus > 0:
            counts.append(self.gpus // d.gpus)
        return max(0, int(min(counts))) if counts else 0

    def take(self, d: Demand, n: int) -> None:
        self.cpus -= n * d.cpus
        self.memory -= n * d.memory
        self.disk -= n * d.disk
        self.gpus -= n * d.gpus


class Supplier:
    """Executors with something free, in the order in which they are to be filled."""

    def __init__(self, executors: Iterable[Free], place_order: Sequence[str] = ()) -> None:
        self._open: dict[str, list[_Slot]] = {}
        for e in executors:
            if e.free.cpus > 0 or e.free.memory > 0:
                self._open.setdefault(e.place, []).append(_Slot(e))
        rank = {place: n for n, place in enumerate(place_order)}
        self._places = sorted(self._open, key=lambda p: (rank.get(p, len(rank)), p))
        self._most = {
            place: (
                max(s.memory0 for s in slots),
                max(s.disk0 for s in slots),
                max(s.gpus0 for s in slots),
            )
            for place, slots in self._open.items()
        }

    def fill(self, demands: Sequence[Demand]) -> Supply:
        """Goes once through the demands, which are in the fixed order (of growing cpus)."""
        result = Supply()
        for d in demands:
            left, matched, coming = d.count, 0, 0
            if d.group.places and not d.group.waits_for:
                for place in self._places:
                    if left <= 0:
                        break
                    if place in d.group.places:
                        left, here, later = self._visit(place, d, left, result.used)
                        matched += here
                        coming += later
            result.left.append(left)
            result.matched.append(matched)
            result.coming.append(coming)
        return result

    def _visit(self, place: str, d: Demand, left: int, used: set[str]) -> tuple[int, int, int]:
        slots = self._open[place]
        memory, disk, gpus = self._most[place]
        if not slots or d.memory > memory or d.disk > disk or d.gpus > gpus:
            return left, 0, 0
        cpus, memory, disk, gpus = d.cpus, d.memory, d.disk, d.gpus
        keep: list[_Slot] = []
        matched = coming = 0
        end = len(slots)
        for n, slot in enumerate(slots):
            if cpus > slot.cpus0:
                continue  # all later groups want as many cpus or more
            if memory > slot.memory0 or disk > slot.disk0 or gpus > slot.gpus0:
                keep.append(slot)
                continue
            room = slot.holds(d)
            took = min(room, left)
            if took:
                slot.take(d, took)
                left -= took
                used.add(slot.task)
                if slot.coming:
                    coming += took
                else:
                    matched += took
            if left <= 0:
                keep.append(slot)  # not refused yet
                end = n + 1
                break
        self._open[place] = keep + slots[end:]
        return left, matched, coming
