"""A report on a terminal."""

from __future__ import annotations

import re

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .items import VERBS
from .markdown import COLUMNS, summary
from .model import Op, Report
from .texts import change_lines

COLOURS: dict[Op, str] = {"create": "green", "update": "yellow", "replace": "magenta", "delete": "red"}


def _plain(text: str) -> str:
    """Markdown's marks taken away: names stand out by themselves here."""
    return escape(re.sub(r"`|\*\*", "", text))


def show(report: Report, console: Console, details: bool = False) -> None:
    """Prints the report; with `details` each property too."""
    console.print(f"[bold]{escape(summary(report))}[/]")
    for warning in report.warnings:
        console.print(f"[bold red]mind:[/] {_plain(warning)}")
    if report.stacks:
        table = Table("stack", *COLUMNS, "unchanged", "seconds", box=None, pad_edge=False, header_style="dim")
        for preview in report.stacks:
            if preview.errors or preview.note:
                table.add_row(
                    escape(preview.stack),
                    "[red]failed[/]" if preview.errors else "new" if preview.note.startswith("new") else "later",
                )
                continue
            cells = [f"[{COLOURS[op]}]{preview.count(op)}[/]" if preview.count(op) else "" for op in COLOURS]
            table.add_row(escape(preview.stack), *cells, str(preview.count("same")), f"{preview.seconds:.1f}")
        console.print(table)
    for preview in report.stacks:
        if preview.errors:
            console.print(f"\n[bold]{escape(preview.stack)}[/]: [red]no preview[/]")
            for error in preview.errors:
                console.print(escape(error), soft_wrap=True)
        if preview.note:
            console.print(f"\n[bold]{escape(preview.stack)}[/] {escape(preview.note)}", soft_wrap=True)
        items = report.items.get(preview.stack, ())
        if items:
            console.print(f"\n[bold]{escape(preview.stack)}[/]")
        for item in items:
            follows = f" [dim](+{item.follows})[/]" if item.follows else ""
            console.print(f"  [{COLOURS[item.op]}]{_plain(item.what)}[/]{follows}")
            for label, said in (("why", item.why), ("costs", item.costs)):
                if said:
                    console.print(f"    [dim]{label}:[/] {_plain('; '.join(said))}")
        if details and preview.changes:
            console.print()
            for change in preview.changes:
                console.print(
                    f"  [{COLOURS[change.op]}]{VERBS[change.op]}[/] {escape(change.name)} [dim]{escape(change.type)}[/]"
                )
                for line in change_lines(change):
                    colour = {"+": "green", "-": "red"}.get(line[:1], "dim")
                    console.print(f"    [{colour}]{escape(line)}[/]", soft_wrap=True)
        for line in preview.advice:
            console.print(f"  [yellow]policy[/] {escape(line)}", soft_wrap=True)
    if report.untouched:
        console.print(f"\nnot touched: {escape(', '.join(report.untouched))}", style="dim")
