"""States of stacks by the Pulumi CLI, sealed as they are."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tools.status_stacks import PulumiFailed


def _run(root: Path, *words: str, seconds: int = 120) -> str:
    try:
        done = subprocess.run(
            ["pulumi", *words],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise PulumiFailed(f"pulumi {' '.join(words[:2])} took more than {seconds} s") from None
    if done.returncode:
        raise PulumiFailed(f"pulumi {' '.join(words[:2])} fails: {done.stderr.strip()}")
    return done.stdout


def export(stack: str, root: Path) -> dict[str, Any]:
    """The stack's state; secrets stay sealed with its passphrase. Raises PulumiFailed."""
    found: dict[str, Any] = json.loads(_run(root, "stack", "export", "-s", stack))
    return found


def text(state: dict[str, Any]) -> bytes:
    """The state as a file."""
    return json.dumps(state, indent=1).encode()


def import_(stack: str, state: dict[str, Any], home: Path, root: Path) -> None:
    """Writes over the stack's state; the stack is there. Raises PulumiFailed."""
    with tempfile.NamedTemporaryFile("w", dir=home, prefix=".state-", suffix=".json") as file:  # of mode 0600
        json.dump(state, file)
        file.flush()
        _run(root, "stack", "import", "-s", stack, "--file", file.name)


def refresh(stack: str, root: Path) -> None:
    """Takes out of the state what its cloud does not have any more. Raises PulumiFailed."""
    _run(root, "refresh", "-s", stack, "--yes", "--skip-preview", "--non-interactive", seconds=900)


def sync_salts(root: Path) -> None:
    """The salts of the states that are there now into the stacks' files (see tools/setup/salt.sh)."""
    done = subprocess.run([str(root / "tools/setup/salt.sh"), "sync"], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise PulumiFailed(f"tools/setup/salt.sh sync fails: {done.stderr.strip()}")
