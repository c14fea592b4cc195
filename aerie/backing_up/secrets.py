"""What an archive is sealed with: the text of a file, without blanks around it."""

from __future__ import annotations

import os
from pathlib import Path

from components.spec.model import Federation
from tools.login import aerie_home

from ..terminal import UNABLE, Refused
from .files import PASSPHRASE
from .sealed import header_of

SHORTEST = 12  # characters


def read(path: Path) -> bytes:
    """Raises Refused for one that anybody guesses."""
    try:
        found = path.read_bytes().strip()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", "name a file with the passphrase by --key", UNABLE) from None
    if len(found) < SHORTEST:
        raise Refused(
            f"{path} has {len(found)} characters: too few to seal anything with", "head -c 32 /dev/urandom | base64"
        )
    return found


def of_federation(key: Path | None, federation: Federation) -> bytes:
    """The file that was named, or the federation's own passphrase."""
    return read(key or aerie_home(federation) / PASSPHRASE)


def home_of(name: str) -> Path:
    """AERIE_HOME of the federation of that name, before its files are here. Raises Refused if the shell has another's."""
    usual = Path.home() / ".aerie"
    home = Path(os.environ.get("AERIE_HOME") or usual / name)
    if home.parent == usual and home.name != name:
        raise Refused(f"AERIE_HOME is {home}, which is not {name}'s", "unset AERIE_HOME, and say it again", UNABLE)
    return home


def of_archive(key: Path | None, file: Path) -> bytes:
    """The file that was named, or the passphrase that the archive's federation has here."""
    if key is not None:
        return read(key)
    try:
        with file.open("rb") as archive:
            name = str(header_of(archive, file.name)[1].get("federation", ""))
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}", "name a file that is there", UNABLE) from None
    path = home_of(name) / PASSPHRASE
    if not path.is_file():
        raise Refused(
            f"there is no {path} to open {file.name} with", "give the file with its passphrase by --key FILE", UNABLE
        )
    return read(path)
