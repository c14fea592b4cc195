"""The decisions of late, for people: each line once, when it became true."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """`when`: Unix time in seconds."""

    when: float
    text: str


class History:
    def __init__(self, most: int = 500) -> None:
        self._lines: deque[Line] = deque(maxlen=most)
        self._current: frozenset[str] = frozenset()

    def cycle(self, lines: Iterable[str], now: float) -> list[str]:
        """What one cycle decided. Lines that the cycle before had too are not told again; returns the new ones."""
        all_lines = list(lines)
        new = [text for text in all_lines if text not in self._current]
        self._current = frozenset(all_lines)
        self._lines += [Line(now, text) for text in new]
        return new

    def event(self, text: str, now: float) -> None:
        """Something that happened once."""
        self._lines.append(Line(now, text))

    def last(self, count: int) -> list[Line]:
        """The newest first."""
        return list(self._lines)[::-1][:count]
