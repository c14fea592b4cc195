"""The recorded previews: what Pulumi said of real stacks (tools/preview/record.py), the change that it was about, and what is told of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from tools.preview.cost import Farm
from tools.preview.keys import key_changes
from tools.preview.model import Report, StackPreview
from tools.preview.read import read_preview
from tools.preview.report import report
from tools.preview.terminal import show
from tools.preview.why import Edits

DATA = Path(__file__).parent / "data" / "preview"
SITES = ("torino", "cnaf", "bari")
ORDER = ("federation", *SITES, "demo")
SCENARIOS = sorted(p.parent.name for p in DATA.glob("*/change.yaml"))


def recorded(scenario: str, stack: str) -> dict[str, Any]:
    """The JSON of one preview."""
    found: dict[str, Any] = json.loads((DATA / scenario / f"{stack}.json").read_text())
    return found


def previews(scenario: str) -> list[StackPreview]:
    """Those of the scenario, in the order of `up`."""
    out = []
    for stack in ORDER:
        if (DATA / scenario / f"{stack}.json").exists():
            found = recorded(scenario, stack)
            out.append(read_preview(stack, found, "diagnostics" in found))
    return out


def change(scenario: str) -> dict[str, Any]:
    return yaml.safe_load((DATA / scenario / "change.yaml").read_text()) or {}


def edits(scenario: str) -> Edits:
    """The change as git would tell it."""
    told = change(scenario)
    keys = {file: key_changes(old, new) for file, (old, new) in told.get("keys", {}).items()}
    return Edits(tuple(told.get("files", ())), keys, told.get("known", True))


def the_report(scenario: str) -> Report:
    told = change(scenario)
    farm = Farm(SITES, SITES, told.get("running", {}))
    return report(previews(scenario), farm, edits(scenario), told.get("untouched", ()), told.get("gone", ()))


def screen(the: Report, details: bool = False, width: int = 110) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    show(the, console, details)
    return console.export_text()
