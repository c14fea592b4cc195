"""A site that has gone for good: what Calico still knows of it is taken away by another site's front-end.

Each site writes its own objects and nobody else's, and its machines cannot take away their own nodes once they are gone. What
stayed would be a BGP session that never comes back at all other sites.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from components.fabric.calico_objects import calico_objects
from components.fabric.pool_policy import CALICOCTL
from components.spec.model import Federation
from tools.reach import Place, Said, ask, places

from . import terminal

SECONDS = 60  # for etcd's quorum
# What others refer to goes after what refers to it: addresses are in pools, filters are named by peers.
ORDER = ("BGPPeer", "BGPFilter", "GlobalNetworkSet", "Node", "IPPool")
NODES = f"{CALICOCTL} get nodes -o json --allow-version-mismatch </dev/null"


def own_objects(federation: Federation, site: str) -> list[tuple[str, str]]:
    """Kind and name of the objects that only this site writes."""
    others = {_named(each) for other in federation.sites if other != site for each in calico_objects(federation, other)}
    return [named for named in map(_named, calico_objects(federation, site)) if named not in others]


def _named(each: dict[str, object]) -> tuple[str, str]:
    metadata = each["metadata"]
    assert isinstance(metadata, dict)
    return str(each["kind"]), str(metadata["name"])


def nodes_of(site: str, listed: str) -> list[str]:
    """The names of the site's nodes, from calicoctl's list. ValueError: it is none."""
    items = json.loads(listed)["items"]
    return [i["metadata"]["name"] for i in items if i["metadata"].get("labels", {}).get("site") == site]


def script(objects: Iterable[tuple[str, str]]) -> str:
    """Deletes them, those that are there; stops at what cannot be deleted."""
    ordered = sorted(objects, key=lambda named: ORDER.index(named[0]))
    words = [
        f"{CALICOCTL} delete {kind} {name} --skip-not-exists --allow-version-mismatch </dev/null"
        for kind, name in ordered
    ]
    return "\n".join(["set -eu", *words, ""])


def forget(federation: Federation, site: str, found: Sequence[Place]) -> int:
    """Takes away what Calico knows of the site, by the first of `found` that answers; how many objects and nodes that were.

    Refused: none answers, or Calico does not let one go; the same again goes on.
    """
    trouble = "none was asked"
    for place in found:
        said = ask(place, NODES, SECONDS)
        if said.trouble:
            trouble = f"{place.name}: {said.trouble}"
            continue
        objects = [*own_objects(federation, site), *(("Node", name) for name in nodes_of(site, said.text))]
        done: Said = ask(place, script(objects), SECONDS + 5 * len(objects))
        if done.trouble:
            trouble = f"{place.name}: {done.trouble}"
            break
        return len(objects)
    raise terminal.Refused(
        f"Calico still knows {site}, and the others would wait for its BGP sessions; nothing was changed in the files ({trouble})",
        f"aerie status, mend that, then aerie site remove {site} again",
    )


def other_front_ends(federation: Federation, site: str, stacks: Iterable[str]) -> list[Place]:
    """Those of the sites that are up. Empty if no other is: then Calico is gone as well."""
    names = [s for s in federation.sites if s != site and s in set(stacks)]
    if not names:
        return []
    return [machines[0] for machines in places(federation, sites=names).values() if machines]
