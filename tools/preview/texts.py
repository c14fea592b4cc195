"""Property differences as short unified diffs. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from .model import Change, Diff

LINE = 200  # characters of a line that are shown
LINES = 60  # lines of one property
CONTEXT = 1
_LONG = 120  # longer lines of a script are taken apart at their options


def _options(line: str) -> Iterator[str]:
    """A long command, an option a line, so that a diff shows the one that changes."""
    if len(line) <= _LONG:
        yield line
        return
    head, *rest = re.split(r" (?=-{1,2}[a-zA-Z])| (?=[0-9a-z.:-]+/aerie/)", line)
    yield head
    for part in rest:
        yield f"  {part}"


def _lines(text: str | None) -> list[str]:
    return [] if text is None else [part for line in text.splitlines() or [""] for part in _options(line)]


def _short(line: str) -> str:
    return line if len(line) <= LINE else f"{line[: LINE - 20]}... ({len(line)} characters)"


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"  ... {len(lines) - LINES + 1} more lines"]


def diff_lines(diff: Diff) -> list[str]:
    """One property, as lines of a diff: `- old`, `+ new`, blanks before what stays."""
    mark = "  (makes it anew)" if diff.replaces else ""
    old, new = _lines(diff.old), _lines(diff.new)
    if len(old) <= 1 and len(new) <= 1:
        shown = [f"- {diff.path}: {_short(o)}" for o in old] + [f"+ {diff.path}: {_short(n)}{mark}" for n in new]
        return shown
    if diff.old == diff.new:  # a secret, or what only the creation tells
        return [f"  {diff.path}: {_short(new[0] if new else '')}{mark}"]
    if diff.old is None or diff.new is None:
        sign, all_ = ("+", new) if diff.old is None else ("-", old)
        return _cut([f"{sign} {diff.path}:{mark}", *(f"{sign}   {_short(line)}" for line in all_)])
    body = list(difflib.unified_diff(old, new, lineterm="", n=CONTEXT))[2:]
    return _cut(
        [
            f"  {diff.path}:{mark}",
            *("  ..." if line.startswith("@@") else f"{line[0]} {_short(line[1:])}" for line in body),
        ]
    )


def change_lines(change: Change) -> list[str]:
    """All of a resource's differing properties. Of one that is created only what is short: the rest is in the program."""
    if change.op == "create":
        return [
            f"+ {d.path}: {_short(d.new or '')}"
            for d in change.diffs
            if "\n" not in (d.new or "") and len(d.new or "") <= LINE
        ][:20]
    return [line for diff in change.diffs for line in diff_lines(diff)]
