"""aerie doctor"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import terminal

if TYPE_CHECKING:
    from ..doctor.facts import Facts, Finding

HELP = """Look for what is wrong: with this machine, the configuration, the state, clouds, and every machine that is up.

Nothing is changed. Checks: Docker, commands, versions, disk, memory, ports, secrets' modes, configuration, backend, passphrase,
credentials, clouds (names, quotas), host keys, machines, clocks, MTU. Exit status: 0 nothing is wrong; 1 something is, each with its
mend.

\b
aerie doctor
aerie doctor --json
aerie doctor --facts > facts.json      for a fault report; it holds no secret
aerie doctor --from facts.json         judge them elsewhere
"""


@terminal.command
def doctor(
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    facts: Annotated[
        bool, typer.Option("--facts", help="what was found, unjudged, as JSON (for a fault report)")
    ] = False,
    from_: Annotated[
        Path | None, typer.Option("--from", help="judge these facts, and look at nothing", exists=True, dir_okay=False)
    ] = None,
) -> None:
    from dataclasses import asdict

    from ..doctor.facts import FACTS
    from ..doctor.judge import judge

    found = FACTS.validate_json(from_.read_bytes()) if from_ else _gather()
    findings = judge(found)
    bad = [f for f in findings if f.bad]
    if facts:
        typer.echo(FACTS.dump_json(found, indent=1).decode())
    elif json_:
        terminal.put_json(
            {
                "good": not bad,
                "findings": [asdict(f) for f in findings],
                "unasked": found.unasked,
                "seconds": found.seconds,
            }
        )
    else:
        _show(found, findings)
    terminal.end(terminal.WRONG if bad else 0)


def _gather() -> Facts:
    from .. import environment
    from ..doctor.gather import gather

    try:
        environment.ensure()
    except environment.NoEnvironment as error:  # what is told is why there is no Pulumi, beside all the rest
        typer.secho(str(error), fg="yellow", err=True)
    return gather(environment.ROOT)


def _show(found: Facts, findings: list[Finding]) -> None:
    bad = sum(f.bad for f in findings)
    name = found.wanted.federation or "this federation"
    verdict = "nothing is wrong" if not bad else "1 thing is wrong" if bad == 1 else f"{bad} things are wrong"
    asked = f"{len(found.machines)} machines, {len(found.ports)} ports, {found.seconds:.1f} s"
    typer.echo(f"{typer.style(name, bold=True)}: {typer.style(verdict, fg='red' if bad else 'green')}  ({asked})")
    for f in findings:
        kind = typer.style("wrong", fg="red") if f.bad else typer.style("note ", fg="yellow")
        typer.echo(f"{kind}  {f.check}, {f.where}: {f.what}")
        typer.echo(f"       {typer.style('-> ' + f.mend, fg='cyan')}")
    for text in found.unasked:
        typer.echo(f"{typer.style('note ', fg='yellow')}  not looked at: {text}")
    terminal.next_("mend these, then say it again" if bad else "aerie status shows what the services do")
