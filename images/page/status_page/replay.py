"""What happened while nobody looked, from Graphite's own history: the states one after the other, and what changed between them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from collector.metrics import part

from .config import Config
from .events import changes
from .now import Known, Source, heard, now
from .series import FRESH, Latest
from .sites import Json

DAY = 86400.0  # seconds back at most
POINTS = 288  # states at most of one answer: one every five minutes of a day
FINE = 2880.0  # seconds: of the last ones so many states are one every ten seconds
PATIENCE = 20.0  # seconds for the answer
LATE = 30.0  # seconds: what collectors sent by then is with Graphite

# What events are made of. A point that stands for more than ten seconds has the worst of them: the least of what should be 1 or be many,
WORST_LEAST = (
    "collector.connected",
    "etcd.{health,leader}",
    "zookeeper.{serving,leader}",
    "mesos.master.{elected,uptime}",
    "marathon.leader",
    "bgp.established",
    "vpn.*.up",
    "machines.*.registered",
    "containers.*.running",
)
WORST_MOST = ("alerts.firing.*", "bgp.sessions")  # and the most of what should be 0


def targets(federation: str) -> list[str]:
    at = f"aerie.{part(federation)}.*"
    kinds = (("min", WORST_LEAST), ("max", WORST_MOST))
    return [f'consolidateBy({at}.{pattern},"{how}")' for how, patterns in kinds for pattern in patterns]


def states(answer: Iterable[Mapping[str, Any]], until: float) -> Iterator[tuple[float, Latest]]:
    """What was known at each time up to `until`, the first first. Times of which no site at all tells are left out: then Graphite lost
    them, or was away. ValueError if the answer is none of the render API's."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    times: set[int] = set()
    for series in answer:
        try:
            how, path = re.fullmatch(r'consolidateBy\(([^,()]+),"(min|max)"\)', series["target"]).group(2, 1)  # type: ignore[union-attr]
            _, _, site, name = path.split(".", 3)
            # Means of a minute's points are no flags any more: the worst of them is.
            whole = math.floor if how == "min" else math.ceil
            points = {at: float(whole(v)) for v, at in series["datapoints"] if v is not None}
            times |= {at for _, at in series["datapoints"]}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Graphite answers {str(series)[:80]!r}, which is no series of the history") from error
        found[site, name] = points
    ordered = sorted(times)
    step = ordered[1] - ordered[0] if len(ordered) > 1 else 10
    last: dict[tuple[str, str], tuple[int, float]] = {}
    for at in ordered:
        if at + step > until - LATE:
            return
        new = {key: (at, points[at]) for key, points in found.items() if at in points}
        last |= new
        if not new:
            continue
        values: dict[str, dict[str, float]] = {}
        seen: dict[str, float] = {}
        for (site, name), (when, value) in last.items():
            seen[site] = max(seen.get(site, 0.0), float(when))
            if at - when <= FRESH:
                values.setdefault(site, {})[name] = value
        yield float(at), Latest(values, seen)


def spans(since: float, at: float) -> list[tuple[float, float]]:
    """What is asked for: (from when, until when its states count), the first first. A day's states are too far apart for what was just now."""
    fine = at - FINE
    return [(since, at)] if since >= fine else [(since, fine + LATE), (fine, at)]


def replay(
    config: Config, before: Json | None, known: Known, history: Iterable[tuple[float, Latest]], after: Json
) -> Sequence[Json]:
    """Events from `before` (None: the first state is no news) to `after`, the state of now. `known`: of what sites' machines were."""
    out: list[Json] = []
    was: Mapping[str, Mapping[str, float]] | None = None
    last = before
    for at, latest in history:
        if latest.values == was:
            continue
        was = latest.values
        known = replace(known, latest=latest, graphite=Source("answers", at, at), marathon=Source())
        known = replace(known, machines=heard(config, known))
        state = now(config, known, at)
        out += changes(last and {**last, "sources": state["sources"]}, state)
        last = state
    out += changes(last and {**last, "sources": after["sources"]}, after)
    return out
