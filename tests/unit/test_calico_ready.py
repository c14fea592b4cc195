"""A reflector's container is made anew: `pulumi up` goes on once it has its sessions again, and never waits for other sites."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from components.fabric import calico
from components.fabric.calico import calico_container
from components.iaas.docker import SshLogin, connection
from components.iaas.machine import Machine
from components.spec.loader import read_federation
from tests.unit.conftest import BASE

WELL = '{"healthy":true,"felix":true,"bird":true,"driver":true,"bgp":{"established":%d,"total":6}}'
ILL = '{"healthy":false,"felix":false,"bird":true,"driver":true,"bgp":{"established":6,"total":6}}'


def machine(name: str) -> Machine:
    login = SshLogin("", "", {name: ""}, {})
    where = connection(login, name, "172.31.1.10")
    return Machine(name, "torino", "172.31.1.10", name.endswith("front-end"), where, None, None, None)  # type: ignore[arg-type]


def run(script: str, folder: Path, health: str, tries: int = 0) -> int:
    """The script's exit status where `docker exec` prints this health; "" for a container that is not there."""
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n[ -n '{health}' ] || exit 1\necho '{health}'\n")
    docker.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    script = script.replace(calico.SESSIONS, str(folder / "sessions"))
    return subprocess.run(["sh", "-euc", f"tries={tries}\n{script}"], env=env, capture_output=True).returncode


@pytest.mark.parametrize(
    ("before", "after", "tries", "ready"),
    [
        (WELL % 6, WELL % 6, 0, True),
        (WELL % 6, WELL % 5, 0, False),
        (WELL % 6, WELL % 5, 60, True),  # one of the others is gone meanwhile
        (WELL % 6, ILL, 0, False),
        (WELL % 6, "", 0, False),
        (ILL, WELL % 0, 0, True),  # it was not well before: nothing that could be waited for
        ("", ILL, 0, True),  # a new machine, perhaps the first of all
    ],
)
def test_ready(tmp_path: Path, before: str, after: str, tries: int, ready: bool) -> None:
    federation, _ = read_federation(BASE)
    assert federation
    spec = calico_container(federation, machine("torino-front-end"), "i")
    assert run(spec.before, tmp_path, before) == 0
    assert (run(spec.ready, tmp_path, after, tries) == 0) is ready


def test_agents_are_not_waited_for() -> None:
    federation, _ = read_federation(BASE)
    assert federation
    spec = calico_container(federation, machine("torino-agent-1"), "i")
    assert (spec.before, spec.ready) == ("", "")
