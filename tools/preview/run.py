"""Runs Pulumi's previews: the thin shell around `read`. Secrets are never asked for."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from . import events
from .model import StackPreview
from .read import read_preview
from .scrub import text

NO_STACK = "no stack named"
SECONDS = 600.0  # for one stack's preview
NEW = "new: there is no such stack yet; apply makes it (tools/stack-init), and everything in it is created"
# Whatever would make the CLI show a secret, or ask a question.
LEFT_OUT = ("PULUMI_DEBUG_GRPC", "PULUMI_ENABLE_STREAMING_JSON_PREVIEW")


def command(stack: str, verb: str = "preview", more: Sequence[str] = ()) -> list[str]:
    """Pulumi's words for one stack: `preview`, `refresh` (what somebody changed by hand)."""
    words = {"preview": ["preview"], "refresh": ["refresh", "--preview-only"]}[verb]
    return ["pulumi", *words, "-s", stack, "--json", "--non-interactive", *more]


def environment() -> dict[str, str]:
    """This process's environment, without what would make Pulumi say more than it should."""
    kept = {k: v for k, v in os.environ.items() if k not in LEFT_OUT}
    return {**kept, "PULUMI_DEBUG_COMMANDS": "true"}  # there is no --event-log without it


def _words(err: str) -> str:
    """The last lines of stderr, without secrets."""
    return "\n".join([line for line in text(err).strip().splitlines() if line.strip()][-10:])


def judge(stack: str, code: int, out: str, err: str, log: str = "", verb: str = "preview") -> StackPreview:
    """What one run of Pulumi said; `log` are the engine's events. Pure."""
    if NO_STACK in err:
        return StackPreview(stack, note=NEW)
    try:
        found = events.refreshed(events.parse(log)) if verb == "refresh" and log else json.loads(out)
    except ValueError:
        return StackPreview(stack, errors=(_words(err or out) or f"pulumi said nothing and ended with {code}",))
    if code and (said := _words(err)) and not found.get("diagnostics"):
        found = {**found, "diagnostics": [{"severity": "error", "message": said}]}  # what the CLI itself has to say
    refused, advised = events.violations(events.parse(log))
    preview = read_preview(stack, found, code != 0)
    if refused:
        # Pulumi's JSON says nothing of them, so that the run seems to have failed without a word.
        others = [e for e in preview.errors if "without a word" not in e]
        preview = replace(preview, errors=(*(f"policy {line}" for line in refused), *others))
    return replace(preview, advice=tuple(advised))


def preview(
    stack: str, root: Path, verb: str = "preview", more: Sequence[str] = (), seconds: float = SECONDS
) -> StackPreview:
    """The preview of one stack; what goes wrong is told in its `errors`. `seconds` it took, the CLI's start included."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="aerie-preview-") as folder:
            log = Path(folder) / "events"
            done = subprocess.run(
                [*command(stack, verb, more), "--event-log", str(log)],
                cwd=root,
                env=environment(),
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=seconds,
            )
            said = log.read_text() if log.exists() else ""
        found = judge(stack, done.returncode, done.stdout, done.stderr, said, verb)
    except FileNotFoundError:
        found = StackPreview(stack, errors=('there is no pulumi on PATH: run make setup, then eval "$(tools/env)"',))
    except subprocess.TimeoutExpired:
        found = StackPreview(stack, errors=(f"pulumi {verb} -s {stack} has not ended after {seconds:.0f} s",))
    return replace(found, seconds=time.monotonic() - began)


def previews(
    stacks: Sequence[str],
    root: Path,
    verb: str = "preview",
    more: Sequence[str] = (),
    tell: Callable[[StackPreview], None] = lambda _: None,
    at_once: int = 0,
) -> list[StackPreview]:
    """The previews of `stacks`, in their order; at most as many at once as there are cores. `tell` hears of each when it is there."""

    def one(stack: str) -> StackPreview:
        found = preview(stack, root, verb, more)
        tell(found)
        return found

    with ThreadPoolExecutor(max_workers=at_once or os.cpu_count() or 1) as pool:
        return list(pool.map(one, stacks))
