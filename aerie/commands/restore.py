"""aerie restore"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .. import terminal
from .backup import Key, look

if TYPE_CHECKING:
    from rich.console import Console

    from ..backing_up.archive import Manifest

HELP = """Make a federation anew from an archive of aerie backup: its keys and passwords are the same, its machines are new ones.

It refuses while anything of the federation is there, and does not write over other files. What it did is kept: after a failure the
same command goes on. Without the jobs' queues, unless the archive was made with --spool.

\b
aerie restore FILE
aerie restore FILE --key PASSPHRASE-FILE    on a new machine; FILE is sealed with what is in there
aerie restore FILE --check                  is it whole, and what is in it
aerie restore FILE --only etcd              into a federation that runs
"""


@terminal.command
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    key: Key = None,
    check: Annotated[bool, typer.Option("--check", help="look whether FILE is whole, and do nothing else")] = False,
    only: Annotated[
        Literal["etcd", "zookeeper"] | None,
        typer.Option("--only", help="just this, into a federation that runs: etcd or zookeeper"),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="first remove what there is of the federation on this machine")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="write over other files and other states")] = False,
    images: Annotated[bool, typer.Option("--images", help="first build and push what images are missing")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    json_: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    import tempfile

    from rich.console import Console

    from ..backing_up import archive
    from ..backing_up.secrets import of_archive

    if check:
        return look(file, key, json_)
    secret = of_archive(key, file)
    console = Console(highlight=False, stderr=json_, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="aerie-restore-") as name:
        folder = Path(name)
        manifest = archive.read(file, secret, folder)
        console.print(f"[bold]{manifest.federation}[/] at {manifest.made}: the archive is whole")
        if only:
            done = _only(only, manifest, folder, console, yes)
        else:
            done = _whole(file, manifest, folder, console, replace, force, images, yes)
    if json_:
        terminal.put_json(done)
    else:
        terminal.next_(str(done["next"]))


def _whole(
    file: Path, manifest: Manifest, folder: Path, console: Console, replace: bool, force: bool, images: bool, yes: bool
) -> dict[str, object]:
    from components.image_tags import image_tags

    from .. import environment
    from ..backing_up import files, gather, judge, progress, restore
    from ..backing_up.secrets import home_of
    from ..ordering import next_after

    root, home = environment.ROOT, home_of(manifest.federation)
    so_far = progress.progress_of(home, restore.identity(file))
    found = judge.Found()
    if so_far.goes_on:
        console.print(f"  going on after: {', '.join(so_far.done)}")
    else:
        found = gather.look(manifest, folder, root, home)
        restore.refuse(found, replace, force)
    notes = judge.notes(manifest, image_tags(root), files.revision(root))
    for text in notes:
        console.print(f"  {text}")
    if not yes:
        gone = judge.with_data(found.objects)
        first = f"remove {len(gone)} containers and volumes, and " if gone else ""
        terminal.agree(f"{first}restore {manifest.federation} onto new machines?".capitalize())
    work = restore.Restoration(root, home, folder, manifest, so_far, console, images)
    into = restore.restore(work, found)
    stacks = restore.stacks(manifest)
    return {
        "federation": manifest.federation,
        "made": manifest.made,
        "stacks": stacks,
        "seconds": work.seconds,
        "notes": notes,
        "next": next_after(into, "up", [], {name: {} for name in stacks}),
    }


def _only(
    only: Literal["etcd", "zookeeper"], manifest: Manifest, folder: Path, console: Console, yes: bool
) -> dict[str, object]:
    from ..backing_up import archive, restore
    from ..backing_up.seed import What
    from ..federation import here

    the = here()
    if the.federation.name != manifest.federation:
        text = f"the archive is of {manifest.federation}, this clone of {the.federation.name}"
        raise terminal.Refused(text, "take an archive of this federation", terminal.UNABLE)
    part = {"etcd": archive.ETCD, "zookeeper": archive.ZOOKEEPER}[only]
    if not manifest.has(part):
        raise terminal.Refused(f"{part} is not in the archive", "take another one", terminal.UNABLE)
    if not yes:
        terminal.agree(f"Put {only} of {the.federation.name} back to {manifest.made}?")
    restore.only(the, What(only == "etcd", only == "zookeeper"), folder, console)
    do = "aerie status; then aerie up: what was changed since the archive was made is made again"
    return {"federation": manifest.federation, "made": manifest.made, "only": only, "next": do}
