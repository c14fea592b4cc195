"""The stacks as the backend has them: a folder is read (status_state), of any other backend the Pulumi CLI is asked.

Never by the Pulumi SDK: to import that takes longer than to ask."""

from __future__ import annotations

import contextlib
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


class Stacks:
    """The stacks as they are when first asked for: of a backend that is a folder each file is read once."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self._folder: Path | None = None  # None: the CLI is asked
        self._states: dict[str, Any] = {}
        with contextlib.suppress(status_state.Unfamiliar):
            self._folder = status_state.stacks_folder(root, os.environ)

    def _state(self, stack: str) -> dict[str, Any]:
        """Raises Unfamiliar."""
        if self._folder is None:
            raise status_state.Unfamiliar("the backend is no folder")
        if stack not in self._states:
            self._states[stack] = status_state.latest(self._folder / f"{stack}.json") or {}
        found: dict[str, Any] = self._states[stack]
        return found

    def known(self) -> tuple[str, ...]:
        """Those that have resources. Raises PulumiFailed."""
        try:
            if self._folder is not None:
                return tuple(s for s in status_state.names(self._folder) if self._state(s).get("resources"))
        except status_state.Unfamiliar:
            pass
        done = _pulumi(self.root, "stack", "ls", "--json")
        if done.returncode:
            raise PulumiFailed(f'pulumi does not list its stacks: {done.stderr.strip()}\n  run: eval "$(tools/env)"')
        return tuple(sorted(s["name"] for s in json.loads(done.stdout or "[]") if s.get("resourceCount", 1)))

    def with_output(self, name: str) -> tuple[str, ...]:
        """Those of a folder that have an output of this name, as far as that can be told without the CLI."""
        found = []
        for stack in status_state.names(self._folder) if self._folder is not None else ():
            with contextlib.suppress(status_state.Unfamiliar):
                found += [stack] if name in status_state.plain_outputs(self._state(stack)) else []
        return tuple(found)

    def outputs(self, stack: str) -> dict[str, Any]:
        """As `outputs` below. Raises PulumiFailed."""
        try:
            return status_state.outputs(self._state(stack), stack, os.environ)
        except status_state.WrongPassphrase as error:
            raise PulumiFailed(f"pulumi does not show the outputs of {stack}: {error}") from error
        except status_state.Unfamiliar:
            pass
        done = _pulumi(self.root, "stack", "output", "-s", stack, "--json", "--show-secrets")
        if done.returncode:
            if "no stack named" in done.stderr:
                return {}
            raise PulumiFailed(f"pulumi does not show the outputs of {stack}: {done.stderr.strip()}")
        found: dict[str, Any] = json.loads(done.stdout or "{}")
        return found


def known_stacks(root: Path = ROOT) -> tuple[str, ...]:
    """The stacks of the backend that have resources. Raises PulumiFailed."""
    return Stacks(root).known()


def outputs(stack: str, root: Path = ROOT) -> dict[str, Any]:
    """The stack's outputs, secrets in the clear: for this process only. Empty if there is no such stack.

    Raises PulumiFailed if there is one and it cannot be read, such as for a wrong passphrase."""
    return Stacks(root).outputs(stack)
