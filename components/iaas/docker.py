"""The embedded IaaS: each machine is a container with its own sshd and Docker engine, on one Docker engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
from pulumi_command import remote

from ..spec import addresses
from ..spec.machines import PlannedMachine, machines
from ..spec.model import Federation, SiteStack
from .machine import Machine, docker_answers

# What a Docker engine inside a container needs, short of --privileged.
CAPABILITIES = (
    "AUDIT_CONTROL", "AUDIT_WRITE", "DAC_READ_SEARCH", "IPC_LOCK", "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN",
    "NET_RAW", "SYS_ADMIN", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PTRACE", "SYS_TIME", "SYSLOG",
)  # fmt: skip
SECURITY = ("apparmor=unconfined", "seccomp=unconfined", "systempaths=unconfined")
PUSH_REGISTRY = "127.0.0.1:5000"  # where `make images` puts images, on the operator's own Docker engine
LABEL = "aerie.federation"  # on every container, network and volume: what `make down` may remove


# What a machine keeps when it is made anew: images, containers and their volumes; the services' files; the tasks that the
# Mesos agent knows of, by which it stays the same agent.
VOLUMES = (("docker", "/var/lib/docker"), ("files", "/etc/aerie"), ("mesos", "/var/lib/mesos"))


def network_name(federation: Federation, name: str) -> str:
    """The Docker network of a site's LAN, or of the wan."""
    return f"{federation.name}-{name}"


@dataclass
class SshLogin:
    """How the operator gets into a site's machines: one key a site, one host key a machine."""

    private_key: pulumi.Input[str]
    public_key: pulumi.Input[str]
    host_public_keys: Mapping[str, pulumi.Input[str]]
    host_private_keys: Mapping[str, pulumi.Input[str]]


def connection(
    login: SshLogin, machine: str, address: str, proxy: remote.ProxyConnectionArgs | None = None
) -> remote.ConnectionArgs:
    """The SSH connection to a machine; its host key is pinned."""
    return remote.ConnectionArgs(
        host=address,
        port=addresses.SSH_PORT,
        user="root",
        private_key=pulumi.Output.secret(login.private_key),
        host_key=login.host_public_keys[machine],
        dial_error_limit=20,
        per_dial_timeout=10,
        proxy=proxy,
    )


@dataclass
class DockerMachinesArgs:
    """`image` is the machine image, by content; `wan` says that the front-end's other network is there."""

    federation: Federation
    site: str
    stack: SiteStack
    image: str
    login: SshLogin


class DockerMachines(pulumi.ComponentResource):
    """A site's LAN and its machines as containers."""

    def __init__(self, name: str, args: DockerMachinesArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:iaas:DockerMachines", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        federation, site = args.federation, args.site
        lan = addresses.lan(federation, site)
        network = docker.Network(
            f"{name}-lan",
            name=network_name(federation, site),
            ipam_configs=[docker.NetworkIpamConfigArgs(subnet=str(lan.network), gateway=str(lan.gateway))],
            # Sites are kept apart as real ones are: what leaves a LAN goes by the front-end and its VPN.
            options={"com.docker.network.bridge.enable_ip_masquerade": "false"},
            labels=[docker.NetworkLabelArgs(label=LABEL, value=federation.name)],
            opts=child,
        )
        image = docker.RemoteImage(f"{name}-image", name=args.image, keep_locally=True, opts=child)
        self.machines = [self._machine(args, planned, network, image) for planned in machines(site, args.stack)]
        self.register_outputs({})

    def _machine(
        self, args: DockerMachinesArgs, planned: PlannedMachine, network: docker.Network, image: docker.RemoteImage
    ) -> Machine:
        child = pulumi.ResourceOptions(parent=self)
        federation = args.federation
        assert federation.embedded, "validation refuses a docker site without `embedded`"
        lan = addresses.lan(federation, args.site)
        name, front_end = planned.name, planned.front_end
        address = str(lan.address(planned.number))
        networks = [docker.ContainerNetworksAdvancedArgs(name=network.name, ipv4_address=address)]
        if front_end:
            endpoint = federation.sites[args.site].vpn_endpoint.partition(":")[0]
            networks.append(
                docker.ContainerNetworksAdvancedArgs(name=network_name(federation, "wan"), ipv4_address=endpoint)
            )
        volumes = []
        for what, path in VOLUMES:
            volume = docker.Volume(
                f"{name}-{what}",
                name=f"{federation.name}-{name}-{what}",
                labels=[docker.VolumeLabelArgs(label=LABEL, value=federation.name)],
                opts=child,
            )
            volumes.append(docker.ContainerVolumeArgs(volume_name=volume.name, container_path=path))
        container = docker.Container(
            name,
            name=f"{federation.name}-{name}",
            hostname=name,
            image=image.image_id,
            restart="unless-stopped",
            must_run=True,
            capabilities=docker.ContainerCapabilitiesArgs(adds=[f"CAP_{c}" for c in CAPABILITIES]),
            security_opts=list(SECURITY),
            cgroupns_mode="private",
            devices=[
                docker.ContainerDeviceArgs(host_path="/dev/net/tun", container_path="/dev/net/tun", permissions="rwm")
            ],
            volumes=volumes,
            networks_advanced=networks,
            envs=machine_environment(federation, args.site, front_end),
            uploads=[
                docker.ContainerUploadArgs(
                    file=f"/etc/aerie/machine/{file}",
                    content=pulumi.Output.secret(content),
                    permissions="0600",
                )
                for file, content in (
                    ("ssh_host_ed25519_key", args.login.host_private_keys[name]),
                    ("authorized_keys", args.login.public_key),
                )
            ],
            labels=[docker.ContainerLabelArgs(label=LABEL, value=federation.name)],
            tmpfs={"/run": "exec"},
            stop_timeout=30,
            # Two machines with one name and one address cannot be; and what runs on it is told of its end by its drain.
            # Docker does not tell all of securityOpts again, so that after a refresh every machine would be made anew.
            opts=pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(delete_before_replace=True, ignore_changes=["securityOpts"])
            ),
        )
        login = connection(args.login, name, address)
        ready = docker_answers(name, login, container, child)
        return Machine(name, args.site, address, front_end, login, container, container.id, ready)


def machine_environment(federation: Federation, site: str, front_end: bool) -> list[str]:
    """What the machine image is told: its registry, its MTU, and for agents the way to the other sites."""
    lan = addresses.lan(federation, site)
    env = [f"AERIE_REGISTRY={federation.images.registry}", f"AERIE_MTU={federation.network.mtu}"]
    if not front_end:
        env.append(f"AERIE_ROUTES={federation.network.lans} via {lan.front_end}")
    return sorted(env)
