"""How long to wait before trying again."""

import random
from collections.abc import Callable


class Backoff:
    """Exponential, capped, with full jitter: a hundred frameworks do not come back in the same instant.

    Times are seconds.  `next()` gives the time to wait; `reset()` is called after a success.
    """

    def __init__(
        self,
        first: float = 0.5,
        most: float = 15.0,
        factor: float = 2.0,
        rand: Callable[[], float] = random.random,
    ) -> None:
        if first <= 0 or most < first or factor < 1:
            raise ValueError("need 0 < first <= most and factor >= 1")
        self._first, self._most, self._factor, self._rand = first, most, factor, rand
        self._ceiling = first

    def next(self) -> float:
        # At least a tenth of the ceiling, so that a closed port is not hammered.
        wait = self._ceiling * (0.1 + 0.9 * self._rand())
        self._ceiling = min(self._ceiling * self._factor, self._most)
        return wait

    def reset(self) -> None:
        self._ceiling = self._first
