"""Regular expressions of constraints, matched in bounded time: a pattern that a client sends must not keep the scheduler busy for ever.

Python's own matcher goes back and tries again, which takes exponential time where repeats are within repeats. Such patterns are matched by
following the set of all places where a part of the pattern may end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

_LONGEST = 2000
_SINGLE = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.ANY, _constants.IN}
_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT}
_FEW = 3  # repeats of any length, one after the other, that the common matcher is left to: their cost is a power with this exponent


@lru_cache(maxsize=1024)
def problem(text: str) -> str | None:
    """Why `text` cannot be a constraint's pattern, or None."""
    if len(text) > _LONGEST:
        return f"a regular expression must not be longer than {_LONGEST} characters"
    try:
        tree = _parser.parse(text)
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return f"not a regular expression: {text}"
    if _costly(tree) and not _plain(tree):
        return "takes too long: no look-around, back-reference or possessive repeat beside repeats within repeats"
    return None


@lru_cache(maxsize=4096)
def fullmatch(text: str, value: str) -> bool:
    """Whether all of `value` matches; False for what is no pattern."""
    if problem(text) is not None:
        return False
    tree = _parser.parse(text)
    if not _costly(tree):
        return re.fullmatch(text, value) is not None
    return len(value) in _ends(tree, tree, value, frozenset({0}))


def _parts(node: tuple[Any, Any]) -> Iterable[Any]:
    """The patterns within a part of one."""
    kind, what = node
    if kind in _REPEATS or kind is _constants.POSSESSIVE_REPEAT:
        return (what[2],)
    if kind is _constants.SUBPATTERN:
        return (what[3],)
    if kind is _constants.BRANCH:
        return tuple(what[1])
    if kind in (_constants.ASSERT, _constants.ASSERT_NOT):
        return (what[1],)
    if kind is _constants.ATOMIC_GROUP:
        return (what,)
    if kind is _constants.GROUPREF_EXISTS:
        return tuple(p for p in what[1:] if p is not None)
    return ()


def _repeats(tree: Any, inside: bool = False) -> tuple[int, bool]:
    """(repeats of any length, whether one holds a choice: another repeat, or alternatives)."""
    count, nested = 0, False
    for node in tree:
        kind, what = node
        repeat = (kind in _REPEATS or kind is _constants.POSSESSIVE_REPEAT) and what[1] > 1
        varies = repeat and what[0] != what[1]
        nested = nested or (inside and (varies or kind is _constants.BRANCH))
        count += varies
        for part in _parts(node):
            inner, deep = _repeats(part, inside or repeat)
            count, nested = count + inner, nested or deep
    return count, nested


def _costly(tree: Any) -> bool:
    count, nested = _repeats(tree)
    return nested or count > _FEW


def _plain(tree: Any) -> bool:
    known = {*_SINGLE, *_REPEATS, _constants.SUBPATTERN, _constants.BRANCH, _constants.AT}
    return all(node[0] in known and all(_plain(p) for p in _parts(node)) for node in tree)


def _ends(whole: Any, tree: Any, value: str, starts: frozenset[int]) -> frozenset[int]:
    """Where `tree` may end in `value`, begun at any of `starts`."""
    for kind, what in tree:
        if not starts:
            break
        if kind in _SINGLE or kind is _constants.AT:
            one = _compiler.compile(_parser.SubPattern(whole.state, [(kind, what)]))
            starts = frozenset(m.end() for p in starts if (m := one.match(value, p)))
        elif kind is _constants.SUBPATTERN:
            starts = _ends(whole, what[3], value, starts)
        elif kind is _constants.BRANCH:
            starts = frozenset().union(*(_ends(whole, part, value, starts) for part in what[1]))
        else:
            starts = _repeated(whole, what, value, starts)
    return starts


def _repeated(whole: Any, what: tuple[int, int, Any], value: str, starts: frozenset[int]) -> frozenset[int]:
    least, most, part = int(what[0]), int(what[1]), what[2]
    for _ in range(least):
        after = _ends(whole, part, value, starts)
        if after == starts:
            break  # more of the same changes nothing
        starts = after
    found, edge = starts, starts
    for _ in range(min(most - least, len(value) + 1)):
        edge = _ends(whole, part, value, edge) - found
        if not edge:
            break
        found |= edge
    return found
