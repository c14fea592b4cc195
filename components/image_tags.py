"""Which images there are and what each one's tag is: pure functions of the files below images/.

An image's tag is a digest of what it is made from, so equal sources have equal names on every machine, and a tag never
has to be written down: the Pulumi program computes it anew at each preview, without Docker.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "aerie/"
TAG_LENGTH = 12

# Files that tools leave behind or that say nothing about the image.  What is left out here is left out of the build
# context too, so it cannot matter.
_LEFT_OUT_DIRS = ("tests", "__pycache__", ".*", "*.egg-info", "node_modules")
_LEFT_OUT_FILES = ("README.md", "*.pyc", "*.pyo", "*~", "*.swp", "*.orig", "*.rej", ".DS_Store", ".gitignore")

# `FROM aerie/base`, `FROM --platform=... aerie/base AS x`, `COPY --from=aerie/calico ...`
_REFERENCE = re.compile(
    r"(?P<head>^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*|^[ \t]*COPY\b.*?[ \t]--from=)"
    r"aerie/(?P<name>[a-z0-9][a-z0-9-]*)(?P<tail>[:@]\S+)?(?=\s|$)",
    re.IGNORECASE | re.MULTILINE,
)


class ImageError(Exception):
    """The images' sources are wrong, or an image could not be made; the text says which and why."""


@dataclass(frozen=True)
class Image:
    """One folder below images/, as read from disk."""

    name: str
    folder: Path
    parents: tuple[str, ...]
    digest: str  # of the folder's own files

    @property
    def prepare(self) -> Path | None:
        """The program that fetches or compiles things on the host before `docker build`, if the image has one."""
        path = self.folder / "prepare"
        return path if path.is_file() else None

    @property
    def on_demand(self) -> tuple[str, ...]:
        """The key of federation.yaml, part by part, without which nothing of ours uses the image; empty if it is always used."""
        path = self.folder / "on-demand"
        return tuple(path.read_text().strip().split(".")) if path.is_file() else ()


def source_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path relative to the folder with `/`, path) of each file that makes up the image, sorted."""
    found: list[tuple[str, Path]] = []
    for directory, dirs, files in os.walk(folder):
        links = [d for d in dirs if Path(directory, d).is_symlink()]
        dirs[:] = [d for d in dirs if d not in links and not _matches(d, _LEFT_OUT_DIRS)]
        for name in (*files, *links):
            if not _matches(name, _LEFT_OUT_FILES):
                path = Path(directory, name)
                found.append((path.relative_to(folder).as_posix(), path))
    yield from sorted(found)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def folder_digest(folder: Path) -> str:
    """Hex SHA-256 over paths, kinds and bytes of the folder's source files.

    Of the mode only "may its owner execute it" counts, as in git: the rest depends on the umask of who cloned.
    """
    digest = hashlib.sha256()
    for relative, path in source_files(folder):
        if path.is_symlink():
            kind, content = "link", str(path.readlink()).encode()
        else:
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            content = path.read_bytes()
        digest.update(f"{relative}\0{kind}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def parents_of(dockerfile: str) -> tuple[str, ...]:
    """Names of the images of ours that a Dockerfile builds on, sorted.

    Raises ImageError if one is named with a tag: the builder chooses tags.
    """
    names = set()
    for match in _REFERENCE.finditer(dockerfile):
        if match["tail"]:
            raise ImageError(f"{PREFIX}{match['name']}{match['tail']}: name our own images without a tag")
        names.add(match["name"])
    return tuple(sorted(names))


def resolve(dockerfile: str, tags: Mapping[str, str]) -> str:
    """The Dockerfile with a tag put to each image of ours."""
    return _REFERENCE.sub(lambda m: f"{m['head']}{PREFIX}{m['name']}:{tags[m['name']]}", dockerfile)


def load_images(root: Path) -> dict[str, Image]:
    """All images below root/images, by name, each after those that it builds on.

    Raises ImageError for a name that no folder has, and for images that build on each other in a circle.
    """
    found: dict[str, Image] = {}
    for dockerfile in sorted((root / "images").glob("*/Dockerfile")):
        folder = dockerfile.parent
        try:
            parents = parents_of(dockerfile.read_text())
        except ImageError as error:
            raise ImageError(f"{dockerfile}: {error}") from error
        found[folder.name] = Image(folder.name, folder, parents, folder_digest(folder))

    ordered: dict[str, Image] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ImageError("images build on each other in a circle: " + " -> ".join((*path, name)))
        if name not in found:
            raise ImageError(
                f"images/{path[-1]}/Dockerfile names {PREFIX}{name}, but there is no images/{name}/Dockerfile"
            )
        if name not in ordered:
            for parent in found[name].parents:
                add(parent, (*path, name))
            ordered[name] = found[name]

    for name in found:
        add(name, ())
    return ordered


def in_use(images: Mapping[str, Image], federation: object) -> list[str]:
    """The images that a federation uses, by the content of its federation.yaml (None if there is none)."""

    def there(keys: tuple[str, ...]) -> bool:
        at = federation
        for key in keys:
            at = at.get(key) if isinstance(at, dict) else None
        return at is not None

    return [name for name, image in images.items() if not image.on_demand or there(image.on_demand)]


def tags_of(images: Mapping[str, Image]) -> dict[str, str]:
    """Tag of each image; `images` in the order that `load_images` gives."""
    tags: dict[str, str] = {}
    for image in images.values():
        lines = [image.digest, *(f"{PREFIX}{parent}:{tags[parent]}" for parent in image.parents)]
        tags[image.name] = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:TAG_LENGTH]
    return tags


def image_tags(root: Path) -> dict[str, str]:
    """Name -> tag of every image below root/images, sorted by name.  Needs no Docker."""
    return dict(sorted(tags_of(load_images(root)).items()))
