"""aerie pool add, remove"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import names, terminal

HELP = "Pools in the files: add one, remove one."
ADD = """Write Pulumi.<pool>.yaml for a new pool.

Its number (and so its addresses), SSH port and the user's uid are the first that are free. All of it is checked before it is written.
With --share-cpus it is run by a framework of its own, whose executors follow the queue.

\b
aerie pool add physics --user alice --key alice.pub
aerie pool add physics --user alice --sites torino,cnaf --executors 4 --cpus 2
aerie pool add physics --user alice --share-cpus 8 --share-memory 8192 --elastic 10
"""
REMOVE = """Delete the file of a pool. Refused while its stack is there.

\b
aerie pool remove physics
"""
Json = Annotated[bool, typer.Option("--json", help="for programs")]


@terminal.command
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    user: Annotated[str, typer.Option(help="who may log in; further ones in the file")] = "demo",
    key: Annotated[
        list[Path] | None,
        typer.Option(
            help="a public key of the user (several times); without one, up makes a pair", exists=True, dir_okay=False
        ),
    ] = None,
    sites: Annotated[
        str, typer.Option(help="with commas between; all if not given", autocompletion=names.of_sites)
    ] = "",
    submit_site: Annotated[
        str, typer.Option(help="of the submit node; the first if not given", autocompletion=names.of_sites)
    ] = "",
    executors: Annotated[int | None, typer.Option(min=0, help="how many; one a site if not given")] = None,
    cpus: Annotated[float, typer.Option(min=1, help="cores of each executor")] = 1,
    memory: Annotated[int, typer.Option(min=256, help="MB of each executor")] = 1024,
    share_cpus: Annotated[float, typer.Option(help="by a framework: cores it is guaranteed")] = 0,
    share_memory: Annotated[
        int, typer.Option(help="by a framework: MB it is guaranteed; 1024 a core if not given")
    ] = 0,
    elastic: Annotated[int, typer.Option(min=0, help="by a framework: the most further executors")] = 0,
    number: Annotated[int, typer.Option(min=0, max=60, help="the pool's number; the first free one if not given")] = 0,
    ssh_port: Annotated[int, typer.Option(help="the first free one if not given")] = 0,
    json_: Json = False,
) -> None:
    from components.spec.loader import read_sites

    from ..editing import apply, planned, public_keys
    from ..federation import here
    from ..files.plans import add_pool, stack_file

    the = here()
    if (the.root / stack_file(name)).exists():
        raise terminal.Refused(
            f"{stack_file(name)} is there already", f"change it by hand, then aerie up {name}", terminal.UNABLE
        )
    if elastic and not share_cpus:
        raise terminal.Refused("--elastic is for pools by a framework", "give --share-cpus too", terminal.UNABLE)
    stacks, _ = read_sites(the.federation, the.root)
    share = (share_cpus, share_memory or int(share_cpus * 1024)) if share_cpus else None
    wanted = [s for s in sites.split(",") if s]
    changes = planned(
        lambda: add_pool(
            the.federation, stacks, the.pools, name, user, wanted, submit_site, number, ssh_port, public_keys(key or []),
            executors, cpus, memory, share, elastic,
        )
    )  # fmt: skip
    apply(the.root, changes)
    terminal.wrote(changes, f"aerie up {name}; further users and keys: {stack_file(name)}", json_)


@terminal.command
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=names.of_pools)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    json_: Json = False,
) -> None:
    from tools.status_stacks import known_stacks

    from ..editing import apply, refuse_pool
    from ..federation import here, unknown
    from ..files.plans import Texts, stack_file

    the = here()
    if name not in names.pools(the.root):  # also one whose file has mistakes
        raise terminal.Refused(*unknown("pool", name, names.pools(the.root)), status=terminal.UNABLE)
    refuse_pool(name, known_stacks(the.root))
    changes: Texts = {stack_file(name): None}
    if not yes:
        terminal.agree(f"Delete {stack_file(name)}?")
    apply(the.root, changes)
    terminal.wrote(changes, "aerie status; policies of other pools that named it: aerie preview", json_)
