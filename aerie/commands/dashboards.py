"""aerie dashboards: the tool of this name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import terminal

HELP = """Grafana's dashboards of this federation as JSON files, for a Grafana that is there already.

Nothing is asked of the federation, so it need not be up. docs/dashboards.md says how a Grafana takes them.

\b
aerie dashboards --out dashboards
aerie dashboards --out dashboards --pool cms      also of a pool whose file is elsewhere
"""


@terminal.command
def dashboards(
    out: Annotated[Path, typer.Option(help="the folder; it is made if it is not there")],
    pool: Annotated[list[str] | None, typer.Option(help="a further pool")] = None,
) -> None:
    from tools import dashboards as tool

    from ..environment import ROOT

    try:
        lines = tool.make(out, pool or [], ROOT)
    except tool.NoDashboards as error:
        raise terminal.Refused(str(error), "aerie dashboards --help", terminal.UNABLE) from error
    for line in lines:
        typer.echo(line)
    terminal.next_(tool.NEXT)
