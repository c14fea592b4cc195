"""Which files a federation is made of, and which of them may be written over. Decisions are pure; reading and writing is thin."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .archive import FILES, HOME

PASSPHRASE = "passphrase"
# Written anew from the stacks' outputs by whoever logs in.
DERIVED = re.compile(r"^(site-.*|known_hosts.*|.*\.conf)$")
FEDERATION = "federation.yaml"
SALT = re.compile(r"(?m)^encryptionsalt:.*\n")


def without_salt(data: bytes) -> bytes:
    """A stack's file as git has it: the salt is put there from the state (see tools/setup/salt.sh)."""
    return SALT.sub("", data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def of_clone(root: Path) -> dict[str, bytes]:
    """The federation's own files in the clone, by name."""
    paths = [root / FEDERATION, *sorted(root.glob("Pulumi.*.yaml"))]
    return {p.name: without_salt(p.read_bytes()) for p in paths if p.is_file()}


def of_home(home: Path) -> dict[str, bytes]:
    """What AERIE_HOME has that cannot be had again: the passphrase, and the key pairs of users; by name below it."""
    keys = [p for p in sorted((home / "ssh").glob("*")) if p.is_file() and not DERIVED.match(p.name)]
    paths = [home / PASSPHRASE, *keys]
    return {str(p.relative_to(home)): p.read_bytes() for p in paths if p.is_file()}


@dataclass(frozen=True)
class Change:
    """One file, by its part's name (`files/...`, `home/...`). `loses`: what is there now is nowhere else."""

    name: str
    delete: bool = False
    loses: bool = False


def changes(
    wanted: Mapping[str, bytes], there: Mapping[str, bytes], kept_by_git: Iterable[str], fresh_home: bool
) -> list[Change]:
    """What is to be written and deleted; all three by part's name.

    Nothing is lost of a file that git has as it is, nor of the passphrase that a new home was given and that has sealed nothing yet."""
    kept = set(kept_by_git)
    out = []
    for name, data in sorted(wanted.items()):
        if there.get(name) == data:
            continue
        harmless = name not in there or name in kept or (fresh_home and name == HOME + PASSPHRASE)
        out.append(Change(name, loses=not harmless))
    # Another stack's file would be another stack to bring up.
    for name in sorted(n for n in there if n.startswith(FILES) and n not in wanted):
        out.append(Change(name, delete=True, loses=name not in kept))
    return out


def unchanged_in_git(root: Path, names: Iterable[str]) -> set[str]:
    """Those that git has as they are here; none without git."""
    out = set()
    for name in names:
        tracked = _git(root, "ls-files", "--error-unmatch", "--", name)
        if tracked.returncode == 0 and _git(root, "diff", "--quiet", "HEAD", "--", name).returncode == 0:
            out.add(name)
    return out


def revision(root: Path) -> str:
    """Of the checkout; with + if files of it are changed. "" without git."""
    found = _git(root, "rev-parse", "HEAD")
    if found.returncode:
        return ""
    return found.stdout.strip() + ("+" if _git(root, "status", "--porcelain", "-uno").stdout.strip() else "")


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, 127, "", "")


def put(root: Path, home: Path, change: Change, data: bytes) -> None:
    """One change done; what lies in the home is for its owner only."""
    if change.name.startswith(HOME):
        path, mode = home / change.name.removeprefix(HOME), 0o600
    else:
        path, mode = root / change.name.removeprefix(FILES), 0o644
    if change.delete:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
            out.write(data)
        half.rename(path)
    finally:
        half.unlink(missing_ok=True)
