"""Two ways into a site, so that one tunnel's end cuts nobody off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .model import Facts, Resource, Violation

PEERS = 2


def vpn_two_peers(resources: Sequence[Resource], facts: Facts) -> Iterator[Violation]:
    """In a federation of three sites or more each has two VPN peers at least."""
    own = [r for r in resources if r.within("fabric:Vpn")]
    if not own:
        return  # no site's stack
    found = [r for r in own if r.type.startswith("command:") and not r.within("cluster:Service")]
    need = min(PEERS, facts.sites - 1)
    if len(found) < need:
        names = ", ".join(sorted(r.name.rpartition("-vpn-")[2] for r in found)) or "none"
        yield Violation(
            "",
            "federation.yaml",
            f"sites.{facts.stack}.links",
            f"{facts.stack} has {len(found)} VPN peer{'' if len(found) == 1 else 's'} ({names}) in a federation of {facts.sites} "
            "sites: the end of one tunnel would cut it off",
            f"write {need} other sites at least, or leave links out for all of them",
        )
