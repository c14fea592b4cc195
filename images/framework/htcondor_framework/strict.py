"""Reading JSON strictly: unknown keys, wrong types and values out of range are all reported, each with its path."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

MISSING = object()


class Section:
    """One JSON object. The readers return a harmless value for what is wrong and note the problem; ask `problems` at the end.

    `done` must be called once everything was read: it reports the keys that nobody asked for."""

    def __init__(self, value: Any, path: str = "", problems: list[str] | None = None) -> None:
        self.path = path
        self.problems: list[str] = [] if problems is None else problems
        self._asked: list[str] = []
        self._broken = not isinstance(value, dict)
        self._value: dict[str, Any] = {} if self._broken else value
        if self._broken:
            self.wrong("", "must be an object")

    def wrong(self, key: str, what: str) -> None:
        where = ".".join(p for p in (self.path, key) if p)
        self.problems.append(f"{where}: {what}" if where else what)

    def _take(self, key: str, default: Any) -> Any:
        self._asked.append(key)
        if key in self._value:
            return self._value[key]
        if default is MISSING and not self._broken:
            self.wrong(key, "must be given")
        return default

    def names(self) -> list[str]:
        """The keys that are there, for sections whose keys are names."""
        return list(self._value)

    def text(self, key: str, default: Any = MISSING, *, pattern: str = r".+", what: str = "text") -> str:
        value = self._take(key, default)
        if value is MISSING:
            return ""
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            self.wrong(key, f"must be {what}")
            return ""
        return value

    def number(
        self, key: str, default: Any = MISSING, *, low: float = 0.0, high: float = 1e9, whole: bool = False
    ) -> float:
        value = self._take(key, default)
        if value is MISSING:
            return low
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.wrong(key, "must be a number")
            return low
        if whole and value != int(value):
            self.wrong(key, "must be a whole number")
            return low
        if not low <= value <= high:
            self.wrong(key, f"must be from {low:g} to {high:g}")
            return low
        return value

    def integer(self, key: str, default: Any = MISSING, *, low: int = 0, high: int = 1_000_000_000) -> int:
        return int(self.number(key, default, low=low, high=high, whole=True))

    def optional_number(self, key: str, *, low: float = 0.0) -> float | None:
        """null, or nothing, is None."""
        if self._value.get(key) is None:
            self._asked.append(key)
            return None
        return self.number(key, low=low)

    def flag(self, key: str, default: Any = MISSING) -> bool:
        value = self._take(key, default)
        if value is not MISSING and not isinstance(value, bool):
            self.wrong(key, "must be true or false")
        return value is True

    def texts(self, key: str, default: Any = MISSING, *, least: int = 0) -> tuple[str, ...]:
        value = self._take(key, default)
        if value is MISSING:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v for v in value):
            self.wrong(key, "must be a list of texts")
            return ()
        if len(value) < least:
            self.wrong(key, f"must have at least {least}")
        if len(set(value)) != len(value):
            self.wrong(key, "names something twice")
        return tuple(value)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        value = self._take(key, ())
        if not isinstance(value, list | tuple) or not all(
            isinstance(p, list | tuple) and len(p) == 2 and all(isinstance(x, str) for x in p) for p in value
        ):
            self.wrong(key, "must be a list of pairs of texts")
            return ()
        return tuple((p[0], p[1]) for p in value)

    def text_map(self, key: str) -> Mapping[str, str]:
        value = self._take(key, {})
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            self.wrong(key, "must be an object of texts")
            return {}
        return dict(value)

    def section(self, key: str, default: Any = MISSING) -> Section:
        value = self._take(key, default)
        # What is missing is told once, not once more for everything that would be inside.
        where = ".".join(p for p in (self.path, key) if p)
        if value is MISSING:
            quiet = Section({}, where, [])
            quiet._broken = True
            quiet.problems = self.problems
            return quiet
        return Section(value, where, self.problems)

    def is_null(self, key: str) -> bool:
        """Whether `key` is there, and null."""
        if key in self._value and self._value[key] is None:
            self._asked.append(key)
            return True
        return False

    def sections(self, key: str) -> list[Section]:
        value = self._take(key, MISSING)
        if value is MISSING:
            return []
        if not isinstance(value, list):
            self.wrong(key, "must be a list")
            return []
        where = ".".join(p for p in (self.path, key) if p)
        return [Section(v, f"{where}.{n}", self.problems) for n, v in enumerate(value)]

    def done(self, known: Iterable[str] = ()) -> None:
        asked = {*self._asked, *known}
        for key in self._value:
            if key not in asked:
                near = difflib.get_close_matches(key, asked, 1)
                self.wrong(key, "is not known" + (f" (did you mean {near[0]}?)" if near else ""))
