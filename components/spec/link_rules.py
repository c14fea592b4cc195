"""The rules of `sites.<site>.links`, and of how large a packet the network between the sites takes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .model import Federation
from .problems import Problem

FILE = "federation.yaml"
OVERHEAD = 60  # bytes that WireGuard puts around a packet over IPv4: 20 IP, 8 UDP, 32 of its own
QUORUM_LINKS = 2


def link_problems(federation: Federation) -> list[Problem]:
    """Everything wrong with the tunnels between sites. What hangs together is only judged once every name is right."""
    names = [*_names(federation)]
    return [*names, *([] if names else [*_parts(federation), *_quorum(federation)]), *_wan_mtu(federation)]


def _names(federation: Federation) -> Iterator[Problem]:
    for name, site in federation.sites.items():
        links = site.links or []
        others = [other for other in federation.sites if other != name]
        for i, other in enumerate(links):
            place = f"sites.{name}.links.{i}"
            if other == name:
                yield Problem(FILE, place, f"{name} links to itself", "remove it")
            elif other not in federation.sites:
                known = f"known are {', '.join(others)}" if others else "there is no other site"
                yield Problem(FILE, place, f"there is no site {other}", f"{known}; or remove it")
            elif other in links[:i]:
                yield Problem(FILE, place, f"{other} is there twice", "remove one")


def _tunnels(federation: Federation) -> dict[str, set[str]]:
    """As components/fabric/links.py has it; for all sites at once."""
    free = {name for name, site in federation.sites.items() if site.links is None}
    out = {name: free - {name} if name in free else set[str]() for name in federation.sites}
    for name, site in federation.sites.items():
        for other in site.links or []:
            out[name].add(other)
            out[other].add(name)
    return out


def _parts(federation: Federation) -> Iterator[Problem]:
    """Sites that no chain of tunnels leads to, from the first site."""
    tunnels = _tunnels(federation)
    first, *_ = federation.sites
    reached, edge = {first}, [first]
    while edge:
        new = tunnels[edge.pop()] - reached
        reached |= new
        edge += new
    if cut_off := [name for name in federation.sites if name not in reached]:
        # A site without `links` is linked to the others without: what is cut off may have none of its own to mend.
        at = next((n for n in cut_off if federation.sites[n].links is not None), first)
        name_it = cut_off[0] if at == first else first
        yield Problem(
            FILE,
            f"sites.{at}.links",
            f"no tunnels lead from {first} to {', '.join(cut_off)}",
            f"add {name_it}, or another site of the other part",
        )


def _quorum(federation: Federation) -> Iterator[Problem]:
    """In a federation of three or more, the loss of one link must not cost the quorum a member."""
    if len(federation.sites) < QUORUM_LINKS + 1:
        return
    for name, linked in _tunnels(federation).items():
        site = federation.sites[name]
        if site.quorum and 0 < len(linked) < QUORUM_LINKS:
            other = next(n for n in federation.sites if n != name and n not in linked)
            where = f"sites.{name}.links" if site.links is not None else f"sites.{name}.quorum"
            mend = f"add {other}" if site.links is not None else f"write links: [{', '.join([*sorted(linked), other])}]"
            yield Problem(
                FILE,
                where,
                f"{name} holds a quorum member and has a tunnel to {', '.join(linked)} only, whose loss would cut it off",
                f"{mend}, or another site; or quorum: false",
            )


def _wan_mtu(federation: Federation) -> Iterator[Problem]:
    net = federation.network
    if net.vpn_mtu + OVERHEAD > net.wan_mtu:
        most = net.wan_mtu - OVERHEAD
        yield Problem(
            FILE,
            "network.vpn_mtu",
            f"{net.vpn_mtu} and WireGuard's {OVERHEAD} bytes around it do not fit into wan_mtu ({net.wan_mtu})",
            f"write at most {most}"
            + (f", and mtu: at most {most}" if net.mtu > most else "")
            + f"; or wan_mtu: {net.vpn_mtu + OVERHEAD}, if that network takes it",
        )
