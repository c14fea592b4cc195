"""What a site was when it was last brought up: the files that its program is made of, and the federation's secrets; as hashes.

By the first an `up` is spared where a preview shows no change (what depends on what is in the state too, and in no preview); by the
second a renewed secret is told from any other change that members are told by their standard input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .touched import EVERYWHERE, NOWHERE, matches


def program(root: Path, site: str) -> str:
    """Of all files that decide what the site's stack is, images apart: those are in its preview."""
    made = hashlib.sha256()
    for pattern in (*EVERYWHERE, f"Pulumi.{site}.yaml"):
        folder = root / pattern.removesuffix("/*")
        for file in sorted(folder.rglob("*")) if pattern.endswith("/*") else [folder]:
            name = file.relative_to(root).as_posix()
            if file.is_file() and not matches(name, (*NOWHERE, "*.pyc")):
                made.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return made.hexdigest()


def secrets(federation: Mapping[str, Any]) -> str:
    """Of what the federation's stack gives to all members."""
    shared = {key: federation.get(key) for key in ("ca_certificate", "passwords")}
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()


def recall(home: Path, site: str) -> dict[str, str]:
    """What was noted of the site; empty if nothing was."""
    try:
        found = json.loads((home / "applied" / f"{site}.json").read_text())
    except (OSError, ValueError):
        return {}
    return {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def note(home: Path, site: str, of_program: str, of_secrets: str) -> None:
    """Notes that the site is up with these."""
    folder = home / "applied"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / f"{site}.json").write_text(json.dumps({"program": of_program, "secrets": of_secrets}) + "\n")
