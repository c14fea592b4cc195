"""Entries of a YAML file put in and taken out as text, so that comments and the writer's own form stay. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import yaml


class NoBlock(Exception):
    """The file has no such block, or not in the form that lines can be put into; the text says what to write."""


def _mapping(text: str, key: str) -> yaml.MappingNode:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = root.value if isinstance(root, yaml.MappingNode) else []
    node = next((value for name, value in entries if name.value == key), None)
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        raise NoBlock(
            f"{key} is no block of lines; write each of its entries on lines of its own, indented below {key}:"
        )
    return node


def _last_line(node: yaml.Node) -> int:
    """The last line, from 0, that has something of the node on it: the end that the reader gives may be after what follows."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    end = node.end_mark
    return int(end.line) if end.column or end.line == node.start_mark.line else int(end.line) - 1


def add_entry(text: str, key: str, name: str, lines: Iterable[str]) -> str:
    """`text` with an entry `name` at the end of the block `key`; `lines` are what is in it, as they are indented in it.

    Raises NoBlock, or ValueError if it is there already."""
    node = _mapping(text, key)
    if any(known.value == name for known, _ in node.value):
        raise ValueError(f"{key}.{name} is there already")
    indent = " " * node.value[0][0].start_mark.column
    new = [f"{indent}{_word(name)}:\n", *(f"{indent}  {line}\n" for line in lines)]
    have = text.splitlines(keepends=True)
    at = _last_line(node) + 1
    if have and not have[at - 1].endswith("\n"):
        have[at - 1] += "\n"
    return "".join([*have[:at], *new, *have[at:]])


def remove_entry(text: str, key: str, name: str) -> str:
    """`text` without the entry `name` of the block `key`, and without the comment right above it, unless it is the first entry,
    whose comment may be about all of them. Raises NoBlock, or ValueError if it is not there, or is the last one."""
    node = _mapping(text, key)
    names = [known.value for known, _ in node.value]
    if name not in names:
        raise ValueError(f"{key}.{name} is not there")
    if len(names) == 1:
        raise ValueError(f"{name} is the only one of {key}")
    known, value = node.value[names.index(name)]
    have = text.splitlines(keepends=True)
    start, end = known.start_mark.line, max(_last_line(value), known.start_mark.line) + 1
    while (
        names[0] != name
        and have[start - 1].strip().startswith("#")
        and _indent(have[start - 1]) == known.start_mark.column
    ):
        start -= 1
    return "".join([*have[:start], *have[end:]])


def _word(name: str) -> str:
    """As YAML reads it back: `no` and `on` alone would be truth values."""
    return name if yaml.safe_load(name) == name else f'"{name}"'


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
