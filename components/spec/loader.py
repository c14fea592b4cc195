"""Reads the configuration files into the model and turns whatever does not fit into problems."""

from __future__ import annotations

import difflib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .. import yaml_text
from .fields import ADDRESS_FORM, IPV6_FORM, NETWORK_FORM
from .model import Federation, SiteStack
from .problems import Problem

M = TypeVar("M", bound=BaseModel)

# Kinds of pydantic's errors, by how they begin: what the value is not, and what to write.
KINDS = {
    "int": ("whole number", "a whole number"),
    "float": ("number", "a number"),
    "bool": ("yes or no", "true or false"),
    "string": ("text", "a text, in quotes if it looks like a number"),
    "list": ("list", "a list, such as [a, b]"),
    "dict": ("block of keys", "KEY: VALUE, one a line and indented"),
    "model": ("block of keys", "KEY: VALUE, one a line and indented"),
}


class _OnceEach:
    """For a loader: a key that is there twice is an error, since the first would be lost without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} is there twice", key.start_mark)
            seen.add(name)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return mapping


class _Loader(_OnceEach, yaml_text.SafeLoader):  # type: ignore[misc]
    """The fast one; its words for what is no YAML are libyaml's."""


class _TellingLoader(_OnceEach, yaml.SafeLoader):
    """PyYAML's own, whose words for it are always the same."""


def parse(model: type[M], data: Any, file: str, place: str = "") -> tuple[M | None, list[Problem]]:
    """`data` as `model`, or None and every problem that it has."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [_problem(model, e, file, place) for e in error.errors()]


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the block at `loc` may have."""
    here: Any = model
    for step in loc:
        if not (isinstance(here, type) and issubclass(here, BaseModel)):
            return []
        field = here.model_fields.get(str(step))
        if field is None:
            return []
        here = _block_of(field.annotation)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _block_of(annotation: Any) -> Any:
    """The model that a field's annotation leads to: of `dict[str, Site]`, `list[User]`, `X | None`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation
    for arg in reversed(typing.get_args(annotation)):
        found = _block_of(arg)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return annotation


def _problem(model: type[BaseModel], error: Any, file: str, place: str) -> Problem:
    loc: tuple[int | str, ...] = tuple(s for s in error["loc"] if s != "[key]")
    where = ".".join([*([place] if place else []), *map(str, loc)]) or "(whole file)"
    kind, ctx, given = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "extra_forbidden":
        keys = _known_keys(model, tuple(s for s in loc[:-1] if not isinstance(s, int)))
        if not keys:  # a block inside a dict or a list: its name is one step more
            keys = _known_keys_in_collection(model, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), keys, n=1, cutoff=0.5)
        mend = f"write {near[0]}" if near else f"known here: {', '.join(keys)}"
        return Problem(file, where, f"unknown key {loc[-1]!r}", mend)
    if given is None and not loc:
        return Problem(
            file, where, "is empty", f"write {', '.join(n for n, f in model.model_fields.items() if f.is_required())}"
        )
    if kind == "missing":
        return Problem(file, where, "is missing", f"write {loc[-1]}: ...")
    if kind == "value_error":
        what, _, mend = str(ctx["error"]).partition("|")
        return Problem(file, where, f"{given!r} {what}", mend)
    if kind == "literal_error":
        return Problem(file, where, f"{given!r} is not known", f"write {ctx['expected']}")
    if kind.startswith("ip_v4"):
        what, _, mend = (NETWORK_FORM if "network" in kind else ADDRESS_FORM).partition("|")
        return Problem(file, where, f"{given!r} {what}", mend)
    if kind.startswith("ip_v6"):
        what, _, mend = IPV6_FORM.partition("|")
        return Problem(file, where, f"{given!r} {what}", mend)
    for prefix, (what, mend) in KINDS.items():
        if kind.startswith(prefix):
            return Problem(file, where, f"{given!r} is no {what}", f"write {mend}")
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        sign = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
        bound = next((f"{sign[k]} {v:g}" for k, v in ctx.items() if k in sign), "")
        return Problem(file, where, f"{given!r} is out of range", f"write {bound}")
    if kind == "too_long":
        return Problem(file, where, f"has {ctx['actual_length']} entries", f"write at most {ctx['max_length']}")
    if kind == "too_short":
        return Problem(file, where, "is empty", "write at least one")
    return Problem(file, where, f"{given!r} does not fit: {error['msg'].lower()}", "see docs/configuration.md")


def _known_keys_in_collection(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    here: Any = model
    for step in loc:
        if isinstance(here, type) and issubclass(here, BaseModel) and str(step) in here.model_fields:
            here = _block_of(here.model_fields[str(step)].annotation)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def read_yaml(path: Path) -> tuple[Any, list[Problem]]:
    """What `path` holds, or a problem in plain words if it is missing or no YAML."""
    try:
        text = path.read_text()
        try:
            return yaml.load(text, _Loader), []  # noqa: S506 - a SafeLoader
        except yaml.YAMLError:
            return yaml.load(text, _TellingLoader), []  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        return None, [
            Problem(path.name, "(whole file)", "the file is missing", f"write it beside Pulumi.yaml, in {path.parent}")
        ]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        return None, [
            Problem(path.name, "(whole file)", f"is no YAML: {getattr(error, 'problem', error)}", "mend the line", line)
        ]


def read_federation(root: Path) -> tuple[Federation | None, list[Problem]]:
    """federation.yaml below `root`."""
    data, problems = read_yaml(root / "federation.yaml")
    return (None, problems) if problems else parse(Federation, data, "federation.yaml")


def stack_values(data: Any, project: str = "aerie") -> dict[str, Any]:
    """The `config:` block of a stack's file without the project's prefix; other namespaces left out."""
    config = (data or {}).get("config") or {}
    return {k.removeprefix(f"{project}:"): v for k, v in config.items() if k.startswith(f"{project}:")}


def read_stack(model: type[M], root: Path, stack: str) -> tuple[M | None, list[Problem]]:
    """Pulumi.<stack>.yaml below `root`, as `model`."""
    file = f"Pulumi.{stack}.yaml"
    data, problems = read_yaml(root / file)
    return (None, problems) if problems else parse(model, stack_values(data), file)


def read_sites(federation: Federation, root: Path) -> tuple[dict[str, SiteStack], list[Problem]]:
    """The stack file of each site that has one: a site's file may be elsewhere, in another checkout."""
    sites: dict[str, SiteStack] = {}
    problems: list[Problem] = []
    for name in federation.sites:
        if (root / f"Pulumi.{name}.yaml").is_file():
            stack, found = read_stack(SiteStack, root, name)
            problems += found
            if stack:
                sites[name] = stack
    return sites, problems
