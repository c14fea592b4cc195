"""What a shell has after `eval "$(tools/env)"`: looked up once, where it is missing, so that `aerie` works in any shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ("PATH", "AERIE_HOME")  # and all that begins with PULUMI_
HOME, BACKEND = "AERIE_HOME", "PULUMI_BACKEND_URL"


class NoEnvironment(Exception):
    """tools/env refuses; the text is what it says."""


def complete(environment: Mapping[str, str], pulumi: bool) -> bool:
    """Whether nothing needs to be looked up. A backend that is a folder has to be the one of AERIE_HOME: another federation's
    shell is no good. `pulumi`: whether there is one on PATH."""
    home, url = environment.get(HOME), environment.get(BACKEND, "")
    if not (home and url and pulumi):
        return False
    return not url.startswith("file://") or url == backend_url(home)


def backend_url(home: str) -> str:
    """As tools/env writes it."""
    return "file://" + home.replace("%", "%25").replace(" ", "%20") + "/state"


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """What is to be set, and to be taken away (None). A backend that is no folder is the operator's own choice and stays."""
    names = {n for n in {*before, *after} if n in OURS or n.startswith("PULUMI_")}
    if before.get(BACKEND, "file://").partition("://")[0] != "file":
        names.discard(BACKEND)
    return {n: after.get(n) for n in names if before.get(n) != after.get(n)}


def ensure(root: Path | None = None) -> None:
    """Sets what `pulumi` and the tools need, in this process. Raises NoEnvironment."""
    if complete(os.environ, shutil.which("pulumi") is not None):
        return
    script = 'set -e; exports=$("$0/tools/env"); eval "$exports"; env -0'
    done = subprocess.run(
        ["bash", "-c", script, str(root or ROOT)], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise NoEnvironment(done.stderr.strip() or "tools/env fails")
    after = dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)
    for name, value in changes(os.environ, after).items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
