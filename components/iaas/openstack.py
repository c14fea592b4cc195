"""A site's machines on OpenStack: the same machines as on the embedded IaaS, each a server with cloud-init."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack
from pulumi_command import remote

from ..outputs import secret
from ..spec import addresses
from ..spec.model import Federation, OpenStack, SiteStack
from ..spec.names import front_end_name, machine_names
from .cloud_init import WAIT, FirstBoot, user_data
from .docker import SshLogin, connection
from .machine import Machine

DIALS = 60  # tries to log in, 10 s each: a first boot takes minutes


@dataclass
class OpenStackMachinesArgs:
    """`stack.openstack` names the image, the flavors and the networks as the cloud knows them."""

    federation: Federation
    site: str
    stack: SiteStack
    login: SshLogin


class OpenStackMachines(pulumi.ComponentResource):
    """A site's network, its way out, who may come in, and its machines."""

    def __init__(self, name: str, args: OpenStackMachinesArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:iaas:OpenStackMachines", name, None, opts)
        assert args.stack.openstack, "validation refuses an openstack site without its block"
        self._args, self._cloud = args, args.stack.openstack
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        self._lan = addresses.lan(args.federation, args.site)
        self._endpoint = args.federation.sites[args.site].vpn_endpoint.partition(":")[0]
        self._label = f"{args.federation.name}-{args.site}"
        self._network()
        self._security()
        invoke = pulumi.InvokeOutputOptions(parent=self)
        self._image = openstack.images.get_image_output(name=self._cloud.image, most_recent=True, opts=invoke)
        self._keypair = openstack.compute.Keypair(
            f"{name}-operator", name=self._label, public_key=args.login.public_key, opts=self._child
        )
        # Apart from each other where the cloud has room for it: one host's end is not the site's.
        self._group = openstack.compute.ServerGroup(
            f"{name}-machines", name=self._label, policies="soft-anti-affinity", opts=self._child
        )
        self.machines = [
            self._machine(machine, number) for number, machine in enumerate(machine_names(args.site, args.stack.agents))
        ]
        self.register_outputs({})

    def _network(self) -> None:
        name, child, lan = self._name, self._child, self._lan
        tags = [f"aerie.federation={self._args.federation.name}"]
        self._lan_network = openstack.networking.Network(
            f"{name}-lan", name=self._label, admin_state_up=True, tags=tags, opts=child
        )
        last = lan.network.broadcast_address
        self._subnet = openstack.networking.Subnet(
            f"{name}-lan",
            name=self._label,
            network_id=self._lan_network.id,
            cidr=str(lan.network),
            ip_version=4,
            gateway_ip=str(lan.gateway),
            # Machines have the addresses that the plan gives them; Neutron takes its own (DHCP) from the end.
            allocation_pools=[
                openstack.networking.SubnetAllocationPoolArgs(start=str(last - 16), end=str(last - 1)),
            ],
            tags=tags,
            opts=child,
        )
        openstack.networking.SubnetRoute(
            f"{name}-lans",
            subnet_id=self._subnet.id,
            destination_cidr=str(self._args.federation.network.lans),
            next_hop=str(lan.front_end),
            opts=child,
        )
        outside = openstack.networking.get_network_output(
            name=self._cloud.external_network, external=True, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        router = openstack.networking.Router(
            f"{name}-router", name=self._label, external_network_id=outside.id, tags=tags, opts=child
        )
        self._way_out = openstack.networking.RouterInterface(
            f"{name}-router", router_id=router.id, subnet_id=self._subnet.id, opts=child
        )

    def _security(self) -> None:
        name, child, federation = self._name, self._child, self._args.federation
        self._inside = openstack.networking.SecGroup(
            f"{name}-inside",
            name=f"{self._label}-inside",
            description="machines and containers of the federation",
            opts=child,
        )
        self._rule(f"{name}-inside", self._inside, remote_group_id=self._inside.id)
        # What comes from other sites has come through the VPN: the router leads none of these networks in.
        for what in ("lans", "containers", "fixed"):
            self._rule(f"{name}-inside-{what}", self._inside, remote_ip_prefix=str(getattr(federation.network, what)))
        self._outside = openstack.networking.SecGroup(
            f"{name}-outside",
            name=f"{self._label}-outside",
            description="who reaches the front-end from outside",
            opts=child,
        )
        for network in self._cloud.operators:
            self._rule(
                f"{name}-ssh-{network}",
                self._outside,
                protocol="tcp",
                port=addresses.SSH_PORT,
                remote_ip_prefix=str(network),
            )
        for peer, there in federation.sites.items():
            if peer != self._args.site:
                self._rule(
                    f"{name}-vpn-{peer}",
                    self._outside,
                    protocol="udp",
                    port=addresses.vpn_port(federation, self._args.site, peer),
                    remote_ip_prefix=f"{there.vpn_endpoint.partition(':')[0]}/32",
                )

    def _rule(
        self,
        name: str,
        group: openstack.networking.SecGroup,
        protocol: str | None = None,
        port: int | None = None,
        remote_ip_prefix: str | None = None,
        remote_group_id: pulumi.Input[str] | None = None,
    ) -> None:
        openstack.networking.SecGroupRule(
            name,
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol=protocol,
            port_range_min=port,
            port_range_max=port,
            remote_ip_prefix=remote_ip_prefix,
            remote_group_id=remote_group_id,
            opts=self._child,
        )

    def _port(self, name: str, address: str, front_end: bool) -> openstack.networking.Port:
        federation = self._args.federation
        net = federation.network
        # A machine sends for its containers; a front-end also for all that comes through the VPN.
        pairs = (
            [net.lans, net.containers, net.fixed]
            if front_end
            else [federation.sites[self._args.site].containers, net.fixed]
        )
        groups = [self._inside.id, *([self._outside.id] if front_end else [])]
        options = openstack.networking.PortExtraDhcpOptionArgs(
            name="classless-static-route", value=f"0.0.0.0/0,{self._lan.gateway}"
        )
        return openstack.networking.Port(
            name,
            name=f"{federation.name}-{name}",
            network_id=self._lan_network.id,
            admin_state_up=True,
            fixed_ips=[openstack.networking.PortFixedIpArgs(subnet_id=self._subnet.id, ip_address=address)],
            security_group_ids=groups,
            allowed_address_pairs=[openstack.networking.PortAllowedAddressPairArgs(ip_address=str(p)) for p in pairs],
            # The subnet's route to the other sites leads to the front-end: it must not get it itself.
            extra_dhcp_options=[options] if front_end else [],
            opts=self._child,
        )

    def _machine(self, name: str, number: int) -> Machine:
        args, cloud, federation = self._args, self._cloud, self._args.federation
        front_end = number == 0
        address = str(self._lan.front_end if front_end else self._lan.agent(number))
        port = self._port(name, address, front_end)
        before: list[pulumi.Resource] = [self._way_out]
        if front_end:
            before.append(self._floating_ip(name, port))
        server = openstack.compute.Instance(
            name,
            name=f"{federation.name}-{name}",
            flavor_name=_flavor(cloud, front_end),
            availability_zone=cloud.availability_zone,
            key_pair=self._keypair.name,
            block_devices=[
                openstack.compute.InstanceBlockDeviceArgs(
                    uuid=self._image.id,
                    source_type="image",
                    destination_type="volume",
                    boot_index=0,
                    volume_size=cloud.volume_size,
                    delete_on_termination=True,
                )
            ],
            networks=[openstack.compute.InstanceNetworkArgs(port=port.id)],
            scheduler_hints=[openstack.compute.InstanceSchedulerHintArgs(group=self._group.id)],
            config_drive=True,
            user_data=self._user_data(name),
            metadata={"aerie.federation": federation.name, "aerie.site": args.site},
            stop_before_destroy=True,
            opts=pulumi.ResourceOptions.merge(
                self._child,
                # A newer image of the same name is for new machines: it makes no machine anew that runs.
                pulumi.ResourceOptions(depends_on=before, ignore_changes=["blockDevices[0].uuid"]),
            ),
        )
        login = self._connection(name, address, front_end)
        ready = remote.Command(
            f"{name}-ready",
            connection=login,
            create=WAIT,
            triggers=[server.id],
            opts=pulumi.ResourceOptions.merge(
                self._child, pulumi.ResourceOptions(depends_on=[server], deleted_with=server)
            ),
        )
        return Machine(name, args.site, address, front_end, login, server, server.id, ready)

    def _floating_ip(self, name: str, port: openstack.networking.Port) -> pulumi.Resource:
        # The other sites know this address: it outlives the machine, and is given up by hand only.
        ip = openstack.networking.FloatingIp(
            name,
            pool=self._cloud.external_network,
            address=self._endpoint,
            description=f"VPN endpoint of {self._args.site}",
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(protect=True)),
        )
        return openstack.networking.FloatingIpAssociate(
            name,
            floating_ip=ip.address,
            port_id=port.id,
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=[self._way_out])),
        )

    def _user_data(self, name: str) -> pulumi.Output[str]:
        login, federation = self._args.login, self._args.federation
        keys: pulumi.Output[list[str]] = pulumi.Output.all(
            login.host_private_keys[name], login.host_public_keys[name], login.public_key
        )
        return secret(
            keys.apply(
                lambda k: user_data(
                    FirstBoot(name, k[0], k[1], k[2], federation.images.registry, federation.network.mtu)
                )
            )
        )

    def _connection(self, name: str, address: str, front_end: bool) -> remote.ConnectionArgs:
        """Straight to the front-end; to an agent through the front-end as jump host. Both host keys are pinned."""
        login = self._args.login
        if front_end:
            straight = connection(login, name, self._endpoint)
            straight.dial_error_limit = DIALS
            return straight
        proxy = remote.ProxyConnectionArgs(
            host=self._endpoint,
            port=addresses.SSH_PORT,
            user="root",
            private_key=pulumi.Output.secret(login.private_key),
            host_key=login.host_public_keys[front_end_name(self._args.site)],
            dial_error_limit=DIALS,
            per_dial_timeout=10,
        )
        through = connection(login, name, address, proxy)
        through.dial_error_limit = DIALS
        return through


def _flavor(cloud: OpenStack, front_end: bool) -> str:
    return (cloud.front_end_flavor or cloud.flavor) if front_end else cloud.flavor
