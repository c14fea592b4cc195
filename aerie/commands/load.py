"""aerie load: the tool of this name."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import names, terminal

HELP = """Put a load on a pool: `stress` jobs on cpu, memory and disk, at a rate, of a length; and tell how the pool took it.

It follows the queue until all of them are done. Ctrl-C stops submitting and says how to take the rest away.

\b
aerie load demo                                                30 jobs a minute for 2 minutes, 20 s each
aerie load demo --rate 120 --minutes 10 --length 60 --mix cpu
aerie load demo --mix memory=1,io=1 --memory 400 --disk 200    MB
"""


@terminal.command
def load(
    pool: Annotated[str, typer.Argument(autocompletion=names.of_pools)] = "",
    rate: Annotated[float, typer.Option(help="jobs a minute")] = 30,
    minutes: Annotated[float, typer.Option(help="for so long")] = 2,
    length: Annotated[float, typer.Option(help="seconds of a job")] = 20,
    spread: Annotated[float, typer.Option(help="jobs are up to this share shorter or longer")] = 0.5,
    mix: Annotated[str, typer.Option(help="kinds and their weights")] = "cpu=6,memory=3,io=1",
    memory: Annotated[int, typer.Option(help="MB that a memory job keeps busy")] = 48,
    disk: Annotated[int, typer.Option(help="MB that an io job writes, over and over")] = 32,
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    from ..federation import here

    here()  # what is wrong with the files is told as by the other commands
    from tools.load import __main__ as tool

    given = {
        "rate": rate,
        "minutes": minutes,
        "length": length,
        "spread": spread,
        "mix": mix,
        "memory": memory,
        "disk": disk,
    }
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    terminal.end(tool.main([*([pool] if pool else []), *words, *(["--json"] if json_ else [])]))
