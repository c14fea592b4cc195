"""Whether a restoration may begin: what was found, and the reasons against it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .archive import ETCD, ZOOKEEPER, Manifest
from .files import Change

MIRROR = "-registry-mirror"  # of embedded sites: keeps nothing of its own


@dataclass(frozen=True)
class Found:
    """What there is of the federation now.

    `objects`: containers, networks and volumes with its label here, as "container NAME". `answering`: machines of the archive that
    answer, as "NAME at ADDRESS". `states`: resources of each stack that has another state than the archive's.
    `changes`: of files."""

    objects: Sequence[str] = ()
    answering: Sequence[str] = ()
    states: Mapping[str, int] = field(default_factory=dict)
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Reason:
    """Why not, and what to do about it."""

    text: str
    do: str


def with_data(objects: Sequence[str]) -> list[str]:
    """Of the labelled objects those that something is lost with: machines, and their volumes."""
    return [o for o in objects if o.startswith(("container ", "volume ")) and not o.endswith(MIRROR)]


def reasons(found: Found, replace: bool, force: bool) -> list[Reason]:
    """None: go on. `replace`: what stands here is removed first. `force`: files and states are written over."""
    out = []
    standing = with_data(found.objects)
    if standing and not replace:
        out.append(
            Reason(
                f"it is there: {_some(standing)}",
                "aerie destroy, if that still works; or --replace: removes all of it here, with the jobs' queue",
            )
        )
    elsewhere = [a for a in found.answering if not standing]
    if elsewhere:
        out.append(
            Reason(
                f"its machines answer: {_some(elsewhere)}",
                "aerie destroy first, or delete them in their cloud; into a federation that runs: --only etcd, --only zookeeper",
            )
        )
    lost = [c.name.partition("/")[2] for c in found.changes if c.loses]
    if lost and not force:
        out.append(Reason(f"other files are here, which are nowhere else: {_some(lost)}", "move them away, or --force"))
    if found.states and not force:
        told = [f"{name} ({n} resources)" for name, n in sorted(found.states.items())]
        out.append(
            Reason(
                f"the state here is another than the archive's: {_some(told)}",
                "if the archive's is the right one: --force",
            )
        )
    return out


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def whole(manifest: Manifest) -> bool:
    """Whether it holds what runs on machines, not only files and states."""
    return manifest.has(ETCD) and manifest.has(ZOOKEEPER)


def notes(manifest: Manifest, images: Mapping[str, str], revision: str) -> list[str]:
    """What somebody has to know who restores it: what will not be as it was."""
    out = list(manifest.without)
    if manifest.revision and manifest.revision != revision:
        out.append(
            f"it was made by revision {manifest.revision[:12]}, this checkout is {revision[:12] or 'of none'}: the machines get what is here"
        )
    if other := sorted(n for n, tag in manifest.images.items() if images.get(n, tag) != tag):
        out.append(f"images are other ones than then: {', '.join(other)}")
    return out


def to_remove(paths: Sequence[str], federation: str, keep: int) -> list[str]:
    """Of the archives in a folder (names), the oldest of this federation beyond the newest `keep`; their names begin with the
    federation's and hold the time, so that they sort by it."""
    mine = sorted(p for p in paths if is_archive_of(p, federation))
    return mine[:-keep] if keep > 0 else []


def is_archive_of(name: str, federation: str) -> bool:
    stem = name.removesuffix(SUFFIX)
    return name.endswith(SUFFIX) and stem.rpartition("-")[0] == federation and len(stem.rpartition("-")[2]) == 16


SUFFIX = ".aerie"


def archive_name(federation: str, made: str) -> str:
    """`made`: 2026-11-28T14:05:06Z."""
    return f"{federation}-{made.replace('-', '').replace(':', '')}{SUFFIX}"
