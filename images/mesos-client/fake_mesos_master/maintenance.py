"""Maintenance in the fake cluster: inverse offers to the framework as long as it has something on an agent that is to go."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable

from .cluster import FakeAgent, FakeTask, Json, unavailability


class FakeMaintenance:
    """`answers`: agent to how the framework answered last, as GET_MAINTENANCE_STATUS tells it."""

    def __init__(self, send: Callable[[Json], None]) -> None:
        self.answers: dict[str, str] = {}
        self._send = send
        self._number = itertools.count()
        self._open: dict[str, FakeAgent] = {}
        self._filtered: dict[str, float] = {}

    def begin(self, agent: FakeAgent) -> None:
        agent.unavailable_from = time.time()
        self._forget(agent)

    def end(self, agent: FakeAgent) -> None:
        agent.unavailable_from = None
        self._forget(agent)

    def rescind(self, agent: FakeAgent) -> None:
        """As when nobody has answered for too long: another one follows."""
        for name in [n for n, a in self._open.items() if a is agent]:
            del self._open[name]
            self._send(
                {"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": {"inverse_offer_id": {"value": name}}}
            )

    def disconnect(self) -> None:
        """The framework is away, or another master leads: all answers are forgotten."""
        self._open.clear()
        self.answers.clear()
        self._filtered.clear()

    def allocate(self, agents: Iterable[FakeAgent], tasks: Iterable[FakeTask], framework_id: str | None) -> None:
        """Also to a framework that wants no offers."""
        held = {t.agent.id for t in tasks}
        new = []
        for agent in agents:
            wanted = agent.alive and agent.known and agent.unavailable_from is not None and agent.id in held
            if not wanted or agent in self._open.values() or time.monotonic() < self._filtered.get(agent.id, 0.0):
                continue
            name = f"I{next(self._number)}"
            self._open[name] = agent
            new.append(
                {
                    "id": {"value": name},
                    "framework_id": {"value": framework_id},
                    "agent_id": {"value": agent.id},
                    **unavailability(agent),
                }
            )
        if new:
            self._send({"type": "INVERSE_OFFERS", "inverse_offers": {"inverse_offers": new}})

    def answered(self, body: Json, answer: str) -> None:
        """The next one comes when the filter is over: after 5 s unless it says so, as with Mesos."""
        for name in body["inverse_offer_ids"]:
            agent = self._open.pop(name["value"], None)
            if agent is not None:
                self.answers[agent.id] = answer
                self._filtered[agent.id] = time.monotonic() + body.get("filters", {}).get("refuse_seconds", 5.0)

    def _forget(self, agent: FakeAgent) -> None:
        self.rescind(agent)
        self.answers.pop(agent.id, None)
        self._filtered.pop(agent.id, None)
