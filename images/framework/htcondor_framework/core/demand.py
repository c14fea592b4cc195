"""Idle jobs as what they will take of an executor, in a fixed order, within their owners' and groups' caps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .model import Caps, JobGroup, Size, Usage
from .words import amount

# HTCondor cuts a job's slot in steps (MODIFY_REQUEST_EXPR_REQUESTMEMORY and the like): what is left is less by the rest. MiB.
MEMORY_STEP = 128
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Demand:
    """One group of idle jobs. `count`: how many may be served, the caps respected; `capped`: the cap that the others wait for, ""
    if none. The four numbers are what one job takes of a slot."""

    group: JobGroup
    count: int
    cpus: float
    memory: float
    disk: float
    gpus: float
    capped: str = ""

    @property
    def takes(self) -> Size:
        return Size(self.cpus, self.memory, self.disk, self.gpus)


def taken(request: Size, largest: Size | None) -> Size:
    """What a job that asks for `request` takes of a slot. A step that would just not fit in the `largest` executor is not taken."""
    memory = float(math.ceil((request.memory - _EPSILON) / MEMORY_STEP) * MEMORY_STEP)
    if largest is not None and memory > largest.memory:
        memory = float(math.ceil(request.memory - _EPSILON))
    return Size(
        max(1.0, float(math.ceil(request.cpus - _EPSILON))),
        max(0.0, memory),
        float(math.ceil(request.disk - _EPSILON)),
        float(math.ceil(request.gpus - _EPSILON)),
    )


def demands(groups: Iterable[JobGroup], usage: Usage, caps: Caps, largest: Size | None) -> list[Demand]:
    """The groups, smallest request first: the order in which everything that follows goes through them. Caps are spent in this
    order too, after what runs already."""
    sized = [(taken(g.request, largest), g) for g in groups if g.count > 0]
    sized.sort(key=lambda pair: (pair[0], pair[1].key))
    left = _Caps(caps, usage)
    result = []
    for size, group in sized:
        possible = bool(group.places) and not group.waits_for
        count, why = left.take(group, size.cpus) if possible else (group.count, "")
        result.append(Demand(group, count, size.cpus, size.memory, size.disk, size.gpus, why))
    return result


class _Caps:
    """Cores that owners and accounting groups may still use."""

    def __init__(self, caps: Caps, usage: Usage) -> None:
        self.caps = caps
        self.usage = usage
        self.owners: dict[str, float] = {}
        self.groups: dict[str, float] = {g: c - usage.by_group.get(g, 0.0) for g, c in caps.groups.items()}

    def take(self, group: JobGroup, cores: float) -> tuple[int, str]:
        """How many of the group's jobs are within the caps, and which cap stops the others."""
        count, why = group.count, ""
        limits = self._limits(group)
        if not limits or cores <= 0:
            return count, why
        for left, text in limits:
            room = max(0, int((left + _EPSILON) // cores))
            if room < count:
                count, why = room, text
        if group.owner in self.owners:
            self.owners[group.owner] -= count * cores
        for name in _with_ancestors(group.group, self.groups):
            self.groups[name] -= count * cores
        return count, why

    def _limits(self, group: JobGroup) -> list[tuple[float, str]]:
        limits = []
        cap = self.caps.users.get(group.owner, self.caps.each_user)
        if cap is not None:
            left = self.owners.setdefault(group.owner, cap - self.usage.by_owner.get(group.owner, 0.0))
            limits.append((left, f"cap of {group.owner} ({amount(cap, 'core')}) is reached"))
        for name in _with_ancestors(group.group, self.groups):
            text = f"cap of group {name} ({amount(self.caps.groups[name], 'core')}) is reached"
            limits.append((self.groups[name], text))
        return limits


def _with_ancestors(group: str, known: Mapping[str, float]) -> list[str]:
    """Of the group "a.b.c": "a", "a.b" and itself, those that are known."""
    if not group or not known:
        return []
    parts = group.split(".")
    names = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
    return [name for name in names if name in known]
