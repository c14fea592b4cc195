"""The format of the stored state, and what makes an older one the present one.

Format 1: as first released. Format 2: large values are compressed, definitions say every field of today's normal form, and the framework's
node stays when Mesos has removed the framework (its absence means damage now).
"""

from __future__ import annotations

import copy

from .definition import DEFAULTS
from .spec import Json

FORMAT = 2
Entry = tuple[str, str, Json]
Change = tuple[str, str, Json | None]


def upgrade(format: int, entries: list[Entry]) -> list[Change]:
    """What has to be written so that `entries` of `format` are of FORMAT. Done twice, as after a crash in between, it does nothing more."""
    return _to_2(entries) if format < 2 else []


def _to_2(entries: list[Entry]) -> list[Change]:
    changes: list[Change] = []
    for kind, key, value in entries:
        match kind:
            case "version":
                new = _whole(value)
            case "deployment":
                new = {
                    **value,
                    **{
                        part: {a: None if raw is None else _whole(raw) for a, raw in value[part].items()}
                        for part in ("original", "target")
                    },
                }
            case _:
                continue
        if new != value:
            changes.append((kind, key, new))
    if not any(kind == "framework" for kind, _, _ in entries):
        changes.append(("framework", "id", {"value": None}))
    return changes


def _whole(raw: Json) -> Json:
    """A definition with every field that today's have."""
    missing = {k: copy.deepcopy(v) for k, v in DEFAULTS.items() if v is not None and k not in raw}
    return {**missing, **raw} if missing else raw
