"""`aerie status` as it is said most often, without typer: to import that takes as long as to ask a machine. What is not exactly this
(such as --help, or a mistake) has the way of all commands; that does the same, by `run`."""

from __future__ import annotations

from collections.abc import Sequence

OPTIONS = ("--routing", "--json", "--facts")


def status(arguments: Sequence[str]) -> int | None:
    """The exit status; None, and nothing is done, if `arguments` are something else."""
    if not arguments or arguments[0] != "status" or not set(arguments[1:]) <= set(OPTIONS):
        return None
    try:
        return run(*(option in arguments for option in OPTIONS))
    except (Exception, KeyboardInterrupt) as error:
        from . import terminal

        ended = terminal.tell(error)
        if ended is None:
            raise
        return ended


def run(routing: bool, json: bool, facts: bool) -> int:
    """The exit status. Raises what is to be told by `terminal.tell`."""
    from tools import status as tool

    from . import environment

    environment.ensure()
    try:
        return tool.run(routing, json, facts)
    except OSError as error:
        from .terminal import UNABLE, Refused

        raise Refused(str(error), "aerie doctor looks at everything", UNABLE) from error
