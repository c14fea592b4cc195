"""A site's machines on OpenStack: the same machines as on the embedded IaaS, each a server with cloud-init."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_openstack as openstack
from pulumi_command import remote

from ...outputs import secret
from ...spec import addresses
from ...spec.dual_stack import twin_network
from ...spec.machines import PlannedMachine, front_end_name, machines
from ...spec.model import Federation, SiteStack
from ..cloud_init import WAIT, FirstBoot, user_data
from ..docker import SshLogin, connection
from ..machine import Machine
from .choices import data_volumes, flavor_of, label, zone_of
from .network import LanArgs, make_lan
from .security import make_groups

DIALS = 60  # tries to log in, 10 s each: a first boot takes minutes
POLICIES = {"soft": "soft-anti-affinity", "hard": "anti-affinity"}


@dataclass
class OpenStackMachinesArgs:
    """`stack.openstack` names the image, the flavors and the networks as the cloud knows them. `floating_ip` is the id of the
    front-end's address where the project has it already: it is taken over, not made."""

    federation: Federation
    site: str
    stack: SiteStack
    login: SshLogin
    floating_ip: str | None = None


class OpenStackMachines(pulumi.ComponentResource):
    """A site's network, its way out, who may come in, and its machines."""

    def __init__(self, name: str, args: OpenStackMachinesArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:iaas:OpenStackMachines", name, None, opts)
        assert args.stack.openstack, "validation refuses an openstack site without its block"
        self._args, self._cloud, self._name = args, args.stack.openstack, name
        self._label = label(args.federation, args.site)
        self._endpoint = args.federation.sites[args.site].vpn_endpoint.partition(":")[0]
        self._child = pulumi.ResourceOptions(parent=self, provider=self._own_cloud())
        tags = [f"aerie.federation={args.federation.name}", *(f"{k}={v}" for k, v in self._cloud.tags.items())]
        self._lan = make_lan(name, LanArgs(args.federation, args.site, self._cloud, self._label, tags), self._child)
        self._groups = None
        if self._cloud.port_security:
            self._groups = make_groups(name, args.federation, args.site, self._cloud, self._label, tags, self._child)
        invoke = pulumi.InvokeOutputOptions(parent=self, provider=self._child.provider)
        self._image = openstack.images.get_image_output(name=self._cloud.image, most_recent=True, opts=invoke)
        self._keypair = openstack.compute.Keypair(
            f"{name}-operator", name=self._label, public_key=args.login.public_key, opts=self._child
        )
        # Apart from each other: one host's end is not the site's.
        self._group = None
        if self._cloud.anti_affinity != "none":
            self._group = openstack.compute.ServerGroup(
                f"{name}-machines", name=self._label, policies=POLICIES[self._cloud.anti_affinity], opts=self._child
            )
        self.machines = [self._machine(machine) for machine in machines(args.site, args.stack)]
        self.register_outputs({})

    def _own_cloud(self) -> openstack.Provider | None:
        """Of the cloud that the file names; without one the stack's own `openstack:...` configuration and OS_* say it."""
        if self._cloud.cloud is None:
            return None
        return openstack.Provider(self._name, cloud=self._cloud.cloud, opts=pulumi.ResourceOptions(parent=self))

    def _with(self, **more: object) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(**more))  # type: ignore[arg-type]

    def _kept(self, **more: object) -> pulumi.ResourceOptions:
        """For what outlives its machine, and the stack too: it is given up by hand only, unless the file says otherwise."""
        return self._with(protect=self._cloud.protect, retain_on_delete=self._cloud.protect, **more)

    def _port(self, machine: PlannedMachine, address: str) -> openstack.networking.Port:
        federation = self._args.federation
        net, gateway = federation.network, addresses.lan(federation, self._args.site).gateway
        # A machine sends for its containers; a front-end also for all that comes through the VPN.
        pairs = (
            [net.lans, net.containers, net.fixed]
            if machine.front_end
            else [federation.sites[self._args.site].containers, net.fixed]
        )
        sixes = [twin_network(federation, IPv4Network(n)) for n in (pairs if machine.front_end else [*pairs, address])]
        sources = [*pairs, *(six for six in sixes if six)]
        groups = self._groups
        # The subnet's route to the other sites leads to the front-end: it must not get it itself.
        way = openstack.networking.PortExtraDhcpOptionArgs(name="classless-static-route", value=f"0.0.0.0/0,{gateway}")
        return openstack.networking.Port(
            machine.name,
            name=f"{federation.name}-{machine.name}",
            network_id=self._lan.network_id,
            admin_state_up=True,
            fixed_ips=[openstack.networking.PortFixedIpArgs(subnet_id=self._lan.subnet_id, ip_address=address)],
            security_group_ids=[groups.inside.id, *([groups.outside.id] if machine.front_end else [])]
            if groups
            else None,
            no_security_groups=None if groups else True,
            port_security_enabled=self._cloud.port_security,
            allowed_address_pairs=[openstack.networking.PortAllowedAddressPairArgs(ip_address=str(p)) for p in sources]
            if groups
            else None,
            extra_dhcp_options=[way] if machine.front_end and self._lan.routed else [],
            opts=self._child,
        )

    def _machine(self, machine: PlannedMachine) -> Machine:
        args, federation, name = self._args, self._args.federation, machine.name
        address = str(addresses.lan(federation, args.site).address(machine.number))
        port = self._port(machine, address)
        volumes = self._data_volumes(machine) if machine.front_end else {}
        before: list[pulumi.Resource] = list(self._lan.ready)
        if machine.front_end:
            before.append(self._floating_ip(name, port))
        server = openstack.compute.Instance(
            name,
            name=f"{federation.name}-{name}",
            flavor_name=flavor_of(self._cloud, args.stack, machine),
            image_id=None if self._cloud.volume_size else self._image.id,
            availability_zone=zone_of(self._cloud, args.stack, machine),
            key_pair=self._keypair.name,
            block_devices=self._block_devices(volumes),
            networks=[openstack.compute.InstanceNetworkArgs(port=port.id)],
            scheduler_hints=[openstack.compute.InstanceSchedulerHintArgs(group=self._group.id)] if self._group else [],
            config_drive=True,
            user_data=self._user_data(machine, volumes),
            metadata={
                "aerie.federation": federation.name,
                "aerie.site": args.site,
                "aerie.group": machine.group or "front-end",
                **self._cloud.tags,
            },
            stop_before_destroy=True,
            opts=self._with(
                depends_on=before,
                # A newer image of the same name is for new machines, and so are other words of the same user data: neither makes
                # a machine anew that runs. What the user data are about does.
                ignore_changes=["imageId", "blockDevices[0].uuid", "userData"],
                replacement_trigger=self._first_boot_facts(machine),
                # Its port and its data volumes are free for the next one only when it is gone. A machine is drained before it
                # is deleted, but not before it is resized: so another flavor is another machine.
                delete_before_replace=True,
                replace_on_changes=["flavorName"],
            ),
        )
        login = self._connection(name, address, machine.front_end)
        ready = remote.Command(
            f"{name}-ready",
            connection=login,
            create=WAIT,
            triggers=[server.id],
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[server], deleted_with=server),
        )
        return Machine(name, args.site, address, machine.front_end, login, server, server.id, ready)

    def _data_volumes(self, machine: PlannedMachine) -> dict[str, openstack.blockstorage.Volume]:
        federation, site, zone = self._args.federation, self._args.site, self._cloud.volume_availability_zone
        return {
            what: openstack.blockstorage.Volume(
                f"{machine.name}-{what}",
                name=f"{federation.name}-{machine.name}-{what}",
                description=f"{what} of {machine.name}",
                size=size,
                availability_zone=zone,
                metadata={"aerie.federation": federation.name, "aerie.site": site, **self._cloud.tags},
                # The zone is the cloud's to tell where the file leaves it open.
                opts=self._kept(ignore_changes=[] if zone else ["availabilityZone"]),
            )
            for what, size in data_volumes(self._cloud, federation.sites[site].quorum).items()
        }

    def _block_devices(
        self, volumes: dict[str, openstack.blockstorage.Volume]
    ) -> list[openstack.compute.InstanceBlockDeviceArgs]:
        boot = openstack.compute.InstanceBlockDeviceArgs(
            uuid=self._image.id,
            source_type="image",
            destination_type="volume" if self._cloud.volume_size else "local",
            boot_index=0,
            volume_size=self._cloud.volume_size or None,
            delete_on_termination=True,
        )
        # With a list of devices Nova wants the boot device among them.
        data = [
            openstack.compute.InstanceBlockDeviceArgs(
                uuid=volume.id,
                source_type="volume",
                destination_type="volume",
                boot_index=-1,
                delete_on_termination=False,
            )
            for volume in volumes.values()
        ]
        return [boot, *data] if self._cloud.volume_size or data else []

    def _floating_ip(self, name: str, port: openstack.networking.Port) -> pulumi.Resource:
        """The other sites know this address: it outlives the machine."""
        ip = openstack.networking.FloatingIp(
            name,
            pool=self._cloud.external_network,
            address=self._endpoint,
            # What it was given by whoever allocated it, and where it leads (the association's business), stay as they are.
            opts=self._kept(
                import_=self._args.floating_ip, ignore_changes=["description", "tags", "portId", "fixedIp"]
            ),
        )
        return openstack.networking.FloatingIpAssociate(
            name, floating_ip=ip.address, port_id=port.id, opts=self._with(depends_on=self._lan.ready)
        )

    def _first_boot_facts(self, machine: PlannedMachine) -> pulumi.Output[list[object]]:
        """What a machine is told once and for all; nothing of it is secret."""
        federation, login = self._args.federation, self._args.login
        facts: pulumi.Output[list[object]] = pulumi.Output.all(
            login.host_public_keys[machine.name],
            login.public_key,
            federation.images.registry,
            federation.network.mtu,
            list(self._route(machine) or []),
        )
        return facts

    def _route(self, machine: PlannedMachine) -> tuple[str, str] | None:
        """The way to the other sites, where the LAN's subnet does not tell it."""
        if self._lan.routed or machine.front_end:
            return None
        federation = self._args.federation
        return str(federation.network.lans), addresses.front_end(federation, self._args.site)

    def _user_data(
        self, machine: PlannedMachine, volumes: dict[str, openstack.blockstorage.Volume]
    ) -> pulumi.Output[str]:
        login, federation, name, route = self._args.login, self._args.federation, machine.name, self._route(machine)
        registry, mtu = federation.images.registry, federation.network.mtu

        def text(values: dict[str, str]) -> str:
            ids = {k.removeprefix("volume-"): v for k, v in values.items() if k.startswith("volume-")}
            return user_data(
                FirstBoot(name, values["private"], values["public"], values["key"], registry, mtu, ids, route)
            )

        values: pulumi.Output[dict[str, str]] = pulumi.Output.all(
            private=login.host_private_keys[name],
            public=login.host_public_keys[name],
            key=login.public_key,
            **{f"volume-{what}": volume.id for what, volume in volumes.items()},
        )
        return secret(values.apply(text))

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
