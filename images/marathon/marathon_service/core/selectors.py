"""Which apps a list is to hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from .spec import AppSpec

_WORD = r"(?:[-\w./]|\\.)+"
_VALUES = rf"\(\s*{_WORD}(?:\s*,\s*{_WORD})*\s*\)"
_SELECTOR = re.compile(rf"\s*({_WORD})(?:\s*(==|!=)\s*({_WORD})|\s+(in|notin)\s*({_VALUES}))?\s*")


def apps(cmd: str | None, app_id: str | None, label: str | None) -> Callable[[AppSpec], bool]:
    """A test for apps: their cmd and id hold these texts, their labels fit.  Raises ValueError."""
    labels = label_filter(label) if label else None

    def passes(spec: AppSpec) -> bool:
        if cmd and cmd.lower() not in (spec.raw.get("cmd") or "").lower():
            return False
        if app_id and app_id.lower() not in spec.id.lower():
            return False
        return labels is None or labels(spec.raw["labels"])

    return passes


def label_filter(text: str) -> Callable[[dict[str, str]], bool]:
    """`key`, `key==value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, joined by commas; a backslash takes away what a character
    means.  Raises ValueError."""
    tests = []
    at = 0
    while True:
        m = _SELECTOR.match(text, at)
        if m is None or (m.end() < len(text) and text[m.end()] != ","):
            raise ValueError(f"not a label selector: {text[at:] or text}")
        values = [m[3]] if m[3] is not None else re.findall(_WORD, m[5] or "")
        tests.append(_test(_plain(m[1]), m[2] or m[4], {_plain(v) for v in values}))
        if m.end() == len(text):
            return lambda labels: all(t(labels) for t in tests)
        at = m.end() + 1


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _test(key: str, operator: str | None, values: Collection[str]) -> Callable[[dict[str, str]], bool]:
    match operator:
        case None:
            return lambda labels: key in labels
        case "==" | "in":
            return lambda labels: labels.get(key) in values
        case _:
            # "Not that value" is of those that have the label.
            return lambda labels: key in labels and labels[key] not in values
