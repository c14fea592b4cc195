"""How the quorums do, and whether one outlives that a site's members are away. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from components.spec.addresses import majority

from .kinds import FRONT_END, QUORUM

NAMES = {"etcd": "etcd", "zookeeper": "ZooKeeper", "mesos-master": "Mesos", "marathon": "Marathon"}
LAG = 500  # entries of etcd's log that a member may be behind: those of a busy second, for the members are not asked in the same instant
Sites = frozenset[str]


@dataclass(frozen=True)
class Etcd:
    """A member of itself: who it is and whom it follows (numbers as texts, "" for none), how far its log is, whether a read that needs
    the quorum is answered. `members` are the names in its list, "" for one that never started; `learners` those without a vote."""

    member: str
    leader: str
    index: int
    applied: int
    healthy: bool
    errors: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    learners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Keeper:
    """A ZooKeeper server: leader, follower, standalone or "" (it does not serve); a leader knows how many follow and are in sync."""

    mode: str
    synced: int | None = None


@dataclass(frozen=True)
class Master:
    """`recovered`: its copy of the registry has caught up. The leader knows the `agents` that are registered, by address."""

    leads: bool
    recovered: bool
    agents: Sites = frozenset()


@dataclass(frozen=True)
class FrontEnd:
    """What one site's front-end says. `marathon` is the address that its instance takes for the leader, "" for none. None: no
    answer, and `trouble` says why, by part."""

    etcd: Etcd | None = None
    keeper: Keeper | None = None
    master: Master | None = None
    marathon: str | None = None
    trouble: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Quorum:
    """`good` are the sites whose member works with the others; `bad` says of each other one what is wrong. Of `size` members `needed` must
    be good. `trouble` is what is wrong with the whole, "" for nothing."""

    part: str
    members: tuple[str, ...]
    good: Sites
    bad: Mapping[str, str]
    size: int
    needed: int
    trouble: str = ""

    @property
    def name(self) -> str:
        return NAMES[self.part]


@dataclass(frozen=True)
class Health:
    """All quorums, by part; `agents` are the registered ones, None if no master tells."""

    quorums: Mapping[str, Quorum]
    agents: Sites | None = None


def judge(sites: Sequence[str], said: Mapping[str, FrontEnd]) -> Health:
    """The health of the quorums whose members are at `sites`; `said` has those that were asked."""
    ends = {site: said.get(site, FrontEnd()) for site in sites}
    leading = next((e.master for e in ends.values() if e.master and e.master.leads and e.master.recovered), None)
    found = [_etcd(ends), _keepers(ends), _masters(ends), _marathons(ends)]
    return Health({q.part: q for q in found}, leading.agents if leading else None)


def _quorum(part: str, ends: Mapping[str, FrontEnd], bad: Mapping[str, str], trouble: str, size: int = 0) -> Quorum:
    good, size = frozenset(s for s in ends if s not in bad), size or len(ends)
    needed = (
        1 if part == "marathon" else majority(size)
    )  # Marathons are elected by ZooKeeper, and one instance is enough
    return Quorum(part, tuple(ends), good, bad, size, needed, trouble if good else "")


def _silent(part: str, end: FrontEnd) -> str:
    return f"does not answer{': ' + end.trouble[part] if part in end.trouble else ''}"


def _etcd(ends: Mapping[str, FrontEnd]) -> Quorum:
    there = {site: e.etcd for site, e in ends.items() if e.etcd}
    # Whom most take for the leader: one that was cut off may still believe in an old one.
    leader = next((name for name, _ in Counter(e.leader for e in there.values() if e.leader).most_common(1)), "")
    last = max((e.index for e in there.values() if e.leader == leader), default=0)
    bad, trouble = {}, ""
    for site, end in ends.items():
        one = end.etcd
        if one is None:
            bad[site] = _silent("etcd", end)
        elif site in one.learners:
            bad[site] = "is a learner, without a vote"
        elif not one.healthy or not one.leader or one.leader != leader:
            bad[site] = "is cut off from the others"
        elif one.errors:
            bad[site] = "says " + "; ".join(one.errors)
        elif last - one.applied > LAG:
            bad[site] = f"is {last - one.applied} entries behind"
    lists = [e.members for e in there.values() if e.leader == leader]
    if leader and any("" in names for names in lists):
        trouble = "a member was added and has never started"
    elif not leader:
        trouble = "none leads"
    return _quorum("etcd", ends, bad, trouble, max([len(ends), *map(len, lists)]))


def _keepers(ends: Mapping[str, FrontEnd]) -> Quorum:
    bad = {}
    for site, end in ends.items():
        if end.keeper is None:
            bad[site] = _silent("zookeeper", end)
        elif end.keeper.mode not in ("leader", "follower", "standalone"):
            bad[site] = "does not serve"
    leads = [e.keeper for e in ends.values() if e.keeper and e.keeper.mode in ("leader", "standalone")]
    followers = sum(e.keeper.mode == "follower" for e in ends.values() if e.keeper)
    trouble = "none leads" if not leads else f"{len(leads)} servers lead" if len(leads) > 1 else ""
    if len(leads) == 1 and leads[0].synced is not None and leads[0].synced < followers:
        trouble = f"{leads[0].synced} of {followers} followers are in sync"
    return _quorum("zookeeper", ends, bad, trouble)


def _masters(ends: Mapping[str, FrontEnd]) -> Quorum:
    bad = {}
    for site, end in ends.items():
        if end.master is None:
            bad[site] = _silent("mesos-master", end)
        elif not end.master.recovered:
            bad[site] = "has not caught up with the registry"
    leads = sum(e.master.leads for e in ends.values() if e.master)
    return _quorum(
        "mesos-master", ends, bad, "" if leads == 1 else "none leads" if not leads else f"{leads} masters lead"
    )


def _marathons(ends: Mapping[str, FrontEnd]) -> Quorum:
    bad = {site: _silent("marathon", end) for site, end in ends.items() if end.marathon is None}
    named = {e.marathon for e in ends.values() if e.marathon}
    return _quorum(
        "marathon", ends, bad, "" if len(named) == 1 else "none leads" if not named else "two are taken for the leader"
    )


def _sites(sites: Collection[str], bad: Mapping[str, str]) -> str:
    """Where members are missing, and why if it is not just that they do not answer."""
    out = []
    for site in sites:
        why = bad[site]
        out.append(f"{site}{FRONT_END} {'does not' if why == 'does not answer' else why}")
    return ", ".join(out)


def refusals(health: Health, site: str, parts: Collection[str]) -> list[str]:
    """Why the members of `site` may not be away now, a line a quorum; nothing if every quorum outlives that.

    A quorum that is lost already cannot be lost, and one of a single member always is for a moment: neither is a reason."""
    out = []
    for part in (p for p in QUORUM if p in parts):
        q = health.quorums[part]
        left = len(q.good - {site})
        if q.size == 1 or len(q.good) < q.needed or left >= q.needed or site not in q.good:
            continue
        away = [m for m in q.members if m not in q.good]
        must = f"the quorum of {q.needed}" if part != "marathon" else f"the {q.needed} that is needed"
        mend = (
            f"Mend {away[0]} first: aerie doctor tells what is wrong there, then aerie up {away[0]}"
            if away
            else "Mend that first"
        )
        out.append(
            f"{q.name}: {len(q.good)} of {q.size} members answer ({_sites(away, q.bad) or q.trouble}); replacing {site}'s leaves {left}, "
            f"below {must}. {mend}"
        )
    return out


def wanted(health: Health, site: str, away: Collection[str], gone: Collection[str]) -> dict[str, Sites]:
    """Which members there must be once the site is changed: those that are good now, and those that come back.

    Of a quorum that stays lost, as the other members are still to be mended, none is waited for, nor of what needs ZooKeeper if it is
    that one: a member alone serves nobody."""
    out = {part: q.good - ({site} if part in gone else set()) for part, q in health.quorums.items()}
    out = {part: good | ({site} if part in away else set()) for part, good in out.items()}
    lost = {part for part, q in health.quorums.items() if len(q.good) < q.needed and len(out[part]) < q.needed}
    if "zookeeper" in lost:
        lost |= {"mesos-master", "marathon"}
    return {part: frozenset() if part in lost else there for part, there in out.items()}


def missing(health: Health, members: Mapping[str, Collection[str]], agents: Collection[str] = ()) -> list[str]:
    """What is not there yet of `members` (sites by part) and of `agents` (addresses), a line each."""
    out = []
    for part in QUORUM:
        q, there = health.quorums[part], members.get(part, ())
        lacking = [site for site in q.members if site in there and site not in q.good]
        if lacking:
            out.append(
                f"{q.name}: {len(there) - len(lacking)} of {len(there)} members are good ({_sites(lacking, q.bad)})"
            )
        elif len(there) >= q.needed and q.trouble:
            # Fewer than a majority: the first site of a new federation, where none can lead yet.
            out.append(f"{q.name}: {q.trouble}")
    if agents and health.agents is not None and (awaited := sorted(set(agents) - health.agents)):
        out.append(f"Mesos: {len(awaited)} of {len(agents)} agents are not registered again ({', '.join(awaited[:4])})")
    return out


def away(health: Health) -> dict[str, int]:
    """How many members of each site are not good."""
    return dict(Counter(site for q in health.quorums.values() for site in q.bad))
