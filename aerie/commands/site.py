"""aerie site add, remove"""

from __future__ import annotations

from typing import Annotated

import typer

from .. import names, terminal

HELP = "Sites in the files: add one, remove one."
ADD = """Write a new site into federation.yaml and its Pulumi.<site>.yaml. Comments stay as they are.

AS number, LAN, containers and VPN endpoint are the first that are free. All of it is checked before it is written.

\b
aerie site add pisa
aerie site add pisa --agents 4 --quorum
aerie site add garr --vpn-endpoint 192.0.2.10:51820 --image debian-12 --flavor m1.large \\
    --external-network public --operators 198.51.100.0/24
"""
REMOVE = """Take a site out of the files, and what Calico still knows of it. Refused while its stack is there, or a pool names it.

\b
aerie site remove pisa
"""
Json = Annotated[bool, typer.Option("--json", help="for programs")]
Image = Annotated[str, typer.Option(help="on OpenStack: the machines' image")]
Flavor = Annotated[str, typer.Option(help="on OpenStack: the machines' flavor")]
External = Annotated[str, typer.Option(help="on OpenStack: the network of the floating IP")]
Operators = Annotated[
    list[str] | None, typer.Option(help="on OpenStack: a network that operators come from (several times)")
]
CloudName = Annotated[str, typer.Option(help="on OpenStack: the cloud in clouds.yaml; without it OS_*")]


@terminal.command
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    agents: Annotated[int, typer.Option(min=0, max=200, help="machines besides the front-end")] = 1,
    quorum: Annotated[bool, typer.Option("--quorum", help="it holds members of the quorums")] = False,
    link: Annotated[
        list[str] | None,
        typer.Option(help="a site that it has a tunnel to (several times)", autocompletion=names.of_sites),
    ] = None,
    vpn_endpoint: Annotated[str, typer.Option(help="ADDRESS:PORT; on this machine it is chosen")] = "",
    image: Image = "",
    flavor: Flavor = "",
    external_network: External = "",
    operators: Operators = None,
    cloud: CloudName = "",
    json_: Json = False,
) -> None:
    from components.host import host_networks

    from ..editing import apply, federation_text, planned
    from ..federation import here
    from ..files.plans import add_site, stack_file
    from ..files.texts import Machines, cloud_of

    the = here()
    if (the.root / stack_file(name)).exists():
        raise terminal.Refused(f"{stack_file(name)} is there already", "take another name", terminal.UNABLE)
    machines = Machines(agents, cloud=cloud_of(image, flavor, external_network, operators or [], cloud))
    host = [n.network for n in host_networks(the.federation.name)] if machines.cloud is None else []
    changes = planned(
        lambda: add_site(federation_text(the), the.federation, name, machines, host, vpn_endpoint, quorum, link or [])
    )
    apply(the.root, changes)
    others = " ".join(the.federation.sites)
    do = f"aerie up federation {name}, then aerie up {others} (one VPN peer more each); aerie pool add, or write {name} into a pool's sites"
    terminal.wrote(changes, do, json_)


@terminal.command
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=names.of_sites)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    json_: Json = False,
) -> None:
    from tools.status_stacks import known_stacks

    from ..editing import apply, federation_text, planned, refuse_site
    from ..federation import here, unknown
    from ..files.plans import remove_site, stack_file
    from ..forgetting import forget, other_front_ends

    the = here()
    if name not in the.federation.sites:
        raise terminal.Refused(*unknown("site", name, the.federation.sites), status=terminal.UNABLE)
    stacks = known_stacks(the.root)
    refuse_site(name, the.pools, stacks)
    has_file = (the.root / stack_file(name)).exists()
    changes = planned(lambda: remove_site(federation_text(the), name, has_file))
    if not yes:
        terminal.agree(f"Take {name} out of federation.yaml and delete {stack_file(name)}?")
    if found := other_front_ends(the.federation, name, stacks):
        forget(the.federation, name, found)  # before the files: by these it is known what is the site's
    apply(the.root, changes)
    left = " ".join(s for s in the.federation.sites if s != name)
    terminal.wrote(changes, f"aerie up federation, then aerie up {left} (one VPN peer less each)", json_)
