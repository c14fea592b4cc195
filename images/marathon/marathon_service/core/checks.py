"""The small parts that the description of a body is made of: each yields what is wrong with one value, with its path in the JSON."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Problem = tuple[str, str]  # path in the JSON ("/healthChecks(0)/port"), what is wrong
Check = Callable[[Any, str], Iterator[Problem]]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NETWORK = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
LONGEST_TEXT = 1_000_000


class Invalid(Exception):
    """A body is not valid.  `problems` are (path, message)."""

    def __init__(self, problems: Iterable[Problem], status: int = 422) -> None:
        self.problems, self.status = list(problems), status
        super().__init__("; ".join(f"{p}: {m}" for p, m in self.problems))


class Unknown(tuple[str, str]):
    """The problem of a field that nobody knows; `forget` takes it out of the object that holds it."""

    holder: dict[str, Any]
    key: str

    def __new__(cls, path: str, holder: dict[str, Any], key: str, known: Iterable[str]) -> Unknown:
        near = difflib.get_close_matches(key, known, 1, 0.75)
        self = super().__new__(cls, (f"{path}/{key}", "unknown field" + (f": did you mean {near[0]}?" if near else "")))
        self.holder, self.key = holder, key
        return self

    def forget(self) -> None:
        self.holder.pop(self.key, None)


def number(low: float = 0.0, high: float = 1e12, whole: bool = False, above: bool = False) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            yield path, "must be a number"
        elif whole and isinstance(value, float) and not value.is_integer():
            yield path, "must be a whole number"
        elif value > high:
            yield path, f"must be at most {high:g}"
        elif value < low or (above and value <= low):
            yield path, f"must be {'above' if above else 'at least'} {low:g}"

    return check


def text(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield path, "must be a string"
    elif "\0" in value:
        yield path, "must not hold the character 0"
    elif len(value) > LONGEST_TEXT:
        yield path, f"must not be longer than {LONGEST_TEXT} characters"


def some_text(longest: int = LONGEST_TEXT) -> Check:
    """A string that is not empty."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        yield from text(value, path)
        if value == "":
            yield path, "must not be empty"
        elif isinstance(value, str) and longest < len(value) <= LONGEST_TEXT:
            yield path, f"must not be longer than {longest} characters"

    return check


def name(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        yield path, "must be a name of lower case letters, digits and '-'"


def network_name(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str) or not _NETWORK.fullmatch(value) or len(value) > 63:
        yield path, "must be a name of at most 63 lower case letters, digits, '-' and '_'"


def flag(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield path, "must be true or false"


def one_of(*choices: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if value not in choices:
            yield path, f"must be one of {', '.join(choices)}"

    return check


def list_of(item: Check, least: int = 0, most: int = 100_000) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield path, "must be a list"
            return
        if not least <= len(value) <= most:
            yield path, f"must have at least {least} entries" if len(value) < least else f"has more than {most} entries"
        for n, entry in enumerate(value[:most]):
            yield from item(entry, f"{path}({n})")

    return check


def map_of(item: Check, key_problem: Callable[[str], str | None] = lambda _key: None) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path, "must be an object"
            return
        for key, entry in value.items():
            if wrong := key_problem(key):
                yield path, f"{wrong}: {key!r}"
            yield from item(entry, f"{path}/{key}")

    return check


def record(fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    """An object with these fields; null stands for a field that is not given."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path or "/", "must be an object"
            return
        for key, entry in value.items():
            if key not in fields:
                yield Unknown(path, value, key, fields)
            elif entry is not None:
                yield from fields[key](entry, f"{path}/{key}")
        for key in required:
            if value.get(key) is None:
                yield f"{path}/{key}", "is required"

    return check


def anything(_value: Any, _path: str) -> Iterator[Problem]:
    return iter(())


def refused(why: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if value:
            yield path, why

    return check


def scalar_text(value: Any, path: str) -> Iterator[Problem]:
    """A string; numbers and truth values are taken for one."""
    if isinstance(value, str):
        yield from text(value, path)
    elif not isinstance(value, int | float | bool):
        yield path, "must be a string"
