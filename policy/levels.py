"""What single policies do other than refuse: `levels` in PulumiPolicy.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any

LEVELS = ("mandatory", "advisory", "disabled")
FILE = "policy/PulumiPolicy.yaml"


def level_problems(given: Any, names: Collection[str]) -> list[str]:
    """Everything wrong with `levels`, in words."""
    if not isinstance(given, dict):
        return [f"{FILE}: levels: is no block of keys; write NAME: {' or '.join(LEVELS[1:])}, or levels: {{}}"]
    out = []
    for name, level in given.items():
        if name not in names:
            close = difflib.get_close_matches(str(name), names, 1)
            known = f"write {close[0]}" if close else f"write one of {', '.join(sorted(names))}"
            out.append(f"{FILE}: levels.{name}: there is no policy {name}; {known}")
        if level not in LEVELS:
            out.append(f"{FILE}: levels.{name}: {level!r} is no level; write one of {', '.join(LEVELS)}")
    return out
