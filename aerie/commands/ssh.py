"""aerie ssh"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from .. import names, terminal

HELP = """Log in to a pool's submit node, or to a machine.

A pool lets its first user in, or --user; a machine its operator (root). A site's name stands for its front-end. What follows the name is
run there instead of a shell, so options stand before it. Host keys are pinned: a wrong one is refused.

\b
aerie ssh demo
aerie ssh demo condor_q -nobatch
aerie ssh torino-agent-1 'docker ps | wc -l'
aerie ssh --print torino
"""


@terminal.command
def ssh(
    where: Annotated[str, typer.Argument(metavar="POOL|MACHINE", autocompletion=names.pools_and_sites)],
    command: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]...", help="what to run there")] = None,
    user: Annotated[str, typer.Option(help="another user of the pool")] = "",
    key: Annotated[Path | None, typer.Option(help="the user's private key", exists=True, dir_okay=False)] = None,
    print_: Annotated[bool, typer.Option("--print", help="show the ssh command, and do not run it")] = False,
    json_: Annotated[bool, typer.Option("--json", help="the same as --print, for programs")] = False,
) -> None:
    from ..federation import here, into_machine, into_pool

    if command and command[0].startswith("-"):
        raise terminal.Refused(
            f"{command[0]} stands behind {where}, so it would be run there", f"aerie ssh {command[0]} {where}", 2
        )
    the = here()
    login = into_pool(the, where, user, key) if where in the.pools else into_machine(the, where).login
    # At a terminal ssh may ask for a key's passphrase.
    line = login.command if command else ["BatchMode=no" if p == "BatchMode=yes" else p for p in login.command]
    # One text is for the shell there, as with ssh; several words arrive as they are here.
    full = [*line, *([command[0] if len(command) == 1 else shlex.join(command)] if command else [])]
    if json_:
        terminal.put_json({"command": full, "user": login.user, "host": login.host, "port": login.port})
    elif print_:
        typer.echo(shlex.join(full))
    else:
        os.execvp(full[0], full)
