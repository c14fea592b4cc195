"""For all tests: what belongs to long campaigns (`--soak`), and how many examples Hypothesis tries."""

from __future__ import annotations

import gc
import sys

import pytest
from hypothesis import HealthCheck, settings

# Half of the time that a run takes to begin is pytest's work on the asserts of 150 files: it is kept (__pycache__), whatever
# PYTHONDONTWRITEBYTECODE says.
sys.dont_write_bytecode = False

# No deadlines: how long an example takes says more of the machine's other work than of the code. `ci` tries the same examples in every
# run, so that what fails is the change's fault; `soak` tries others each time, and many.
settings.register_profile(
    "ci", max_examples=25, derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("soak", max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="also what is marked `soak`, and many more examples")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("soak" if config.getoption("--soak") else "ci")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is marked `soak`, unless it is asked for."""
    if not config.getoption("--soak"):
        long = [item for item in items if item.get_closest_marker("soak")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


def pytest_collection_finish() -> None:
    """All tests and what they import stay to the end, so the garbage collector need not look through them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
