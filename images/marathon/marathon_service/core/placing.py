"""Which offer the next instance of an app goes to.

One Placer for each app and turn. What an offer has left only gets less within a turn, and what an app has at a place only more; so
offers wait in a heap by keys that only grow, and one that is too small is not looked at again.
"""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mesos_client.messages import Offer

from .constraints import Place, Tally
from .matching import Match, Pool
from .spec import AppSpec, Constraint

_Key = tuple[int, int, float, str]


# In the order in which an offer is judged: one that fails at several counts for the first.
FUNNEL = (
    "UnfulfilledRole",
    "UnfulfilledConstraint",
    "NoCorrespondingReservationFound",
    "AgentMaintenance",
    "InsufficientCpus",
    "InsufficientMemory",
    "InsufficientDisk",
    "InsufficientGpus",
    "InsufficientPorts",
    "DeclinedScarceResources",
)


@dataclass(frozen=True)
class Unused:
    """An offer that was of no use, when (Unix time), and every reason why."""

    offer: Offer
    reasons: tuple[str, ...]
    at: float

    @property
    def first(self) -> str:
        return min(self.reasons, key=FUNNEL.index)


@dataclass
class Rejections:
    """What became of the offers since an app began to wait. `reasons`: how many were not used, by their first reason; `last`: the last
    one of each agent that was not used."""

    processed: int = 0
    unused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    last: dict[str, Unused] = field(default_factory=dict)
    last_unused: float | None = None
    last_used: float | None = None

    def refuse(self, offer: Offer, reasons: Iterable[str], now: float) -> None:
        told = Unused(offer, tuple(reasons), now)
        before = self.last.get(offer.agent_id)
        self.last[offer.agent_id] = told
        if before is not None and before.offer.id == offer.id:
            return  # the same offer, looked at for one more instance
        self.processed += 1
        self.unused += 1
        self.last_unused = now
        self.reasons[told.first] = self.reasons.get(told.first, 0) + 1

    def use(self, now: float) -> None:
        self.processed += 1
        self.last_used = now

    def add(self, other: Rejections) -> None:
        self.processed += other.processed
        self.unused += other.unused
        self.last |= other.last
        self.last_used = other.last_used or self.last_used
        self.last_unused = other.last_unused or self.last_unused
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count


class Placer:
    """`placed`: where instances of the app are that stay; `constraints`: those that hold now; `home`: the region of the Mesos master."""

    def __init__(
        self,
        spec: AppSpec,
        pools: Iterable[Pool],
        placed: Iterable[Place],
        constraints: Sequence[Constraint],
        now: float,
        seen: Rejections,
        home: str | None = None,
    ) -> None:
        self.spec, self._now, self._seen = spec, now, seen
        self._tally, self._order = Tally(constraints), Tally(spec.constraints)
        self._hosts: Counter[str] = Counter()
        self._number = 0
        for place in placed:
            self._note(place)
        self._heap: list[tuple[_Key, Pool]] = []
        for pool in pools:
            if reason := pool.bars(spec, now, home):
                seen.refuse(pool.offer, [reason], now)
            else:
                self._heap.append((self._key(pool), pool))
        heapq.heapify(self._heap)

    def _note(self, place: Place) -> None:
        self._tally.add(place)
        self._order.add(place)
        self._hosts[place.hostname] += 1
        self._number += 1

    def _key(self, pool: Pool) -> _Key:
        """Even by GROUP_BY first, then the machine with the fewest instances of the app, then the one with the most free cpus."""
        return (self._order.crowd(pool.place), self._hosts[pool.place.hostname], -pool.free_cpus, pool.offer.id)

    def take(self) -> tuple[Pool, Match] | None:
        """The best offer for one more instance, with what it takes of it, which is then gone. None: no offer will do now."""
        aside: list[tuple[_Key, Pool]] = []
        found: tuple[Pool, Match] | None = None
        while self._heap and found is None:
            key, pool = self._heap[0]
            if (fresh := self._key(pool)) > key:
                heapq.heapreplace(self._heap, (fresh, pool))
                continue
            heapq.heappop(self._heap)
            match self._tally.allows(pool.place):
                case Tally.NEVER:
                    self._seen.refuse(pool.offer, ["UnfulfilledConstraint"], self._now)
                case Tally.LATER:
                    self._seen.refuse(pool.offer, ["UnfulfilledConstraint"], self._now)
                    aside.append((key, pool))
                case _:
                    salt = zlib.crc32(f"{self.spec.id}{self._number}{self._now}".encode())
                    fit = pool.fit(self.spec, salt)
                    if isinstance(fit, Match):
                        found = pool, fit
                    else:
                        self._seen.refuse(pool.offer, fit, self._now)
        if found is not None:
            pool, fit = found
            pool.take(fit)
            self._note(pool.place)
            self._seen.use(self._now)
            heapq.heappush(self._heap, (self._key(pool), pool))
        for entry in aside:
            heapq.heappush(self._heap, entry)
        return found
