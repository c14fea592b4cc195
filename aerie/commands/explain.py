"""aerie explain"""

from __future__ import annotations

from typing import Annotated

import typer

from .. import names, terminal

HELP = """Why a job waits: HTCondor's analysis and the framework's reasons, in plain words.

JOB is a number as condor_submit and condor_q tell it: 5.0, or 5 for the whole cluster. Exit status: 0 it runs, is done or needs
patience only; 1 something has to be done.

\b
aerie explain demo 5.0
aerie explain demo 5 --analysis      with all that HTCondor says
"""


@terminal.command
def explain(
    pool: Annotated[str, typer.Argument(autocompletion=names.of_pools)],
    job: Annotated[str, typer.Argument(metavar="JOB")],
    analysis: Annotated[bool, typer.Option("--analysis", help="also the text of condor_q -better-analyze")] = False,
    facts: Annotated[
        bool, typer.Option("--facts", help="what was found, unjudged, as JSON (for a fault report)")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    from dataclasses import asdict

    from ..explaining import why
    from ..explaining.ask import job_id
    from ..explaining.facts import FACTS
    from ..explaining.gather import gather
    from ..federation import here

    asked = job_id(job)
    if asked is None:
        raise terminal.Refused(
            f"{job} is no job", "write its number, such as 5.0, or 5 for a whole cluster", terminal.UNABLE
        )
    found = gather(here(), pool, asked)
    answer = why.answer(found)
    if facts:
        typer.echo(FACTS.dump_json(found, indent=1).decode())
    elif json_:
        terminal.put_json(asdict(answer))
    else:
        owner = f" of {answer.owner}" if answer.owner else ""
        typer.echo(f"{typer.style(f'{answer.job}{owner}', bold=True)} {answer.state}")
        for line in answer.why:
            typer.echo(f"  {line}")
        if answer.counts:
            typer.echo("  the whole cluster: " + ", ".join(f"{n} {state}" for state, n in answer.counts))
        if analysis and found.analysis:
            typer.echo("\n" + found.analysis.text)
        terminal.next_(answer.do)
    terminal.end(0 if answer.good else terminal.WRONG)
