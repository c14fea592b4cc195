"""What there is of a federation now, for the judge of a restoration."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.iaas.docker import LABEL

from ..environment import BACKEND, backend_url
from ..terminal import UNABLE, Refused
from . import archive, files, states
from .archive import Manifest
from .files import Change
from .judge import Found

PROJECT = "aerie"
SECONDS = 3  # until a machine counts as silent
LISTS = {
    "container": ["ps", "-a", "--format", "{{.Names}}"],
    "network": ["network", "ls", "--format", "{{.Name}}"],
    "volume": ["volume", "ls", "--format", "{{.Name}}"],
}


def labelled(name: str) -> list[str]:
    """Containers, networks and volumes of the federation on this machine, as "container NAME"; none without Docker."""
    out = []
    for kind, words in LISTS.items():
        try:
            done = subprocess.run(
                ["docker", *words, "--filter", f"label={LABEL}={name}"], capture_output=True, text=True, timeout=30
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        out += [f"{kind} {each}" for each in done.stdout.split()]
    return out


@dataclass(frozen=True)
class Known:
    """A machine as the archive tells it: its SSH host key is `ssh-ed25519 AAAA...`."""

    name: str
    address: str
    key: str


def machines_of(all_: Mapping[str, Mapping[str, Any]]) -> list[Known]:
    """The machines that the stacks' outputs tell."""
    out = []
    for state in all_.values():
        told = states.outputs(state)
        there, keys = told.get("machines"), told.get("host_keys")
        if isinstance(there, dict) and isinstance(keys, dict):
            out += [Known(str(name), str(address), str(keys.get(name, ""))) for name, address in there.items()]
    return out


def that_answer(machines: Sequence[Known], scanned: str) -> list[str]:
    """Those whose own host key is in what `ssh-keyscan` said; something else at such an address is none of ours."""
    heard = {tuple(line.split()[:3]) for line in scanned.splitlines() if not line.startswith("#")}
    return [f"{m.name} at {m.address}" for m in machines if (m.address, *m.key.split()[:2]) in heard]


def scan(machines: Sequence[Known]) -> str:
    """What `ssh-keyscan` says of all of them."""
    if not machines:
        return ""
    words = ["ssh-keyscan", "-T", str(SECONDS), "-t", "ed25519", *(m.address for m in machines)]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=60 + len(machines)).stdout
    except FileNotFoundError:
        raise Refused("there is no ssh-keyscan to look for living machines with", "make setup", UNABLE) from None


def here_now(home: Path, project: str) -> dict[str, dict[str, Any]]:
    """The states that the home has, by stack, as the backend that is a folder keeps them; read without Pulumi, whose passphrase may
    be another's."""
    found = {}
    for path in _states_in(home, project):
        try:
            latest = json.loads(path.read_text())["checkpoint"]["latest"] or {}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found[path.stem] = {"deployment": latest}
    return found


def mark(home: Path, project: str = PROJECT) -> dict[str, str] | None:
    """A hash of each stack's state, to see whether any was changed; None where the backend is not the home's folder."""
    if os.environ.get(BACKEND) != backend_url(str(home)):
        return None
    return {p.stem: hashlib.sha256(p.read_bytes()).hexdigest() for p in _states_in(home, project)}


def _states_in(home: Path, project: str) -> list[Path]:
    return sorted((home / "state" / ".pulumi" / "stacks" / project).glob("*.json"))


def file_changes(manifest: Manifest, folder: Path, root: Path, home: Path, sealed_here: bool) -> list[Change]:
    """What restoring the archive's files would change. `sealed_here`: stacks exist whose secrets the passphrase here seals."""
    wanted = {
        p.name: (folder / p.name).read_bytes()
        for p in manifest.parts
        if p.name.startswith((archive.FILES, archive.HOME))
    }
    mine = {archive.FILES + name: data for name, data in files.of_clone(root).items()}
    there = mine | {archive.HOME + name: data for name, data in files.of_home(home).items()}
    kept = {archive.FILES + n for n in files.unchanged_in_git(root, [n.removeprefix(archive.FILES) for n in mine])}
    return files.changes(wanted, there, kept, fresh_home=not sealed_here)


def look(manifest: Manifest, folder: Path, root: Path, home: Path, project: str = PROJECT) -> Found:
    """Everything that the judge wants to know."""
    wanted = {n.removesuffix(".json"): _state(folder, n) for n in manifest.names(archive.STACKS)}
    mine = here_now(home, project)
    other = {
        name: len(states.resources(state))
        for name, state in mine.items()
        if states.resources(state) and states.resources(state) != states.resources(wanted.get(name, {}))
    }
    machines = machines_of(wanted)
    answering = that_answer(machines, scan(machines))
    return Found(
        labelled(manifest.federation), answering, other, file_changes(manifest, folder, root, home, bool(mine))
    )


def _state(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / archive.STACKS / name).read_text())
    return found
