"""What the server is told: each file of data/environments is an environment, its first line what is said of it ("" for a good one)."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_helpers import DATA
from status_page.config import Config, Mistake, from_environment

FILES = sorted((DATA / "environments").glob("*.txt"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_each_environment(file: Path) -> None:
    first, *lines = file.read_text().splitlines()
    said, environment = first.removeprefix("#").strip(), dict(line.split("=", 1) for line in lines)
    if said:
        with pytest.raises(Mistake) as caught:
            from_environment(environment)
        assert str(caught.value) == said
    else:
        found = from_environment(environment)
        assert (found.listen, found.port, found.sites) == ("172.31.1.10", 8446, ("torino", "cnaf"))


def test_an_empty_password_is_none(tmp_path: Path) -> None:
    config = Config("f", "::1", ("a",), ("a",), "a", "a:1", ("a:1",), files=tmp_path)
    (tmp_path / "admin").write_text(" \n")
    with pytest.raises(Mistake, match="admin is empty"):
        config.secret("admin")
    with pytest.raises(OSError):
        config.secret("viewer")
