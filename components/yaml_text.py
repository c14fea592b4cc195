"""YAML read and written by libyaml, some ten times as fast as in Python, where PyYAML was built with it (its wheels are); else by PyYAML
itself. What is read and what is written is the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SafeDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def load(text: str) -> Any:
    """The one document of `text`. yaml.YAMLError if it is none."""
    return yaml.load(text, SafeLoader)  # noqa: S506 - a SafeLoader


def load_all(text: str) -> Iterator[Any]:
    """Its documents, one after the other. yaml.YAMLError if one is none."""
    return iter(yaml.load_all(text, SafeLoader))


def compose(text: str) -> yaml.Node | None:
    """Its nodes, each with its lines and columns; None if there is nothing. yaml.YAMLError as above."""
    node: yaml.Node | None = yaml.compose(text, Loader=SafeLoader)
    return node


def dump(data: Any, sort_keys: bool = True) -> str:
    """`data` as one document, in blocks."""
    text: str = yaml.dump(data, Dumper=SafeDumper, sort_keys=sort_keys)
    return text


def dump_all(documents: Iterable[Any], sort_keys: bool = True) -> str:
    """Each of `documents` as one, with `---` between them."""
    text: str = yaml.dump_all(documents, Dumper=SafeDumper, sort_keys=sort_keys)
    return text
