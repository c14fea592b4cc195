"""The table of docs/metrics.md, from metrics.TABLE.

python3 -m collector.documentation FILE writes it anew between the two marks in the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from .metrics import LARGE, TABLE, Metric

BEGIN, END = "<!-- metrics: begin, made by python3 -m collector.documentation -->", "<!-- metrics: end -->"


def plausible(metric: Metric) -> str:
    """The range of its values, where it says anything."""
    if (metric.low, metric.high) == (0.0, 1.0) or metric.high >= LARGE:
        return ""
    return f"{metric.low:g} to {metric.high:g}"


def lines() -> Iterator[str]:
    """The tables, one for each source."""
    for source, metrics in TABLE.items():
        yield f"\n### {source}\n"
        yield "| name | unit | plausible | from | meaning |"
        yield "|---|---|---|---|---|"
        for metric in metrics:
            yield f"| `{metric.name}` | {metric.unit} | {plausible(metric)} | {metric.where} | {metric.text} |"


def renewed(text: str) -> str:
    """The text of the file with its tables anew. ValueError if it has not both marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN if not begin else END}; write it where the tables are to be")
    return before + BEGIN + "\n" + "\n".join(lines()) + "\n\n" + END + after


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text()))
