"""Launch tokens: how many tasks may be launched before the ones before them have proved to run."""

from __future__ import annotations


class Tokens:
    """`count` tokens, full again every `interval` seconds. Each launch takes one, and each task that has begun to run (with health checks:
    that is healthy) gives one back."""

    def __init__(self, count: int, interval: float) -> None:
        self._count, self._interval, self._left, self._filled = count, interval, count, 0.0
        self.fillings = 0  # how often there were some again after there were none

    def left(self, now: float) -> int:
        if now >= self._filled + self._interval:
            self.fillings += self._left == 0
            self._left, self._filled = self._count, now
        return self._left

    def used(self, launches: int) -> None:
        self._left = max(0, self._left - launches)

    def returned(self, tasks: int = 1) -> None:
        self.fillings += self._left == 0 and tasks > 0
        self._left = min(self._count, self._left + tasks)

    def wake_at(self) -> float | None:
        """When there will be some again, if there are none."""
        return None if self._left else self._filled + self._interval
