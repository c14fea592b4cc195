"""A site's stack: its machines and everything that runs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from .cluster import marathon, mesos, quorum
from .cluster.container import ContainerSpec
from .cluster.drain import DrainArgs, drain
from .cluster.service import Service, ServiceArgs
from .fabric.calico import calico_container, forget_node
from .fabric.calico_objects import calico_objects_yaml
from .fabric.links import linked_sites
from .fabric.vpn import Vpn, VpnArgs
from .iaas.docker import DockerMachines, DockerMachinesArgs, SshLogin
from .iaas.machine import Machine
from .iaas.openstack.machines import OpenStackMachines, OpenStackMachinesArgs
from .identity.resources import Certificate, Password, SshKey
from .monitoring.history import url as history_url
from .monitoring.monitoring import GrafanaArgs, HistoryArgs, Monitoring, MonitoringArgs
from .outputs import secret
from .spec import addresses
from .spec.machines import PlannedMachine, machines
from .spec.model import Federation, SiteStack
from .spec.rules import GRAFANA_PASSWORD, HISTORY_PASSWORDS

Text = pulumi.Input[str]


@dataclass
class FederationOutputs:
    """What a site takes from the federation's stack."""

    ca_certificate: pulumi.Output[str]
    ca_private_key: pulumi.Output[str]
    calico_certificate: pulumi.Output[str]
    calico_private_key: pulumi.Output[str]
    passwords: pulumi.Output[dict[str, str]]
    ssh_private_keys: pulumi.Output[dict[str, str]]
    ssh_public_keys: pulumi.Output[dict[str, str]]
    wireguard_private_keys: pulumi.Output[dict[str, str]]
    wireguard_public_keys: pulumi.Output[dict[str, str]]

    def password(self, name: str) -> pulumi.Output[str]:
        """One of the federation's passwords."""
        return secret(of_all(self.passwords, name).apply(lambda all_: all_[name]))


def of_all(passwords: pulumi.Output[dict[str, str]], name: str) -> pulumi.Output[dict[str, str]]:
    """All passwords; says what to do if the federation's stack is too old to have the one called `name`."""

    def check(all_: dict[str, str]) -> dict[str, str]:
        if name not in all_:
            raise ValueError(f"the federation's stack has no password {name} yet: run pulumi up -s federation first")
        return all_

    return passwords.apply(check)


def of_site(values: pulumi.Output[dict[str, str]], site: str, what: str) -> pulumi.Output[str]:
    """The site's own among the values of all; says what to do if the federation's stack does not know the site yet."""

    def pick(all_: Mapping[str, str]) -> str:
        if site not in all_:
            raise ValueError(f"the federation's stack has no {what} for {site} yet: run pulumi up -s federation first")
        return all_[site]

    return values.apply(pick)


@dataclass
class SiteArgs:
    """`images` are the references that machines pull, by image; `machine_image` is the one on the IaaS's own engine."""

    federation: Federation
    stack: SiteStack
    images: Mapping[str, str]
    machine_image: str
    shared: FederationOutputs
    floating_ip: str | None = None


class Site(pulumi.ComponentResource):
    """One computing centre."""

    def __init__(self, name: str, args: SiteArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:index:Site", name, None, opts)
        self._name, self._args = name, args
        self._certificates: dict[str, dict[str, Text]] = {}
        self._planned: dict[str, PlannedMachine] = {m.name: m for m in machines(name, args.stack)}
        self._child = pulumi.ResourceOptions(parent=self)
        self._reflectors: list[Service] = []  # Calico's services on them
        self.machines = self._machines()
        front_end = self.machines[0]
        shared = args.shared
        others = linked_sites(args.federation, name)
        self.vpn = Vpn(
            name,
            VpnArgs(
                args.federation,
                name,
                front_end,
                args.images["vpn"],
                of_site(shared.wireguard_private_keys, name, "WireGuard key"),
                {peer: of_site(shared.wireguard_public_keys, peer, "WireGuard key") for peer in others},
            ),
            self._child,
        )
        if args.federation.sites[name].quorum:
            self._quorum_member(front_end)
        if args.federation.monitoring.enabled:
            Monitoring(name, self._monitoring(front_end), self._child)
        last: list[pulumi.Resource] = []  # the front-end is drained last: the others' way out leads over it
        for machine in self.machines:
            own = drain(self._drain(machine), [self._node(machine).command, *last], self._child)
            last = last or [own]
        for machine in self.machines[1:]:
            forget_node(machine, front_end, self._child)
        self.register_outputs({})

    def _generation(self, identity: str) -> int:
        return self._args.stack.rotate.get(identity, 0)

    def _machines(self) -> list[Machine]:
        args, name = self._args, self._name
        host_keys = {
            m: SshKey(f"{m}-host-key", m, self._generation(f"{m}-host-key"), self._child) for m in self._planned
        }
        login = SshLogin(
            of_site(args.shared.ssh_private_keys, name, "SSH key"),
            of_site(args.shared.ssh_public_keys, name, "SSH key"),
            {m: key.public_key for m, key in host_keys.items()},
            {m: key.private_key for m, key in host_keys.items()},
        )
        if args.stack.iaas == "openstack":
            return OpenStackMachines(
                name, OpenStackMachinesArgs(args.federation, name, args.stack, login, args.floating_ip), self._child
            ).machines
        docker_args = DockerMachinesArgs(args.federation, name, args.stack, args.machine_image, login)
        return DockerMachines(name, docker_args, self._child).machines

    def _service(
        self, machine: Machine, spec: ContainerSpec, files: Mapping[str, Text], after: Sequence[Service] = ()
    ) -> Service:
        args = ServiceArgs(machine, spec, files)
        return Service(f"{machine.name}-{spec.name}", args, self._child, [each.command for each in after])

    def _certificate(self, machine: Machine, common_name: str) -> dict[str, Text]:
        shared = self._args.shared
        made = Certificate(
            f"{machine.name}-certificate",
            shared.ca_certificate,
            shared.ca_private_key,
            common_name,
            [machine.address],
            self._generation(f"{machine.name}-certificate"),
            self._child,
        )
        return {"ca.crt": shared.ca_certificate, "server.crt": made.certificate, "server.key": made.private_key}

    def _quorum_member(self, machine: Machine) -> None:
        args, shared = self._args, self._args.shared
        federation, images = args.federation, args.images
        tls = self._tls(machine)
        root = Certificate(
            f"{machine.name}-etcd-root",
            shared.ca_certificate,
            shared.ca_private_key,
            "root",
            [],
            self._generation(f"{machine.name}-etcd-root"),
            self._child,
        )
        self._service(
            machine,
            quorum.etcd_container(federation, self._name, images["etcd"]),
            {
                **tls,
                "peer.crt": tls["server.crt"],
                "peer.key": tls["server.key"],
                "root.crt": root.certificate,
                "root.key": root.private_key,
            },
        )
        zookeeper_files = quorum.zookeeper_configuration(federation, self._name)
        self._service(machine, quorum.zookeeper_container(federation, images["zookeeper"]), zookeeper_files)
        self._service(
            machine,
            mesos.master_container(federation, machine, images["mesos"]),
            {
                **tls,
                "zk": self._zookeeper_url("mesos"),
                "acls": mesos.acls_text(mesos.master_acls()),
                "credentials": secret(of_all(shared.passwords, "pools").apply(mesos.master_credentials)),
            },
        )
        self._service(
            machine,
            marathon.marathon_container(federation, machine, images["marathon"]),
            {
                **tls,
                "mesos-zk": self._zookeeper_url("mesos"),
                "marathon-zk": self._zookeeper_url("marathon"),
                "mesos-secret": shared.password("mesos-marathon"),
                "http-credentials": shared.password("marathon-admin").apply(lambda p: f"admin:{p}"),
            },
        )

    def _monitoring(self, machine: Machine) -> MonitoringArgs:
        args, shared = self._args, self._args.shared
        quorum = args.federation.sites[self._name].quorum
        return MonitoringArgs(
            args.federation,
            self._name,
            machine,
            args.images,
            shared.ca_certificate,
            shared.ca_private_key,
            shared.password("mesos-operator"),
            shared.password("marathon-admin") if quorum else None,
            {
                **self._tls(machine),
                "password": shared.password("graphite"),
                "admin": shared.password("marathon-admin"),
            }
            if self._name == args.federation.graphite_site
            else None,
            shared.passwords,
            self._generation(f"{machine.name}-collector-client"),
            self._grafana(machine),
            self._history(machine),
        )

    def _history(self, machine: Machine) -> HistoryArgs | None:
        site = self._args.federation.history_site
        if site is None:
            return None
        viewer, writer = (self._args.shared.password(name) for name in HISTORY_PASSWORDS)
        return HistoryArgs(viewer, writer, self._tls(machine) if site == self._name else None)

    def _grafana(self, machine: Machine) -> GrafanaArgs | None:
        wanted = self._args.federation.monitoring.grafana
        if wanted is None or self._name != self._args.federation.graphite_site:
            return None
        password = self._args.shared.password(GRAFANA_PASSWORD)
        return GrafanaArgs(wanted.image, password, self._generation(f"{machine.name}-grafana-key"))

    def _zookeeper_url(self, path: str) -> pulumi.Output[str]:
        federation = self._args.federation
        return self._args.shared.password(f"zookeeper-{path}").apply(
            lambda secret: mesos.zookeeper_url(federation, path, secret)
        )

    def _tls(self, machine: Machine) -> dict[str, Text]:
        if machine.name not in self._certificates:
            self._certificates[machine.name] = self._certificate(machine, machine.name)
        return self._certificates[machine.name]

    def _drain(self, machine: Machine) -> DrainArgs:
        args, shared = self._args, self._args.shared
        password = shared.password("mesos-operator")
        return DrainArgs(args.federation, machine, password, shared.ca_certificate, args.stack.drain_timeout)

    def _node(self, machine: Machine) -> Service:
        """All that makes the machine one of the cluster's; the agent's service."""
        args, shared = self._args, self._args.shared
        calico = self._service(
            machine,
            calico_container(args.federation, machine, args.images["calico"]),
            {
                "objects.yaml": calico_objects_yaml(args.federation, self._name),
                "ca.crt": shared.ca_certificate,
                "client.crt": shared.calico_certificate,
                "client.key": shared.calico_private_key,
            },
            # The reflector first: while it stands it keeps its nodes' routes, and tells them to those that come back.
            after=self._reflectors,
        )
        if machine.front_end:
            self._reflectors.append(calico)
        return self._service(
            machine,
            mesos.agent_container(args.federation, machine, self._planned[machine.name], args.images["mesos"]),
            {
                **self._tls(machine),
                "zk": self._zookeeper_url("mesos"),
                "credential": shared.password("mesos-agent").apply(lambda p: mesos.credential(mesos.AGENT, p)),
                "http-credentials": shared.password("mesos-operator").apply(
                    lambda p: mesos.credentials({mesos.OPERATOR: p})
                ),
                "acls": mesos.acls_text(mesos.agent_acls()),
                "jwt-key": Password(
                    f"{machine.name}-executors", self._generation(f"{machine.name}-executors"), self._child
                ).value,
            },
        )

    def outputs(self) -> dict[str, object]:
        """What an operator wants to know of the site, and what pools read."""
        federation, machine = self._args.federation, self.machines[0]
        out: dict[str, object] = {
            "machines": {m.name: m.address for m in self.machines},
            "host_keys": {m.name: m.connection.host_key for m in self.machines},
        }
        if federation.sites[self._name].quorum:
            out["mesos_url"] = f"https://{machine.address}:{addresses.MESOS_MASTER}"
            out["marathon_url"] = f"https://{machine.address}:{addresses.MARATHON}"
        if self._name == federation.graphite_site:
            out["graphite_url"] = f"https://{machine.address}:{addresses.GRAPHITE}"
            out["page_url"] = addresses.page_url(federation)
            if federation.monitoring.grafana:
                out["grafana_url"] = f"https://{machine.address}:{addresses.GRAFANA}"
        if self._name == federation.history_site:
            out["history_url"] = history_url(machine.address)
        return out
