"""The dashboards as the status page takes them: panels as data, in one file. Pure.

    {"version": 1, "boards": [{"name", "title", "text", "sites", "pool",
        "sections": [{"title", "panels": [{"title", "text", "kind", "unit", "stacked", "limits", "colours", "words", "targets"}]}]}]}

`$site` in a target stands for the sites that are chosen (a board with `sites`), `$pool` for the pool (the board with `pool`). What is
as in most panels is left out: `stacked`, `limits`, `colours`, `words`.
"""

from __future__ import annotations

import json
from typing import Any

from .catalogue import of_federation
from .model import GOOD_TO_BAD, Board, Panel
from .pool import any_pool

VERSION = 1  # another number when a key changes its meaning; status_page/panels.py reads this one
FILE = "panels.json"


def text(federation: str) -> str:
    """The file's text: every board of the federation, and the one of its pools."""
    boards = [_board(board) for board in of_federation(federation)]
    boards.append({**_board(any_pool(federation)), "name": "pool", "title": "Pool", "pool": True})
    return json.dumps({"version": VERSION, "boards": boards}, separators=(",", ":")) + "\n"


def _board(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "title": board.name.capitalize(),
        "text": board.text,
        "sites": board.sites,
        "pool": False,
        "sections": [{"title": s.title, "panels": [_panel(p) for p in s.panels]} for s in board.sections],
    }


def _panel(panel: Panel) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": panel.title,
        "text": panel.text.replace("`", ""),
        "kind": panel.kind,
        "unit": panel.grafana_unit,
        "targets": [each.target for each in panel.series],
    }
    if panel.stacked:
        made["stacked"] = True
    if panel.limits:
        made["limits"] = list(panel.limits)
        if panel.colours != GOOD_TO_BAD:
            made["colours"] = list(panel.colours)
    if panel.words:
        made["words"] = dict(panel.words)
    return made
