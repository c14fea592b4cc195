"""aerie up, preview, destroy: Pulumi on the stacks, in their order, with one progress display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .. import names, terminal

if TYPE_CHECKING:
    from tools.stacks import Verb

UP = """Bring stacks up: the federation, then the sites at the same time, then the pools. Without names all of them.

What is not there yet is made: stacks, keys of the pools' users. Images are looked for and built only with --images, as make up does.

\b
aerie up
aerie up torino demo
aerie up --images        also build and push what images are missing
"""
PREVIEW = """What up would change, and change nothing. Without names all stacks.

\b
aerie preview
aerie preview torino
"""
DESTROY = """Take stacks down: pools, then sites, then the federation. A pool in which jobs run is not destroyed, nor what it stands on.

Without names all of them. Asks first, unless --yes is given.

\b
aerie destroy demo
aerie destroy --yes
"""
Names = Annotated[list[str] | None, typer.Argument(metavar="[STACK]...", autocompletion=names.of_stacks)]
Json = Annotated[bool, typer.Option("--json", help="for programs")]


@terminal.command
def up(
    stacks: Names = None,
    images: Annotated[bool, typer.Option("--images", help="first build and push what images are missing")] = False,
    json_: Json = False,
) -> None:
    _run("up", stacks or [], json_, images)


@terminal.command
def preview(stacks: Names = None, json_: Json = False) -> None:
    _run("preview", stacks or [], json_)


@terminal.command
def destroy(
    stacks: Names = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    json_: Json = False,
) -> None:
    from ..federation import here
    from ..ordering import ALL, chosen

    if not yes:
        what = ", ".join(name for step in chosen(here(), stacks or [], "destroy") for name in step)
        typer.confirm(f"Destroy {ALL if not stacks else 'the stacks'}: {what}?", abort=True)
    _run("destroy", stacks or [], json_)


def _run(verb: Verb, stacks: list[str], json_: bool, images: bool = False) -> None:
    from ..federation import here
    from ..ordering import next_after
    from ..running import run

    the = here()
    done = run(the, verb, stacks, quiet=json_, images=images)
    if json_:
        terminal.put_json({"verb": verb, "stacks": done, "next": next_after(the, verb, stacks, done)})
    else:
        terminal.next_(next_after(the, verb, stacks, done))
