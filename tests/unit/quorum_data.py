"""Front-ends whose members are well, and ones that are not, for the tests of the order of updates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tools.preview.quorums import Etcd, FrontEnd, Keeper, Master

AGENTS = frozenset({"10.0.0.1", "10.0.0.2"})


def ends(
    sites: Sequence[str], silent: Collection[str] = (), change: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, FrontEnd]:
    """What the front-ends of `sites` say, of which the first that is not `silent` leads. `change`: other values of single members, by
    "site.part"."""
    speaking = [s for s in sites if s not in silent]
    out = {}
    for site in speaking:
        leads = site == speaking[0]
        end = FrontEnd(
            Etcd(site, speaking[0], 1000, 1000, True, members=tuple(sites)),
            Keeper("leader" if leads else "follower", len(speaking) - 1 if leads else None),
            Master(leads, True, AGENTS if leads else frozenset()),
            speaking[0],
        )
        for part in ("etcd", "keeper", "master"):
            if values := (change or {}).get(f"{site}.{part}"):
                end = replace(end, **{part: replace(getattr(end, part), **values)})
        out[site] = end
    return out
