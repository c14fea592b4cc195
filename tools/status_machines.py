"""Asks machines, each by one SSH connection, all at the same time. Nothing here takes long to import, so that the machines are at
work while the rest of `make status` is imported and reads the configuration."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .login import Login, site_logins
from .status_stacks import PulumiFailed, Stacks

PROGRAM = Path(__file__).with_name("status_machine.pl")
QUICK_KEY_EXCHANGE = "KexAlgorithms=^curve25519-sha256"
CONNECT = 3  # seconds until a machine counts as down
ANSWER = 12  # seconds for all that a machine has to say; each question in it has its own, shorter time

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a machine said. If it was not `reached`, `trouble` says why; else that is what its shell had to complain of."""

    reached: bool
    text: str = ""
    trouble: str = ""


class Asking:
    """A machine that is being asked.

    The default exchange of keys, which is to stand against a quantum computer, takes 130 ms of cpu; nothing that is said
    here is worth being kept until there is one."""

    def __init__(self, login: Login, front_end: bool) -> None:
        ssh, *rest = login.command
        first = [
            "-o",
            f"ConnectTimeout={CONNECT}",
            "-o",
            QUICK_KEY_EXCHANGE,
        ]  # of an option given twice ssh takes the first
        there = f"exec perl - {login.host}{' front-end' if front_end else ''}"
        self._since = time.monotonic()
        with PROGRAM.open("rb") as program:
            self._process = subprocess.Popen(
                [ssh, *first, *rest, there], stdin=program, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )

    def answer(self) -> Answer:
        """Waits for it."""
        try:
            out, err = self._process.communicate(timeout=max(0.0, self._since + ANSWER - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.give_up()
            return Answer(False, trouble=f"SSH connects, but there is no answer in {ANSWER} s")
        trouble = (err.decode(errors="replace").strip().splitlines() or [""])[-1][:160]
        if self._process.returncode == 255:
            return Answer(False, trouble=trouble or "SSH fails")
        return Answer(True, out.decode(errors="replace"), trouble)

    def give_up(self) -> None:
        """Ends the connection, if it has not ended by itself."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class Machines:
    """All machines that are asked, by name; `since` when, by the monotonic clock."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.asked: dict[str, Asking] = {}

    def ask(self, home: Path, shared: Json, site: str, outputs: Json) -> None:
        """A site's machines, by its stack's outputs and the federation's (`shared`), unless they were asked already."""
        if "machines" not in outputs or site not in shared.get("ssh_private_keys", {}):
            return
        for name, login in site_logins(home, shared, site, outputs).items():
            if name not in self.asked:
                self.asked[name] = Asking(login, name == f"{site}-front-end")


@contextmanager
def asked_early(stacks: Stacks) -> Iterator[Machines]:
    """All machines of a backend that is a folder, whether or not federation.yaml still names their sites: to know that first would
    take longer than to ask. Of any other backend none: whoever knows the sites asks then. At the end nothing is left that asks."""
    machines = Machines()
    try:
        home = os.environ.get("AERIE_HOME")
        sites = stacks.with_output("machines") if home else ()
        try:
            shared = stacks.outputs("federation") if sites else {}
            for site in sites:
                machines.ask(Path(home or ""), shared, site, stacks.outputs(site))
        except PulumiFailed:
            pass  # it is told when they are asked for again
        yield machines
    finally:
        for asking in machines.asked.values():
            asking.give_up()
