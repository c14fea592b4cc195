"""What keeps a pool by Marathon from being destroyed while jobs run: the real script in a real shell, with a `docker` that knows
one container."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.batch.guard import guard_script

DOCKER = """#!/bin/sh
case "$1" in
ps) printf '%s\\n' {ids} ;;
inspect) shift 3; for id; do printf '%s {marks}\\n' $id; done ;;
exec) [ "$2" = c1 ] || exit 9; {queue} ;;
esac
"""


def run(tmp_path: Path, queue: str, jobs_too: bool = False, **about: str) -> subprocess.CompletedProcess[str]:
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(**{"ids": "c1 c2", "marks": "++", "queue": queue, **about}))
    docker.chmod(0o755)
    script = guard_script("demo", jobs_too)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    return subprocess.run(["/bin/sh"], input=script, capture_output=True, text=True, env=path)


def test_without_jobs_it_passes(tmp_path: Path) -> None:
    done = run(tmp_path, "true")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("queue", "said"),
    [("echo 1", "1 job runs"), ("printf '1\\n1\\n2\\n'", "3 jobs run"), ("exit 1", "does not say whether jobs run")],
)
def test_with_jobs_it_refuses(tmp_path: Path, queue: str, said: str) -> None:
    done = run(tmp_path, queue)
    assert done.returncode == 1
    assert said in done.stderr
    assert (
        "wait for them, or write pool.destroy_with_jobs: true, run pulumi up -s demo, and destroy again" in done.stderr
    )
    assert len(done.stderr.splitlines()) == 1
    assert run(tmp_path, queue, jobs_too=True).returncode == 0


@pytest.mark.parametrize("about", [{"marks": "+"}, {"marks": ""}, {"ids": "''"}])
def test_without_a_submit_node_it_passes(tmp_path: Path, about: dict[str, str]) -> None:
    done = run(tmp_path, "echo 1", False, **about)
    assert (done.returncode, done.stderr) == (0, "")
