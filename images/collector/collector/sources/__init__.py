"""What is read where. Each module has a pure reading of the answer, and a source that asks for it.

A source has a name and `read()`, which gives values by the names of metrics.TABLE; what it raises is one error of that source.
"""

from __future__ import annotations

from typing import Protocol


class Source(Protocol):
    name: str

    def read(self) -> dict[str, float]: ...


class Partly(Exception):
    """Some questions had no answer: `values` are those of the others, `count` is how many failed, the text why."""

    def __init__(self, values: dict[str, float], count: int, why: str) -> None:
        super().__init__(why)
        self.values, self.count = values, count
