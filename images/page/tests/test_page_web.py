"""The page's files: nothing comes from elsewhere, no text becomes HTML; its own logic by Node's test runner."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from status_page.web import FOLDER, SHARED, SHARED_FILES, read

DOCKERFILE = Path(__file__).parents[1] / "Dockerfile"


def test_nothing_comes_from_elsewhere_and_no_text_becomes_html() -> None:
    files = {name: file.body.decode() for name, file in read().items() if "/" not in name}
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://", page)
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert name in files
    for name, text in files.items():
        if name.endswith(".js"):
            for found in re.findall(r'(?:\bfrom|\bimport)\s*\(?"(\./[^"]+)"', text):
                assert found[2:] in files, f"{name}: {found}"
            bad = r"(inner|outer)HTML\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function"
            assert not re.search(bad, text), name
            assert len(text.splitlines()) < 400, name
        if name.endswith(".css"):
            assert "url(" not in text and "@import" not in text


def test_the_image_has_what_is_shared_with_marathons_page() -> None:
    text = DOCKERFILE.read_text()
    for name in SHARED_FILES:
        assert (SHARED / name).is_file() and f"/web/{name} " in text


def test_the_page_names_its_files_by_what_is_in_them(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    before = read(tmp_path)["index.html"].body
    named = re.findall(rb'(?:src|href)="([^"]+)"', before)
    assert len(named) == 4 and all(n.decode() in read() for n in named)
    (tmp_path / "words.js").write_text("// another")
    assert read(tmp_path)["index.html"].body != before


def test_the_pages_own_logic() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail("node is not on PATH: install Debian's nodejs (tools/setup.sh packages does)")
    tests = sorted(str(p) for p in (Path(__file__).parent / "page").glob("*.test.mjs"))
    assert tests
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
