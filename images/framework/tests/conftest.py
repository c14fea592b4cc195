import sys
from pathlib import Path

import pytest

_IMAGES = Path(__file__).parents[2]
sys.path[:0] = [str(_IMAGES / "framework"), str(_IMAGES / "mesos-client"), str(Path(__file__).parent)]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
