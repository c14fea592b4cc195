"""Applies a change by plans that are made just before, and no more than was reviewed.

    python -m tools.preview.apply --reviewed FILE [--changed-since REF | -s STACK ...] [--dry-run]

The order: the federation; the sites; pools. Each stack: `pulumi preview --save-plan`, compared with the review (FILE, of tools.preview
--save), then `pulumi up --plan`, which does nothing that the plan does not say. Whatever would replace or remove what the review did
not show stops all, before that stack (of the sites: before any of them); then: review again (run the workflow again), and go on.
Sites whose members of quorums change go one after the other (tools/preview/roll.py).

Exit status: 0 all is applied; 1 stopped, told where and why, and what was applied; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from components.spec.problems import ConfigError
from tools.status_stacks import PulumiFailed

from . import __main__ as command_line
from . import saved, sites
from .checkout import NoChange, edits_since, read_checkout
from .cost import Farm
from .model import Report, StackPreview
from .order import groups
from .report import farm_of, report
from .roll import Hands, Stopped, roll
from .run import NEW, environment, preview
from .terminal import show
from .why import NO_EDITS, Edits

ROOT = command_line.ROOT


@dataclass(frozen=True)
class Shell:
    """What apply does to the world; a test puts others in place. `plan` previews a stack and writes its plan; `up` applies that; `hands`
    are those by which sites are changed, but for their `up`."""

    init: Callable[[str], None]
    plan: Callable[[str, Path], StackPreview]
    up: Callable[[str, Path], None]
    hands: Hands


def up_command(stack: str, plan: Path) -> list[str]:
    """Pulumi's words for applying a plan."""
    words = ["--yes", "--skip-preview", "--non-interactive", "--suppress-outputs"]
    return ["pulumi", "up", "-s", stack, "--plan", str(plan), *words]


def real(root: Path, hands: Hands, more: Sequence[str] = ()) -> Shell:
    """The shell that runs Pulumi and asks the farm; `more` are further words for its previews."""

    def run(words: Sequence[str], what: str) -> None:
        done = subprocess.run(words, cwd=root, env=environment(), stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Stopped(f"{what} failed (see above)")

    return Shell(
        init=lambda stack: run([str(root / "tools" / "stack-init"), stack], f"tools/stack-init {stack}"),
        plan=lambda stack, file: preview(stack, root, more=["--save-plan", str(file), *more]),
        up=lambda stack, file: run(up_command(stack, file), f"pulumi up -s {stack}"),
        hands=hands,
    )


@dataclass(frozen=True)
class Job:
    """What is to be applied, in groups: the federation, sites, pools. `reviewed` None: whoever runs this reviews it on the screen
    (--dry-run)."""

    groups: tuple[Sequence[str], Sequence[str], Sequence[str]]
    farm: Farm
    edits: Edits
    reviewed: Report | None
    dry_run: bool = False


def _planned(job: Job, stacks: Sequence[str], plans: Path, shell: Shell, console: Console) -> list[StackPreview]:
    """Makes the stacks' plans and holds them against the review; those that have anything to do."""

    def plan(stack: str) -> StackPreview:
        return shell.plan(stack, plans / f"{stack}.json")

    out = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        previews = dict(zip(stacks, pool.map(plan, stacks), strict=True))
    for stack, found in previews.items():
        if found.note == NEW and not job.dry_run:
            shell.init(stack)
            found = plan(stack)
        now = report([found], job.farm, job.edits)
        if found.errors:
            raise Stopped(f"{stack} cannot be previewed:\n" + "\n".join(found.errors))
        if not found.changed:
            console.print(f"  {stack}: {found.note or 'nothing to do'}", highlight=False)
            continue
        show(now, console)
        if job.reviewed is not None and (more := saved.beyond(job.reviewed, now)):
            listed = "\n".join(f"  {line}" for line in more)
            raise Stopped(
                f"{stack} would do more than was reviewed:\n{listed}\nReview it (run the workflow again: its plan shows this now), then it goes "
                "on from here."
            )
        out.append(found)
    return out


def apply(job: Job, shell: Shell, console: Console) -> list[str]:
    """Applies the groups; the stacks that were changed. Raises Stopped at the first that cannot or may not be."""
    done: list[str] = []
    federation, sites_, pools = job.groups
    # A plan holds secrets, encrypted; and is of no use to anybody once it is applied.
    with tempfile.TemporaryDirectory(prefix="aerie-plan-") as folder:
        plans = Path(folder)

        def up(stacks: Sequence[str]) -> None:
            for stack in stacks:
                shell.up(stack, plans / f"{stack}.json")
                done.append(stack)

        try:
            for stack in federation:
                if _planned(job, [stack], plans, shell, console) and not job.dry_run:
                    up([stack])
            found = _planned(job, sites_, plans, shell, console)
            if found and not job.dry_run:
                roll(found, job.farm, replace(shell.hands, up=lambda names: _sites_up(names, up, shell)))
            for stack in pools:
                if _planned(job, [stack], plans, shell, console) and not job.dry_run:
                    up([stack])
        except Stopped as stop:
            raise Stopped(f"{stop}\napplied so far: {', '.join(done) or 'nothing'}") from stop
    return done


def _sites_up(names: Sequence[str], up: Callable[[Sequence[str]], None], shell: Shell) -> None:
    """One after the other even where they could go at the same time: what Pulumi says is read in a CI's log."""
    up(names)
    shell.hands.up(names)


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
        more = ["--policy-pack", args.policy_pack] if args.policy_pack else []
        hands = sites.hands(
            checkout.federation, root, lambda text: console.print(f"  {text}", highlight=False, soft_wrap=True)
        )
        todo = groups(checkout.stacks, touched.stacks)
        job = Job(todo, farm_of(checkout.federation), edits, reviewed, args.dry_run)
        done = apply(job, real(root, hands, more), console)
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
