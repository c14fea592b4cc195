"""In which order sites are changed: which of them lose members of quorums for a while, and so go one at a time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.spec.validate import FEDERATION_STACK

from .cost import NAMES, Farm
from .kinds import FRONT_END, QUORUM, thing_of
from .model import Change, StackPreview
from .touched import Stack

PARTS = frozenset(QUORUM)  # etcd, zookeeper, mesos-master, marathon


@dataclass(frozen=True)
class Taken:
    """What a site's change takes from the quorums: `away` for a while, `gone` for good. `renewed`: because what all members share is
    another one (the CA, a password)."""

    site: str
    away: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    renewed: bool = False

    @property
    def parts(self) -> frozenset[str]:
        return self.away | self.gone


@dataclass(frozen=True)
class Order:
    """`at_once` go first, at the same time; then `one_by_one`. `together`: sites whose members go at the same time, since members with the
    old and with the new do not understand each other."""

    at_once: tuple[str, ...] = ()
    one_by_one: tuple[str, ...] = ()
    together: tuple[str, ...] = ()


def groups(stacks: Sequence[Stack], only: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """The stacks of `only`, as they are applied: the federation, sites, pools."""
    chosen = [s for s in stacks if s.name in only]
    federation, sites, pools = ([s.name for s in chosen if s.kind == kind] for kind in ("federation", "site", "pool"))
    assert set(federation) <= {FEDERATION_STACK}
    return federation, sites, pools


def taken(previews: Iterable[StackPreview], farm: Farm) -> list[Taken]:
    """What each site's change takes.

    A front-end that is made anew takes all its members. So does its VPN for some seconds: they are cut off. Not where tunnels change
    with it (a renewed key): those come back only once both ends have it, so nothing can be waited for in between."""
    previews = list(previews)
    tunnels = any(thing_of(c).role == "peer" and c.op != "create" for p in previews for c in p.changes)
    return [_taken(p, farm, tunnels) for p in previews]


def _taken(preview: StackPreview, farm: Farm, tunnels: bool) -> Taken:
    away, gone, front_end = set[str](), set[str](), preview.stack + FRONT_END
    for change in preview.changes:
        thing = thing_of(change)
        if change.op == "create" or thing.on != front_end:
            continue
        if thing.role == "service" and thing.part in PARTS:
            (gone if change.op == "delete" else away).add(thing.part)
        elif preview.stack in farm.quorum and (
            (thing.role == "machine" and change.op != "update")
            or (thing.role == "service" and thing.part == "vpn" and not tunnels)
        ):
            away |= PARTS
    return Taken(
        preview.stack, frozenset(away - gone), frozenset(gone), any(_renewed(c, preview) for c in preview.changes)
    )


def _renewed(change: Change, preview: StackPreview) -> bool:
    """Whether the member is told something else that comes from the federation, and nothing of the site's own explains it."""
    thing = thing_of(change)
    if change.op == "create":
        return False
    if change.kind == "Certificate":
        return any(d.path.startswith("ca_") for d in change.diffs)
    told = any(d.path.startswith("stdin") for d in change.diffs)
    return thing.role == "service" and thing.part in PARTS and told and change.outside and not change.because


def order_of(takes: Sequence[Taken], renewed: bool, away: Mapping[str, int] | None = None) -> Order:
    """The order of the sites. `renewed`: the federation has other secrets than at these sites' last change, as far as is known;
    `away`: how many members of each site do not answer now: where some are missing already is mended first."""
    rolled = [t for t in takes if t.parts]
    others = tuple(t.site for t in takes if not t.parts)
    if renewed and len(rolled) > 1 and all(t.renewed for t in rolled):
        return Order(others, (), tuple(t.site for t in rolled))
    first = sorted(rolled, key=lambda t: -(away or {}).get(t.site, 0))
    return Order(others, tuple(t.site for t in first))


def lost_for_good(takes: Sequence[Taken], farm: Farm) -> list[str]:
    """Members of more than one site that would go for good by one change: told with the numbers, a line a quorum."""
    out = []
    for part in ("etcd", "zookeeper", "mesos-master"):
        sites = [t.site for t in takes if part in t.gone]
        if len(sites) > 1:
            total = len({*farm.quorum, *sites})
            out.append(
                f"{NAMES[part]}: the members of {', '.join(sites)} would go for good by one change, and leave {total - len(sites)} of {total}; "
                "take one site's away, then the next in a change of its own"
            )
    return out
