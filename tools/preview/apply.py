"""Applies a change stack by stack, each by a plan that is made just before, and no more than was reviewed.

    python -m tools.preview.apply --reviewed FILE [--changed-since REF | -s STACK ...] [--dry-run]

The order: the federation; the sites with a quorum member, one after the other, with every quorum whole in between; the other sites;
pools. Each stack: `pulumi preview --save-plan`, compared with the review (FILE, of tools.preview --save), then `pulumi up --plan`,
which does nothing that the plan does not say. Whatever would replace or remove what the review did not show stops all, before
that stack; then: review again (run the workflow again), and go on.

Exit status: 0 all is applied; 1 stopped, told where and why, and what was applied; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from components.spec.problems import ConfigError
from tools.status_stacks import PulumiFailed

from . import __main__ as command_line
from . import health, saved
from .checkout import NoChange, edits_since, read_checkout
from .cost import Farm
from .model import Report, StackPreview
from .order import Step, steps
from .report import farm_of, report
from .run import NEW, environment, preview
from .terminal import show
from .why import NO_EDITS, Edits

ROOT = command_line.ROOT


class Stopped(Exception):
    """Nothing more is applied; the text says why and what to do."""


@dataclass(frozen=True)
class Shell:
    """What apply does to the world; a test puts others in place. `plan` previews a stack and writes its plan; `up` applies that."""

    init: Callable[[str], None]
    plan: Callable[[str, Path], StackPreview]
    up: Callable[[str, Path], None]
    quorums: Callable[[], list[str]]


def real(root: Path, say: Callable[[str], None], more: Sequence[str] = ()) -> Shell:
    """The shell that runs Pulumi and asks the farm; `more` are further words for its previews."""

    def run(words: Sequence[str], what: str) -> None:
        done = subprocess.run(words, cwd=root, env=environment(), stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Stopped(f"{what} failed (see above)")

    return Shell(
        init=lambda stack: run([str(root / "tools" / "stack-init"), stack], f"tools/stack-init {stack}"),
        plan=lambda stack, file: preview(stack, root, more=["--save-plan", str(file), *more]),
        up=lambda stack, file: run(
            [
                "pulumi",
                "up",
                "-s",
                stack,
                "--plan",
                str(file),
                "--yes",
                "--skip-preview",
                "--non-interactive",
                "--suppress-outputs",
            ],
            f"pulumi up -s {stack}",
        ),
        quorums=lambda: health.wait(look=lambda: health.look(root), say=say),
    )


@dataclass(frozen=True)
class Job:
    """What is to be applied; `reviewed` None: whoever runs this reviews it on the screen (--dry-run). `mends`: sites whose own member
    is what is missing of a quorum, so that it is not waited for before."""

    steps: tuple[Step, ...]
    farm: Farm
    edits: Edits
    reviewed: Report | None
    dry_run: bool = False
    mends: tuple[str, ...] = ()


def _planned(job: Job, step: Step, plan: Path, shell: Shell, console: Console) -> bool:
    """Makes the plan and holds it against the review; whether there is anything to do."""
    found = shell.plan(step.stack, plan)
    if found.note == NEW and not job.dry_run:
        shell.init(step.stack)
        found = shell.plan(step.stack, plan)
    now = report([found], job.farm, job.edits)
    if found.errors:
        raise Stopped(f"{step.stack} cannot be previewed:\n" + "\n".join(found.errors))
    if not found.changed:
        console.print(f"  {step.stack}: {found.note or 'nothing to do'}", highlight=False)
        return False
    show(now, console)
    if job.reviewed is not None and (more := saved.beyond(job.reviewed, now)):
        listed = "\n".join(f"  {line}" for line in more)
        raise Stopped(
            f"{step.stack} would do more than was reviewed:\n{listed}\nReview it (run the workflow again: its plan shows this now), then it goes on from here."
        )
    return True


def _whole(step: Step, shell: Shell, when: str) -> None:
    if trouble := shell.quorums():
        raise Stopped(
            f"{when} {step.stack} not every quorum is whole, so no further site is touched:\n"
            + "\n".join(f"  {t}" for t in trouble)
            + f"\nSee make status; mend it, then run this again: it goes on from here. If it is this change that mends {step.stack}: --mend {step.stack}"
        )


def apply(job: Job, shell: Shell, console: Console) -> list[str]:
    """Applies the steps; the stacks that were changed. Raises Stopped at the first that cannot or may not be."""
    done: list[str] = []
    try:
        for step in job.steps:
            # A plan holds secrets, encrypted; and is of no use to anybody once it is applied.
            with tempfile.TemporaryDirectory(prefix="aerie-plan-") as folder:
                plan = Path(folder) / f"{step.stack}.json"
                if not _planned(job, step, plan, shell, console) or job.dry_run:
                    continue
                if step.member and step.stack not in job.mends:
                    _whole(step, shell, "before")
                shell.up(step.stack, plan)
                done.append(step.stack)
                if step.member:
                    _whole(step, shell, "after")
    except Stopped as stop:
        raise Stopped(f"{stop}\napplied so far: {', '.join(done) or 'nothing'}") from stop
    return done


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="apply", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-s", "--stack", action="append", default=[], metavar="STACK")
    parser.add_argument("--changed-since", metavar="REF", help="only the stacks that the change since REF touches")
    parser.add_argument(
        "--reviewed", type=Path, metavar="FILE", help="what tools.preview --save wrote and somebody looked at"
    )
    parser.add_argument(
        "--mend", action="append", default=[], metavar="SITE", help="this site's member is what is down: it is mended"
    )
    parser.add_argument("--policy-pack", metavar="FOLDER", help="these policies judge the plans too")
    parser.add_argument(
        "--dry-run", action="store_true", help="make the plans and hold them against the review, apply nothing"
    )
    args = parser.parse_args(argv)
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        if args.reviewed is None and not args.dry_run:
            raise command_line.Usage(
                "--reviewed FILE is missing: python -m tools.preview --save FILE, look at it, then apply; or --dry-run"
            )
        reviewed = _read(args.reviewed) if args.reviewed else None
        checkout = read_checkout(root)
        edits = edits_since(root, args.changed_since) if args.changed_since else NO_EDITS
        touched = command_line.chosen(checkout, args.stack, edits, root)
        todo = tuple(steps(checkout.stacks, checkout.federation, touched.stacks))
        more = ["--policy-pack", args.policy_pack] if args.policy_pack else []
        shell = real(root, lambda text: console.print(f"  {text}", highlight=False), more)
        done = apply(
            Job(todo, farm_of(checkout.federation), edits, reviewed, args.dry_run, tuple(args.mend)), shell, console
        )
    except (command_line.Usage, NoChange) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    except (Stopped, ConfigError, PulumiFailed) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    console.print(f"applied: {', '.join(done) or 'nothing'}")
    return 0


def _read(path: Path) -> Report:
    try:
        return saved.load(path.read_text())
    except (OSError, ValueError) as error:
        raise command_line.Usage(f"--reviewed {path}: this is not what tools.preview --save wrote") from error


if __name__ == "__main__":
    sys.exit(main())
