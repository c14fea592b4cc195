"""Reads the JSON of `pulumi preview --json` (and of `pulumi refresh --preview-only --json`) into the model. Pure.

The format: https://github.com/pulumi/pulumi, pkg/display/json.go. A replacement is one step there, or three."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import scrub
from .model import Change, Diff, Op, StackPreview

Json = Mapping[str, Any]
OPERATIONS: dict[str, Op] = {
    "create": "create",
    "import": "create",
    "update": "update",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import-replacement": "replace",
    "delete": "delete",
    "discard": "delete",
    "remove-pending-replace": "replace",
}
STACK, REFERENCE, PROVIDERS = "pulumi:pulumi:Stack", "pulumi:pulumi:StackReference", "pulumi:providers:"
_DEFAULTS = "__defaults"


def name_of(urn: str) -> str:
    """The resource's own name."""
    return urn.rsplit("::", 1)[-1]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) of everything in `value`; an empty block is a leaf."""
    if isinstance(value, Mapping) and value:
        left_out = {_DEFAULTS, *(value.get(_DEFAULTS) or ())}  # what the provider filled in is nobody's change
        for key, inner in value.items():
            if key not in left_out:
                yield from _flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and any(isinstance(v, Mapping | list) for v in value):
        for i, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{i}]")
    else:
        yield path, value


def _text(leaf: Any) -> str:
    if isinstance(leaf, str):
        return leaf
    if isinstance(leaf, list):
        return "\n".join(v if isinstance(v, str) else json.dumps(v) for v in leaf)
    return json.dumps(leaf, sort_keys=True)


def _top(path: str) -> str:
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def differences(old: Json, new: Json, named: Sequence[str], replacing: Sequence[str]) -> tuple[Diff, ...]:
    """The properties that differ. `named` are those of which Pulumi says so: where both sides look alike they are secrets or
    unknown, and are told as such."""
    before, after = dict(_flat(old)), dict(_flat(new))
    tops = {_top(r) for r in replacing}
    out = [
        Diff(p, _text(before[p]) if p in before else None, _text(after[p]) if p in after else None, _top(p) in tops)
        for p in sorted({*before, *after})
        if p and (p not in before or p not in after or before[p] != after[p])
    ]
    told = {_top(d.path) for d in out}
    for path in sorted(set(named)):
        if _top(path) not in told and not path.startswith("__"):
            hidden = [v for p, v in (*before.items(), *after.items()) if p == path or _top(p) == _top(path)]
            same = scrub.SECRET if scrub.SECRET in hidden or not hidden else _text(hidden[-1])
            shown = f"{same}, changed" if same == scrub.SECRET else same
            out.append(Diff(path, same, shown, _top(path) in tops))
            told.add(_top(path))
    return tuple(out)


def _state(step: Json, which: str, part: str) -> dict[str, Any]:
    state = step.get(which) or {}
    # Inputs by the name of a secret output are as secret; a Command's stdout may repeat what it was told.
    return dict(scrub.value(state.get(part) or {}, set(state.get("additionalSecretOutputs") or ())))


def _named(step: Json) -> list[str]:
    detailed = step.get("detailedDiff") or {}
    return [*detailed, *(step.get("diffReasons") or []), *(step.get("replaceReasons") or [])]


def _sources(step: Json, diffs: Sequence[Diff], changed: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """Names of changed resources that the differing properties come from, and whether another stack is among them."""
    depends = (step.get("newState") or {}).get("propertyDependencies") or {}
    urns = {u for d in diffs for u in depends.get(_top(d.path)) or []}
    names = sorted({name_of(u) for u in urns if u in changed})
    return tuple(names), any(f"::{REFERENCE}::" in u for u in urns)


def _source(step: Json) -> str:
    at = str((step.get("newState") or step.get("oldState") or {}).get("sourcePosition") or "")
    path = at.removeprefix("project:///").partition("#")[0]
    return path if path and not path.startswith((".", "/")) else ""


def _is_refresh(steps: Sequence[Json]) -> bool:
    return any(s.get("op") == "refresh" for s in steps)


def changes_of(stack: str, steps: Sequence[Json]) -> tuple[Change, ...]:
    """One change for each resource that changes; components and the stack itself are left out: they touch nothing."""
    changed: dict[str, Op] = {}
    by_urn: dict[str, list[Json]] = {}
    for step in steps:
        op = OPERATIONS.get(str(step.get("op")))
        if op is not None:
            urn = str(step["urn"])
            changed[urn] = "replace" if changed.get(urn, op) != op else op
            by_urn.setdefault(urn, []).append(step)
    part = "outputs" if _is_refresh(steps) else "inputs"  # what somebody changed by hand is in no input
    out = []
    for urn, mine in by_urn.items():
        state: Json = mine[-1].get("newState") or mine[0].get("oldState") or {}
        type_ = str(state.get("type") or urn.split("::")[-2].rpartition("$")[2])
        if not state.get("custom", True) or type_ in (STACK, REFERENCE) or type_.startswith(PROVIDERS):
            continue
        what = changed[urn]
        step = next((s for s in mine if s.get("oldState") and s.get("newState")), mine[-1])
        old = _state(next((s for s in mine if s.get("oldState")), {}), "oldState", part)
        new = _state(next((s for s in reversed(mine) if s.get("newState")), {}), "newState", part)
        replacing = [r for s in mine for r in s.get("replaceReasons") or []]
        replacing += [p for p, d in (step.get("detailedDiff") or {}).items() if "replace" in d.get("kind", "")]
        diffs: tuple[Diff, ...] = ()
        if what in ("update", "replace"):
            diffs = differences(old, new, _named(step), replacing)
        elif what == "create":
            diffs = tuple(Diff(p, None, _text(v)) for p, v in _flat(new) if p)
        because, outside = _sources(step, diffs, changed)
        out.append(Change(stack, what, type_, name_of(urn), diffs, because, outside, _source(step), urn))
    return tuple(out)


_NOISE = re.compile(
    r"^(error: )?(update failed|preview failed|an unhandled error occurred: .*|Program failed with an unhandled exception:)$"
)
_PYTHON = re.compile(r"^\s*(Traceback \(most recent call last\):|File \".*|\^+)$")


def errors_of(preview: Json) -> tuple[str, ...]:
    """Why a preview is none, in plain words: what the program says of itself, without traces."""
    out: list[str] = []
    for said in preview.get("diagnostics") or []:
        if said.get("severity") not in ("error", "info#err"):
            continue
        message = scrub.text(str(said.get("message") or ""))
        lines = [line.rstrip() for line in message.splitlines()]
        lines = [line for line in lines if line and not _NOISE.match(line.strip())]
        if any(_PYTHON.match(line) for line in lines):
            lines = [line for line in lines if not line.startswith((" ", "\t")) and not _PYTHON.match(line)][-3:]
            lines = [re.sub(r"^[A-Za-z_.]+(?:Error|Exception): ", "", line) for line in lines]
        text = "\n".join(lines)
        where = f"{name_of(str(said['urn']))}: " if said.get("urn") and REFERENCE not in str(said["urn"]) else ""
        if text and f"{where}{text}" not in out:
            out.append(f"{where}{text}")
    return tuple(out)


def counts_of(preview: Json) -> dict[str, int]:
    """Pulumi's own counts, with the parts of a replacement as one, and what a refresh found unchanged as `same`."""
    out: dict[str, int] = {}
    for op, number in (preview.get("changeSummary") or {}).items():
        name = OPERATIONS.get(op, "same" if op in ("same", "refresh", "read") else "")
        if name:
            out[name] = max(out.get(name, 0), number) if name == "replace" else out.get(name, 0) + number
    return out


_NOTHING = ("null", "", "{}", "0", "false", "(none)", None)


def _matters(change: Change, diff: Diff) -> bool:
    """Whether somebody did it: providers read back empty for what was never said, and Docker tells no `systempaths`."""
    if diff.path.startswith("__") or (diff.old in _NOTHING and diff.new in _NOTHING):
        return False
    if change.type == "docker:index/container:Container" and diff.path == "securityOpts":
        return set((diff.old or "").split()) ^ set((diff.new or "").split()) != {"systempaths=unconfined"}
    return True


def quiet(found: StackPreview) -> StackPreview:
    """What a refresh found, less what only reads otherwise."""
    kept = []
    for change in found.changes:
        diffs = tuple(d for d in change.diffs if _matters(change, d))
        if change.op == "delete" or diffs:
            kept.append(replace(change, diffs=diffs))
    dropped = len(found.changes) - len(kept)
    counts = (
        {**found.counts, "update": found.count("update") - dropped, "same": found.count("same") + dropped}
        if dropped
        else found.counts
    )
    return replace(found, changes=tuple(kept), counts={k: v for k, v in counts.items() if v})


def read_preview(stack: str, preview: Json, failed: bool = False) -> StackPreview:
    """What the JSON of one stack's preview says; `failed`: Pulumi's exit status was none of success.

    Diagnostics count as errors only then: a program may warn on stderr and go on."""
    errors = errors_of(preview) if failed else ()
    if failed and not errors:
        errors = (f"pulumi preview -s {stack} failed without a word that is told here: run it by hand",)
    steps = preview.get("steps") or []
    seconds = float(preview.get("duration") or 0) / 1e9
    # What a broken preview saw is a part, and would read as if it were all.
    changes = () if failed else changes_of(stack, steps)
    found = StackPreview(stack, {} if failed else counts_of(preview), changes, errors, "", seconds)
    return quiet(found) if _is_refresh(steps) else found
