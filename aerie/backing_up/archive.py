"""What is in an archive, written and read: a manifest, and parts by name, each with its size and hash."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from pydantic import TypeAdapter, ValidationError

from ..terminal import Refused
from .sealed import Opener, Sealer

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 16 << 20
FILES, HOME, STACKS, SPOOL = "files/", "home/", "stacks/", "spool/"
ETCD, ZOOKEEPER = "etcd/snapshot.db", "zookeeper/tree.json"
BLOCK = 1 << 20


@dataclass(frozen=True)
class Part:
    """`size` in bytes, `sha256` in hex. `about`: what a reader wants to know of it."""

    name: str
    size: int
    sha256: str
    about: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """`made` is the time in UTC (ISO 8601). `revision`: of the checkout, with `+` if it had changes. `images`: tags by name.
    `without`: what was left out, in words."""

    federation: str
    made: str
    revision: str
    images: dict[str, str]
    parts: list[Part]
    without: list[str] = field(default_factory=list)

    def names(self, folder: str) -> list[str]:
        """Of the parts in one folder, without it."""
        return [p.name.removeprefix(folder) for p in self.parts if p.name.startswith(folder)]

    def has(self, name: str) -> bool:
        return any(p.name == name for p in self.parts)


ADAPTER = TypeAdapter(Manifest)


def part_of(name: str, path: Path, about: Mapping[str, str | int] | None = None) -> Part:
    """The file as a part."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return Part(name, size, digest.hexdigest(), dict(about or {}))


def safe(name: str) -> bool:
    """Whether a part of this name stays inside the folder that it is put into."""
    pure = PurePosixPath(name)
    return bool(name) and not pure.is_absolute() and ".." not in pure.parts and str(pure) == name


def write(target: Path, secret: bytes, manifest: Manifest, folder: Path) -> None:
    """The archive of the parts in `folder`; there under its name only once it is whole, readable to its owner only."""
    half = target.with_name(f".{target.name}.{os.getpid()}.half")
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            sealer = Sealer(out, secret, {"federation": manifest.federation, "made": manifest.made})
            with tarfile.open(fileobj=cast(IO[bytes], sealer), mode="w|gz") as tar:
                text = json.dumps(asdict(manifest), indent=1).encode()
                _add(tar, MANIFEST, len(text), io.BytesIO(text))
                for part in manifest.parts:
                    with (folder / part.name).open("rb") as file:
                        _add(tar, part.name, part.size, file)
            sealer.close()
            out.flush()
            os.fsync(out.fileno())
        half.rename(target)
    finally:
        half.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, size: int, file: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    tar.addfile(info, file)


def read(source: Path, secret: bytes, into: Path | None = None) -> Manifest:
    """Its manifest, once every part was found to be as that says; the parts are left in the folder `into`.

    Raises Refused with what is wrong with it."""
    seen: dict[str, Part] = {}
    try:
        with source.open("rb") as file:
            opener = Opener(file, secret, source.name)
            with tarfile.open(fileobj=cast(IO[bytes], opener), mode="r|gz") as tar:
                manifest = _manifest(tar, source.name)
                for name, part, content in _members(tar):
                    seen[name] = _copied(part, content, into)
            opener.read()  # to the end of the stream: nothing was cut off
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise Refused(f"{source.name} is damaged: {error}", "take another archive") from None
    except OSError as error:
        raise Refused(
            f"{source}: {error.strerror or error}", "name a file that is there, and a folder with room"
        ) from None
    if wrong := differences(manifest.parts, seen):
        raise Refused(f"{source.name} is damaged: {', '.join(wrong)}", "take another archive")
    return manifest


def _manifest(tar: tarfile.TarFile, name: str) -> Manifest:
    first = tar.next()
    content = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    if content is None or first is None or first.size > LARGEST_MANIFEST:
        raise Refused(f"{name} has no manifest", "take another archive")
    try:
        return ADAPTER.validate_json(content.read())
    except ValidationError as error:
        raise Refused(f"{name}: its manifest is damaged: {error}", "take another archive") from None


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes]]]:
    while (info := tar.next()) is not None:
        content = tar.extractfile(info)
        if content is None or not safe(info.name):
            raise Refused(f"there is a {info.name!r} in it, which is no part of an archive", "take another archive")
        yield info.name, info, content


def _copied(info: tarfile.TarInfo, content: IO[bytes], into: Path | None) -> Part:
    digest, size = hashlib.sha256(), 0
    target = None
    if into is not None:
        (into / info.name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = os.fdopen(os.open(into / info.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    try:
        while block := content.read(BLOCK):
            digest.update(block)
            size += len(block)
            if target is not None:
                target.write(block)
    finally:
        if target is not None:
            target.close()
    return Part(info.name, size, digest.hexdigest())


def differences(wanted: Sequence[Part], seen: Mapping[str, Part]) -> list[str]:
    """What is not as the manifest says, in words."""
    out = [f"{name} is not in its manifest" for name in sorted(set(seen) - {p.name for p in wanted})]
    for part in wanted:
        found = seen.get(part.name)
        if found is None:
            out.append(f"{part.name} is missing")
        elif (found.size, found.sha256) != (part.size, part.sha256):
            out.append(f"{part.name} is another than its manifest says")
    return out
