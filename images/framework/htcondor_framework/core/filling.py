"""Which idle jobs an executor is made for, and so how large it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .demand import Demand
from .model import Size
from .view import Overhead

_EPSILON = 1e-9


@dataclass(frozen=True)
class Filling:
    """`slots`: what the jobs take together; `jobs`: how many by index of demand."""

    slots: Size
    jobs: dict[int, int]


def fill(
    order: Sequence[int],
    demands: Sequence[Demand],
    left: Sequence[int],
    largest: Size,
    room: Size | None,
    overhead: Overhead,
) -> Filling | None:
    """Jobs for one executor, taken in `order` (indexes of demands that may run there), as many of each as fit into `largest` and,
    with the daemons' overhead, into `room`; None if not even one does."""
    cpus, memory, disk, gpus = largest.cpus, largest.memory, largest.disk, largest.gpus
    inside = math.inf
    if room is not None:
        cpus, disk, gpus = min(cpus, room.cpus), min(disk, room.disk), min(gpus, room.gpus)
        inside = math.floor(room.memory - overhead.base + _EPSILON)
    cpus, memory, disk, gpus = (
        math.floor(cpus + _EPSILON),
        math.floor(memory + _EPSILON),
        disk + _EPSILON,
        gpus + _EPSILON,
    )
    per_core = overhead.per_core
    jobs: dict[int, int] = {}
    for i in order:
        d = demands[i]
        if d.cpus > cpus or d.memory > memory or d.disk > disk or d.gpus > gpus:
            continue
        n = min(left[i], int(cpus // d.cpus))
        if d.memory > 0:
            n = min(n, int(memory // d.memory))
        if d.disk > 0:
            n = min(n, int(disk // d.disk))
        if d.gpus > 0:
            n = min(n, int(gpus // d.gpus))
        heavy = d.memory + per_core * d.cpus
        if heavy > 0 and inside < math.inf:
            n = min(n, int((inside + _EPSILON) // heavy))
        if n <= 0:
            continue
        jobs[i] = n
        cpus -= n * d.cpus
        memory -= n * d.memory
        disk -= n * d.disk
        gpus -= n * d.gpus
        inside -= n * heavy
        if cpus < 1:
            break
    if not jobs:
        return None
    return Filling(
        Size(
            sum(n * demands[i].cpus for i, n in jobs.items()),
            sum(n * demands[i].memory for i, n in jobs.items()),
            sum(n * demands[i].disk for i, n in jobs.items()),
            sum(n * demands[i].gpus for i, n in jobs.items()),
        ),
        jobs,
    )
