"""When an alert fires and when it ends: pure functions of what was so far, the readings of a round, and the time.

A reading that is bad must have been so for `hold` seconds before its alert fires, and be well again for `clear` seconds before it
ends. Only time between two readings that agree counts: what nobody measured is neither bad nor well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

GAP = 30.0  # seconds: two readings that are further apart say nothing of the time between them
GONE = 900.0  # seconds: what its source, which answers, has not told of for so long is not there any more

Values = Mapping[str, float]  # a round's, by the metrics' names
Labels = tuple[tuple[str, str], ...]  # what the alert is about, beside its rule: (("peer", "172_31_1_11"),)
Readings = Mapping[str, Mapping[Labels, float]]  # by rule


@dataclass(frozen=True)
class Rule:
    """`read` takes a round's values, and gives one for each thing that there is; it is bad beyond `threshold`, above it or
    (`below`) under it. `source` measures it. `hold` and `clear` in seconds. `means` and `todo` are for whoever is woken by it.
    `shared`: several sites see the same thing, and so their alerts have the same key."""

    name: str
    source: str
    unit: str
    threshold: float
    hold: float
    clear: float
    read: Callable[[Values], Mapping[Labels, float]]
    means: str
    todo: str
    below: bool = False
    shared: bool = False

    def bad(self, value: float) -> bool:
        return value < self.threshold if self.below else value > self.threshold


@dataclass(frozen=True)
class Alert:
    """One thing that is bad, or was until lately. `since`, `seen`: Unix time in seconds of the first bad reading, and of the last
    reading at all. `held`: seconds for which readings have said the opposite of `firing`. `absent`: seconds without a reading
    while the source answered."""

    rule: str
    labels: Labels
    value: float
    since: float
    seen: float
    firing: bool = False
    held: float = 0.0
    absent: float = 0.0

    @property
    def key(self) -> tuple[str, Labels]:
        return self.rule, self.labels


State = Mapping[tuple[str, Labels], Alert]


@dataclass(frozen=True)
class Change:
    """An alert that fires now (`alert.firing`), or ends: since all is `well`, or the thing is `gone`."""

    alert: Alert
    why: str = ""


def _between(before: float, now: float) -> float:
    """Seconds that count; none where the clock was set."""
    return now - before if 0 <= now - before <= GAP else 0.0


def _read(rule: Rule, before: Alert | None, labels: Labels, value: float, now: float) -> Alert | None:
    """After a reading. None: there is nothing to remember."""
    bad = rule.bad(value)
    if before is None:
        return Alert(rule.name, labels, value, now, now, firing=rule.hold <= 0) if bad else None
    if bad == before.firing:  # as it should be in this state, so what spoke against it counts no more
        return replace(before, value=value, seen=now, held=0.0, absent=0.0) if before.firing else None
    # The time before the first reading of another kind is not its own: of two such readings the second counts.
    changed = before.firing and rule.bad(before.value)
    held = before.held + (0.0 if changed else _between(before.seen, now))
    after = replace(before, value=value, seen=now, held=held, absent=0.0)
    if held < (rule.clear if before.firing else rule.hold):
        return after
    return replace(after, firing=not before.firing, held=0.0)


def _missing(before: Alert, seconds: float) -> Alert | None:
    """Without a reading nothing changes, but what is gone for good is forgotten. `seconds` in which its source answered."""
    absent = before.absent + seconds
    return None if absent >= GONE else replace(before, absent=absent)


def step(
    rules: Collection[Rule], state: State, values: Values, answered: Collection[str], now: float, last: float
) -> tuple[dict[tuple[str, Labels], Alert], list[Change]]:
    """The state after a round, and what changed by it. `answered`: sources without a failure; `last`: when the last round was."""
    after: dict[tuple[str, Labels], Alert] = {}
    changes = []
    for rule in rules:
        found = rule.read(values)
        mine = {key[1] for key in state if key[0] == rule.name}
        for labels in sorted({*found, *mine}):
            before = state.get((rule.name, labels))
            if labels in found:
                new = _read(rule, before, labels, found[labels], now)
                why = "well"
            else:
                assert before is not None
                new = _missing(before, _between(last, now) if rule.source in answered else 0.0)
                why = "gone"
            was = before is not None and before.firing
            if new is not None and (new.firing or rule.bad(new.value)):
                after[new.key] = new
            if new is not None and new.firing and not was:
                changes.append(Change(new))
            elif before is not None and was and (new is None or not new.firing):
                changes.append(Change(replace(new or before, firing=False), why))
    return after, changes


def firing(state: State) -> list[Alert]:
    """Those that fire, the oldest first."""
    return sorted((a for a in state.values() if a.firing), key=lambda a: (a.since, a.key))


def counts(rules: Collection[Rule], state: State) -> dict[str, float]:
    """`alerts.firing.<rule>`, 0 or 1 of each."""
    which = {a.rule for a in state.values() if a.firing}
    return {f"alerts.firing.{rule.name}": float(rule.name in which) for rule in rules}


def number(value: float) -> float | None:
    """As JSON has it: None for what never was."""
    return value if math.isfinite(value) else None


def to_json(alerts: Collection[Alert]) -> list[dict[str, Any]]:
    """What `from_json` reads again."""
    return [asdict(a) | {"labels": dict(a.labels), "value": number(a.value)} for a in alerts]


def from_json(data: Any, rules: Collection[Rule]) -> Iterator[Alert]:
    """Those of rules that there still are. Raises KeyError, TypeError or ValueError for what is none of ours."""
    names = {rule.name for rule in rules}
    for each in data:
        if each["rule"] in names:
            value = math.inf if each["value"] is None else float(each["value"])
            labels = tuple(sorted((str(k), str(v)) for k, v in each["labels"].items()))
            yield Alert(each["rule"], labels, value, float(each["since"]), float(each["seen"]), firing=True)
