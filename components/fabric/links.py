"""Which sites have a tunnel to each other. Pure."""

from __future__ import annotations

from ..spec.model import Federation


def linked(federation: Federation, a: str, b: str) -> bool:
    """Whether there is a tunnel between two sites: either names the other in its `links`, or neither has `links`."""
    ours, theirs = federation.sites[a].links, federation.sites[b].links
    if a == b:
        return False
    return (ours is None and theirs is None) or b in (ours or ()) or a in (theirs or ())


def linked_sites(federation: Federation, site: str) -> list[str]:
    """The sites that `site` has a tunnel to, in the order of federation.yaml."""
    return [other for other in federation.sites if linked(federation, site, other)]
