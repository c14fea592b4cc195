"""Our part among the other pools: what we hold, what we tell them, what we give back and what we may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from . import arbitration, draining
from .crew import Crew
from .cycle import Cycle
from .model import Homeless, Neighbour, Size
from .words import amount, listed, number

_EPSILON = 1e-6


@dataclass
class Sharing:
    """`pressed`: another pool wants something of its share and does not have it. Then we take no more than ours. `refused`: that
    stopped a launch."""

    us: Neighbour
    pressed: bool
    started: Size = field(default_factory=Size)
    refused: bool = False

    def allows(self, container: Size) -> bool:
        """Whether one more executor may be started; it is then counted."""
        after = self.started + container
        if self.pressed:
            holds, share = self.us.holds + after, self.us.share
            if holds.cpus > share.cpus + _EPSILON or holds.memory > share.memory + _EPSILON:
                self.refused = True
                return False
        self.started = after
        return True

    def beyond(self, container: Size) -> bool:
        """Whether we would have more than our share with this."""
        holds = self.us.holds + self.started + container
        return holds.cpus > self.us.share.cpus + _EPSILON or holds.memory > self.us.share.memory + _EPSILON


@dataclass
class Claim:
    """What a pool may ask the others for: whole containers that still fit in what it does not hold of its share."""

    us: Neighbour
    size: Size = field(default_factory=Size)

    def add(self, container: Size, count: int) -> None:
        """Up to `count` of them."""
        free = Size(
            self.us.share.cpus - self.us.holds.cpus - self.size.cpus,
            self.us.share.memory - self.us.holds.memory - self.size.memory,
        )
        fit = Size(container.cpus, container.memory).how_many_in(free)
        self.size = self.size + container.times(max(0, min(count, fit)))


_NOTHING = Size()


def ourselves(
    cycle: Cycle,
    crew: Crew,
    gave: Mapping[str, tuple[float, Size]],
    wants: Size = _NOTHING,
    homeless: Homeless | None = None,
) -> Neighbour:
    """What we say of us. Executors launched in this cycle count if they are in its records but not in the crew."""
    assert cycle.view.policy is not None
    holds = giving = Size()
    for m in crew.members:
        if m.active:
            holds = holds + m.task.size
    for launch in cycle.launches:
        if launch.task.is_executor:
            holds = holds + launch.task.size
    for _, size in gave.values():
        giving = giving + size
    return Neighbour(cycle.view.name, cycle.view.policy.share, holds, wants, giving, homeless)


def share(cycle: Cycle, crew: Crew) -> Sharing:
    """Begins to give back what others are due, and says how much more we may take."""
    us = ourselves(cycle, crew, draining.taken_away(cycle, crew))
    others = [n for n in cycle.view.neighbours if n.pool != us.pool]
    claiming = [n for n in others if arbitration.is_claimed(n)]
    if not claiming:
        if not cycle.view.paused:
            draining.share_is_free(cycle, crew)
        return Sharing(us, False)
    pools = [us, *others]
    if not cycle.view.paused:
        what = arbitration.give_back(pools).get(us.pool)
        if what is not None:
            names = listed(sorted(n.pool for n in claiming))
            whose = "wants what is its share" if len(claiming) == 1 else "want what is their share"
            cycle.say(f"{_words(what)} to be given back: {names} {whose}")
            draining.give_back(cycle, crew, what)
        short = arbitration.not_covered(pools)
        over = arbitration.over(us)
        if (over.cpus > 0 or over.memory > 0) and (short.cpus > _EPSILON or short.memory > _EPSILON):
            cycle.say("all that pools have beyond their shares does not cover what the others are due")
    return Sharing(ourselves(cycle, crew, draining.taken_away(cycle, crew)), True)


def _words(size: Size) -> str:
    parts = [amount(size.cpus, "core")] if size.cpus > 0 else []
    if size.memory > 0:
        parts.append(f"{number(size.memory)} MiB")
    return " and ".join(parts)
