"""The VPN: one WireGuard interface on a site's front-end for each site that it has a link to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from ..cluster.container import FILES, ContainerSpec
from ..cluster.service import Service, ServiceArgs
from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.dual_stack import twin, twin_network
from ..spec.model import Federation

PEERS = f"{FILES}/vpn"  # on the front-end: the private key, and one file a peer site


def vpn_container(image: str, ipv6: bool = False) -> ContainerSpec:
    """The daemon that keeps an interface for each file in PEERS. For `ipv6` it must be able to turn that on for an interface."""
    return ContainerSpec(
        name="vpn",
        image=image,
        command=("run",),
        capabilities=("NET_ADMIN",),
        devices=("/dev/net/tun",),
        options=("--security-opt", "systempaths=unconfined") if ipv6 else (),
        memory=128,
        ready="docker exec vpn vpn sync",
    )


def peer_file(federation: Federation, site: str, peer: str, public_key: str) -> str:
    """What the front-end of `site` is told about `peer`.

    Any address may come through: BGP decides where a prefix lives, not WireGuard.
    """
    there = federation.sites[peer]
    here, beyond = addresses.front_end(federation, site), addresses.front_end(federation, peer)
    six = []
    if federation.network.ipv6:
        six = [
            f"# Address6 = {twin(federation, here)}/128",
            f"# Peer6 = {twin(federation, beyond)}",
            f"# Routes6 = {twin_network(federation, there.lan)}",
        ]
    return "\n".join(
        [
            f"# Address = {here}/32",
            f"# Mtu = {federation.network.vpn_mtu}",
            f"# Peer = {beyond}",
            f"# Routes = {there.lan}",
            *six,
            "[Interface]",
            f"ListenPort = {addresses.vpn_port(federation, site, peer)}",
            "[Peer]",
            f"PublicKey = {public_key}",
            f"Endpoint = {there.vpn_endpoint.partition(':')[0]}:{addresses.vpn_port(federation, peer, site)}",
            f"AllowedIPs = 0.0.0.0/0{', ::/0' if six else ''}",
            "PersistentKeepalive = 15",
            "",
        ]
    )


@dataclass
class VpnArgs:
    """`public_keys` are the WireGuard keys of the sites that this one is linked to, by site."""

    federation: Federation
    site: str
    front_end: Machine
    image: str
    private_key: pulumi.Input[str]
    public_keys: Mapping[str, pulumi.Input[str]]


class Vpn(pulumi.ComponentResource):
    """WireGuard on a front-end: the daemon, and each peer as a resource of its own, so that a new site is one more."""

    def __init__(self, name: str, args: VpnArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:fabric:Vpn", name, None, opts)
        child, ipv6 = pulumi.ResourceOptions(parent=self), args.federation.network.ipv6 is not None
        self.service = Service(
            f"{name}-vpn",
            ServiceArgs(args.front_end, vpn_container(args.image, ipv6), {"private.key": args.private_key}),
            child,
        )
        self.peers = [
            remote.Command(
                f"{name}-vpn-{peer}",
                connection=args.front_end.connection,
                create=f"set -eu; umask 077; cat > {PEERS}/{peer}.conf; docker exec vpn vpn sync",
                delete=f"rm -f {PEERS}/{peer}.conf; docker exec vpn vpn sync",
                stdin=pulumi.Output.from_input(key).apply(
                    lambda k, peer=peer: peer_file(args.federation, args.site, peer, k)  # type: ignore[misc]
                ),
                triggers=[args.front_end.identity],
                add_previous_output_in_env=False,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    depends_on=[self.service],
                    deleted_with=args.front_end.resource,
                    delete_before_replace=True,
                ),
            )
            for peer, key in args.public_keys.items()
        ]
        self.register_outputs({})
