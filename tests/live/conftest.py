"""One federation, brought up once, for all live tests that need one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from federation import Farm, farm_at, left_over, make_farm, remove_left_over


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep", action="store_true", help="leave the federation up after the tests, to look at it")
    parser.addoption("--farm", help="folder of a federation that --keep left up: use it, and leave it up")


@pytest.fixture(scope="session")
def farm(request: pytest.FixtureRequest) -> Iterator[Farm]:
    """`make up` in a clone; `make down` at the end, whatever happened."""
    if kept := request.config.getoption("--farm"):
        farm = farm_at(Path(kept))
        farm.up_output = (Path(kept) / "up.log").read_text()
        yield farm
        return
    remove_left_over()
    # Not one of pytest's own folders, of which it removes all but the last three.
    base = Path(tempfile.mkdtemp(prefix="aerie-farm-"))
    farm = make_farm(base)
    try:
        farm.up_output = farm.run("make", "up", timeout=2400).stdout
        print(farm.up_output, flush=True)
        (farm.path.parent / "up.log").write_text(farm.up_output)
        yield farm
    finally:
        if request.config.getoption("--keep"):
            print(f"left up; again with: --farm {base}")
        else:
            down = farm.run("make", "down", timeout=600, check=False)
            remaining = left_over()
            remove_left_over()
            shutil.rmtree(base)
            assert down.returncode == 0, down.stdout + down.stderr
            assert remaining == [], f"make down left {remaining}"
