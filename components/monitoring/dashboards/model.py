"""Dashboards before they are Grafana's: panels in sections, each with what it shows; and their places in the grid. Pure."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .names import Series, metric

COLUMNS = 24  # of Grafana's grid
IDS = 1_000_000  # those of panels are up to this, those of headings above
UID = 40  # Grafana takes no longer ones
Kind = Literal["graph", "stat", "table", "history"]

# By the units of the table; of a counter that is shown as a rate the panel says its own.
UNITS = {
    "s": "s",
    "ms": "ms",
    "bytes": "bytes",
    "MB": "mbytes",
    "KB": "kbytes",
    "cores": "none",
    "part of 1": "percentunit",
    "% of a core": "percent",
    "0 or 1": "none",
    "number": "none",
    "number, since its start": "none",
}
GOOD_TO_BAD = ("green", "yellow", "red")
LEADS_OR_NOT = ("green", "blue", "blue")  # who follows is as well as who leads
PER_MINUTE, BYTES_A_SECOND = "cpm", "Bps"


def _number(title: str) -> int:
    return zlib.crc32(title.encode()) % IDS + 1


@dataclass(frozen=True)
class Panel:
    """`kind`: curves, the latest values as figures or as a table, or a line of coloured cells for each series.

    `limits`: the first of the `colours` until the first of them, the second until the second; descending ones the other way round.
    `words` are what values are called. `unit` is that of the first metric unless given.
    """

    title: str
    series: tuple[Series, ...]
    kind: Kind = "graph"
    width: int = 8
    height: int = 8
    unit: str = ""
    stacked: bool = False
    limits: tuple[float, float] | None = None
    colours: tuple[str, str, str] = GOOD_TO_BAD
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """By the title, so that a panel more or less changes no other's: links name panels by it."""
        return _number(self.title)

    @property
    def metrics(self) -> list[str]:
        """All that it shows, each once."""
        return list(dict.fromkeys(name for each in self.series for name in each.metrics))

    @property
    def grafana_unit(self) -> str:
        return self.unit or UNITS[metric(self.metrics[0]).unit]

    @property
    def text(self) -> str:
        """What the table says of its metrics."""
        return "\n\n".join(f"`{m.name}`: {m.text} ({m.where})" for m in map(metric, self.metrics))


@dataclass(frozen=True)
class Section:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]

    @property
    def id(self) -> int:
        return IDS + _number(self.title)


@dataclass(frozen=True)
class Board:
    """A dashboard. `sites`: it has a choice of sites, `$site`."""

    name: str
    federation: str
    title: str
    text: str
    sections: tuple[Section, ...]
    sites: bool = False

    @property
    def uid(self) -> str:
        """The same for ever; shortened by a hash where Grafana's limit asks for it."""
        whole = f"{self.federation}-{self.name}"
        if len(whole) <= UID:
            return whole
        return f"{whole[: UID - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"

    @property
    def panels(self) -> list[Panel]:
        return [panel for section in self.sections for panel in section.panels]


@dataclass(frozen=True)
class Place:
    """In the grid: from the left and from above, and the size, in its cells."""

    x: int
    y: int
    width: int
    height: int

    def overlaps(self, other: Place) -> bool:
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


def placed(board: Board) -> Iterator[tuple[Section | Panel, Place]]:
    """Headings and panels from above, each line of panels as high as its highest."""
    y = 0
    for section in board.sections:
        yield section, Place(0, y, COLUMNS, 1)
        y, x, high = y + 1, 0, 0
        for panel in section.panels:
            if x + panel.width > COLUMNS:
                x, y, high = 0, y + high, 0
            yield panel, Place(x, y, panel.width, panel.height)
            x, high = x + panel.width, max(high, panel.height)
        y += high
