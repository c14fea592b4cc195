"""aerie backup"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import terminal

if TYPE_CHECKING:
    from ..backing_up.archive import Manifest

HELP = """Take a copy of the federation into one encrypted file: the stacks' states and files, passphrase and users' keys, etcd, ZooKeeper.

The jobs' queues and the users' homes are in it with --spool only. It is sealed with the federation's passphrase, or the text in the
file --key: keep that elsewhere, not beside the archive.

\b
aerie backup                                   a file in this folder
aerie backup --into /srv/backups --keep 14     each night; the 14 newest stay
aerie backup --spool                           also queues and homes
aerie backup --check FILE                      is it whole, and what is in it
"""
Key = Annotated[
    Path | None,
    typer.Option("--key", help="a file with the passphrase to seal with", exists=True, dir_okay=False, readable=True),
]
Json = Annotated[bool, typer.Option("--json", help="for programs")]


@terminal.command
def backup(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", dir_okay=False)] = None,
    into: Annotated[
        Path | None, typer.Option("--into", help="a folder; the file's name has the time", exists=True, file_okay=False)
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=0, help="with --into: the newest N of this federation stay")] = 0,
    spool: Annotated[bool, typer.Option("--spool", help="also the pools' queues and homes")] = False,
    state_only: Annotated[
        bool, typer.Option("--state-only", help="no etcd, no ZooKeeper: where they are lost")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="look whether FILE is whole, and do nothing else")] = False,
    key: Key = None,
    json_: Json = False,
) -> None:
    from rich.console import Console

    from ..backing_up import judge
    from ..backing_up.secrets import of_federation
    from ..backing_up.take import Wish, take
    from ..federation import here

    if check:
        return look(file, key, json_)
    if (file and into) or (keep and not into):
        text = "FILE and --into are one too many" if file else "--keep is about a folder"
        raise terminal.Refused(text, "aerie backup --into FOLDER --keep N, or aerie backup FILE", terminal.UNABLE)
    the = here()
    secret = of_federation(key, the.federation)
    console = Console(highlight=False, stderr=json_, soft_wrap=True)
    path, manifest = take(the, Wish(spool, not state_only), secret, file, into or Path(), console)
    folder = path.parent
    names = [p.name for p in folder.iterdir()] if keep else []
    removed = judge.to_remove(names, the.federation.name, keep)
    for name in removed:
        (folder / name).unlink()
    do = f"keep {path.name} on another machine, and what opens it ({key or 'AERIE_HOME/passphrase'}) on a third; aerie backup --check {path}"
    if json_:
        terminal.put_json({"file": str(path), **told(manifest), "removed": removed, "next": do})
        return
    for name in removed:
        typer.echo(f"  removed {name}")
    for text in manifest.without:
        typer.echo(f"  {text}")
    typer.echo(f"{path}, {size(path.stat().st_size)}")
    terminal.next_(do)


def look(file: Path | None, key: Path | None, json_: bool) -> None:
    """What is in an archive that is whole."""
    from ..backing_up import archive
    from ..backing_up.secrets import of_archive

    if file is None:
        raise terminal.Refused("no archive was named", "aerie backup --check FILE", terminal.UNABLE)
    manifest = archive.read(file, of_archive(key, file))
    do = f"aerie restore {file}"
    if json_:
        terminal.put_json({"file": str(file), **told(manifest), "next": do})
        return
    typer.echo(
        f"{typer.style(manifest.federation, bold=True)} at {manifest.made}, revision {manifest.revision or 'none'}: whole"
    )
    for part in manifest.parts:
        about = ", ".join(f"{k} {v}" for k, v in part.about.items())
        typer.echo(f"  {part.name:<32} {size(part.size):>10}  {part.sha256[:12]}  {about}".rstrip())
    for text in manifest.without:
        typer.echo(f"  {text}")
    terminal.next_(do)


def told(manifest: Manifest) -> dict[str, object]:
    """For programs."""
    from dataclasses import asdict

    return asdict(manifest)


def size(number: int) -> str:
    """As 12.3 kB."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB"):
        if value >= 1000:
            value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
