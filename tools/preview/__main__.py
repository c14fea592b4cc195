"""What a change of this checkout would do, stack by stack: why, and what it costs. Nothing is changed.

    python -m tools.preview -s torino [-s cnaf ...]      these stacks
    python -m tools.preview --changed-since origin/main  those that the change since then touches
    python -m tools.preview                              all of them
    python -m tools.preview --read FILE ...              previews made before (pulumi preview -s NAME --json >NAME.json)

Exit status: 0 there is a preview of each stack, with changes or without; 1 one failed, told why; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from components.spec.problems import ConfigError

from . import saved
from .checkout import Checkout, NoChange, edits_since, read_checkout
from .markdown import LIMITS, markdown
from .model import Report, StackPreview
from .read import read_preview
from .report import farm_of, report
from .run import previews
from .terminal import show
from .touched import Touched, changed_stacks
from .why import NO_EDITS, Edits

ROOT = Path(__file__).resolve().parents[2]
OK, FAILED, USAGE = 0, 1, 2


class Usage(Exception):
    """The command line cannot be meant so."""


def running_jobs(path: Path | None) -> dict[str, int]:
    """Pools and their running jobs, from what `python -m tools.status --json` said; empty without a file."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text())
        return {p["name"]: int(p["jobs"]["running"]) for p in found["pools"] if p.get("jobs")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Usage(f"--live {path}: this is not what `python -m tools.status --json` says ({error})") from error


def chosen(checkout: Checkout, named: Sequence[str], edits: Edits, root: Path) -> Touched:
    """Which stacks are to be previewed. Raises Usage for one that there is not."""
    if unknown := [n for n in named if n not in checkout.names]:
        raise Usage(f"no stack {', '.join(unknown)} here: there are {', '.join(checkout.names)}")
    touched = changed_stacks(edits.files, checkout.stacks, root) if edits.known else Touched(tuple(checkout.names))
    if not named:
        return touched
    return Touched(tuple(n for n in checkout.names if n in named), touched.gone)


def read_files(paths: Sequence[Path]) -> list[StackPreview]:
    """Previews made before. Each file is called after its stack; one without a summary had failed."""
    out = []
    for path in paths:
        try:
            found: Mapping[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise Usage(f"{path}: this is no output of pulumi preview --json ({error})") from error
        severities = {d.get("severity") for d in found.get("diagnostics") or []}
        out.append(read_preview(path.name.partition(".")[0], found, bool(severities & {"error", "info#err"})))
    return out


def write(the: Report, args: argparse.Namespace, console: Console) -> None:
    """The report as it was asked for."""
    if args.markdown is not None:
        text = markdown(the, args.platform)
        if args.markdown == "-":
            sys.stdout.write(text)
            return
        Path(args.markdown).write_text(text)
    if args.save is not None:
        args.save.write_text(saved.dump(the))
    if args.json:
        sys.stdout.write(saved.dump(the))
    else:
        show(the, console, args.details)


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(
        prog="preview", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out.add_argument(
        "-s", "--stack", action="append", default=[], metavar="STACK", help="a stack; may be given more than once"
    )
    out.add_argument(
        "--changed-since", metavar="REF", help="what the branch changes since it left REF: which stacks, and why"
    )
    out.add_argument(
        "--read", nargs="+", type=Path, default=[], metavar="FILE", help="read these instead of running Pulumi"
    )
    out.add_argument("--policy-pack", metavar="FOLDER", help="these policies judge the previews too")
    out.add_argument(
        "--live",
        type=Path,
        metavar="FILE",
        help="what `python -m tools.status --json` said: running jobs are then counted",
    )
    out.add_argument("--details", action="store_true", help="each property that differs too")
    out.add_argument("--json", action="store_true", help="for programs, on standard output")
    out.add_argument("--save", type=Path, metavar="FILE", help="the same into a file: what apply is held to")
    out.add_argument("--markdown", metavar="FILE", help="a comment for a pull request; - is standard output")
    out.add_argument(
        "--platform", choices=sorted(LIMITS), default="github", help="whose comment it is (how long it may be)"
    )
    return out


def made(args: argparse.Namespace, errors: Console, root: Path) -> Report:
    """Runs or reads the previews and puts them together."""
    if args.read and args.stack:
        raise Usage("--read FILE says which stacks by itself: leave -s away")
    edits = edits_since(root, args.changed_since) if args.changed_since else NO_EDITS
    running, checkout = running_jobs(args.live), read_checkout(root)
    farm = farm_of(checkout.federation, running)
    if args.read:
        return report(read_files(args.read), farm, edits)
    touched = chosen(checkout, args.stack, edits, root)

    def tell(found: StackPreview) -> None:
        errors.print(
            f"  {found.stack}: {'failed' if found.errors else 'previewed'} in {found.seconds:.1f} s", highlight=False
        )

    found = previews(
        touched.stacks, root, more=["--policy-pack", args.policy_pack] if args.policy_pack else [], tell=tell
    )
    untouched = [n for n in checkout.names if n not in touched.stacks] if edits.known and not args.stack else []
    return report(found, farm, edits, untouched, touched.gone)


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """The command line."""
    args = parser().parse_args(argv)
    errors = Console(stderr=True, highlight=False)
    try:
        the = made(args, errors, root)
    except (Usage, NoChange) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return USAGE
    except ConfigError as error:
        # No stack has a preview then; the comment says why all the same.
        the = Report((StackPreview("federation", errors=(str(error),)),), {})
    except KeyboardInterrupt:
        return 130
    write(the, args, Console(highlight=False))
    return FAILED if the.failed else OK


if __name__ == "__main__":
    sys.exit(main())
