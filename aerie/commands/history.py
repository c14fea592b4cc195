"""aerie history"""

from __future__ import annotations

from typing import Annotated

import typer

from .. import names, terminal

HELP = """Jobs that ended, by user: how many, their hours of CPU and of wall clock, and what they ended with.

It asks the index of finished jobs (monitoring.history, docs/history.md), which has what HTCondor's own history has long forgotten. A job
is there within a minute of its end.

\b
aerie history                          all pools, the last 7 days
aerie history demo --since 24h
aerie history demo --user ann --failed --since 4w
aerie history --json
"""


@terminal.command
def history(
    pool: Annotated[str, typer.Argument(autocompletion=names.of_pools, help="all, if none is named")] = "",
    user: Annotated[str, typer.Option(help="only this user's")] = "",
    since: Annotated[str, typer.Option(help="hours, days or weeks: 12h, 7d, 4w")] = "7d",
    failed: Annotated[bool, typer.Option("--failed", help="only those with another exit code than 0, a signal, or that were removed")] = False,
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:  # fmt: skip
    import time
    from dataclasses import asdict

    from tools.reach import ask

    from .. import history as index
    from ..federation import here, into_machine

    the = here()
    own = the.pool(pool) if pool else None
    meanwhile = f"aerie ssh {pool or next(iter(the.pools), 'POOL')} condor_history -limit 20"
    site = the.federation.history_site
    if site is None:
        do = f"write monitoring: {{history: {{}}}} into federation.yaml, then aerie up (docs/history.md). Meanwhile: {meanwhile}"
        raise terminal.Refused("this federation keeps no history of its jobs", do, terminal.UNABLE)
    back = index.seconds(since)
    if back is None:
        raise terminal.Refused(f"{since} is no span of time", "write such as 12h, 7d or 4w", terminal.UNABLE)
    domain = f"{pool}.aerie" if own else ""  # as PoolSpec.domain
    said = ask(into_machine(the, site), index.script(index.question(domain, user, time.time() - back, failed)), 90)
    try:
        if said.trouble and not said.text:
            raise ValueError(said.trouble)
        users = index.read(said.text)
    except ValueError as error:
        text = f"the index at {site} does not answer: {error}"
        raise terminal.Refused(
            text, f"aerie status; aerie ssh {site} docker logs --tail 20 opensearch", terminal.UNABLE
        ) from error
    if json_:
        terminal.put_json({"since": since, "users": [asdict(one) for one in users]})
        return
    of, again = (f" of {pool}", f"aerie history {pool}") if pool else ("", "aerie history")
    if not users:
        typer.echo(f"no such job{of} ended within {since}")
        terminal.next_(
            f"aerie history {pool} --since 4w".replace("  ", " ") + f"; what is not a minute old: {meanwhile}"
        )
        return
    for line in index.table(users):
        typer.echo(line)
    terminal.next_(f"{again} --failed --user {users[0].user}; one job: {meanwhile}")
