"""Agents that go into maintenance, as Mesos tells those who have something there: by inverse offers.

An inverse offer is declined while something of ours is still to leave the agent, and accepted then. GET_MAINTENANCE_STATUS of Mesos'
operator API shows the last answer to whoever waits, so silence would leave an old one standing. Mesos sends the next one when the answer's
filter is over, and rescinds them whenever the schedule changes; so one that is rescinded does not end a maintenance. It is over
once none has come for LEASE seconds, or when the agent is offered without unavailability.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable

from .messages import InverseOffer, Offer

LEASE = 20.0  # seconds
NOT_YET, AGREED = 2.0, 5.0  # seconds until we are asked again
# Seconds. A new master sends none before the agent has come back to it, nor does any before we have subscribed.
AFTER_SUBSCRIBING = 30.0


class Leaving:
    """The agents that go into maintenance. `now` is the caller's clock, seconds.

    `kept`: those of them that cannot go yet, as Mesos has heard from us: what must be somewhere and finds no other place may be there."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self._open: dict[str, str] = {}  # inverse offers that wait for an answer, to their agents
        self._until: dict[str, float] = {}

    def offered(self, inverse: Iterable[InverseOffer], now: float) -> None:
        for each in inverse:
            self._open[each.id] = each.agent_id
            self._until[each.agent_id] = now + LEASE

    def rescinded(self, inverse_offer: str, now: float) -> None:
        agent = self._open.pop(inverse_offer, None)
        if agent is not None:
            self._until[agent] = now + LEASE

    def seen(self, offers: Iterable[Offer], now: float) -> None:
        """Offers of resources tell of maintenance too."""
        for offer in offers:
            if offer.unavailable_from is not None:
                self._until[offer.agent_id] = now + LEASE
            else:
                self._until.pop(offer.agent_id, None)
                self.kept.discard(offer.agent_id)
                self._open = {k: agent for k, agent in self._open.items() if agent != offer.agent_id}

    def disconnected(self) -> None:
        """Nobody can tell us that a maintenance is over."""
        self._until |= dict.fromkeys((*self._until, *self._open.values()), math.inf)
        self._open.clear()
        self.kept.clear()

    def subscribed(self, known: Iterable[str], now: float) -> None:
        """`known`: agents of which we remember that something was to leave them."""
        self.disconnected()
        self._until = dict.fromkeys((*self._until, *known), now + AFTER_SUBSCRIBING)

    def agents(self, now: float) -> frozenset[str]:
        """Those that go into maintenance."""
        self._until = {agent: until for agent, until in self._until.items() if until > now}
        return frozenset(self._until) | frozenset(self._open.values())

    def wake_at(self, now: float) -> float | None:
        """When an agent may have stopped to be one of them."""
        ends = [u for a, u in self._until.items() if now < u < math.inf and a not in self._open.values()]
        return min(ends, default=None)

    @property
    def asked(self) -> bool:
        """Whether an inverse offer waits for an answer."""
        return bool(self._open)

    def answer(self, busy: Container[str], now: float) -> tuple[list[str], list[str]]:
        """The inverse offers to accept (filter AGREED) and to decline (filter NOT_YET): `busy` are agents that something of ours has
        still to leave. They count as answered."""
        accepted, declined = [], []
        for each, agent in list(self._open.items()):
            if agent in busy:
                self.kept.add(agent)
                declined.append(each)
            else:
                self.kept.discard(agent)
                accepted.append(each)
            self.rescinded(each, now)
        return accepted, declined
