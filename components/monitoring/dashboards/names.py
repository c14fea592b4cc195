"""Graphite's paths of metrics, and the functions around them. A metric that the collector's table does not have is refused. Pure.

The table is the collector's own file, read where it is: what is measured and what is shown cannot part.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

FILE = Path(__file__).resolve().parents[3] / "images" / "collector" / "collector" / "metrics.py"
PREFIX = 3  # parts before a metric's own name: aerie.<federation>.<site>
SITE = "$site"  # Grafana's variable; "*" or {torino,cnaf} once it has asked
POOL = "$pool"  # the status page's: a pool that is chosen there


class Metric(Protocol):
    """What is read of a row of the table."""

    name: str
    unit: str
    text: str
    where: str


class UnknownMetric(Exception):
    """The table has no such metric."""


@cache
def _module() -> Any:
    spec = importlib.util.spec_from_file_location("aerie_table_of_metrics", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@cache
def table() -> dict[str, Metric]:
    """The collector's table, by name."""
    return {m.name: m for m in _module().table()}


def metric(name: str) -> Metric:
    """A row of the table. Raises UnknownMetric."""
    if name not in table():
        raise UnknownMetric(f"{name} is no metric of {FILE}: docs/metrics.md has all of them")
    return table()[name]


def waiting() -> tuple[str, ...]:
    """Why jobs wait, in the table's order."""
    return tuple(_module().WAITING)


def part(text: str) -> str:
    """As one part of a path, by the collector's own rule."""
    made: str = _module().part(text)
    return made


@dataclass(frozen=True)
class Series:
    """A target, and the metrics that it is made of."""

    target: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """Series of one federation. `fixed` are parts in <> that every name has so."""

    federation: str
    fixed: Mapping[str, str] = field(default_factory=dict)

    def path(self, name: str, site: str = "*", **parts: str) -> str:
        """Where the metric is. A part in <> that is not given stands for all. Raises UnknownMetric, ValueError for a part that the
        name does not have."""
        places = re.findall(r"<(\w+)>", metric(name).name)
        if unknown := set(parts) - set(places):
            raise ValueError(f"{name} has no part {', '.join(sorted(unknown))}")
        given = {**self.fixed, **parts}
        own = re.sub(r"<(\w+)>", lambda m: given.get(m[1], "*"), name)
        return f"aerie.{part(self.federation)}.{site}.{own}"

    def each(
        self, name: str, by: Sequence[str] = ("site",), site: str = "*", rate: float = 0, label: str = "", **parts: str
    ) -> Series:
        """A curve for each of what is there, called by the parts `by`, with `label` before it. `rate`: of a counter, so many
        seconds' worth of it."""
        target = f"aliasByNode({_rate(self.path(name, site, **parts), rate)},{_nodes(name, by)})"
        return Series(_labelled(target, label), (name,))

    def sums(
        self, name: str, by: Sequence[str] = ("site",), site: str = "*", rate: float = 0, label: str = "", **parts: str
    ) -> Series:
        """The same, added up for each of the parts `by`."""
        target = f'groupByNodes({_rate(self.path(name, site, **parts), rate)},"sum",{_nodes(name, by)})'
        return Series(_labelled(target, label), (name,))

    def one(self, name: str, label: str, how: str = "sum", site: str = "*", rate: float = 0, **parts: str) -> Series:
        """One curve called `label`. `how`: sum, or max for what only the leader tells: there may be two while it changes."""
        target = f'alias({how}Series({_rate(self.path(name, site, **parts), rate)}),"{label}")'
        return Series(target, (name,))

    def share(self, used: str, total: str, label: str, how: str = "max", **parts: str) -> Series:
        """`used` in parts of 1 of `total`, as one curve."""
        above, below = (f"{how}Series({self.path(n, **parts)})" for n in (used, total))
        return Series(f'alias(divideSeries({above},{below}),"{label}")', (used, total))


def _rate(path: str, seconds: float) -> str:
    if not seconds:
        return path
    return f"perSecond({path})" if seconds == 1 else f"scale(perSecond({path}),{seconds:g})"


def _nodes(name: str, by: Sequence[str]) -> str:
    parts = name.split(".")
    places = {"site": PREFIX - 1} | {
        word.strip("<>"): n + PREFIX for n, word in enumerate(parts) if word.startswith("<")
    }
    return ",".join(str(places[each]) for each in by)


def _labelled(target: str, label: str) -> str:
    return f'aliasSub({target},"^","{label} ")' if label else target
