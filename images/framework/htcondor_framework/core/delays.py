"""Launch back-off: where launches fail, the next one waits longer and longer."""

from __future__ import annotations

from collections.abc import Mapping

# Seconds.
FIRST = 5.0
MOST = 300.0
CALM = 60.0  # a delay that has been over for so long, and for its own length, is forgotten

Failures = Mapping[str, tuple[int, float]]


def _delay(count: int) -> float:
    return min(FIRST * 2.0 ** min(count - 1, 10), MOST)


def failed(failures: Failures, key: str, now: float) -> Failures:
    """One more launch failed at `key` (a role's name, an agent's id)."""
    count, until = failures.get(key, (0, 0.0))
    if until > now:
        return failures  # one of several that died together: counted once
    return {**failures, key: (count + 1, now + _delay(count + 1))}


def left(failures: Failures, key: str, now: float) -> float:
    """Seconds until something may be launched at `key` again; 0 for now."""
    return max(0.0, failures.get(key, (0, 0.0))[1] - now)


def settle(failures: Failures, now: float) -> Failures:
    """Without those that have been quiet for long enough."""
    return {key: (count, until) for key, (count, until) in failures.items() if now < until + max(CALM, _delay(count))}
