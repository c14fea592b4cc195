"""What changed in a YAML file, key by key, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from components import yaml_text

from . import scrub

LONGEST = 48  # characters of a value


@dataclass(frozen=True)
class KeyChange:
    """`path` is dotted, without the project's prefix; `words` say from what to what."""

    path: str
    words: str

    def __str__(self) -> str:
        return f"{self.path} {self.words}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "secure" in value:
        return scrub.SECRET
    shown = str(scrub.value(value)).replace("\n", " ")
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping) and "secure" not in value


def _changes(old: Any, new: Any, path: str) -> Iterator[KeyChange]:
    if old == new:
        return
    if _is_block(old) and _is_block(new):
        for key in [*old, *(k for k in new if k not in old)]:
            here = f"{path}.{str(key).removeprefix('aerie:')}" if path else str(key).removeprefix("aerie:")
            if key not in new:
                yield KeyChange(here, "is taken away")
            elif key not in old:
                yield KeyChange(here, "is new" if _is_block(new[key]) else f"is new: {_short(new[key])}")
            else:
                yield from _changes(old[key], new[key], here)
    elif isinstance(old, list) and isinstance(new, list) and any(isinstance(v, Mapping) for v in (*old, *new)):
        for i in range(max(len(old), len(new))):
            here = f"{path}[{i}]"
            if i >= len(new):
                yield KeyChange(here, "is taken away")
            elif i >= len(old):
                yield KeyChange(here, "is new")
            else:
                yield from _changes(old[i], new[i], here)
    else:
        yield KeyChange(path, f"from {_short(old)} to {_short(new)}")


def key_changes(old: str, new: str) -> tuple[KeyChange, ...]:
    """The keys that differ between two texts of a configuration file; nothing if one of them is no YAML.

    `config:` and `aerie:` are left out of the paths, so that they read as in docs/configuration.md."""
    try:
        before, after = yaml_text.load(old) or {}, yaml_text.load(new) or {}
    except yaml.YAMLError:
        return ()
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ()
    before, after = ({k: v for k, v in d.items() if k != "encryptionsalt"} for d in (before, after))
    return tuple(KeyChange(c.path.removeprefix("config."), c.words) for c in _changes(before, after, ""))
