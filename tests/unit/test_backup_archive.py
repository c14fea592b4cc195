"""Archives: what is sealed opens with the same passphrase only, whole or not at all."""

from __future__ import annotations

import io
import stat
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerie.backing_up import archive, sealed
from aerie.backing_up.archive import Manifest, Part, part_of
from aerie.backing_up.sealed import CHUNK, TAG, Opener, Sealer
from aerie.terminal import Refused

SECRET = b"twelve letters and more"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sealed.SCRYPT, "n", 16)


def seal(data: bytes, secret: bytes = SECRET) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, secret, {"federation": "farm"})
    for start in range(0, len(data), 300_000):
        sealer.write(data[start : start + 300_000])
    sealer.close()
    return out.getvalue()


def opened(data: bytes, secret: bytes = SECRET) -> bytes:
    return Opener(io.BytesIO(data), secret, "a.aerie").read()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7])
def test_what_is_sealed_opens(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    hidden = seal(data)
    assert opened(hidden) == data
    assert size < 20 or data[:20] not in hidden


@given(st.lists(st.integers(0, 70), max_size=30))
def test_it_is_read_in_any_portions(sizes: list[int]) -> None:
    sealed.SCRYPT["n"] = 16
    data = bytes(range(256)) * 4
    opener, got = Opener(io.BytesIO(seal(data)), SECRET, "a"), b""
    for size in sizes:
        part = opener.read(size)
        assert len(part) == min(size, len(data) - len(got))
        got += part
    assert got + opener.read() == data


def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(Refused, match="another passphrase") as told:
        opened(seal(b"x" * 100), b"some other passphrase")
    assert "--key FILE" in told.value.do


def chunks(data: bytes) -> tuple[bytes, list[bytes]]:
    line, _, rest = data.partition(b"\n")
    return line + b"\n", [rest[i : i + CHUNK + TAG] for i in range(0, len(rest), CHUNK + TAG)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line, c: line + c[0],  # cut off behind a chunk
        lambda line, c: line + c[0] + c[1][:-1],
        lambda line, c: line + c[1] + c[0] + c[2],
        lambda line, c: line + c[0] + c[1] + c[1] + c[2],
        lambda line, c: line + c[0] + c[2],
        lambda line, c: line + c[0] + c[1][:50] + bytes([c[1][50] ^ 1]) + c[1][51:] + c[2],
        lambda line, c: line + c[0] + c[1] + c[2] + c[2],
        lambda line, c: line.replace(b"farm", b"barn") + b"".join(c),
        lambda line, c: line,
    ],
)
def test_whatever_is_spoilt_does_not_open(spoil: object) -> None:
    line, parts = chunks(seal(b"y" * (2 * CHUNK + 100)))
    assert len(parts) == 3
    with pytest.raises(Refused):
        opened(spoil(line, parts))  # type: ignore[operator]


@pytest.mark.parametrize("line", [b"", b"no\n", b"{}\n", b"[1]\n", b'{"aerie-backup": 1}\n', b"PK\x03\x04" * 2000])
def test_what_is_no_archive_is_told(line: bytes) -> None:
    with pytest.raises(Refused, match="no archive of aerie backup"):
        opened(line + b"rest")


def test_a_header_cannot_ask_for_all_memory() -> None:
    line, parts = chunks(seal(b"z"))
    with pytest.raises(Refused, match="first line is damaged"):
        opened(line.replace(b'"n": 16', b'"n": 1073741824') + b"".join(parts))


def test_another_format_is_told() -> None:
    line, parts = chunks(seal(b"z"))
    with pytest.raises(Refused, match="format 9"):
        opened(line.replace(b'"aerie-backup": 1', b'"aerie-backup": 9') + b"".join(parts))


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Manifest]:
    """An archive with two parts, in a folder of its own."""
    folder, out = tmp_path / "parts", tmp_path / "out"
    (folder / "home/ssh").mkdir(parents=True)
    out.mkdir()
    (folder / "home/passphrase").write_text("secret")
    (folder / "home/ssh/alice").write_bytes(b"k" * 3_000_000)
    parts = [part_of(n, folder / n, {"of": "alice"}) for n in ("home/passphrase", "home/ssh/alice")]
    manifest = Manifest("farm", "2026-11-28T14:05:06Z", "abc", {"etcd": "1"}, parts, ["no queue"])
    archive.write(out / "a.aerie", SECRET, manifest, folder)
    return out / "a.aerie", manifest


def test_an_archive_is_read_as_it_was_written(made: tuple[Path, Manifest], tmp_path: Path) -> None:
    path, manifest = made
    assert archive.read(path, SECRET) == manifest
    assert archive.read(path, SECRET, tmp_path / "to") == manifest
    assert (tmp_path / "to/home/ssh/alice").read_bytes() == b"k" * 3_000_000
    assert stat.S_IMODE((tmp_path / "to/home/passphrase").stat().st_mode) == 0o600


def test_an_archive_is_for_its_owner_and_tells_nobody_else(made: tuple[Path, Manifest]) -> None:
    path, _ = made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["a.aerie"]
    assert b"passphrase" not in path.read_bytes()


def test_nothing_is_left_of_one_that_fails(tmp_path: Path, made: tuple[Path, Manifest]) -> None:
    _, manifest = made
    (tmp_path / "parts/home/passphrase").unlink()
    with pytest.raises(FileNotFoundError):
        archive.write(tmp_path / "out/b.aerie", SECRET, manifest, tmp_path / "parts")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.aerie"]


def test_a_part_that_is_not_as_the_manifest_says(tmp_path: Path, made: tuple[Path, Manifest]) -> None:
    path, manifest = made
    wrong = replace(manifest, parts=[replace(manifest.parts[0], sha256="0" * 64), manifest.parts[1]])
    archive.write(path, SECRET, wrong, tmp_path / "parts")
    with pytest.raises(Refused, match="home/passphrase is another than its manifest says"):
        archive.read(path, SECRET)
    seen = {p.name: p for p in manifest.parts}
    assert archive.differences(manifest.parts, {}) == ["home/passphrase is missing", "home/ssh/alice is missing"]
    assert archive.differences([], {"x": Part("x", 1, "")}) == ["x is not in its manifest"]
    assert archive.differences(manifest.parts, seen) == []


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../b", "a//b", "./a", ""])
def test_no_part_leaves_its_folder(name: str, tmp_path: Path) -> None:
    assert not archive.safe(name)
    path, text = tmp_path / "evil.aerie", b"{}"
    with path.open("wb") as out:
        sealer = Sealer(out, SECRET, {})
        with tarfile.open(fileobj=cast(IO[bytes], sealer), mode="w|gz") as tar:
            manifest = archive.ADAPTER.dump_json(Manifest("farm", "", "", {}, []))
            archive._add(tar, archive.MANIFEST, len(manifest), io.BytesIO(manifest))
            archive._add(tar, name or "x/..", len(text), io.BytesIO(text))
        sealer.close()
    with pytest.raises(Refused, match="no part of an archive"):
        archive.read(path, SECRET, tmp_path / "to" / "in")
    assert not (tmp_path / "to" / "up").exists()


def test_safe_names_are_safe() -> None:
    assert all(archive.safe(n) for n in ("home/ssh/alice.pub", "etcd/snapshot.db", "spool/demo.tar.gz"))
