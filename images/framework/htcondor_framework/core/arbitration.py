"""Who gives back how much: what pools have beyond their shares goes to pools below theirs that want something.

Every pool computes this from what all of them publish, so all come to the same result without talking about it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .model import Neighbour, Size

_EPSILON = 1e-6


def needs(pool: Neighbour) -> Size:
    """What the pool wants of its own share and does not have: cores and MiB."""
    return Size(
        min(pool.wants.cpus, max(0.0, pool.share.cpus - pool.holds.cpus)),
        min(pool.wants.memory, max(0.0, pool.share.memory - pool.holds.memory)),
    )


def over(pool: Neighbour) -> Size:
    """What the pool has beyond its share: cores and MiB."""
    return Size(
        max(0.0, pool.holds.cpus - pool.share.cpus),
        max(0.0, pool.holds.memory - pool.share.memory),
    )


def is_claimed(pool: Neighbour) -> bool:
    """Whether the pool wants something that is its share."""
    need = needs(pool)
    return need.cpus > _EPSILON or need.memory > _EPSILON


def give_back(pools: Sequence[Neighbour]) -> Mapping[str, Size]:
    """What each pool is to begin to give back now, by name: whole cores and MiB, never more than it has beyond its share. What is
    being given back already is taken off what is needed. Pools that give nothing are not named."""
    in_order = sorted(pools, key=lambda p: p.pool)
    need = [needs(p) for p in in_order]
    beyond = [over(p) for p in in_order]
    cpus = _split(sum(n.cpus for n in need) - sum(p.giving.cpus for p in in_order), [b.cpus for b in beyond])
    memory = _split(sum(n.memory for n in need) - sum(p.giving.memory for p in in_order), [b.memory for b in beyond])
    return {p.pool: Size(c, m) for p, c, m in zip(in_order, cpus, memory, strict=True) if c > 0 or m > 0}


def _split(total: float, beyond: list[float]) -> list[float]:
    total_beyond = sum(beyond)
    if total <= _EPSILON or total_beyond <= _EPSILON:
        return [0.0] * len(beyond)
    return [min(b, float(math.ceil(total * b / total_beyond - _EPSILON))) for b in beyond]


def not_covered(pools: Sequence[Neighbour]) -> Size:
    """What is needed though all gave back everything beyond their shares."""
    need, giving, beyond = Size(), Size(), Size()
    for p in pools:
        need, giving, beyond = need + needs(p), giving + p.giving, beyond + over(p)
    return need - giving - beyond
