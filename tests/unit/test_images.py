"""The image builder's decisions: tags, order, what is to be done.  No Docker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.image_tags import (
    Image,
    ImageError,
    folder_digest,
    image_tags,
    in_use,
    load_images,
    parents_of,
    resolve,
    tags_of,
)
from components.spec.model import Monitoring
from tools.image_build import Builder, Processes, cache_dir, copy_sources, plan
from tools.image_store import Registry
from tools.images import _chosen, main

ROOT = Path(__file__).resolve().parents[2]


def make(root: Path, name: str, dockerfile: str, **files: str) -> Path:
    folder = root / "images" / name
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text(dockerfile)
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(tmp_path, "base", "FROM scratch\n", prepare="#!/bin/sh\n")
    (tmp_path / "images" / "base" / "prepare").chmod(0o755)
    make(tmp_path, "mid", "FROM aerie/base\nCOPY x /\n", x="1")
    make(tmp_path, "top", "FROM aerie/base AS a\nFROM aerie/mid\nCOPY --from=a /x /\n")
    make(tmp_path, "alone", "FROM aerie/base\n")
    return tmp_path


# ---- tags ----


def test_each_image_comes_after_those_it_builds_on(root: Path) -> None:
    names = list(load_images(root))
    assert names.index("base") < names.index("mid") < names.index("top")
    assert sorted(names) == ["alone", "base", "mid", "top"]


def test_tags_are_twelve_hexadecimal_digits(root: Path) -> None:
    for tag in image_tags(root).values():
        assert len(tag) == 12
        int(tag, 16)


def test_a_change_reaches_what_builds_on_it_and_nothing_else(root: Path) -> None:
    before = image_tags(root)
    (root / "images" / "mid" / "x").write_text("2")
    after = image_tags(root)
    assert {name for name in before if before[name] != after[name]} == {"mid", "top"}


@pytest.mark.parametrize(
    "junk",
    [
        "__pycache__/a.pyc",
        "tests/test_x.py",
        "README.md",
        "sub/b.pyc",
        ".mypy_cache/1",
        "x~",
        ".x.swp",
        "a.egg-info/PKG",
    ],
)
def test_tags_do_not_see_what_tools_and_people_leave(root: Path, junk: str) -> None:
    before = image_tags(root)
    file = root / "images" / "mid" / junk
    file.parent.mkdir(exist_ok=True)
    file.write_text("junk")
    assert image_tags(root) == before


def test_tags_do_not_depend_on_times_umask_or_place(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = image_tags(root)
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(root / "images", copy / "images")
    for path in copy.rglob("*"):
        if path.is_file():
            path.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)
            os.utime(path, (1, 1))
    assert image_tags(copy) == before


def test_tags_see_modes_links_names_and_bytes(root: Path) -> None:
    folder = root / "images" / "mid"
    seen = {folder_digest(folder)}

    def changed() -> bool:
        known = len(seen)
        seen.add(folder_digest(folder))
        return len(seen) > known

    (folder / "x").chmod(0o755)
    assert changed()
    (folder / "x").rename(folder / "y")
    assert changed()
    (folder / "link").symlink_to("y")
    assert changed()
    (folder / "link").unlink()
    (folder / "link").symlink_to("elsewhere")
    assert changed()
    (folder / "link").unlink()
    (folder / "link").write_text("elsewhere")
    assert changed()


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), min_size=2, max_size=2, unique=True))
def test_two_files_cannot_be_shifted_into_each_other(
    tmp_path_factory: pytest.TempPathFactory, contents: list[tuple[bytes, bytes]]
) -> None:
    digests = set()
    for pair in contents:
        folder = tmp_path_factory.mktemp("f")
        (folder / "a").write_bytes(pair[0])
        (folder / "b").write_bytes(pair[1])
        digests.add(folder_digest(folder))
    assert len(digests) == 2


def test_references_are_found_and_resolved() -> None:
    text = (
        "# FROM aerie/comment\nFROM --platform=linux/amd64 aerie/base AS build\nRUN echo FROM aerie/no\n"
        "from aerie/two\nCOPY --chown=0:0 --from=aerie/three /a /b\nFROM debian:trixie\n"
    )
    assert parents_of(text) == ("base", "three", "two")
    resolved = resolve(text, {"base": "B", "two": "2", "three": "3"})
    assert "linux/amd64 aerie/base:B AS build" in resolved
    assert "from aerie/two:2\n" in resolved
    assert "--from=aerie/three:3 /a" in resolved
    assert "# FROM aerie/comment\n" in resolved and "echo FROM aerie/no\n" in resolved


def test_wrong_sources_are_refused(root: Path) -> None:
    with pytest.raises(ImageError, match="without a tag"):
        parents_of("FROM aerie/base:latest\n")
    folder = make(root, "lost", "FROM aerie/missing\n")
    with pytest.raises(ImageError, match="images/lost/Dockerfile names aerie/missing"):
        load_images(root)
    (folder / "Dockerfile").write_text("FROM aerie/lost\n")
    with pytest.raises(ImageError, match="circle: lost -> lost"):
        load_images(root)


def test_tags_of_this_clone_need_no_docker_and_nothing_large() -> None:
    """Each command of the program asks for them: 0.1 s on an idle machine, of which each of these would take several."""
    environment = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tools.images", "tags"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert b'"base"' in done.stdout
    imported = {line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()}
    assert "components.image_tags" in imported
    assert not imported & {"pulumi", "grpc", "requests", "cryptography", "rich", "yaml"}
    assert image_tags(ROOT) == tags_of(load_images(ROOT))


def test_an_image_that_nothing_wants_is_built_only_when_it_is_named(root: Path) -> None:
    make(root, "rare", "FROM aerie/base\n", **{"on-demand": "monitoring.history\n"})
    images = load_images(root)
    usual = [name for name in images if name != "rare"]
    for federation in (None, [], {}, {"monitoring": None}, {"monitoring": True}, {"monitoring": {"history": None}}):
        assert in_use(images, federation) == usual
    assert in_use(images, {"monitoring": {"history": {}}}) == list(images)
    assert _chosen(images, [], root) == usual and _chosen(images, ["rare"], root) == ["rare"]
    (root / "federation.yaml").write_text("monitoring:\n  history: {site: cnaf}\n")
    assert _chosen(images, [], root) == list(images)
    (root / "federation.yaml").write_text("monitoring: [")
    assert _chosen(images, [], root) == usual


def test_what_wants_an_image_is_a_key_of_ours() -> None:
    """So that an image is not left out for ever by a key that was renamed."""
    wanted = {name: image.on_demand for name, image in load_images(ROOT).items() if image.on_demand}
    assert wanted == {"opensearch": ("monitoring", "history")}
    assert "history" in Monitoring.model_fields


# ---- what is to be done ----


def test_everything_is_made_where_nothing_is(root: Path) -> None:
    tasks = plan(load_images(root), ["top"], set(), set(), set())
    assert tasks == {
        ("prepare", "base"): set(),
        ("build", "base"): {("prepare", "base")},
        ("build", "mid"): {("build", "base")},
        ("build", "top"): {("build", "base"), ("build", "mid")},
    }


def test_what_is_there_is_left_alone(root: Path) -> None:
    images = load_images(root)
    assert plan(images, list(images), set(images), set(), set()) == {}
    assert plan(images, list(images), {"base", "mid"}, {"top", "alone"}, set()) == {}
    # Not even the parents of what is there are wanted.
    assert plan(images, ["top"], {"top"}, set(), set()) == {}


def test_parents_are_pulled_where_they_were_pushed(root: Path) -> None:
    tasks = plan(load_images(root), ["top"], {"mid"}, {"base"}, set())
    assert tasks == {("pull", "base"): set(), ("build", "top"): {("pull", "base")}}


def test_what_was_prepared_is_not_prepared_again(root: Path) -> None:
    assert ("prepare", "base") not in plan(load_images(root), ["base"], set(), set(), {"base"})


# ---- making ----


def test_copies_have_fixed_modes_and_times(root: Path, tmp_path: Path) -> None:
    folder = root / "images" / "mid"
    (folder / "sub").mkdir()
    (folder / "sub" / "run").write_text("#!/bin/sh\n")
    (folder / "sub" / "run").chmod(0o711)
    (folder / "tests").mkdir()
    (folder / "tests" / "t").write_text("")
    old = os.umask(0o077)
    try:
        copy_sources(folder, tmp_path / "copy")
    finally:
        os.umask(old)
    modes = {
        p.relative_to(tmp_path / "copy").as_posix(): p.stat().st_mode & 0o777 for p in (tmp_path / "copy").rglob("*")
    }
    assert modes == {"Dockerfile": 0o644, "x": 0o644, "sub": 0o755, "sub/run": 0o755}
    assert len({p.stat().st_mtime for p in (tmp_path / "copy").rglob("*")}) == 1
    assert folder_digest(tmp_path / "copy") == folder_digest(folder)


class Store:
    """In place of the engine and the registry; a `docker` on PATH that counts its calls."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = tmp_path / "calls"
        self.images = tmp_path / "engine"
        self.images.mkdir()
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(
            f"""#!/bin/bash
echo "$@" >> {self.calls}
case "$1 $2" in
    "image inspect") f={self.images}/${{5//\\//_}}; [ -e $f ] && echo 1000000 && exit; echo "Error: No such image: $5" >&2; exit 1 ;;
    "build --network") grep -q FAIL "$6/Dockerfile" && {{ echo line of the build; exit 1; }}; cp -r "$6" {self.images}/${{5//\\//_}} ;;
    "tag "*) ;;
esac
"""
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def builds(self) -> list[str]:
        return [line.split()[4] for line in self.calls.read_text().splitlines() if line.startswith("build ")]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(tmp_path, monkeypatch)


def builder(root: Path, said: list[str]) -> Builder:
    images = load_images(root)
    return Builder(images, tags_of(images), Registry("127.0.0.1:1"), root / "cache", said.append)


def test_builds_in_order_and_once(root: Path, store: Store) -> None:
    prepare = root / "images" / "base" / "prepare"
    prepare.write_text('#!/bin/sh\necho "$AERIE_CACHE" > "$OUT/where"; mkdir "$OUT/d"; ln -s where "$OUT/d/l"\n')
    said: list[str] = []
    assert sorted(builder(root, said).build(["top", "alone"])) == ["alone", "base", "mid", "top"]
    tags = image_tags(root)
    built = store.builds()
    assert (
        built.index(f"aerie/base:{tags['base']}")
        < built.index(f"aerie/mid:{tags['mid']}")
        < built.index(f"aerie/top:{tags['top']}")
    )
    context = store.images / f"aerie_base:{tags['base']}"
    assert (context / "prepared" / "where").read_text() == f"{root / 'cache'}\n"
    assert (context / "prepared" / "d" / "l").is_symlink()
    assert f"FROM aerie/mid:{tags['mid']}\n" in (store.images / f"aerie_top:{tags['top']}" / "Dockerfile").read_text()
    assert any(line.startswith("base: build done in ") and line.endswith(", 1 MB") for line in said)

    assert builder(root, said).build(["top", "alone"]) == []
    assert len(store.builds()) == 4
    assert list((root / "cache" / "images" / "work").iterdir()) == []


def test_a_failure_shows_the_tail_and_names_the_log(root: Path, store: Store) -> None:
    (root / "images" / "mid" / "Dockerfile").write_text("FROM aerie/base\nFAIL\n")
    with pytest.raises(
        ImageError, match=r"line of the build\nmid: `docker` failed \(status 1\); whole log: (.*)\Z"
    ) as failed:
        builder(root, []).build(["top"])
    log = Path(str(failed.value).rpartition(": ")[2])
    assert "line of the build" in log.read_text()
    # The next run goes on where this one stopped.
    (root / "images" / "mid" / "Dockerfile").write_text("FROM aerie/base\n")
    assert sorted(builder(root, []).build(["top"])) == ["mid", "top"]


def test_what_a_failed_prepare_left_is_not_taken_for_its_result(root: Path, store: Store) -> None:
    prepare = root / "images" / "base" / "prepare"
    prepare.write_text('#!/bin/sh\ntouch "$OUT/half"; [ -e "$AERIE_CACHE/well" ]\n')
    with pytest.raises(ImageError, match="base: `prepare` failed"):
        builder(root, []).build(["base"])
    (root / "cache" / "well").write_text("")
    assert builder(root, []).build(["base"]) == ["base"]


def test_sources_that_change_meanwhile_are_noticed(root: Path, store: Store) -> None:
    late = builder(root, [])
    (root / "images" / "base" / "Dockerfile").write_text("FROM scratch\n# changed\n")
    with pytest.raises(ImageError, match="changed while it was being built"):
        late.build(["base"])


def test_an_interruption_ends_the_programs_with_their_children(tmp_path: Path) -> None:
    processes = Processes()
    log = tmp_path / "log"
    script = f"sleep 60 & echo $! > {tmp_path / 'child'}; wait"
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(processes.run(["sh", "-c", script], log)))
    thread.start()
    end = time.monotonic() + 10
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    child = int((tmp_path / "child").read_text())
    processes.end()
    thread.join(10)
    assert statuses == [-signal.SIGTERM]
    end = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < end
        time.sleep(0.01)
    with pytest.raises(ImageError, match="interrupted"):
        processes.run(["true"], log)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_the_cache_is_outside_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AERIE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_dir() == Path("/x/aerie")
    monkeypatch.setenv("AERIE_CACHE", "/y")
    assert cache_dir() == Path("/y")
    monkeypatch.delenv("AERIE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_dir() == Path("/home/someone/.cache/aerie")


def test_an_unknown_name_is_told_of(
    root: Path, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AERIE_CACHE", str(root / "cache"))
    assert main(["--root", str(root), "build", "nonsense"]) == 1
    assert "no such image: nonsense (there are: alone, base, mid, top)" in capsys.readouterr().err


def test_images_are_plain_data() -> None:
    image = Image("x", Path("/nowhere"), (), "0" * 64)
    assert image.prepare is None
