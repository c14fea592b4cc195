"""After a run that was cut off: what it left locked or half made, found and mended before the next one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from components.iaas.docker import LABEL

KINDS = {
    "docker:index/container:Container": ("container", ["rm", "-f", "-v"]),
    "docker:index/network:Network": ("network", ["network", "rm"]),
    "docker:index/volume:Volume": ("volume", ["volume", "rm"]),
}


def stale_locks(locks: Iterable[Mapping[str, Any]], host: str, alive: Callable[[int], bool]) -> bool:
    """Whether all locks of a stack are of processes of this host that have ended (and there is one)."""
    held = list(locks)
    return bool(held) and all(lock.get("hostname") == host and not alive(int(lock.get("pid", 0))) for lock in held)


def half_made(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(type, name) of Docker objects whose creation a stack's state had begun and not ended. Pulumi keeps such an entry also when a
    later run has made the resource."""
    deployment = state.get("checkpoint", state).get("latest") or {}
    there = {resource["urn"] for resource in deployment.get("resources") or []}
    out = []
    for operation in deployment.get("pending_operations") or []:
        resource = operation["resource"]
        if resource.get("urn") in there:
            continue
        kind, name = resource["type"], (resource.get("inputs") or {}).get("name")
        if operation["type"] == "creating" and kind in KINDS and isinstance(name, str):
            out.append((kind, name))
    return out


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _locks(home: Path, stack: str, project: str) -> dict[Path, dict[str, Any]]:
    folder = home / "state" / ".pulumi" / "locks" / "organization" / project / stack
    return {file: _read(file) for file in folder.glob("*.json")} if folder.is_dir() else {}


def locked(home: Path, stack: str, project: str = "aerie") -> bool:
    """Whether a run on the stack goes on, or was cut off and nothing has been done about that yet."""
    return bool(_locks(home, stack, project))


def recover(home: Path, stack: str, federation: str, project: str = "aerie") -> list[str]:
    """Frees the stack if nobody holds it any more, and removes what was half made; what it did, in words.

    Only objects that carry the federation's label are removed.
    """
    did = []
    locks = _locks(home, stack, project)
    if stale_locks(locks.values(), socket.gethostname(), _alive):
        # As `pulumi cancel` does, which needs the stack's program and plugins to be well for it.
        for file in locks:
            file.unlink(missing_ok=True)
        did.append(f"{stack}: freed from a run that was cut off")
    for kind, name in half_made(_read(home / "state" / ".pulumi" / "stacks" / project / f"{stack}.json")):
        what, remove = KINDS[kind]
        label = subprocess.run(
            ["docker", what, "inspect", "-f", _label_format(what), name], capture_output=True, text=True
        ).stdout.strip()
        if label == federation and subprocess.run(["docker", *remove, name], capture_output=True).returncode == 0:
            did.append(f"{stack}: removed {what} {name}, which was half made")
    return did


def _label_format(what: str) -> str:
    return f'{{{{index .{"Config." if what == "container" else ""}Labels "{LABEL}"}}}}'
