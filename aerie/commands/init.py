"""aerie init"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import terminal
from .site import CloudName, External, Flavor, Image, Operators

HELP = """Write federation.yaml and the first stack files: asks for what it needs, or takes it from the options.

Networks, AS numbers and quorum are chosen; networks that this machine uses already are kept clear of. All of it is checked before it is
written, and nothing that is there is written over.

\b
aerie init
aerie init --name farm --site torino --site cnaf --site bari --pool demo
aerie init --name farm --site garr --vpn-endpoint garr=192.0.2.10:51820 --registry registry.example.org/aerie \\
    --image debian-12 --flavor m1.large --external-network public --operators 198.51.100.0/24
"""


def at_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


@terminal.command
def init(
    name: Annotated[str, typer.Option(help="the federation's name: 1 to 20 of a-z, 0-9, '-'")] = "",
    site: Annotated[list[str] | None, typer.Option(help="a site (several times)")] = None,
    agents: Annotated[
        int | None, typer.Option(min=0, max=200, help="machines of each site besides its front-end")
    ] = None,
    pool: Annotated[str | None, typer.Option(help="the first pool; '' for none")] = None,
    user: Annotated[str, typer.Option(help="who may log in to it")] = "demo",
    key: Annotated[
        list[Path] | None,
        typer.Option(help="a public key of the user; without one, up makes a pair", exists=True, dir_okay=False),
    ] = None,
    registry: Annotated[str, typer.Option(help="where machines pull images from; on this machine it is chosen")] = "",
    vpn_endpoint: Annotated[
        list[str] | None, typer.Option(help="SITE=ADDRESS:PORT, not for sites on this machine")
    ] = None,
    image: Image = "",
    flavor: Flavor = "",
    external_network: External = "",
    operators: Operators = None,
    cloud: CloudName = "",
    into: Annotated[
        Path | None, typer.Option(help="another folder than this clone", exists=True, file_okay=False)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    from components.host import host_networks

    from .. import environment
    from ..editing import apply, planned, public_keys
    from ..files.changes import refuse_existing
    from ..files.plans import FEDERATION, first_files
    from ..files.texts import Machines, cloud_of

    root = into or environment.ROOT
    refuse_existing(root, [FEDERATION, *sorted(p.name for p in root.glob("Pulumi.*.yaml"))])
    asks = at_a_terminal() and not (name and site)
    name = name or _ask(asks, "Name of the federation", "aerie", "--name")
    listed = "" if site else _ask(asks, "Sites, with commas between", "torino,cnaf,bari", "--site")
    sites = site or [s.strip() for s in listed.split(",") if s.strip()]
    where = cloud_of(image, flavor, external_network, operators or [], cloud)
    if (
        asks
        and where is None
        and not typer.confirm("Are the machines containers on this machine (else OpenStack)?", default=True)
    ):
        image, flavor = _ask(asks, "Image", "debian-12", ""), _ask(asks, "Flavor", "m1.large", "")
        external_network = _ask(asks, "External network", "public", "")
        where = cloud_of(
            image, flavor, external_network, [_ask(asks, "Network that operators come from", "", "")], cloud
        )
    endpoints = dict(pair.partition("=")[::2] for pair in vpn_endpoint or [])
    if where is not None:
        for one in (s for s in sites if s not in endpoints):
            endpoints[one] = _ask(
                asks, f"VPN endpoint of {one}, floating IP:PORT", "", f"--vpn-endpoint {one}=ADDRESS:PORT"
            )
        registry = registry or _ask(asks, "Registry that machines pull from", "", "--registry")
    if agents is None:
        agents = int(_ask(asks, "Agents of each site", "1", "")) if asks else 1
    if pool is None:
        pool = _ask(asks, "Name of the first pool", "demo", "") if asks else "demo"
    host = [n.network for n in host_networks(name)] if where is None else []
    changes = planned(
        lambda: first_files(
            name, sites, Machines(agents, cloud=where), host, registry, endpoints, pool, user, public_keys(key or [])
        )
    )
    apply(root, changes)
    terminal.wrote(changes, "read them, then: aerie up --images", json_)


def _ask(asks: bool, what: str, default: str, option: str) -> str:
    """From the terminal; without one Refused says which option it is."""
    if not asks:
        raise terminal.Refused(f"not given: {what}", f"say {option}", terminal.UNABLE)
    answer: str = typer.prompt(what, default=default or None)
    return answer
