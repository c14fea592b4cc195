"""aerie submit"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import names, terminal

HELP = """Send a submit file to a pool, with the files that it names, and submit it as the pool's first user (or --user).

What the submit file names by executable, input and transfer_input_files, relative to itself, goes along; with --with also what it does
not name. All of it lies in a folder of its own in the user's home there, and so does what the jobs bring back.

\b
aerie submit demo my.sub
aerie submit demo my.sub --wait          until all of them are done
aerie submit demo my.sub --with data/    also this
"""


@terminal.command
def submit(
    pool: Annotated[str, typer.Argument(autocompletion=names.of_pools)],
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    with_: Annotated[list[Path] | None, typer.Option("--with", help="also this file or folder", exists=True)] = None,
    user: Annotated[str, typer.Option(help="another user of the pool")] = "",
    key: Annotated[Path | None, typer.Option(help="the user's private key", exists=True, dir_okay=False)] = None,
    wait: Annotated[bool, typer.Option("--wait", help="until all jobs have left the queue")] = False,
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    from datetime import UTC, datetime

    from ..federation import here, into_pool
    from ..submit_files import to_send
    from ..submitting import send, until_done

    files, missing = to_send(file, with_ or [])
    if missing:
        raise terminal.Refused(
            f"{file.name} names what is not beside it: {', '.join(missing)}",
            "correct the names, or write absolute ones of files that are there already",
            terminal.UNABLE,
        )
    login = into_pool(here(), pool, user, key)
    folder = f"aerie-{file.stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    first, last = send(login, files, file.name, folder)
    cluster = first.partition(".")[0]
    if not json_:
        jobs = first if first == last else f"{first} to {last}"
        typer.echo(f"submitted as {login.user}: {jobs}, in ~/{folder}")
    if wait:
        until_done(login, pool, cluster)
        if not json_:
            typer.echo("all of them have left the queue")
    if json_:
        terminal.put_json({"pool": pool, "user": login.user, "first": first, "last": last, "folder": folder})
    elif wait:
        terminal.next_(f"aerie ssh {pool} ls {folder}")
    else:
        terminal.next_(
            f"aerie explain {pool} {cluster} says why it waits; aerie ssh {pool} condor_q; there: cd {folder}"
        )
