"""A configuration with mistakes in single fields, read as if they were mended: so that the rules find the rest in the same run."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .problems import Problem

M = TypeVar("M", bound=BaseModel)
# By what the model's own messages call a thing (components/spec/fields.py).
LIKE = {
    "public key": "ssh-ed25519 " + "A" * 68,
    "VPN endpoint": "192.0.2.1:51820",
    "image by digest": "image@sha256:" + "0" * 64,
}
TRIES = 4  # what is put in may be wrong in its turn


def rough(model: type[M], data: Any) -> M | None:
    """`data` with each wrong value replaced by some right one and each unknown key left out, or None where that is no use."""
    data = copy.deepcopy(data)
    for _ in range(TRIES):
        try:
            return model.model_validate(data)
        except ValidationError as error:
            mended = [_mend(data, e) for e in error.errors()]  # each, also after one that could not be
            if not all(mended):
                return None
    return None


def _mend(data: Any, error: Any) -> bool:
    """Replaces what the error is about, within `data`; whether it could."""
    loc = [step for step in error["loc"] if step != "[key]"]
    if not loc or error["loc"][-1] == "[key]":
        return False
    try:
        parent = data
        for step in loc[:-1]:
            parent = parent[step]
        if error["type"] == "extra_forbidden":
            del parent[loc[-1]]
            return True
        value = _instead(error)
        if value is None:
            return False
        parent[loc[-1]] = value
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _instead(error: Any) -> Any:
    """A value of the kind that is wanted there."""
    context = error.get("ctx") or {}
    for bound, step in (("ge", 0), ("le", 0), ("gt", 1), ("lt", -1)):
        if bound in context:
            return context[bound] + step
    if error["type"] == "literal_error":
        words = re.findall(r"'([^']+)'", str(context.get("expected", "")))
        return words[0] if words else None
    if error["type"] == "value_error" and isinstance(error.get("input"), str):
        said = str(context.get("error", ""))
        for word, value in LIKE.items():
            if word in said:
                return value
        letters = re.sub(r"[^a-z]", "", error["input"].lower())[:10]
        return f"x{letters}"
    return None


def beyond(problems: Iterable[Problem], known: Iterable[Problem]) -> list[Problem]:
    """The problems that are neither in a place that is known to be wrong nor about a block that has such a place."""
    places = [(p.file, p.place + ".") for p in known]

    def told(p: Problem) -> bool:
        here = p.place + "."
        return any(p.file == file and (here.startswith(place) or place.startswith(here)) for file, place in places)

    return [p for p in problems if not told(p)]
