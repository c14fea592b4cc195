"""`aerie doctor`: faults made on purpose in what a healthy federation told, as data; and the questions themselves."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from aerie.doctor import local, probe
from aerie.doctor.facts import FACTS, Facts, Finding
from aerie.doctor.judge import CHECKS, judge
from tests.unit.cli_data import DATA, clone_in

HEALTHY = DATA / "doctor" / "healthy.json"
FAULTS = sorted((DATA / "doctor" / "faults").glob("*.json"))


def changed(changes: dict[str, Any]) -> Facts:
    """The healthy facts with other values at dotted places."""
    data = json.loads(HEALTHY.read_text())
    for place, value in changes.items():
        *way, last = place.split(".")
        at = data
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        assert last in at, f"{place} is no place of the facts"
        at[last] = value
    return FACTS.validate_python(data)


def told(findings: list[Finding]) -> list[str]:
    return [f"{'' if f.bad else 'note: '}{f.check}, {f.where}: {f.what} -> {f.mend}" for f in findings]


def test_nothing_is_wrong_with_a_healthy_federation() -> None:
    """What a federation of three sites told, none of whose faults are made up."""
    assert judge(changed({})) == []


@pytest.mark.parametrize("case", FAULTS, ids=lambda p: p.stem)
def test_fault_is_found(case: Path) -> None:
    data = json.loads(case.read_text())
    assert told(judge(changed(data["change"]))) == data["expect"]


def test_every_check_has_a_fault_that_it_finds() -> None:
    finding: set[str] = set()
    for case in FAULTS:
        facts = changed(json.loads(case.read_text())["change"])
        finding |= {check.__name__ for check in CHECKS if any(check(facts))}
    assert finding == {check.__name__ for check in CHECKS}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status, and both forms, from facts that were found elsewhere."""
    the = clone_in(tmp_path, monkeypatch)
    status, said = the.run("doctor", "--from", str(HEALTHY))
    assert (status, said.splitlines()[-1]) == (0, "Next: aerie status shows what the services do")
    bad = tmp_path / "facts.json"
    bad.write_bytes(FACTS.dump_json(changed({"machines.3.offset": 100.0, "here.pulumi": "3.1.0"})))
    status, said = the.run("doctor", "--from", str(bad))
    assert status == 1 and "2 things are wrong" in said and "-> aerie ssh cnaf-agent-1" in said
    status, said = the.run("doctor", "--from", str(bad), "--json")
    assert status == 1 and [f["check"] for f in json.loads(said)["findings"]] == ["versions", "clocks"]
    status, said = the.run("doctor", "--from", str(bad), "--facts")
    assert FACTS.validate_json(said) == FACTS.validate_json(bad.read_bytes())


FAKES = {
    "date": 'case "$*" in *%N*) exec /bin/date -u -d "@$(/bin/date +%s.%N) SHIFT seconds" +%s.%N ;; esac; exec /bin/date "$@"',
    "docker": "case $1 in version) echo 26.1.5 ;; ps) echo 'etcd 172.30.0.1:5000/aerie/etcd:ff51' ;; esac",
    "df": "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo '/dev/vda 100 50 2000000 1% /'; exit 1",
    "ip": "echo '1: lo: <LOOPBACK,UP> mtu 65536 qdisc x'; echo '9: wg-bari: <NOARP,UP> mtu 1400 qdisc x'; echo '7: cali1@if2: <UP> mtu 1380 x'",
}


def ask(folder: Path, fakes: dict[str, str]) -> Any:
    """The real script in a real shell, on a machine made of stand-ins."""
    for name, text in fakes.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    asked = time.time()
    done = subprocess.run(
        ["/bin/sh"], input=probe.script(), capture_output=True, text=True, env={"PATH": f"{folder}:/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    return probe.read("m", "s", "a", done.stdout, asked, time.time())


def test_a_machine_is_asked(tmp_path: Path) -> None:
    fakes = {**FAKES, "date": FAKES["date"].replace("@$(/bin/date +%s.%N) SHIFT seconds", "120 seconds")}
    found = ask(tmp_path, fakes)
    assert abs(found.offset - 120) - found.unsure < 1.1, found
    assert (found.docker, found.disk_free_gb, found.mtus) == ("26.1.5", 2.0, {"wg-bari": 1400, "cali1": 1380})
    assert found.images == {"etcd": "etcd:ff51"} and found.memory_free_mb > 0


def test_a_machine_whose_engine_is_down(tmp_path: Path) -> None:
    found = ask(
        tmp_path, {**FAKES, "docker": "echo 'Cannot connect to the Docker daemon' >&2; exit 1", "date": "exit 1"}
    )
    assert (found.docker, found.docker_says, found.images, found.offset) == (
        "",
        "Cannot connect to the Docker daemon",
        {},
        None,
    )


@pytest.mark.parametrize(
    ("said", "index"),
    [
        ("", ""),
        ("echo 'Error response from daemon: No such container: opensearch' >&2; exit 1", None),
        ("echo 'Error response from daemon: Container 4f is not running' >&2; exit 1", "Container 4f is not running"),
        ("echo 'curl: (7) no'; exit 7", "curl: (7) no"),
    ],
)
def test_the_index_of_jobs_is_asked(tmp_path: Path, said: str, index: str | None) -> None:
    docker = FAKES["docker"].replace("esac", f"exec) {said} ;; esac")
    assert ask(tmp_path, {**FAKES, "docker": docker, "date": "exit 1"}).index == index


def test_clock_is_between_two_looks() -> None:
    """A slow way in makes it unsure, not wrong."""
    text = f"{probe.MARK} clock 0\n110.0\n{probe.MARK} clock-last 0\n110.5\n"
    found = probe.read("m", "s", "a", text, asked=100.0, answered=110.6)
    assert found.offset is not None and abs(found.offset) <= found.unsure
    late = probe.read("m", "s", "a", text, asked=109.9, answered=110.6)
    assert (late.offset, late.unsure) == (0.0, 0.1)


def test_secrets_that_others_may_read(tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    for name in ("passphrase", "ssh/demo", "ssh/demo.pub", "ssh/site-torino"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
    tmp_path.chmod(0o700)
    assert list(local.open_files(tmp_path)) == []
    (tmp_path / "ssh" / "site-torino").chmod(0o640)
    (tmp_path / "ssh" / "demo.pub").chmod(0o644)
    assert list(local.open_files(tmp_path)) == [str(tmp_path / "ssh" / "site-torino")]
    assert list(local.open_files(tmp_path / "none")) == []


def test_locks_of_runs_that_have_ended(tmp_path: Path) -> None:
    folder = tmp_path / "state" / ".pulumi" / "locks" / "organization" / "aerie"
    for stack, lock in (
        ("demo", {"pid": os.getpid(), "hostname": os.uname().nodename}),
        ("cnaf", {"pid": 2**22 + 1, "hostname": os.uname().nodename}),
        ("bari", {"pid": 2**22 + 1, "hostname": "elsewhere"}),
    ):
        (folder / stack).mkdir(parents=True)
        (folder / stack / "a.json").write_text(json.dumps(lock))
    assert [(stack, ended) for stack, _, ended in local.locks(tmp_path)] == [
        ("bari", False),
        ("cnaf", True),
        ("demo", False),
    ]


def test_packages_against_their_pins() -> None:
    text = "# why\na==1.0\nb.c==2.1.0.post1\n\nd==3\n"
    assert list(local.differing(local.pins(text), lambda name: {"a": "1.0", "b.c": "2.0"}.get(name, ""))) == [
        ("b.c", "2.1.0.post1", "2.0"),
        ("d", "3", ""),
    ]
