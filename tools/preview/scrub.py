"""Takes secrets out of whatever a preview says. A second fence: Pulumi shows none by itself, and this believes nobody."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

SECRET = "(secret)"
UNKNOWN = "(known once it is made)"
SIGNATURE = "4dabf18193072939515e22adb298388d"  # the key by which Pulumi marks special values in its state
_SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"
_UNKNOWN_MARK = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_PICKLED = "__provider"  # of a dynamic resource: its code, which says nothing to anybody

# What opens something, wherever it stands in a text.
_TEXTS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\bv1:[A-Za-z0-9+/=]{8,}:[A-Za-z0-9+/=]{8,}"),  # a value encrypted with the passphrase
    re.compile(r"(?<=://)[^/\s@:]+:[^/\s@]+(?=@)"),  # user:password of a URL
    re.compile(r"(?i)(?<=authorization: )(?:basic|bearer) \S+"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),  # a JWT, an IDTOKEN
)


def text(value: str) -> str:
    """`value` without what opens something."""
    if value == "[secret]":
        return SECRET
    if SIGNATURE in value:
        return SECRET  # an object of the state, written out: what else is in it cannot be told apart
    for pattern in _TEXTS:
        value = pattern.sub(SECRET, value)
    return UNKNOWN if value == _UNKNOWN_MARK else value.replace(_UNKNOWN_MARK, UNKNOWN)


def value(of: Any, secret: Collection[str] = ()) -> Any:
    """`of` with every secret replaced by SECRET; `secret` names top-level keys that are secrets whatever they hold."""
    if isinstance(of, Mapping):
        if SIGNATURE in of:
            marked = str(of[SIGNATURE])
            return SECRET if marked == _SECRET_MARK or "ciphertext" in of else f"({marked[:8]}...)"
        return {k: SECRET if k in secret else value(v) for k, v in of.items() if k != _PICKLED}
    if isinstance(of, list):
        return [value(v) for v in of]
    return text(of) if isinstance(of, str) else of
