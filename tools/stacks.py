"""The stacks of this checkout: which there are, in which order, and Pulumi run on them with one progress display."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.live import Live
from rich.table import Table

from components.spec.model import Federation
from components.spec.validate import FEDERATION_STACK, pool_files

if TYPE_CHECKING:  # it takes 0.6 s to import, which not every tool needs
    from pulumi import automation

ROOT = Path(__file__).resolve().parent.parent
Verb = Literal["up", "destroy", "preview"]


def order(root: Path, federation: Federation) -> list[list[str]]:
    """The stacks in steps: those of one step at the same time. Destroying goes the other way round."""
    return [[FEDERATION_STACK], list(federation.sites), pool_files(root, federation)]


class StackFailed(Exception):
    """Pulumi failed on a stack; the text is what it said, and where the whole log is."""


@dataclass
class Progress:
    """What is going on in one stack."""

    stack: str
    state: str = "waiting"
    done: int = 0
    current: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    changes: dict[str, int] = field(default_factory=dict)

    def event(self, event: automation.EngineEvent) -> None:
        """Takes one event of the engine in."""
        pre, out, failed = event.resource_pre_event, event.res_outputs_event, event.res_op_failed_event
        for step in (pre, out, failed):
            if step is None:
                continue
            name = step.metadata.urn.rsplit("::", 1)[-1]
            if step is pre and step.metadata.op not in ("same", "read"):
                self.current.add(name)
            else:
                self.current.discard(name)
                self.done += 1
        if event.summary_event:
            self.changes = {
                str(k.value if hasattr(k, "value") else k): v for k, v in event.summary_event.resource_changes.items()
            }


def _failure(log: Path, error: Exception) -> str:
    """The diagnostics of Pulumi's log, or its last lines."""
    text = log.read_text() if log.exists() else str(error)
    _, _, diagnostics = text.partition("Diagnostics:")
    diagnostics = diagnostics.partition("\nResources:")[0].partition("\nOutputs:")[0]
    lines = [line for line in (diagnostics or text).splitlines() if line.strip()]
    return "\n".join(lines[-25:]) + f"\n  the whole log: {log}"


def tell(p: Progress, console: Console) -> None:
    """The line of a stack that has ended."""
    changed = {k: v for k, v in p.changes.items() if k != "same"}
    what = ", ".join(f"{v} {k}" for k, v in sorted(changed.items())) or "no change"
    console.print(f"  {p.stack}: {p.state} in {p.seconds:.1f} s ({what})", highlight=False)


def run(verb: Verb, stacks: Iterable[str], console: Console, logs: Path, root: Path = ROOT) -> dict[str, Progress]:
    """Runs Pulumi on the stacks at the same time. Raises StackFailed with every stack's trouble once all have ended."""
    from pulumi import automation as auto

    stacks = list(stacks)
    logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    progress = {stack: Progress(stack) for stack in stacks}
    failures: dict[str, str] = {}
    finished = threading.Event()

    def one(stack: str) -> None:
        mine, log = progress[stack], logs / f"{stack}-{verb}.log"
        mine.state, mine.started = "running", time.monotonic()
        with log.open("w") as out:
            log.chmod(0o600)

            def write(line: str) -> None:
                out.write(line + "\n")
                out.flush()

            try:
                chosen = auto.select_stack(stack, work_dir=str(root))
                if verb == "up":
                    chosen.up(on_output=write, on_event=mine.event, suppress_outputs=True, color="never")
                elif verb == "destroy":
                    chosen.destroy(on_output=write, on_event=mine.event, suppress_outputs=True, color="never")
                else:
                    chosen.preview(on_output=write, on_event=mine.event, diff=True, color="never")
                mine.state = "done"
            except Exception as error:
                out.flush()
                mine.state = "failed"
                failures[stack] = _failure(log, error)
            finally:
                mine.seconds = time.monotonic() - mine.started

    def table() -> Table:
        grid = Table.grid(padding=(0, 2))
        for p in progress.values():
            seconds = p.seconds or time.monotonic() - p.started
            now = ", ".join(sorted(p.current)[:3]) + (" ..." if len(p.current) > 3 else "")
            colour = {"failed": "red", "done": "green"}.get(p.state, "cyan")
            grid.add_row(f"  {p.stack}", f"[{colour}]{p.state}[/]", f"{p.done} resources", f"{seconds:.0f} s", now)
        return grid

    with ThreadPoolExecutor(max_workers=len(stacks) or 1) as pool:
        futures = [pool.submit(one, stack) for stack in stacks]
        if console.is_terminal:
            with Live(table(), console=console, refresh_per_second=4, transient=True) as live:
                while not all(f.done() for f in futures):
                    finished.wait(0.25)
                    live.update(table())
        else:
            _plain(progress, console, lambda: all(f.done() for f in futures), finished)
    for p in progress.values():
        tell(p, console)
    if failures:
        told = "\n".join(f"{verb} of {stack} failed:\n{text}" for stack, text in failures.items())
        raise StackFailed(told)
    return progress


def _plain(progress: dict[str, Progress], console: Console, ended: Callable[[], bool], tick: threading.Event) -> None:
    """A line every ten seconds where no terminal shows a display."""
    last = time.monotonic()
    while not ended():
        tick.wait(0.25)
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            text = "; ".join(f"{p.stack} {p.state}, {p.done} resources" for p in progress.values())
            console.print(f"  ... {text}", highlight=False)


def outputs(stack: str, root: Path = ROOT) -> dict[str, Any]:
    """The stack's outputs, secrets in the clear: for this process only."""
    done = subprocess.run(
        ["pulumi", "stack", "output", "-s", stack, "--json", "--show-secrets"], cwd=root, capture_output=True, text=True
    )
    if done.returncode:
        raise StackFailed(f"stack {stack} has no outputs: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
