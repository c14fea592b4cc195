"""The commands in a clone of the tests' own: `aerie` on its files, with nothing of the machine below."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer import testing
from typer.testing import CliRunner

from aerie import environment
from aerie.application import application

DATA = Path(__file__).parent / "data" / "cli"


# Made once: to make the command of the application takes longer than most commands, and CliRunner would for each.
the_application = functools.cache(application)
setattr(testing, "_get_command", functools.cache(testing._get_command))  # noqa: B010


@dataclass
class Clone:
    """A folder that the commands take for the clone. `stacks` are those that exist."""

    root: Path
    stacks: list[str]

    def run(self, *arguments: str, answers: str = "") -> tuple[int, str]:
        """Exit status, and all that was said."""
        done = CliRunner().invoke(the_application(), list(arguments), input=answers, prog_name="aerie")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output


def clone_in(folder: Path, patch: pytest.MonkeyPatch) -> Clone:
    """`folder` as the clone: no look at this machine, nor at Pulumi."""
    the = Clone(folder, [])
    patch.setattr(environment, "ROOT", folder)
    patch.setattr(environment, "ensure", lambda *_: None)
    patch.setattr("components.host.host_networks", lambda _: [])
    patch.setattr("tools.preflight.host_networks", lambda _: [])
    patch.setattr("tools.status_stacks.known_stacks", lambda _: tuple(the.stacks))
    return the
