"""What every command says in the same way: results, refusals, and what to do next."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer

P = ParamSpec("P")
R = TypeVar("R")
WRONG, UNABLE, INTERRUPTED = 1, 2, 130  # exit statuses: something is wrong; it could not be asked or done; Ctrl-C

# Everything that is meant to be read: (module, class, exit status). By name, so that none is imported to look.
TOLD = (
    ("components.spec.problems", "ConfigError", UNABLE),
    ("components.batch.framework_client", "FrameworkError", WRONG),
    ("tools.farm", "Refused", WRONG),
    ("tools.stacks", "StackFailed", WRONG),
    ("tools.preview.roll", "Stopped", WRONG),
    ("tools.jobs", "JobsFailed", WRONG),
    ("components.batch.marathon_client", "MarathonError", WRONG),
    ("tools.status_stacks", "PulumiFailed", UNABLE),
    ("tools.reach", "NotUp", UNABLE),
    ("components.image_tags", "ImageError", UNABLE),
    ("aerie.environment", "NoEnvironment", UNABLE),
)


class Refused(Exception):
    """What was asked for cannot be done; the text says why, `do` what to do instead."""

    def __init__(self, text: str, do: str = "", status: int = WRONG) -> None:
        super().__init__(text)
        self.do, self.status = do, status


def next_(text: str, err: bool = False) -> None:
    """The line that every end has; on standard error where there was no result."""
    if not err:
        typer.echo("")
    typer.echo(f"{typer.style('Next:', bold=True)} {text}", err=err)


def put_json(value: Any) -> None:
    """The only thing on standard output under --json."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def wrote(changes: Mapping[str, str | None], do: str, json_: bool) -> None:
    """What was written and deleted, and what to do next."""
    if json_:
        put_json(
            {
                "written": [n for n, text in changes.items() if text is not None],
                "deleted": [n for n, text in changes.items() if text is None],
                "next": do,
            }
        )
        return
    for name, text in changes.items():
        typer.echo(f"{name} {'is deleted' if text is None else 'is written'}")
    next_(do)


def agree(question: str) -> None:
    """Goes on after a yes. Where nobody answers it refuses, and says how to agree beforehand.

    Raises Refused, and typer.Abort after a no.
    """
    try:
        yes = typer.confirm(question)
    except typer.Abort as error:  # the input has ended; at a terminal, Ctrl-C
        if sys.stdin.isatty():
            raise
        typer.echo("")
        raise Refused("nobody was there to answer, so nothing was changed", "the same with --yes", UNABLE) from error
    if not yes:
        raise typer.Abort


def end(status: int) -> NoReturn:
    """Leaves with this exit status."""
    raise typer.Exit(status)


def command(work: Callable[P, R]) -> Callable[P, R]:
    """A command whose known failures are told in plain words, without a stack of calls."""

    @functools.wraps(work)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except (typer.Exit, typer.Abort, SystemExit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            status = tell(error)
            if status is None:
                raise
            raise typer.Exit(status) from error

    return told


def tell(error: BaseException) -> int | None:
    """Says in plain words what is meant to be read, and what to do; the exit status. None, and nothing is said, of a mistake of ours."""
    if isinstance(error, Refused):
        _tell(str(error))
        if error.do:
            next_(error.do, err=True)
        return error.status
    if isinstance(error, KeyboardInterrupt):
        typer.secho("interrupted; the same command goes on from here", fg="yellow", err=True)
        return INTERRUPTED
    status = _known(error)
    if status is not None:
        _tell(str(error))
        next_("mend that and say it again; aerie doctor looks at everything", err=True)
    return status


def _tell(text: str) -> None:
    typer.secho(text, fg="red", err=True)


def _known(error: BaseException) -> int | None:
    """The exit status of a failure that is meant to be read, None for one that is a mistake of ours."""
    for module, name, status in TOLD:
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and isinstance(error, kind):
            return status
    return None
