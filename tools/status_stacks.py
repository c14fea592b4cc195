"""The stacks as the backend has them: a folder is read (status_state), of any other backend the Pulumi CLI is asked.

Never by the Pulumi SDK: to import that takes longer than to ask."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from . import status_state

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 30  # for one answer; it is there in less than one unless a remote backend hangs


class PulumiFailed(Exception):
    """Pulumi does not work here; the text says why."""


def _pulumi(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["pulumi", *arguments], cwd=root, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise PulumiFailed("there is no pulumi on PATH: run make setup, then make status") from None
    except subprocess.TimeoutExpired:
        raise PulumiFailed(f"pulumi {' '.join(arguments[:2])} did not answer in {SECONDS} s") from None


def known_stacks(root: Path = ROOT) -> tuple[str, ...]:
    """The stacks of the backend that have resources. Raises PulumiFailed."""
    try:
        return status_state.with_resources(status_state.stacks_folder(root, os.environ))
    except status_state.Unfamiliar:
        pass
    done = _pulumi(root, "stack", "ls", "--json")
    if done.returncode:
        raise PulumiFailed(f'pulumi does not list its stacks: {done.stderr.strip()}\n  run: eval "$(tools/env)"')
    return tuple(sorted(s["name"] for s in json.loads(done.stdout or "[]") if s.get("resourceCount", 1)))


def outputs(stack: str, root: Path = ROOT) -> dict[str, Any]:
    """The stack's outputs, secrets in the clear: for this process only. Empty if there is no such stack.

    Raises PulumiFailed if there is one and it cannot be read, such as for a wrong passphrase."""
    try:
        return status_state.outputs(status_state.stacks_folder(root, os.environ) / f"{stack}.json", os.environ)
    except status_state.WrongPassphrase as error:
        raise PulumiFailed(f"pulumi does not show the outputs of {stack}: {error}") from error
    except status_state.Unfamiliar:
        pass
    done = _pulumi(root, "stack", "output", "-s", stack, "--json", "--show-secrets")
    if done.returncode:
        if "no stack named" in done.stderr:
            return {}
        raise PulumiFailed(f"pulumi does not show the outputs of {stack}: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found
