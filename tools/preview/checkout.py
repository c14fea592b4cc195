"""What git and the files say of a change: the paths, and which keys of the configuration are others."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from components.spec.loader import read_federation, read_sites
from components.spec.model import Federation
from components.spec.problems import ConfigError, with_lines
from components.spec.validate import read_pools

from .keys import key_changes
from .touched import Stack, all_stacks, built_on
from .why import Edits


class NoChange(Exception):
    """Git cannot tell what changed; the text says why and what to do."""


@dataclass(frozen=True)
class Checkout:
    """The configuration of the folder: the federation and its stacks, in the order of `up`."""

    federation: Federation
    stacks: tuple[Stack, ...]

    @property
    def names(self) -> list[str]:
        return [s.name for s in self.stacks]


def read_checkout(root: Path) -> Checkout:
    """The stacks of the folder. Raises ConfigError if federation.yaml has mistakes; those of other files are their stacks' to tell."""
    federation, problems = read_federation(root)
    if federation is None:
        raise ConfigError(with_lines(problems, root))
    sites, _ = read_sites(federation, root)
    return Checkout(federation, tuple(all_stacks(federation, sites, read_pools(root, federation))))


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise NoChange(f"git {words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def edits_since(root: Path, ref: str) -> Edits:
    """The change from where this branch left `ref` to the files as they lie here, those not committed too.

    Raises NoChange if git does not know `ref`."""
    if ref.startswith("-"):
        raise NoChange(f"{ref!r} is no name of a commit: write a branch, a tag or a hash")
    try:
        base = _git(root, "merge-base", ref, "HEAD").strip()
    except NoChange as error:
        raise NoChange(
            f"git does not know where this branch left {ref}: fetch it first (git fetch origin {ref.removeprefix('origin/')}; in CI with "
            f"fetch-depth: 0)\n  {error}"
        ) from error
    files = {f for f in _git(root, "diff", "--name-only", "-z", "--no-renames", base).split("\0") if f}
    files |= {f for f in _git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0") if f}
    keys = {}
    for file in sorted(files):
        if file == "federation.yaml" or (file.startswith("Pulumi.") and file.endswith(".yaml")):
            keys[file] = key_changes(
                _at(root, base, file), (root / file).read_text() if (root / file).is_file() else ""
            )
    return Edits(tuple(sorted(files)), {f: k for f, k in keys.items() if k}, True, built_on(root))


def _at(root: Path, commit: str, file: str) -> str:
    try:
        return _git(root, "show", f"{commit}:{file}")
    except NoChange:
        return ""  # it was not there
