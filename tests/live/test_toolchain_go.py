"""The Go tests: of the substitute toolchain's own programs (the command plugin against SSH servers within the test), and of Calico's
driver and supervisor."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("folder", "packages", "settings"),
    [
        ("tools/toolchain/cli", ["./..."], {}),
        ("images/calico/src", ["./driver", "./supervisor"], {"CGO_ENABLED": "0"}),  # as its image is made
    ],
)
def test_go_programs(folder: str, packages: list[str], settings: dict[str, str]) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on PATH")
    env = os.environ | {"GOFLAGS": "-buildvcs=false -trimpath", "GOWORK": "off"} | settings
    for arguments in (["vet"], ["test", "-count=1"]):
        command = ["nice", go, *arguments, *packages]
        done = subprocess.run(command, cwd=ROOT / folder, env=env, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stdout + done.stderr
