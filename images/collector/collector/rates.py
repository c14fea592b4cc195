"""What only grows, as what it grew by since the last time. No state but the last values."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


class Rates:
    """`key` is what is counted. A counter that fell has begun anew: nothing is told of it then."""

    def __init__(self) -> None:
        self._last: dict[Hashable, tuple[float, float]] = {}
        self._means: dict[Hashable, float] = {}

    def rate(self, key: Hashable, value: float, now: float) -> float | None:
        """How fast `value` grew, by seconds of the clock `now`; None the first time."""
        before = self._last.get(key)
        self._last[key] = (value, now)
        if before is None or now <= before[1] or value < before[0]:
            return None
        return (value - before[0]) / (now - before[1])

    def mean(self, key: Hashable, total: float, count: float) -> float | None:
        """The mean of what came since the last time, of a total and a number; what it was last if nothing came, and the mean of all
        the first time. None if nothing ever came."""
        before = self._last.get(key, (0.0, 0.0))
        if count < before[1] or total < before[0]:
            before = (0.0, 0.0)
        if count > before[1]:
            self._means[key] = (total - before[0]) / (count - before[1])
        self._last[key] = (total, count)
        return self._means.get(key)

    def keep(self, keys: Iterable[Hashable]) -> None:
        """Forgets all others."""
        wanted = set(keys)
        self._last = {key: last for key, last in self._last.items() if key in wanted}
