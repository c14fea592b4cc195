"""Who may reach a site's machines on OpenStack: security groups, as a list of rules that is decided first. Pure but for `make_groups`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import pulumi
import pulumi_openstack as openstack

from ...fabric.links import linked_sites
from ...spec import addresses
from ...spec.dual_stack import AREAS, area
from ...spec.model import Federation, OpenStack
from ...spec.site_rules import login_ports


@dataclass(frozen=True)
class Rule:
    """Lets in from `source`: a network, or with None the group itself; `ports` of `protocol`, everything without."""

    name: str
    source: IPv4Network | IPv6Network | None
    protocol: str | None = None
    ports: tuple[int, int] | None = None


def inside_rules(federation: Federation) -> Iterator[Rule]:
    """Machines and containers of the federation among themselves. What comes from other sites has come through the VPN: the
    router leads none of these networks in."""
    yield Rule("inside", None)
    for what in ("lans", "containers", "fixed"):
        yield Rule(f"inside-{what}", getattr(federation.network, what))
    for what in AREAS:
        if six := area(federation, what):
            yield Rule(f"inside-{what}-v6", six)


def outside_rules(federation: Federation, site: str, cloud: OpenStack) -> Iterator[Rule]:
    """Who reaches the front-end from outside: operators, the other sites' tunnels, the pools' users."""
    rest = (addresses.REST + 1, addresses.REST + addresses.POOLS)
    for network in cloud.operators:
        yield Rule(f"ssh-{network}", network, "tcp", (addresses.SSH_PORT, addresses.SSH_PORT))
        yield Rule(f"rest-{network}", network, "tcp", rest)
    for network in cloud.users or cloud.operators:
        yield Rule(f"login-{network}", network, "tcp", login_ports(cloud))
    for peer in linked_sites(federation, site):
        port = addresses.vpn_port(federation, site, peer)
        source = IPv4Network(federation.sites[peer].vpn_endpoint.partition(":")[0])
        yield Rule(f"vpn-{peer}", source, "udp", (port, port))


@dataclass(frozen=True)
class Groups:
    """`inside` is for every machine, `outside` for the front-end too."""

    inside: openstack.networking.SecGroup
    outside: openstack.networking.SecGroup


def make_groups(
    name: str,
    federation: Federation,
    site: str,
    cloud: OpenStack,
    label: str,
    tags: list[str],
    child: pulumi.ResourceOptions,
) -> Groups:
    """Both groups with their rules, each a resource of its own."""
    found = []
    for which, what, rules in (
        ("inside", "machines and containers of the federation", inside_rules(federation)),
        ("outside", "who reaches the front-end from outside", outside_rules(federation, site, cloud)),
    ):
        group = openstack.networking.SecGroup(
            f"{name}-{which}", name=f"{label}-{which}", description=what, tags=tags, opts=child
        )
        for rule in rules:
            openstack.networking.SecGroupRule(
                f"{name}-{rule.name}",
                security_group_id=group.id,
                direction="ingress",
                ethertype="IPv6" if isinstance(rule.source, IPv6Network) else "IPv4",
                protocol=rule.protocol,
                port_range_min=rule.ports[0] if rule.ports else None,
                port_range_max=rule.ports[1] if rule.ports else None,
                remote_ip_prefix=str(rule.source) if rule.source else None,
                remote_group_id=None if rule.source else group.id,
                opts=child,
            )
        found.append(group)
    return Groups(*found)
