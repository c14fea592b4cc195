"""What a newly elected Mesos master says nothing about.

A master that has just taken over knows the agents of its registry, but waits ten minutes at least for each to come back before
it calls it unreachable, and until then does not answer a reconciliation of its tasks. An agent that was lost together with the
old master would keep its tasks "running" for all that time. So a task that a new master has said nothing about for GRACE seconds,
asked again and again, counts as unreachable: the framework decides from there what becomes of it, and a later word from the agent
takes it back.
"""

from __future__ import annotations

from collections.abc import Iterable

# Seconds. An agent comes back within a few after an election as a rule. But while a new master reads its registry it takes nobody in, and
# an agent asks again after a random pause of up to a minute: Mesos' REGISTER_RETRY_INTERVAL_MAX. To give up before that is to start
# anew what runs.
GRACE = 75.0
ASK_AGAIN = 5.0  # seconds


class Silence:
    """Tasks that were asked about since the last subscription and not heard of yet."""

    def __init__(self) -> None:
        self.since = 0.0
        self.asked = 0.0
        self.waiting: set[str] = set()

    def ask(self, tasks: Iterable[str], now: float) -> None:
        """A master took over: every task is to be heard of."""
        self.since, self.asked, self.waiting = now, now, set(tasks)

    def heard(self, task: str) -> None:
        """Mesos said something of the task."""
        self.waiting.discard(task)

    def due(self, now: float) -> bool:
        """Whether it is time to ask again of those not heard of."""
        if not self.waiting or now < self.asked + ASK_AGAIN:
            return False
        self.asked = now
        return True

    def take_silent(self, now: float) -> set[str]:
        """The tasks whose time is over; each is returned once."""
        if not self.waiting or now < self.since + GRACE:
            return set()
        silent, self.waiting = self.waiting, set()
        return silent

    def wake_at(self, now: float) -> float | None:
        """When to look, and to ask, again."""
        return min(now + ASK_AGAIN, max(self.since + GRACE, now + 0.1)) if self.waiting else None
