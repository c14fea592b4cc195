"""What somebody changed by hand: what is there beside what Pulumi knows. One issue, opened, edited, and closed when all is well.

    python -m tools.preview.drift [-s STACK ...] [--issue]     refresh of each stack, as a preview: nothing is changed
    python -m tools.preview.drift --read FILE ...              logs of `pulumi refresh --preview-only --event-log FILE` made before

Told are machines, networks, volumes, what a cloud has, and pools' apps, roles and policies. Containers on machines are not read
back (a service is one command): `make status` tells of those.

Exit status: 0 it was looked, whatever was found; 1 a stack could not be looked at, or the issue not be written; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from components.spec.problems import ConfigError

from . import __main__ as command_line
from .checkout import read_checkout
from .comment import Client, NotHere, Refused, close_issue, place, put_issue
from .markdown import LIMITS, Block, fence, fit
from .model import Change, StackPreview
from .run import judge, previews
from .texts import change_lines
from .why import NO_EDITS
from .words import code

MARKER = "<!-- aerie drift: this issue is edited every night -->"
LABEL = "drift"
ALL_WELL = "All is as Pulumi knows it again."
ROOT = command_line.ROOT


def found_line(change: Change) -> str:
    """What is otherwise, in words: old is what Pulumi knows, new is what is there."""
    if change.op == "delete":
        return f"{code(change.name)} ({change.kind}) is gone"
    differ = list(dict.fromkeys(d.path for d in change.diffs))
    shown = ", ".join(code(p) for p in differ[:5]) + (f" and {len(differ) - 5} more" if len(differ) > 5 else "")
    return f"{code(change.name)} ({change.kind}) is otherwise: {shown or 'something of it'}"


def title(stacks: Sequence[StackPreview]) -> str:
    """The issue's title; "" if there is nothing to tell."""
    drifted = [s.stack for s in stacks if s.changes]
    failed = [s.stack for s in stacks if s.errors]
    parts = [f"{', '.join(drifted)}: changed by hand"] if drifted else []
    parts += [f"{', '.join(failed)}: could not be looked at"] if failed else []
    return "; ".join(parts)


def _stack(preview: StackPreview) -> list[Block]:
    name = preview.stack
    out = [Block(f"### {name}")]
    if preview.errors:
        return [*out, Block(f"could not be looked at:\n\n{fence(list(preview.errors)[:20], 'text')}")]
    for change in preview.changes:
        lines = change_lines(change) if change.op != "delete" else []
        out.append(Block(f"- {found_line(change)}", 1))
        if lines:
            out.append(Block(fence(lines), 2))
        out.append(Block(fence([f"pulumi refresh -s {name} --target '{change.urn}'"], "sh"), 3))
    say = f"Put it back as the files say: the command below each, by which Pulumi learns of it, then {code(f'pulumi up -s {name}')}"
    out.append(Block(f"{say} (its preview first). Or keep it: write it into the files."))
    return out


def issue(stacks: Sequence[StackPreview], platform: str = "github") -> str:
    """The issue's text, under the limit of the platform; `-` in a difference is what Pulumi knows, `+` what is there."""
    blocks = [
        Block(
            f"{MARKER}\nWhat is there is not what Pulumi knows. In the differences `-` is what Pulumi knows, `+` what is there now."
        )
    ]
    for preview in stacks:
        if preview.changes or preview.errors:
            blocks += _stack(preview)
    well = [s.stack for s in stacks if not s.changes and not s.errors and not s.note]
    if well:
        blocks.append(Block(f"As Pulumi knows them: {', '.join(code(n) for n in well)}."))
    return fit(blocks, LIMITS[platform])


def tell(stacks: Sequence[StackPreview], console: Console) -> None:
    """The same on a terminal."""
    for preview in stacks:
        if preview.errors:
            console.print(
                f"{preview.stack}: could not be looked at: {'; '.join(preview.errors)}", style="red", markup=False
            )
        elif not preview.changes:
            console.print(f"{preview.stack}: {preview.note or 'as Pulumi knows it'}", markup=False)
        for change in preview.changes:
            console.print(f"{preview.stack}: {found_line(change).replace('`', '')}", style="yellow", markup=False)
            for line in change_lines(change) if change.op != "delete" else []:
                console.print(f"    {line}", markup=False, soft_wrap=True)


def write_issue(stacks: Sequence[StackPreview], client: Client) -> str:
    """Opens, edits or closes the issue. A stack that could not be looked at keeps it open, or opens it."""
    name = title(stacks)
    if not name:
        return close_issue(client, ALL_WELL, MARKER, LABEL)
    return put_issue(client, f"Drift: {name}"[:250], issue(stacks, client.where.platform), MARKER, LABEL)


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="drift", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-s", "--stack", action="append", default=[], metavar="STACK")
    parser.add_argument("--read", nargs="+", type=Path, default=[], metavar="FILE")
    parser.add_argument("--issue", action="store_true", help="open, edit or close the issue (in a CI)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the issue's text, for a look before")
    args = parser.parse_args(argv)
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        if args.read:
            found = [judge(f.name.partition(".")[0], 0, "", "", f.read_text(), "refresh") for f in args.read]
        else:
            checkout = read_checkout(root)
            touched = command_line.chosen(checkout, args.stack, NO_EDITS, root)
            # A refresh takes the stack's lock: one after the other is slower, and stands in nobody's way for long.
            found = previews(touched.stacks, root, "refresh", at_once=1)
        tell(found, console)
        if args.markdown:
            args.markdown.write_text(issue(found))
        if args.issue:
            console.print(f"the issue is {write_issue(found, Client(place(os.environ)))}")
    except (ConfigError, Refused) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except (command_line.Usage, NotHere) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    return 1 if any(p.errors for p in found) else 0


if __name__ == "__main__":
    sys.exit(main())
