"""The scripts that write a pool's policies and take them away, run for real with a `docker` that only takes notes."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.fabric import pool_policy
from components.fabric.pool_policy import apply_script, delete_script

DOCKER = """#!/bin/sh
echo "$@" >> "$NOTES/calls"
case "$*" in *" apply "*) cat > "$NOTES/input" ;; esac
left=$(cat "$NOTES/failures")
[ "$left" -gt 0 ] || exit 0
echo $((left - 1)) > "$NOTES/failures"
echo "connection refused, $left" >&2
exit 1
"""


@dataclass
class Machine:
    folder: Path

    def run(self, script: str, stdin: str = "", failures: int = 0) -> subprocess.CompletedProcess[str]:
        (self.folder / "failures").write_text(str(failures))
        env = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "NOTES": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
        }
        return subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, text=True, env=env, timeout=60)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    @property
    def input(self) -> str:
        return (self.folder / "input").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    return Machine(tmp_path)


def test_it_writes_what_it_is_given(machine: Machine) -> None:
    done = machine.run(apply_script("demo", []), "kind: A\n---\nkind: B\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls == ["exec -i calico calicoctl apply --allow-version-mismatch -f -"]
    assert machine.input == "kind: A\n---\nkind: B\n"
    assert list((machine.folder / "tmp").iterdir()) == [], "the text is left behind"


def test_each_try_gets_the_whole_text(machine: Machine) -> None:
    done = machine.run(apply_script("demo", ["framework-demo"]), "the text\n", failures=3)
    assert done.returncode == 0, done.stderr
    assert [c.split()[4] for c in machine.calls] == ["apply"] * 4 + ["delete"]
    assert machine.calls[-1].endswith(
        "delete globalnetworkpolicy framework-demo --skip-not-exists --allow-version-mismatch"
    )
    assert machine.input == "the text\n"


@pytest.mark.parametrize("script", [apply_script("demo", ["framework-demo"]), delete_script("demo")])
def test_it_gives_up_with_the_last_words_and_what_to_do(machine: Machine, script: str) -> None:
    done = machine.run(script.replace(f"+ {pool_policy.SECONDS})", "+ 1)"), "x\n", failures=100000)
    assert done.returncode == 1
    said, advice = done.stderr.splitlines()
    assert said.startswith("connection refused")
    assert advice.startswith("the policies of pool demo are not ") and "make status" in advice
    assert len(machine.calls) > 1


def test_all_that_a_pool_may_have_is_taken_away(machine: Machine) -> None:
    assert machine.run(delete_script("demo")).returncode == 0
    assert machine.calls == [
        "exec -i calico calicoctl delete globalnetworkpolicy pool-demo framework-demo --skip-not-exists --allow-version-mismatch"
    ]
