"""aerie status, rtt, path: the tools of these names, in any shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import names, quick, terminal

STATUS = """How the federation does, on one screen, and what to do about what is wrong.

Exit status: 0 all is well; 1 something is wrong; 2 it is not up. docs/status.md says what the words mean.

\b
aerie status
aerie status --routing       BGP sessions, routes by site and tunnels in full
aerie status --json
"""
RTT = """Round trips between containers of all sites, as a table and a picture.

Two small containers are started on each site for that, and removed.

\b
aerie rtt
aerie rtt --sites torino,bari --mtu     also whether full packets pass
"""
PATH = """The way of packets between two containers, machine by machine, and the BGP route behind each step.

FROM and TO: MACHINE/CONTAINER, POOL/ROLE (demo/submit-node), an address, or a machine.

\b
aerie path demo/submit-node demo/executors
aerie path torino-agent-1 10.65.64.3
"""
Json = Annotated[bool, typer.Option("--json", help="for programs")]


@terminal.command
def status(
    routing: Annotated[
        bool, typer.Option("--routing", help="BGP sessions, routes by site and tunnels in full")
    ] = False,
    facts: Annotated[
        bool, typer.Option("--facts", help="what was found, unjudged, as JSON (for a fault report)")
    ] = False,
    json_: Json = False,
) -> None:
    terminal.end(quick.run(routing, json_, facts))


@terminal.command
def rtt(
    count: Annotated[int, typer.Option(min=1, max=10000, help="pings of each pair")] = 20,
    sites: Annotated[str, typer.Option(help="only these, with commas between", autocompletion=names.of_sites)] = "",
    mtu: Annotated[bool, typer.Option("--mtu", help="also whether packets of the containers' MTU pass whole")] = False,
    tunnels: Annotated[bool, typer.Option("--tunnels", help="also the VPN's own round trips")] = False,
    picture: Annotated[Path | None, typer.Option(help="where the picture goes")] = None,
    json_: Json = False,
) -> None:
    from ..federation import here

    here()  # what is wrong with the files is told as by the other commands
    from tools import rtt as tool

    arguments = ["--count", str(count)]
    arguments += ["--sites", sites] if sites else []
    arguments += ["--picture", str(picture)] if picture else []
    arguments += [n for n, given in (("--mtu", mtu), ("--tunnels", tunnels), ("--json", json_)) if given]
    ended = tool.main(arguments)
    if ended == terminal.UNABLE:
        terminal.next_("aerie doctor looks at everything", err=True)
    elif not json_ and ended == 0:
        terminal.next_("aerie path FROM TO says which way packets take")
    terminal.end(ended)


@terminal.command
def path(
    source: Annotated[str, typer.Argument(metavar="FROM")],
    target: Annotated[str, typer.Argument(metavar="TO")],
    json_: Json = False,
) -> None:
    from ..federation import here

    here()  # what is wrong with the files is told as by the other commands
    from tools import path as tool

    ended = tool.main([source, target, *(["--json"] if json_ else [])])
    if ended == terminal.UNABLE:
        terminal.next_("aerie doctor looks at everything", err=True)
    elif not json_ and ended == 0:
        terminal.next_(f"the way back may be another: aerie path {target} {source}")
    terminal.end(ended)
