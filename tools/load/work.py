"""Submits a plan's batches when they are due, and follows the queue meanwhile and until it is empty."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from ..jobs import JobsFailed
from ..login import Login
from .plan import Batch, submit_file
from .report import ATTRIBUTES

FOLDER = "load"
LOOK = 1.0  # seconds between two looks at the queue
STUCK = 600  # seconds without a job that ends: nobody runs them
HELD = 5


@dataclass(frozen=True)
class Counts:
    """How the load stands."""

    submitted: int
    idle: int
    running: int
    held: int

    @property
    def queued(self) -> int:
        return self.idle + self.running + self.held

    @property
    def done(self) -> int:
        return self.submitted - self.queued

    def __str__(self) -> str:
        held = f", {self.held} held" if self.held else ""
        return f"{self.submitted} submitted, {self.idle} idle, {self.running} running{held}, {self.done} done"


def counts(submitted: int, statuses: str) -> Counts:
    """From condor_q's JobStatus, one a line: 2 running and 6 transferring output run, 5 is held, 3 and 4 are on their way out."""
    words = statuses.split()
    running = sum(w in ("2", "6") for w in words)
    held = sum(w == str(HELD) for w in words)
    return Counts(submitted, len(words) - running - held, running, held)


@dataclass(frozen=True)
class Queue:
    """The load's jobs at their submit node."""

    login: Login
    load: str

    @property
    def _which(self) -> str:
        return "-constraint " + shlex.quote(f'AerieLoad =?= "{self.load}"')

    @property
    def remove(self) -> str:
        return f"condor_rm {self._which}"

    @property
    def past(self) -> str:
        return f"condor_history {self._which}"

    def _ask(self, script: str, stdin: str = "") -> str:
        """Raises JobsFailed."""
        try:
            done = self.login.run(script, stdin)
        except subprocess.TimeoutExpired as error:
            raise JobsFailed(f"the submit node did not answer within {error.timeout:.0f} s") from None
        if done.returncode:
            raise JobsFailed(f"{script.split(' -')[0]} failed: {(done.stderr or done.stdout).strip()[-1000:]}")
        return done.stdout

    def submit(self, batch: Batch) -> None:
        self._ask(f"mkdir -p {FOLDER} && cd {FOLDER} && condor_submit -terse -", submit_file(batch, self.load))

    def look(self, submitted: int) -> Counts:
        return counts(submitted, self._ask(f"condor_q {self._which} -af JobStatus"))

    def history(self) -> list[dict[str, Any]]:
        text = self._ask(f"condor_history {self._which} -json -attributes {','.join(ATTRIBUTES)}").strip()
        found: list[dict[str, Any]] = json.loads(text) if text else []
        return found


def run(
    queue: Queue,
    batches: Sequence[Batch],
    tell: Console,
    now: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Counts:
    """Until all jobs have left the queue, or all that are left are held. Raises JobsFailed if none ends for a long time."""
    start, submitted, last = now(), 0, ""
    left, seen = list(batches), Counts(0, 0, 0, 0)
    moved, done = start, 0
    while True:
        while left and now() - start >= left[0].at:
            batch = left.pop(0)
            queue.submit(batch)
            submitted += len(batch.jobs)
        seen = queue.look(submitted)
        if str(seen) != last:
            last = str(seen)
            tell.print(f"  {now() - start:4.0f} s  {last}")
        if seen.done > done:
            moved, done = now(), seen.done
        if not left and seen.queued == seen.held:
            return seen
        if now() - moved > STUCK + max((b.at for b in batches), default=0):
            raise JobsFailed(f"no job has ended for {STUCK} s: {last}")
        due = left[0].at - (now() - start) if left else LOOK
        wait(min(LOOK, max(0.0, due)))
