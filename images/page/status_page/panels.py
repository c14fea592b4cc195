"""The dashboards' panels: what the deployment wrote into panels.json, what Graphite is asked for them, and its answers. Pure.

The file is made by components/monitoring/dashboards/panels.py, which says what is in it. Browsers are told all of it but the targets,
and name a board, a section, sites and a pool; a target is never theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.metrics import part

from .config import Mistake
from .sites import Json

FILE = "panels.json"
VERSION = 1
KINDS = ("graph", "stat", "table", "history")
SITE, POOL = "$site", "$pool"
# From when, points at most, and seconds for which an answer is not asked for again.
RANGES = {"1h": ("-1h", 180, 20.0), "6h": ("-6h", 240, 60.0), "24h": ("-24h", 288, 120.0), "7d": ("-7d", 336, 300.0)}

PATIENCE = 25.0  # seconds for one answer: a week of many curves takes Graphite some of them


@dataclass(frozen=True)
class Choice:
    """What is shown: a section of a board, of one site or of all (""), of one pool where the board is of pools."""

    board: str
    section: int
    range: str
    site: str = ""
    pool: str = ""


class Panels:
    """`shown` is what browsers are told: the file without its targets."""

    def __init__(self, text: str) -> None:
        """Raises Mistake, which says what is wrong with the file."""
        try:
            found = json.loads(text)
            if found["version"] != VERSION:
                raise Mistake(
                    f"{FILE} is of version {found['version']}, and this page reads {VERSION}; use images and stacks of one checkout"
                )
            self._boards = {b["name"]: b for b in found["boards"]}
            self._targets = {b["name"]: [_targets(s) for s in b["sections"]] for b in found["boards"]}
            self.shown: Json = {
                "version": VERSION,
                "ranges": list(RANGES),
                "boards": [_board(b) for b in found["boards"]],
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, Mistake):
                raise
            raise Mistake(f"{FILE} is none of components/monitoring/dashboards/panels.py: {type(error).__name__} {error}") from error  # fmt: skip

    def wrong(self, choice: Choice, sites: Sequence[str], pools: Iterable[str]) -> str:
        """Why there is no such thing, or "". `sites` and `pools` are those that there are."""
        if choice.range not in RANGES:
            return f"range is {choice.range[:20]!r}; write one of {', '.join(RANGES)}"
        board = self._boards.get(choice.board)
        if board is None:
            return f"there is no board {choice.board[:40]!r}; write one of {', '.join(self._boards)}"
        if not 0 <= choice.section < len(board["sections"]):
            return f"{choice.board} has sections 0 to {len(board['sections']) - 1}"
        if choice.site and choice.site not in sites:
            return f"there is no site {choice.site[:40]!r}; write one of {', '.join(sites)}"
        if board["pool"] and choice.pool not in set(pools):
            return f"there is no pool {choice.pool[:60]!r} now"
        return ""

    def targets(self, choice: Choice) -> list[str]:
        """Of a choice that is not wrong. Each series of the answer is called PANEL.TARGET and a colon before its own name."""
        site = part(choice.site) if choice.site else "*"
        return [
            f'aliasSub({target.replace(SITE, site).replace(POOL, part(choice.pool))},"^","{p}.{t}:")'
            for p, targets in enumerate(self._targets[choice.board][choice.section])
            for t, target in enumerate(targets)
        ]

    def answer(self, choice: Choice, found: Iterable[Mapping[str, Any]]) -> Json:
        """{"panels": [[{"name", "start", "step", "values": [number or null, ...]}, ...] for each panel]}, in the targets' order; series
        without a value are left out. ValueError if it is no answer."""
        out: list[list[tuple[int, Json]]] = [[] for _ in self._targets[choice.board][choice.section]]
        for each in found:
            try:
                at, _, name = str(each["target"]).partition(":")
                panel, target = map(int, at.split("."))
                points = each["datapoints"]
                values = [None if v is None else float(f"{v:.6g}") for v, _ in points]
                if any(v is not None for v in values):
                    step = points[1][1] - points[0][1] if len(points) > 1 else 10
                    out[panel].append((target, {"name": name, "start": points[0][1], "step": step, "values": values}))
            except (AttributeError, KeyError, TypeError, IndexError, ValueError) as error:
                raise ValueError(f"Graphite answers {str(each)[:80]!r}, which is no series of a panel") from error
        return {"panels": [[one for _, one in sorted(some, key=lambda s: s[0])] for some in out]}


def _targets(section: Mapping[str, Any]) -> list[list[str]]:
    """Of each panel."""
    out: list[list[str]] = []
    for panel in section["panels"]:
        if not panel["targets"] or not all(isinstance(t, str) for t in panel["targets"]):
            raise ValueError(f"panel {panel['title']!r} has no targets")
        if panel["kind"] not in KINDS:
            raise ValueError(f"panel {panel['title']!r} is of kind {panel['kind']!r}")
        out.append(panel["targets"])
    return out


def _board(board: Mapping[str, Any]) -> Json:
    sections = [
        {"title": s["title"], "panels": [{k: v for k, v in p.items() if k != "targets"} for p in s["panels"]]}
        for s in board["sections"]
    ]
    return {**board, "sections": sections}
