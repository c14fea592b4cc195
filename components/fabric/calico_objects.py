"""Calico's own objects that a site's nodes apply: pools, BGP, and the profile of all containers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from .. import yaml_text
from ..iaas.machine import Machine
from ..spec.dual_stack import MIXED, twin_network
from ..spec.model import Federation
from .links import linked_sites
from .objects import calico_object
from .policy import base_policies
from .topology_counts import path_limit

PROFILE = "aerie"
SHORTEST_BOUND = 4  # with tunnels between all sites more of them may be lost than one


def border_limit(federation: Federation) -> int:
    """How many prefixes a session between two sites may bring: LAN and containers of every site that there is room for, and every
    fixed address. Not by the sites that there are: a new one changes nothing at the others."""
    net = federation.network
    return 2 * max(1, net.lans.num_addresses >> 8) + net.fixed.num_addresses


def border_path(federation: Federation) -> int:
    """The most ASes on a path that a border takes. Without a bound BGP looks for a site that is gone through every detour there is."""
    tunnels = {site: tuple(linked_sites(federation, site)) for site in federation.sites}
    return max(SHORTEST_BOUND, path_limit(tunnels))


def _pool(name: str, cidr: IPv4Network | IPv6Network, selector: str, block: int) -> dict[str, Any]:
    spec = {
        "cidr": str(cidr),
        "blockSize": block,
        "ipipMode": "Never",
        "vxlanMode": "Never",
        "natOutgoing": True,
        "nodeSelector": selector,
    }
    return calico_object("IPPool", name, spec)


def _pools(federation: Federation, name: str, cidr: IPv4Network, selector: str, block: int) -> Iterator[dict[str, Any]]:
    """The pool, and that of its IPv6 twins: nobody gives those out, but by it Felix and BIRD know them for containers."""
    yield _pool(name, cidr, selector, block)
    if six := twin_network(federation, cidr):
        yield _pool(f"{name}-v6", six, "!all()", MIXED + block)


def _own_prefixes(federation: Federation, site: str) -> dict[str, Any]:
    """What the site may announce: its LAN and its containers, of the latter also parts."""
    own, out = federation.sites[site], {}
    fours: list[IPv4Network | IPv6Network | None] = [own.lan, own.containers]
    sixes: list[IPv4Network | IPv6Network | None] = [twin_network(federation, n) for n in (own.lan, own.containers)]
    for key, (lan, containers) in (("importV4", fours), ("importV6", sixes)):
        if lan and containers:
            out[key] = [
                {"action": "Accept", "matchOperator": operator, "cidr": str(cidr)}
                for operator, cidr in (("Equal", lan), ("Equal", containers), ("In", containers))
            ]
    return out


def node_labels(federation: Federation, machine: Machine) -> dict[str, str]:
    """By these Calico's pools and peers select a node."""
    reflector = str(machine.front_end).lower()
    links = "all" if federation.sites[machine.site].links is None else "named"
    return {"site": machine.site, "front-end": reflector, "reflector": reflector, "links": links}


def _linked(site: str, links: Sequence[str] | None) -> str:
    """Selects the reflectors to which the site's have a session by its own wish. Calico makes both ends of it, so this together is
    `linked_sites`; and it names no other site unless the file does, so that a new site changes nothing here."""
    if links is None:
        return f"reflector == 'true' && site != '{site}' && links == 'all'"
    return "reflector == 'true' && site in {" + ", ".join(f"'{each}'" for each in sorted(links)) + "}"


def bgp_objects(federation: Federation, site: str) -> list[dict[str, Any]]:
    """Who has a session with whom, and what a site may announce.

    The reflectors' sessions are there in every topology; a full mesh is those of all other pairs besides. So a change of topology
    takes away, or adds, only what nothing depends on.
    """
    own = federation.sites[site]
    mesh = federation.network.topology == "full-mesh"
    reflectors = f"site == '{site}' && reflector == 'true'"
    out = [
        calico_object(
            "BGPConfiguration",
            "default",
            {"nodeToNodeMeshEnabled": mesh, "logSeverityScreen": "Warning"},
        ),
        calico_object(
            "BGPPeer",
            f"{site}-nodes",
            {"nodeSelector": f"site == '{site}' && reflector != 'true'", "peerSelector": reflectors},
        ),
        # By its name (the AS) BIRD's configuration knows whose these are: confd/templates/bird.cfg.template.
        calico_object("BGPFilter", f"as-{own.as_number}-{site}", _own_prefixes(federation, site)),
    ]
    if own.links is None or own.links:
        borders = {"nodeSelector": reflectors, "peerSelector": _linked(site, own.links)}
        out.append(calico_object("BGPPeer", f"{site}-borders", borders))
    return out


def calico_objects(federation: Federation, site: str) -> list[dict[str, Any]]:
    """The objects as Calico's API has them. Only what is everybody's and what is the site's own."""
    net = federation.network
    return [
        *base_policies(federation, site),
        *bgp_objects(federation, site),
        *_pools(federation, f"site-{site}", federation.sites[site].containers, f"site == '{site}'", 26),
        # "!all()": no address of it is given out unless it is asked for.
        *_pools(federation, "fixed", net.fixed, "!all()", 32),
        # Policies alone say who may talk to whom.
        calico_object("Profile", PROFILE, {"labelsToApply": {"docker-network": PROFILE}}),
    ]


def calico_objects_yaml(federation: Federation, site: str) -> str:
    """The same as calicoctl reads it."""
    return yaml_text.dump_all(calico_objects(federation, site), sort_keys=True)
