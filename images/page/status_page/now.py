"""All that the page shows, as JSON, from what is known. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from collector.metrics import part

from . import pools as pools_of
from . import sites as sites_of
from .config import Config
from .problems import problems, summary
from .series import Latest
from .sites import Json

VERSION = 1  # of the JSON; another number when a key changes its meaning


@dataclass(frozen=True)
class Source:
    """Who is asked. `since`: Unix time from which on it is so; `good`: when it last answered, None if never."""

    state: str = "starting"  # answers, away
    since: float = 0.0
    good: float | None = None
    why: str = ""

    def answered(self, now: float) -> Source:
        return Source("answers", self.since if self.state == "answers" else now, now)

    def failed(self, why: str, now: float) -> Source:
        """The time since when its answers are old is that of the last good one."""
        if self.state == "away":
            return Source("away", self.since, self.good, why)
        return Source("away", now if self.good is None else self.good, self.good, why)

    def json(self) -> Json:
        return {"state": self.state, "since": self.since, "good": self.good, "why": self.why}


@dataclass(frozen=True)
class Known:
    """`latest` as of `graphite.good`; `machines` of each site as last heard."""

    latest: Latest = field(default_factory=Latest)
    graphite: Source = field(default_factory=Source)
    marathon: Source = field(default_factory=Source)
    apps: Sequence[Json] = ()
    events: Sequence[Json] = ()
    machines: Mapping[str, Sequence[Json]] = field(default_factory=dict)


def heard(config: Config, known: Known) -> dict[str, Sequence[Json]]:
    """Each site's machines by the latest answer, or as they were."""
    out = dict(known.machines)
    for name in config.sites:
        if found := sites_of.machines(known.latest.values.get(part(name), {})):
            out[name] = found
    return out


def now(config: Config, known: Known, at: float) -> Json:
    """`at`: Unix time. Old values are judged as of when they came: their age is told once, at the top."""
    asked = known.graphite.good or at
    names = config.sites
    sites = [
        sites_of.site(
            name,
            known.latest,
            asked,
            name in config.quorum,
            name == config.keeper,
            known.machines.get(name, ()),
            known.graphite.state == "away",
        )
        for name in names
    ]
    links = sites_of.links(names, known.latest)
    alerts = pools_of.alerts(names, known.latest)
    pools = pools_of.pools(names, known.latest)
    sources = {"graphite": known.graphite.json(), "marathon": known.marathon.json()}
    found = problems(sources, sites, links, alerts, known.apps)
    return {
        "version": VERSION,
        "federation": config.federation,
        "at": at,
        "summary": summary(sources, found, sites, pools),
        "problems": found,
        "sources": sources,
        "sites": sites,
        "links": links,
        "rtt": {"sites": list(names), "ms": sites_of.round_trips(names, links)},
        "alerts": alerts,
        "pools": pools,
        "apps": list(known.apps),
        "cluster": sites_of.cluster(known.latest),
        "events": list(known.events),
    }
