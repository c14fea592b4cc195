"""Which stacks a change of files touches. Pure: the files' names, and what each stack is made of."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from components.image_tags import load_images
from components.spec.model import Federation, Pool, SiteStack
from components.spec.validate import FEDERATION_STACK

Kind = Literal["federation", "site", "pool"]

# What every stack's program is made of. tools/toolchain is the plugins that tell differences.
EVERYWHERE = (
    "federation.yaml",
    "Pulumi.yaml",
    "__main__.py",
    "requirements.txt",
    "components/*",
    "policy/*",
    "tools/toolchain/*",
)
NOWHERE = ("*_test.go", "*/tests/*", "*.md")  # even below what counts
NOT_IN_IMAGES = ("*/README.md", "*/.gitignore", "*.pyc")

SITE_IMAGES = ("vpn", "calico", "mesos")
QUORUM_IMAGES = ("etcd", "zookeeper", "marathon")
POOL_IMAGES = {"marathon": ("htcondor", "login"), "framework": ("framework", "htcondor", "login")}


@dataclass(frozen=True)
class Stack:
    """`images` are those whose content the stack's resources name, `sites` those whose files it reads."""

    name: str
    kind: Kind
    images: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Touched:
    """`stacks` in the order of `up`. `gone`: stacks whose file the change takes away."""

    stacks: tuple[str, ...]
    gone: tuple[str, ...] = ()
    because: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def all_stacks(federation: Federation, sites: Mapping[str, SiteStack], pools: Mapping[str, Pool]) -> list[Stack]:
    """Every stack in the order of `up`: the federation, the sites with a quorum member, the other sites, pools."""
    out = [Stack(FEDERATION_STACK, "federation", frozenset({"registry"} if federation.embedded else ()))]
    for name in sorted(federation.sites, key=lambda s: not federation.sites[s].quorum):
        images = {*SITE_IMAGES, *(QUORUM_IMAGES if federation.sites[name].quorum else ())}
        if name not in sites or sites[name].iaas == "docker":
            images.add("machine")
        if federation.monitoring.enabled:
            images |= {"collector", *(["graphite", "page"] if federation.graphite_site == name else [])}
            images |= {"opensearch"} if federation.history_site == name else set()
        out.append(Stack(name, "site", frozenset(images)))
    for name, pool in pools.items():
        out.append(Stack(name, "pool", frozenset(POOL_IMAGES[pool.via]), frozenset(pool.sites)))
    return out


def built_on(root: Path) -> dict[str, frozenset[str]]:
    """Each image below `root` with all images whose content is in it, itself too."""
    out: dict[str, frozenset[str]] = {}
    for name, image in load_images(root).items():
        out[name] = frozenset({name}).union(*(out[parent] for parent in image.parents))
    return out


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether the path fits one of the patterns."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _image_of(path: str) -> str | None:
    """The image that the file is a part of; None for what no image holds (see components/image_tags.py)."""
    parts = path.split("/")
    if len(parts) < 3 or parts[0] != "images" or "tests" in parts or matches(path, NOT_IN_IMAGES):
        return None
    return parts[1]


def _touches(path: str, stack: Stack, parts: Mapping[str, frozenset[str]]) -> bool:
    if path.startswith("images/"):
        image = _image_of(path)
        # A folder that is no image any more touches whoever named it, which nobody can tell: its users' programs fail by themselves.
        return image is not None and any(image in parts.get(used, {used}) for used in stack.images)
    if path.startswith("Pulumi.") and path.endswith(".yaml") and path != "Pulumi.yaml":
        name = path.removeprefix("Pulumi.").removesuffix(".yaml")
        return name == stack.name or name in stack.sites
    return matches(path, EVERYWHERE) and not matches(path, NOWHERE)


def changed_stacks(files: Iterable[str], stacks: Iterable[Stack], root: Path) -> Touched:
    """Which of `stacks` a change of `files` (relative to `root`, with `/`) touches, in their order, and by which files.

    A site's file counts for the pools that run there too: they are judged by its machines, and reached at its front-end."""
    there, changed, parts = list(stacks), sorted(set(files)), built_on(root)
    because = {s.name: tuple(f for f in changed if _touches(f, s, parts)) for s in there}
    names = [f.removeprefix("Pulumi.").removesuffix(".yaml") for f in changed if matches(f, ["Pulumi.*.yaml"])]
    gone = tuple(n for n in names if not (root / f"Pulumi.{n}.yaml").exists())
    stacks_ = tuple(s.name for s in there if because[s.name] and s.name not in gone)
    return Touched(stacks_, gone, {n: because[n] for n in stacks_})
