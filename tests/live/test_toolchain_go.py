"""The Go tests of the substitute toolchain's own programs: the command plugin against SSH servers within the test."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
TOOLCHAIN = Path(__file__).resolve().parents[2] / "tools" / "toolchain"


def test_go_programs() -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH")
    env = os.environ | {"GOFLAGS": "-buildvcs=false -trimpath", "GOWORK": "off"}
    for arguments in (["vet", "./..."], ["test", "-count=1", "./..."]):
        command = ["nice", go, *arguments]
        done = subprocess.run(command, cwd=TOOLCHAIN / "cli", env=env, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stdout + done.stderr
