"""A site's part of the monitoring, as a Pulumi component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from ..cluster.service import Service, ServiceArgs
from ..iaas.machine import Machine
from ..identity.resources import Certificate, Password
from ..outputs import secret
from ..spec.model import Federation
from .containers import VIEWER, collector_container, graphite_container
from .history import opensearch_container
from .page import PageArgs, page_service
from .receivers import receivers_text

Text = pulumi.Input[str]


@dataclass
class GrafanaArgs:
    """`image` by digest; `password` is that of Grafana's `admin`; `generation` is that of the key which its sessions are signed by."""

    image: str
    password: pulumi.Output[str]
    generation: int = 0


@dataclass
class HistoryArgs:
    """The passwords of who asks the index of finished jobs and of who adds to it; `tls` where it is: server.crt, server.key."""

    viewer: pulumi.Output[str]
    writer: pulumi.Output[str]
    tls: Mapping[str, Text] | None


@dataclass
class MonitoringArgs:
    """`operator` and `admin` are the passwords by which Mesos and Marathon are asked; `admin` is None at a site without a quorum
    member, which has no Marathon. `graphite` is there at the site that holds it, and with it the status page: server.crt, server.key,
    `password`, by which the render API is asked, and `admin`, Marathon's password, behind which the page is. `grafana` is there where
    Grafana is to be: its image, and the password of its `admin`. `history` is there if there is an index of finished jobs, at whatever
    site. `generation` is that
    of the collector's certificate. `passwords` are all of the federation's, among them what receivers of alerts want."""

    federation: Federation
    site: str
    front_end: Machine
    images: Mapping[str, str]
    ca_certificate: Text
    ca_private_key: Text
    operator: pulumi.Output[str]
    admin: pulumi.Output[str] | None
    graphite: Mapping[str, Text] | None
    passwords: pulumi.Output[dict[str, str]]
    generation: int = 0
    grafana: GrafanaArgs | None = None
    history: HistoryArgs | None = None


class Monitoring(pulumi.ComponentResource):
    """The collector, and Graphite if it is here."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:monitoring:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        machine = args.front_end
        if args.graphite is not None:
            graphite = graphite_container(args.federation, machine, args.images["graphite"])
            made = Service(f"{machine.name}-graphite", ServiceArgs(machine, graphite, _files(args.graphite)), child)
            files_of_page = {name: args.graphite[name] for name in ("server.crt", "server.key")} | {
                "ca.crt": args.ca_certificate
            }
            page = PageArgs(
                args.federation,
                machine,
                args.images["page"],
                files_of_page,
                args.graphite["admin"],
                args.graphite["password"],
            )
            page_service(page, made, child)
            if args.grafana is not None:
                _grafana(args, args.graphite, args.grafana, made, child)
        files: dict[str, Text] = {"ca.crt": args.ca_certificate, "operator": args.operator}
        if args.admin is not None:
            client = Certificate(
                f"{machine.name}-collector-client",
                args.ca_certificate,
                args.ca_private_key,
                "collector",  # no user of etcd: it sees the metrics, and no key
                [],
                args.generation,
                child,
            )
            files |= {"admin": args.admin, "client.crt": client.certificate, "client.key": client.private_key}
        alerts = args.federation.monitoring.alerts
        if alerts.webhook or alerts.mail:
            files["alerts"] = secret(args.passwords.apply(lambda all_: receivers_text(alerts, all_)))
        if args.history is not None:
            files["history"] = args.history.writer
            if args.history.tls is not None:
                _opensearch(args, args.history, args.history.tls, child)
        collector = collector_container(args.federation, machine, args.images["collector"])
        Service(f"{machine.name}-collector", ServiceArgs(machine, collector, files), child)
        self.register_outputs({})


def _opensearch(
    args: MonitoringArgs, history: HistoryArgs, tls: Mapping[str, Text], child: pulumi.ResourceOptions
) -> None:
    """The index's service, with the certificate of the machine."""
    machine, wanted = args.front_end, args.federation.monitoring.history
    assert wanted is not None, "no index that nobody wants"
    container = opensearch_container(machine, args.images["opensearch"], wanted)
    given: dict[str, Text] = {
        "server.crt": tls["server.crt"],
        "server.key": tls["server.key"],
        "viewer": history.viewer,
        "writer": history.writer,
    }
    Service(f"{machine.name}-opensearch", ServiceArgs(machine, container, given), child)


def _grafana(
    args: MonitoringArgs,
    graphite: Mapping[str, Text],
    grafana: GrafanaArgs,
    after: Service,
    child: pulumi.ResourceOptions,
) -> None:
    """Grafana's service, with the certificate of the machine that it has in common with Graphite."""
    from .grafana import (
        datasource,
        files,
        grafana_container,
    )  # its SDK takes time to load, which nobody else need wait for

    machine, federation = args.front_end, args.federation
    key = Password(f"{machine.name}-grafana-key", grafana.generation, child)
    source = pulumi.Output.all(graphite["password"], args.ca_certificate).apply(
        lambda known: datasource(federation, machine.address, *known)
    )
    given: dict[str, Text] = {
        "ca.crt": args.ca_certificate,
        "server.crt": graphite["server.crt"],
        "server.key": graphite["server.key"],
        "admin-password": grafana.password,
        "secret-key": key.value,
        "datasource.yaml": secret(source),
        **files(federation),
    }
    container = grafana_container(machine, grafana.image)
    Service(f"{machine.name}-grafana", ServiceArgs(machine, container, given), child, [after.command])


def _files(given: Mapping[str, Text]) -> dict[str, Text]:
    password = pulumi.Output.from_input(given["password"])
    return {
        "server.crt": given["server.crt"],
        "server.key": given["server.key"],
        "credentials": secret(password.apply(lambda p: f"{VIEWER}:{p}")),
    }
