"""Placement constraints: may another instance of an app go to this place?"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from . import patterns
from .spec import Constraint

OPERATORS = frozenset({"UNIQUE", "CLUSTER", "GROUP_BY", "LIKE", "UNLIKE", "MAX_PER", "IS"})
NEEDS_VALUE = frozenset({"LIKE", "UNLIKE", "MAX_PER", "IS"})


@dataclass(frozen=True)
class Place:
    """Where an instance is or may go."""

    hostname: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    zone: str | None = None

    def value(self, name: str) -> str | None:
        """The value of a constraint's field here; None where there is no such attribute."""
        match name:
            case "hostname" | "@hostname":
                return self.hostname
            case "@region":
                return self.region
            case "@zone":
                return self.zone
            case _:
                return self.attributes.get(name)


_NAMES_A_MACHINE = frozenset({"hostname", "@hostname", "node"})
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_IS_VALUE = re.compile(r"[A-Za-z0-9_/.:-]+")
_SPECIAL = frozenset(".^$*+?{}[]|()")


def _literal(pattern: str) -> str | None:
    """The only text that the regular expression matches; None if there may be others."""
    if re.search(r"\\[0-9A-Za-z]", pattern) or _SPECIAL & set(re.sub(r"\\.", "", pattern)):
        return None
    return re.sub(r"\\(.)", r"\1", pattern)


def pinned(constraints: Iterable[Constraint], place: Place) -> bool:
    """Whether one of them names this machine and no other."""
    for c in constraints:
        if c.field in _NAMES_A_MACHINE and c.operator in ("LIKE", "IS", "CLUSTER") and c.value:
            only = _literal(c.value) if c.operator == "LIKE" else c.value
            if only == place.value(c.field):
                return True
    return False


def _matches(pattern: str | None, value: str) -> bool:
    return patterns.fullmatch(pattern or "", value)


def _same(value: str, wanted: str) -> bool:
    """IS: as text, or as numbers that are the same to the nearest thousandth."""
    if value == wanted:
        return True
    if not (_NUMBER.fullmatch(value) and _NUMBER.fullmatch(wanted)):
        return False
    return round(Decimal(value), 3) == round(Decimal(wanted), 3)  # half to even, as Mesos rounds


def allows(constraint: Constraint, place: Place, placed: Iterable[Place]) -> bool:
    """Whether `constraint` lets an instance go to `place` while others of its app are at `placed`."""
    value = place.value(constraint.field)
    if value is None:
        # Only UNLIKE is content with a machine that does not have the attribute.
        return constraint.operator == "UNLIKE"
    match constraint.operator:
        case "LIKE":
            return _matches(constraint.value, value)
        case "UNLIKE":
            return not _matches(constraint.value, value)
        case "IS":
            return _same(value, constraint.value or "")
        case "CLUSTER":
            if constraint.value:
                return value == constraint.value
            return all(p.value(constraint.field) == value for p in placed)
        case _:
            counts = Counter(v for p in placed if (v := p.value(constraint.field)) is not None)
    match constraint.operator:
        case "UNIQUE":
            return counts[value] == 0
        case "MAX_PER":
            return counts[value] < int(constraint.value or "0")
        case "GROUP_BY":
            return _evenly(counts, value, int(constraint.value) if constraint.value else None)
    return False


def _evenly(counts: Counter[str], value: str, groups: int | None) -> bool:
    """GROUP_BY: `value` is one of the least used groups.  With `groups` given, those not seen yet count as empty; else
    only the groups that have instances are known, and a new one is always welcome."""
    known = len(counts) if groups is None else max(groups, len(counts))
    if value not in counts:
        return True
    least = 0 if len(counts) < known else min(counts.values())
    return counts[value] <= least


def allowed(constraints: Iterable[Constraint], place: Place, placed: list[Place]) -> bool:
    return all(allows(c, place, placed) for c in constraints)


class Tally:
    """Where the instances of one app are, counted for its constraints: says of a place in one look what `allowed` says.

    `allows` gives YES; NEVER for a place that no further instance of the app makes good; or LATER (GROUP_BY: once others have more).
    """

    YES, LATER, NEVER = "yes", "later", "never"

    def __init__(self, constraints: Iterable[Constraint]) -> None:
        every = tuple(constraints)
        self._fixed = tuple(c for c in every if not _counts(c))
        self._counted = tuple(c for c in every if _counts(c))
        self._counters: dict[str, Counter[str]] = {c.field: Counter() for c in self._counted}
        self._elsewhere: set[str] = set()  # fields of CLUSTER of which an instance's machine has no value

    def add(self, place: Place) -> None:
        for name, counter in self._counters.items():
            value = place.value(name)
            if value is None:
                self._elsewhere.add(name)
            else:
                counter[value] += 1

    def allows(self, place: Place) -> str:
        if not all(allows(c, place, ()) for c in self._fixed):
            return self.NEVER
        result = self.YES
        for c in self._counted:
            value = place.value(c.field)
            if value is None:
                return self.NEVER
            counts = self._counters[c.field]
            match c.operator:
                case "UNIQUE":
                    good = counts[value] == 0
                case "MAX_PER":
                    good = counts[value] < int(c.value or "0")
                case "CLUSTER":
                    good = c.field not in self._elsewhere and not set(counts) - {value}
                case _:
                    if not _evenly(counts, value, int(c.value) if c.value else None):
                        result = self.LATER
                    continue
            if not good:
                return self.NEVER
        return result

    def crowd(self, place: Place) -> int:
        """The lower the better: how many instances share this place's groups. A GROUP_BY without a number knows only the groups with
        instances, so the scheduler must try the emptiest first."""
        total = 0
        for c in self._counted:
            if c.operator == "GROUP_BY" and (value := place.value(c.field)) is not None:
                total += self._counters[c.field].get(value, 0)
        return total


def _counts(constraint: Constraint) -> bool:
    """Whether it depends on where the other instances are."""
    return constraint.operator in ("UNIQUE", "MAX_PER", "GROUP_BY") or (
        constraint.operator == "CLUSTER" and not constraint.value
    )


def problem(parts: list[str]) -> str | None:
    """What is wrong with a constraint as written in an app, or None."""
    if not 2 <= len(parts) <= 3:
        return "a constraint is [field, operator] or [field, operator, value]"
    operator, value = parts[1], parts[2] if len(parts) == 3 else None
    if operator not in OPERATORS:
        return f"operator must be one of {', '.join(sorted(OPERATORS))}"
    if operator in NEEDS_VALUE and not value:
        return f"{operator} needs a value"
    if operator == "UNIQUE" and value:
        return "UNIQUE takes no value"
    if operator == "IS" and not _IS_VALUE.fullmatch(value or ""):
        return f"IS needs a text of letters, digits and _/.- or a number, not {value}"
    if operator in ("LIKE", "UNLIKE") and (wrong := patterns.problem(value or "")):
        return wrong
    if operator == "MAX_PER" or (operator == "GROUP_BY" and value):
        try:
            number = float(value or "")
        except ValueError:
            number = math.nan
        if not number.is_integer() or number < 1 or not (value or "").isdigit():
            return f"{operator} needs a whole number above 0"
    return None
