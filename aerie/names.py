"""The names that the shell's completion offers: from the names of files and federation.yaml's lines, so that it is quick."""

from __future__ import annotations

import re
from pathlib import Path

from . import environment

FEDERATION = "federation"


def stacks(root: Path | None = None) -> list[str]:
    """Every stack that has a file, the federation's first."""
    found = sorted(
        p.name.removeprefix("Pulumi.").removesuffix(".yaml") for p in (root or environment.ROOT).glob("Pulumi.*.yaml")
    )
    return sorted(found, key=lambda name: name != FEDERATION)


def sites_in(text: str) -> list[str]:
    """The keys of the block `sites` of federation.yaml, without a reader of YAML."""
    _, _, block = ("\n" + text).partition("\nsites:")
    block = re.split(r"\n(?=[^\s#])", block)[0]
    lines = re.findall(r"^( +)([a-z][a-z0-9-]*):", block, flags=re.M)
    return [name for indent, name in lines if indent == lines[0][0]]


def sites(root: Path | None = None) -> list[str]:
    file = (root or environment.ROOT) / "federation.yaml"
    return sites_in(file.read_text()) if file.is_file() else []


def pools(root: Path | None = None) -> list[str]:
    return [s for s in stacks(root) if s != FEDERATION and s not in sites(root)]


def of_sites(incomplete: str) -> list[str]:
    return [n for n in sites() if n.startswith(incomplete)]


def of_pools(incomplete: str) -> list[str]:
    return [n for n in pools() if n.startswith(incomplete)]


def of_stacks(incomplete: str) -> list[str]:
    return [n for n in stacks() if n.startswith(incomplete)]


def pools_and_sites(incomplete: str) -> list[str]:
    return [n for n in [*pools(), *sites()] if n.startswith(incomplete)]
