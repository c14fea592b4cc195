"""Why a resource changes: what the change of the files says about it, or what it follows from. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field

from .keys import KeyChange
from .kinds import thing_of
from .model import Change, Diff
from .sources import Source, images_in, new_words, sources_of
from .words import code

MOST = 3  # keys told of one file


@dataclass(frozen=True)
class Edits:
    """The change under review. `files` are its paths, `keys` what changed in those that are YAML. `known`: whether it is known
    at all; without it only the places where to look are told. `built_on`: images with those that they are made of."""

    files: tuple[str, ...] = ()
    keys: Mapping[str, tuple[KeyChange, ...]] = field(default_factory=dict)
    known: bool = False
    built_on: Mapping[str, frozenset[str]] = field(default_factory=dict)


NO_EDITS = Edits()
FROM_FEDERATION = "the federation's stack gives it something else"
# In words: what a property is about. Others are called by their names.
PROPERTIES = {
    "create": "how it is started",
    "delete": "how it is ended",
    "stdin": "its files",
    "env": "its environment",
    "triggers": "the machine that it runs on",
    "connection": "how its machine is reached",
    "uploads": "its keys",
    "image": "its image",
    "imageId": "its image",
    "generation": "its number under `rotate`",
    "ca_certificate": "the CA",
    "ca_private_key": "the CA",
    "password": "the password that it logs in with",
}


def _touched(source: Source, edits: Edits) -> list[str]:
    if source.file.endswith("/"):
        return [f for f in edits.files if f.startswith(source.file)]
    return [f for f in edits.files if f == source.file]


def _matches(path: str, key: str) -> bool:
    """`network` is about `network.mtu` and the other way round."""
    return path == key or path.startswith((f"{key}.", f"{key}[")) or key.startswith(f"{path}.")


def _from(source: Source, edits: Edits) -> list[str]:
    """What the edits say about the source; nothing if they do not touch it."""
    found = []
    for file in _touched(source, edits):
        changed = edits.keys.get(file, ())
        if not changed and file.endswith(".yaml"):
            continue  # other words of comments
        fitting = [k for k in changed if any(_matches(k.path, key) for key in source.keys)] or list(changed)
        if not fitting:
            found.append(code(source.file if source.file.endswith("/") else file))
            continue
        shown = ", ".join(code(str(k)) for k in fitting[:MOST])
        more = f" and {len(fitting) - MOST} more" if len(fitting) > MOST else ""
        found.append(f"{code(file)}: {shown}{more}")
    return list(dict.fromkeys(found))


def _built_on(source: Source, edits: Edits) -> list[str]:
    """What the edits say about the images that the source's image is built on."""
    if not source.file.startswith("images/"):
        return []
    name = source.file.split("/")[1]
    below = [f"images/{other}/" for other in sorted(edits.built_on.get(name, ())) if other != name]
    return [
        f"{code(folder)}, which it is built on" for folder in below if any(f.startswith(folder) for f in edits.files)
    ]


def _program(change: Change, edits: Edits) -> list[str]:
    files = [
        f for f in edits.files if fnmatch.fnmatchcase(f, "components/*") or f in ("__main__.py", "requirements.txt")
    ]
    own = [f for f in files if f == change.source]
    shown = own or files
    return (
        [f"the program: {', '.join(code(f) for f in shown[:MOST])}{' and more' if len(shown) > MOST else ''}"]
        if shown
        else []
    )


def _only_image(diff: Diff) -> bool:
    """Whether a script differs by nothing but the image that it names."""
    return bool(images_in(diff)) and all("/aerie/" in word for word in new_words(diff))


def subject(change: Change) -> str:
    """What of the resource differs, in words."""
    tops = [d.path.split(".")[0].split("[")[0] for d in change.diffs]
    said = [
        "its image" if _only_image(d) else PROPERTIES.get(t, code(t)) for t, d in zip(tops, change.diffs, strict=True)
    ]
    if thing_of(change).role == "app" or change.kind in ("FrameworkPolicy", "MesosRole"):
        said = [
            PROPERTIES.get(d.path, code(d.path.removeprefix("app.")))
            for d in change.diffs
            if "." in d.path or d.path in PROPERTIES
        ] or said
    said = list(dict.fromkeys(said))
    return ", ".join(said[:4]) + (f" and {len(said) - 4} more" if len(said) > 4 else "")


def traced(change: Change, others: Mapping[str, Change]) -> tuple[Source, ...]:
    """Where the change comes from at last: its own properties' sources, and those of what it follows from."""
    seen, todo, out = {change.name}, [change], list[Source]()
    while todo:
        each = todo.pop(0)
        out += [s for s in sources_of(each) if s not in out]
        for name in each.because:
            if name not in seen and name in others:
                seen.add(name)
                todo.append(others[name])
    return tuple(out)


def why(change: Change, edits: Edits = NO_EDITS, others: Mapping[str, Change] = {}) -> tuple[str, ...]:
    """One or more reasons, in markdown: `Pulumi.torino.yaml: agents from 2 to 3`; the first says what of it changes.

    `others` are the stack's changes, by name."""
    if change.op in ("create", "delete"):
        told = _of_files(change, edits) or _program(change, edits)
        return tuple(told) if edits.known else ()
    out = []
    if change.op in ("update", "replace") and change.diffs:
        what = subject(change)
        out.append(f"{what} {'change' if ', ' in what or ' and ' in what or what.endswith('s') else 'changes'}")
    reasons = [f"{code(name)} changes" for name in change.because]
    found = traced(change, others)
    if edits.known:
        told = [t for source in found for t in _from(source, edits)]
        told = told or [t for source in found for t in _built_on(source, edits)]
        if not told and not reasons and not all(_only_image(d) for d in change.diffs):
            told = _of_files(change, edits) or _program(change, edits)
        reasons = told + ([] if told and not change.because else reasons)
        if not reasons and change.outside and not found:
            reasons = [FROM_FEDERATION]
        if not reasons:
            reasons = ["nothing in this change: what is applied differs from the files before it already"]
    else:
        reasons = [f"from {code(str(s))}" for s in found] + reasons
        if not reasons and change.outside:
            reasons = [FROM_FEDERATION]
    return (*out, *dict.fromkeys(reasons))


def _of_files(change: Change, edits: Edits) -> list[str]:
    """The stack's own file, then the federation's, if the change touches them: for what no table knows, and for what comes and goes."""
    own = _from(Source(f"Pulumi.{change.stack}.yaml"), edits)
    shared = _from(Source("federation.yaml"), edits)
    # What a service is told is what all share; which machines there are is the stack's own.
    return (
        (shared or own) if thing_of(change).role in ("service", "peer") and change.op == "update" else (own or shared)
    )
