"""Points on their way to Graphite: what waits, what was thrown away, and what is sent once more after a connection was lost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """One round's values: Unix time in seconds, and values by the metrics' whole names."""

    time: int
    values: Mapping[str, float]


class Buffer:
    """At most `limit` points wait; when there are more, whole rounds are dropped, the oldest first, and their points counted.

    Graphite says nothing to what it is told: what was sent shortly before it went away may be lost in a socket, or in its own
    memory. So the last `again` seconds are kept once they were sent, and wait again when a connection ends. A point that comes twice
    is the same point.
    """

    def __init__(self, limit: int, again: float = 300.0) -> None:
        self._limit, self._again = limit, again
        self._waiting: deque[Batch] = deque()
        self._sent: deque[Batch] = deque()
        self._lock = threading.Condition()
        self._points = 0
        self.dropped = 0
        self.sent = 0

    @property
    def points(self) -> int:
        """How many points wait."""
        return self._points

    def put(self, batch: Batch) -> None:
        with self._lock:
            self._waiting.append(batch)
            self._points += len(batch.values)
            self._shrink()
            self._lock.notify()

    def wait(self, seconds: float) -> Batch | None:
        """The oldest batch that waits, which stays until `done`; None if there is none for so long."""
        with self._lock:
            if not self._waiting:
                self._lock.wait(seconds)
            return self._waiting[0] if self._waiting else None

    def done(self, batch: Batch) -> None:
        """The batch was handed over. One that was dropped meanwhile is no trouble."""
        with self._lock:
            self.sent += len(batch.values)
            if self._waiting and self._waiting[0] is batch:
                self._waiting.popleft()
                self._points -= len(batch.values)
            self._sent.append(batch)
            while self._sent[0].time < batch.time - self._again:
                self._sent.popleft()

    def lost(self) -> None:
        """The connection is gone: what was sent lately waits again, before all else."""
        with self._lock:
            self._waiting.extendleft(reversed(self._sent))
            self._points += sum(len(batch.values) for batch in self._sent)
            self._sent.clear()
            self._shrink(counted=False)

    def _shrink(self, counted: bool = True) -> None:
        """What is dropped of what was sent already is not lost by it, and so not counted."""
        while self._points > self._limit and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            self._points -= len(oldest.values)
            self.dropped += len(oldest.values) if counted else 0
