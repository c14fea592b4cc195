"""A report as a comment for GitHub or GitLab. Pure.

Whoever opens a pull request may choose names and values: they stand in code spans and fences only, which nothing in them can end."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .items import VERBS
from .model import OPS, Change, Item, Report, StackPreview
from .texts import change_lines
from .words import code, plain

MARKER = "<!-- aerie preview: this comment is edited at every push -->"
LIMITS = {"github": 65_536, "gitlab": 1_000_000}  # characters of a comment
COLUMNS = ("create", "update", "replace", "delete")


@dataclass(frozen=True)
class Block:
    """A part of the text. Of those with the highest `least` number is cut first; 0 is never cut. `name` says what is gone then."""

    text: str
    least: int = 0
    name: str = ""


def fence(lines: Sequence[str], language: str = "diff") -> str:
    """A fenced block that nothing in it can end."""
    longest = max((len(m) for line in lines for m in re.findall(r"`+", line)), default=0)
    marks = "`" * max(3, longest + 1)
    return "\n".join([f"{marks}{language}", *lines, marks])


def summary(report: Report) -> str:
    """The first line: how much changes."""
    total = {op: sum(s.count(op) for s in report.stacks) for op in COLUMNS}
    changed = sum(1 for s in report.stacks if s.changed)
    failed = [s.stack for s in report.stacks if s.errors]
    parts = [f"{total[op]} to {op}" for op in COLUMNS if total[op]]
    stacks = (
        f"{changed} of {len(report.stacks)} stacks {'changes' if changed == 1 else 'change'}"
        if len(report.stacks) > 1
        else "1 stack changes"
    )
    said = f"{stacks}: {', '.join(parts)}." if changed else "Nothing changes."
    noted = [s.stack for s in report.stacks if s.note]
    if noted and not changed:
        said = f"Nothing can be said yet of {', '.join(noted)}."
    if not report.stacks:
        said = "No stack is touched by this change."
    if failed:
        said = f"The preview of {', '.join(failed)} failed. " + (said if changed else "")
    return said.strip()


def _row(preview: StackPreview) -> str:
    if preview.errors:
        cells = ["failed", "", "", "", ""]
    elif preview.note:
        cells = ["new" if preview.note.startswith("new") else "later", "", "", "", ""]
    else:
        cells = [str(preview.count(op) or "") for op in COLUMNS] + [str(preview.count("same"))]
    return f"| {code(preview.stack)} | {' | '.join(cells)} |"


def _table(report: Report) -> str:
    head = ["| stack | create | update | replace | delete | unchanged |", "|---|--:|--:|--:|--:|--:|"]
    rows = [_row(s) for s in report.stacks]
    notes = {s.note: [o.stack for o in report.stacks if o.note == s.note] for s in report.stacks if s.note}
    rows += (
        ["", *(f"{', '.join(code(n) for n in names)}: {plain(note)}." for note, names in notes.items())]
        if notes
        else []
    )
    tail = f"\n\nNot touched: {', '.join(code(n) for n in report.untouched)}." if report.untouched else ""
    return "\n".join([*head, *rows]) + tail


def _item(item: Item) -> str:
    follows = (
        f" (and {item.follows} that go{'es' if item.follows == 1 else ''} with {'it' if len(item.changes) - item.follows == 1 else 'them'})"
        if item.follows
        else ""
    )
    verb, _, rest = item.what.partition(" ")
    lines = [f"- **{verb}** {rest}{follows}"]
    if item.why:
        lines.append(f"  - why: {'; '.join(item.why)}")
    if item.costs:
        lines.append(f"  - costs: {'; '.join(item.costs)}")
    return "\n".join(lines)


def _detail(change: Change) -> str:
    lines = change_lines(change) if change.op != "delete" else []
    head = f"**{VERBS[change.op]}** {code(change.name)} ({code(change.type)})"
    return f"{head}\n\n{fence(lines)}" if lines else head


def _errors(preview: StackPreview) -> str:
    text = "\n".join(preview.errors)
    return f"### {preview.stack}: no preview\n\n{fence(text.splitlines()[:40], 'text')}"


def _blocks(report: Report) -> list[Block]:
    out = [Block(f"{MARKER}\n## What this change does\n\n{summary(report)}")]
    out += [Block(f"> **Mind:** {w}") for w in report.warnings]
    if report.stacks:
        out.append(Block(_table(report)))
    out += [Block(_errors(s)) for s in report.stacks if s.errors]
    advised = [f"- {code(s.stack)}: {plain(line)}" for s in report.stacks for line in s.advice]
    if advised:
        out.append(Block("### Policies advise"))
        out += [Block(line, 5, "advice") for line in advised]
    for preview in report.stacks:
        items = report.items.get(preview.stack, ())
        if not items:
            continue
        out.append(Block(f"### {preview.stack}"))
        out += [Block(_item(i), 1 + OPS.index(i.op), f"a line of {preview.stack}") for i in items]
        details = [(c, _detail(c)) for op in OPS for c in preview.changes if c.op == op]
        out.append(
            Block(
                f"<details><summary>{preview.stack}: {len(details)} resource{'s' if len(details) != 1 else ''}, property by property</summary>"
            )
        )
        out += [Block(text, 10 + OPS.index(c.op), f"details of {c.name}") for c, text in details]
        out.append(Block("</details>"))
    return out


def _join(blocks: Sequence[Block]) -> str:
    out: list[str] = []
    before = ""
    for block in blocks:
        tight = block.text.startswith("- ") and before.startswith("- ")
        out.append(("\n" if tight else "\n\n") + block.text if out else block.text)
        before = block.text
    return "".join(out) + "\n"


def _said(cut: Sequence[Block]) -> Block:
    details = [b for b in cut if b.least >= 10]
    lines = len(cut) - len(details)
    words = [f"the details of {len(details)} resources"] if details else []
    words += [f"{lines} lines"] if lines else []
    return Block(
        f"*Cut, so that it fits into a comment: {' and '.join(words)}. All of it: {code('python -m tools.preview --details')}, in a terminal.*"
    )


def length(text: str) -> int:
    """As GitHub counts at its strictest: UTF-16 units and bytes would be fewer and more; bytes are safe."""
    return len(text.encode())


def fit(blocks: Sequence[Block], limit: int, size: Callable[[str], int] = length) -> str:
    """The blocks as one text of at most `limit`, cut from the least important: the longest of them first."""
    kept, cut = list(blocks), list[Block]()
    text = _join(kept)
    while size(text) > limit:
        able = [b for b in kept if b.least]
        if not able:
            end = "\n\n*Cut here, so that it fits into a comment.*\n"
            return text.encode()[: limit - len(end)].decode(errors="ignore") + end
        worst = max(b.least for b in able)
        over = size(text) - limit
        candidates = sorted((b for b in able if b.least == worst), key=lambda b: -size(b.text))
        gone = set[int]()
        for block in candidates:
            gone.add(id(block))
            cut.append(block)
            over -= size(block.text) + 2
            if over <= -300:  # room for the line that says so
                break
        kept = [b for b in kept if id(b) not in gone]
        text = _join([*kept, _said(cut)])
    return text


def markdown(report: Report, platform: str = "github") -> str:
    """The whole comment, under the limit of the platform."""
    return fit(_blocks(report), LIMITS[platform])
