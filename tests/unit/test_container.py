"""The shell scripts that make a service: data/container/<case>.yaml beside <case>.start.sh and <case>.stop.sh, and run for real.

After a wanted change: AERIE_WRITE_EXPECTED=1 pytest tests/unit/test_container.py, and read the diff.
"""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.cluster import container
from components.cluster.container import ContainerSpec, file_lines, run_arguments, start_script, stop_script

DATA = Path(__file__).parent / "data" / "container"
CASES = sorted(DATA.glob("*.yaml"))

# Writes down how it was called; what CALLS/fail-<subcommand> names fails.
DOCKER = """#!/bin/sh
echo "$@" >> "$CALLS/log"
case $1 in logs) echo "line of the log" ;; esac
if [ -e "$CALLS/fail-$1" ]; then exit 1; fi
"""


def load(file: Path) -> ContainerSpec:
    raw: dict[str, Any] = yaml.safe_load(file.read_text())
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    return ContainerSpec(**fields)


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_text_is_as_expected(file: Path) -> None:
    spec = load(file)
    for kind, text in (("start", start_script(spec)), ("stop", stop_script(spec.name, spec.stop_seconds))):
        expected = file.with_suffix(f".{kind}.sh")
        if os.environ.get("AERIE_WRITE_EXPECTED"):
            expected.write_text(text)
        assert text == expected.read_text()
        subprocess.run(["sh", "-n"], input=text, text=True, check=True)


def test_nothing_secret_can_be_in_the_command_line() -> None:
    """Files come by standard input only: the command line has their folder, read-only."""
    arguments = run_arguments(ContainerSpec("x", "image", files_at="/there"))
    assert arguments[arguments.index("-v") + 1] == f"{container.FILES}/x:/there:ro"
    assert "--privileged" not in arguments


def test_file_lines() -> None:
    text = file_lines({"b": "2\n", "a": "ü"}, {"b": "0755"})
    assert text == f"0600 a {base64.b64encode('ü'.encode()).decode()}\n0755 b Mgo=\n"
    assert file_lines({}) == ""


class Machine:
    """A folder that takes the place of the machine's /etc/aerie, and a `docker` that only writes down its calls."""

    def __init__(self, folder: Path) -> None:
        self.files, self.calls = folder / "etc", folder / "calls"
        self.files.mkdir()
        self.calls.mkdir()
        (self.calls / "docker").write_text(DOCKER)
        (self.calls / "docker").chmod(0o755)

    def run(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        env = {"PATH": f"{self.calls}:/usr/bin:/bin", "CALLS": str(self.calls)}
        return subprocess.run(["sh", "-c", script], input=stdin, env=env, capture_output=True, text=True, timeout=20)

    def fail(self, subcommand: str) -> None:
        (self.calls / f"fail-{subcommand}").touch()

    @property
    def log(self) -> list[str]:
        return (self.calls / "log").read_text().splitlines()

    def content(self, service: str) -> dict[str, tuple[str, str]]:
        """Name -> (mode, text) of the service's files."""
        found = (p for p in sorted((self.files / service).iterdir()) if p.name != ".files")
        return {p.name: (f"{stat.S_IMODE(p.stat().st_mode):04o}", p.read_text()) for p in found}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    there = Machine(tmp_path)
    monkeypatch.setattr(container, "FILES", str(there.files))
    return there


def test_files_are_written_for_root_only(machine: Machine) -> None:
    files = {"key": "secret\n", "run": "#!/bin/sh\n", "empty": "", "big": "x" * 70000}
    done = machine.run(start_script(ContainerSpec("etcd", "image")), file_lines(files, {"run": "0700"}))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.content("etcd") == {
        "big": ("0600", "x" * 70000),
        "empty": ("0600", ""),
        "key": ("0600", "secret\n"),
        "run": ("0700", "#!/bin/sh\n"),
    }
    assert stat.S_IMODE((machine.files / "etcd").stat().st_mode) == 0o700
    assert [p.name for p in machine.files.iterdir()] == ["etcd"], "nothing is left over"


def test_a_service_without_files(machine: Machine) -> None:
    assert machine.run(start_script(ContainerSpec("login", "image"))).returncode == 0
    assert machine.content("login") == {}


def test_the_order_of_things(machine: Machine) -> None:
    machine.run(start_script(ContainerSpec("etcd", "r/etcd:1", stop_seconds=7)))
    calls = machine.log
    assert calls[:3] == ["image inspect r/etcd:1", "stop -t 7 etcd", "rm -f etcd"]
    assert calls[3].startswith("run -d --name etcd --network host --restart unless-stopped ")
    assert calls[3].endswith(" r/etcd:1") and len(calls) == 4


def test_an_image_that_is_not_there_is_pulled_before_the_old_one_ends(machine: Machine) -> None:
    machine.fail("image")
    machine.run(start_script(ContainerSpec("etcd", "r/etcd:1")))
    assert machine.log[:3] == ["image inspect r/etcd:1", "pull -q r/etcd:1", "stop -t 10 etcd"]


def test_without_its_image_the_old_one_goes_on(machine: Machine) -> None:
    spec = ContainerSpec("etcd", "r/etcd:1")
    assert machine.run(start_script(spec), file_lines({"key": "old"})).returncode == 0
    machine.fail("image")
    machine.fail("pull")
    (machine.calls / "log").unlink()
    assert machine.run(start_script(spec), file_lines({"key": "new"})).returncode != 0
    assert not [call for call in machine.log if call.startswith(("stop", "rm", "run"))]
    assert machine.content("etcd") == {"key": ("0600", "old")}


def test_files_that_are_no_more_go_and_others_files_stay(machine: Machine) -> None:
    script = start_script(ContainerSpec("vpn", "image"))
    machine.run(script, file_lines({"private.key": "1", "old": "x"}))
    (machine.files / "vpn" / "cnaf.conf").write_text("a peer's own resource wrote this")
    machine.run(script, file_lines({"private.key": "2"}))
    assert {n: text for n, (_, text) in machine.content("vpn").items()} == {
        "private.key": "2",
        "cnaf.conf": "a peer's own resource wrote this",
    }


def test_what_an_interrupted_run_left_is_in_nobodys_way(machine: Machine) -> None:
    (machine.files / ".etcd.new").mkdir()
    (machine.files / ".etcd.new" / "half").write_text("x")
    machine.run(start_script(ContainerSpec("etcd", "image")), file_lines({"key": "1"}))
    assert set(machine.content("etcd")) == {"key"}


def test_not_ready_says_why(machine: Machine) -> None:
    script = start_script(ContainerSpec("etcd", "image", ready="docker exec etcd health", ready_seconds=1))
    machine.fail("exec")
    done = machine.run(script)
    assert done.returncode == 1
    assert "etcd is not ready after 1 s; its last words:\nline of the log" in done.stderr + done.stdout


def test_ready_is_waited_for(machine: Machine) -> None:
    script = start_script(ContainerSpec("etcd", "image", ready="docker exec etcd health"))
    assert machine.run(script).returncode == 0
    assert machine.log[-1] == "exec etcd health"


def test_stop_removes_the_container_and_its_files(machine: Machine) -> None:
    machine.run(start_script(ContainerSpec("etcd", "image")), file_lines({"key": "1"}))
    machine.run(start_script(ContainerSpec("etcd2", "image")), file_lines({"key": "1"}))
    done = machine.run(stop_script("etcd", 5))
    assert done.returncode == 0
    assert machine.log[-2:] == ["stop -t 5 etcd", "rm -f etcd"]
    assert [p.name for p in machine.files.iterdir()] == ["etcd2"]


def test_stop_of_what_is_gone_is_no_error(machine: Machine) -> None:
    machine.fail("stop")
    machine.fail("rm")
    assert machine.run(stop_script("etcd", 5)).returncode == 0
