"""A site's LAN on OpenStack: made here, or the existing network that the file names."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from ...spec import addresses
from ...spec.model import Federation, OpenStack
from .facts import WIREGUARD_OVERHEAD, mtu_problem


@dataclass(frozen=True)
class LanArgs:
    """`label` is what everything is called in the cloud; `tags` are put on what is made."""

    federation: Federation
    site: str
    cloud: OpenStack
    label: str
    tags: list[str]


@dataclass(frozen=True)
class SiteLan:
    """`ready` are to be there before a machine's floating IP; `routed` says that the subnet itself tells machines the way to the
    other sites."""

    network_id: pulumi.Output[str]
    subnet_id: pulumi.Output[str]
    ready: list[pulumi.Resource]
    routed: bool


def make_lan(name: str, args: LanArgs, child: pulumi.ResourceOptions) -> SiteLan:
    """The network, its subnet and its way out."""
    if args.cloud.network is not None:
        return _existing(args, args.cloud.network, child)
    federation, lan = args.federation, addresses.lan(args.federation, args.site)
    network = openstack.networking.Network(
        f"{name}-lan",
        name=args.label,
        admin_state_up=True,
        port_security_enabled=args.cloud.port_security,
        tags=args.tags,
        opts=child,
    )
    last = lan.network.broadcast_address
    subnet = openstack.networking.Subnet(
        f"{name}-lan",
        name=args.label,
        network_id=_wide_enough(args, network),
        cidr=str(lan.network),
        ip_version=4,
        gateway_ip=str(lan.gateway),
        # Machines have the addresses that the plan gives them; Neutron takes its own (DHCP) from the end.
        allocation_pools=[
            openstack.networking.SubnetAllocationPoolArgs(start=str(last - addresses.CLOUDS_OWN), end=str(last - 1)),
        ],
        dns_nameservers=[str(a) for a in args.cloud.dns],
        tags=args.tags,
        opts=child,
    )
    openstack.networking.SubnetRoute(
        f"{name}-lans",
        subnet_id=subnet.id,
        destination_cidr=str(federation.network.lans),
        next_hop=str(lan.front_end),
        opts=child,
    )
    way_out = openstack.networking.RouterInterface(
        f"{name}-router", router_id=_router(name, args, child), subnet_id=subnet.id, opts=child
    )
    return SiteLan(network.id, subnet.id, [way_out], True)


def _wide_enough(args: LanArgs, network: openstack.networking.Network) -> pulumi.Output[str]:
    """The network's id; fails if its MTU, which the cloud tells only once it is there, does not hold the tunnels' packets."""
    need = args.federation.network.vpn_mtu + WIREGUARD_OVERHEAD

    def check(values: list[str | int]) -> str:
        identity, mtu = values
        if isinstance(mtu, int) and 0 < mtu < need:
            raise ValueError(
                "federation.yaml: network.vpn_mtu: "
                + "; ".join(mtu_problem(f"{args.site}'s new network", mtu, args.federation))
            )
        return str(identity)

    both: pulumi.Output[list[str | int]] = pulumi.Output.all(network.id, network.mtu)
    return both.apply(check)


def _existing(args: LanArgs, network_name: str, child: pulumi.ResourceOptions) -> SiteLan:
    invoke = pulumi.InvokeOutputOptions(parent=child.parent, provider=child.provider)
    network = openstack.networking.get_network_output(name=network_name, opts=invoke)
    subnet = openstack.networking.get_subnet_output(
        network_id=network.id, cidr=str(addresses.lan(args.federation, args.site).network), opts=invoke
    )
    return SiteLan(network.id, subnet.id, [], False)


def _router(name: str, args: LanArgs, child: pulumi.ResourceOptions) -> pulumi.Output[str]:
    invoke = pulumi.InvokeOutputOptions(parent=child.parent, provider=child.provider)
    if args.cloud.router is not None:
        return openstack.networking.get_router_output(name=args.cloud.router, opts=invoke).id
    outside = openstack.networking.get_network_output(name=args.cloud.external_network, external=True, opts=invoke)
    return openstack.networking.Router(
        f"{name}-router", name=args.label, external_network_id=outside.id, tags=args.tags, opts=child
    ).id
