"""aerie up, preview, destroy: Pulumi on the stacks, in their order, with one progress display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from .. import names, terminal

UP = """Bring stacks up: the federation, then the sites at the same time, then the pools. Without names all of them.

What is not there yet is made: stacks, keys of the pools' users. Images are looked for and built only with --images. Sites whose members
of quorums change go one after the other, with every quorum whole again in between; a change by which one would be lost is refused.

\b
aerie up
aerie up torino demo
aerie up --images        also build and push what images are missing
aerie up --images --jobs 24      what make up does
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
aerie destroy --yes      what make down does
"""
Names = Annotated[list[str] | None, typer.Argument(metavar="[STACK]...", autocompletion=names.of_stacks)]
Json = Annotated[bool, typer.Option("--json", help="for programs")]


@terminal.command
def up(
    stacks: Names = None,
    images: Annotated[bool, typer.Option("--images", help="first build and push what images are missing")] = False,
    jobs: Annotated[int, typer.Option(min=0, help="then run so many jobs in each pool, and tell all times")] = 0,
    json_: Json = False,
) -> None:
    from ..federation import here
    from ..running import up

    the = here()
    done = up(the, stacks or [], quiet=json_, images=images, jobs=jobs)
    _tell(the, "up", stacks or [], done, json_, told=jobs > 0)


@terminal.command
def preview(stacks: Names = None, json_: Json = False) -> None:
    from ..federation import here
    from ..running import preview

    the = here()
    _tell(the, "preview", stacks or [], preview(the, stacks or [], quiet=json_), json_)


@terminal.command
def destroy(
    stacks: Names = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    jobs_too: Annotated[bool, typer.Option("--jobs-too", help="also while jobs run: they are removed")] = False,
    json_: Json = False,
) -> None:
    from ..destroying import destroy
    from ..federation import here
    from ..ordering import ALL, chosen

    the = here()
    if not yes:
        what = ", ".join(name for step in chosen(the, stacks or [], "destroy") for name in step)
        terminal.agree(f"Destroy {ALL if not stacks else 'the stacks'}: {what}?")
    done = destroy(the, stacks or [], quiet=json_, jobs_too=jobs_too)
    _tell(the, "destroy", stacks or [], done, json_)


def _tell(the: Any, verb: str, stacks: Sequence[str], done: Mapping[str, Any], json_: bool, told: bool = False) -> None:
    """The end. `told`: what to do next has been said already."""
    from ..ordering import next_after

    do = next_after(the, verb, list(stacks), done)
    if json_:
        terminal.put_json({"verb": verb, "stacks": done, "next": do})
    elif not told:
        terminal.next_(do)
