"""The status page: its container, and what it is given. What it shows is decided in images/page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from ..cluster.container import ContainerSpec
from ..cluster.service import Service, ServiceArgs
from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.model import Federation
from .dashboards.panels import FILE as PANELS
from .dashboards.panels import text as panels_text

Text = pulumi.Input[str]
MEMORY = 128  # MB


def page_container(federation: Federation, machine: Machine, image: str) -> ContainerSpec:
    """Beside Graphite, on the front-end's address in the LAN. As root, since its files are root's alone; root without capabilities can
    do no more than read them."""
    members = addresses.quorum_addresses(federation).values()
    return ContainerSpec(
        name="page",
        image=image,
        env={
            "LISTEN": machine.address,
            "PAGE_FEDERATION": federation.name,
            "PAGE_SITES": ",".join(federation.sites),
            "PAGE_QUORUM": ",".join(federation.quorum_sites),
            "PAGE_KEEPER": machine.site,
            "PAGE_GRAPHITE": f"{machine.address}:{addresses.GRAPHITE}",
            "PAGE_MARATHONS": ",".join(f"{address}:{addresses.MARATHON}" for address in members),
        },
        options=("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
        memory=MEMORY,
        ready="docker exec page page-health",
    )


@dataclass
class PageArgs:
    """`files`: ca.crt, server.crt, server.key; `admin` is Marathon's password, behind which the page is, `viewer` Graphite's."""

    federation: Federation
    machine: Machine
    image: str
    files: Mapping[str, Text]
    admin: Text
    viewer: Text


def page_service(args: PageArgs, after: Service, child: pulumi.ResourceOptions) -> Service:
    """The service; `after` is Graphite's."""
    given: dict[str, Text] = {**args.files, "admin": args.admin, "viewer": args.viewer}
    given[PANELS] = panels_text(args.federation.name)
    container = page_container(args.federation, args.machine, args.image)
    return Service(f"{args.machine.name}-page", ServiceArgs(args.machine, container, given), child, [after.command])
