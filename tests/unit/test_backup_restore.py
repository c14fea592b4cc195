"""What a restoration refuses, writes over, stops and starts; rotation; and the commands' own words."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from aerie.backing_up import archive, files, gather, judge, machines, progress, sealed, secrets
from aerie.backing_up.archive import Manifest, part_of
from aerie.backing_up.files import Change
from aerie.backing_up.gather import Known
from aerie.backing_up.judge import Found
from aerie.backing_up.seed import What, starts, stops
from aerie.terminal import Refused
from tests.unit.cli_data import Clone, clone_in
from tools.login import Login
from tools.reach import Place

MACHINES = ("container farm-torino-front-end", "volume farm-torino-front-end-docker")
HARMLESS = ("network farm-wan", "container farm-registry-mirror")

CASES: list[tuple[str, Found, bool, bool, list[str]]] = [
    ("nothing there", Found(), False, False, []),
    ("what keeps nothing", Found(objects=HARMLESS), False, False, []),
    ("machines here", Found(objects=MACHINES), False, False, ["it is there: container farm-torino-front-end, volume"]),
    ("machines here, told", Found(objects=MACHINES), True, False, []),
    ("they answer as well", Found(objects=MACHINES, answering=["a at 172.31.1.11"]), True, False, []),
    ("elsewhere", Found(answering=["a at 192.0.2.1"]), False, False, ["its machines answer: a at 192.0.2.1"]),
    ("elsewhere cannot be removed", Found(answering=["a at 192.0.2.1"]), True, True, ["its machines answer"]),
    ("files", Found(changes=[Change("files/a.yaml", loses=True), Change("files/b", loses=False)]), False, False, ["other files are here, which are nowhere else: a.yaml"]),
    ("files, told", Found(changes=[Change("files/a.yaml", loses=True)]), False, True, []),
    ("a state", Found(states={"demo": 12}), True, False, ["the state here is another than the archive's: demo (12 resources)"]),
    ("a state, told", Found(states={"demo": 12}), False, True, []),
    ("all of it", Found(MACHINES, [], {"demo": 1}, [Change("home/ssh/alice", loses=True)]), False, False, ["it is there", "other files", "the state here"]),
]  # fmt: skip


@pytest.mark.parametrize("what,found,replace,force,expected", CASES, ids=[c[0] for c in CASES])
def test_what_a_restoration_refuses(what: str, found: Found, replace: bool, force: bool, expected: list[str]) -> None:
    reasons = judge.reasons(found, replace, force)
    assert len(reasons) == len(expected), reasons
    assert all(r.text.startswith(text) and r.do for r, text in zip(reasons, expected, strict=True))


def test_long_lists_are_cut() -> None:
    (reason,) = judge.reasons(Found(objects=[f"volume v{n}" for n in range(9)]), False, False)
    assert reason.text == "it is there: volume v0, volume v1, volume v2, volume v3 and 5 more"


def test_only_a_machine_with_its_own_key_is_alive() -> None:
    known = [Known("a", "172.31.1.10", "ssh-ed25519 AAAA1 a"), Known("b", "172.31.1.11", "ssh-ed25519 AAAA2 b")]
    scanned = "# 172.31.1.10:22 SSH-2.0\n172.31.1.10 ssh-ed25519 AAAA1\n172.31.1.11 ssh-ed25519 OTHER\n"
    assert gather.that_answer(known, scanned) == ["a at 172.31.1.10"]
    assert gather.that_answer(known, "") == []


def test_machines_are_told_by_the_states() -> None:
    outputs = {"machines": {"a": "172.31.1.10"}, "host_keys": {"a": "ssh-ed25519 AAAA"}}
    stack = {"type": "pulumi:pulumi:Stack", "urn": "x", "outputs": outputs}
    found = gather.machines_of({"torino": {"deployment": {"resources": [stack]}}, "demo": {"deployment": None}})
    assert found == [Known("a", "172.31.1.10", "ssh-ed25519 AAAA")]


def test_a_state_that_was_changed_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "state/.pulumi/stacks/aerie"
    folder.mkdir(parents=True)
    latest = {"resources": [{"type": "x"}]}
    (folder / "demo.json").write_text(json.dumps({"checkpoint": {"latest": latest}}))
    (folder / "broken.json").write_text("{")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/state")
    before = gather.mark(tmp_path)
    assert before and before == gather.mark(tmp_path)
    assert gather.here_now(tmp_path, "aerie") == {"demo": {"deployment": latest}}
    (folder / "demo.json").write_text("{}")
    assert gather.mark(tmp_path) != before
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://example.org")
    assert gather.mark(tmp_path) is None


def test_files_that_are_written_over() -> None:
    wanted = {
        "files/federation.yaml": b"new",
        "files/same.yaml": b"x",
        "home/passphrase": b"old",
        "home/ssh/alice": b"k",
    }
    there = {
        "files/federation.yaml": b"example", "files/same.yaml": b"x", "files/other.yaml": b"y", "files/mine.yaml": b"z",
        "home/passphrase": b"random", "home/ssh/bob": b"b",
    }  # fmt: skip
    kept = ["files/federation.yaml", "files/other.yaml"]
    assert files.changes(wanted, there, kept, fresh_home=True) == [
        Change("files/federation.yaml"),
        Change("home/passphrase"),
        Change("home/ssh/alice"),
        Change("files/mine.yaml", delete=True, loses=True),
        Change("files/other.yaml", delete=True),
    ]
    sealed_here = files.changes(wanted, there, [], fresh_home=False)
    assert [c.name for c in sealed_here if c.loses] == [
        "files/federation.yaml", "home/passphrase", "files/mine.yaml", "files/other.yaml",
    ]  # fmt: skip
    assert files.changes(wanted, wanted, [], False) == []


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


def test_what_git_keeps_is_not_lost(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    assert files.unchanged_in_git(tmp_path, ["a"]) == set() and files.revision(tmp_path) == ""
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "x")
    clean = files.revision(tmp_path)
    (tmp_path / "b").write_text("changed")
    (tmp_path / "c").write_text("new")
    assert files.unchanged_in_git(tmp_path, ["a", "b", "c"]) == {"a"}
    assert len(clean) == 40 and files.revision(tmp_path) == f"{clean}+"


def test_files_of_clone_and_home(tmp_path: Path) -> None:
    root, home = tmp_path / "clone", tmp_path / "home"
    (home / "ssh").mkdir(parents=True)
    (home / "logs").mkdir()
    root.mkdir()
    (root / "federation.yaml").write_text("name: farm\n")
    (root / "Pulumi.yaml").write_text("name: aerie\n")
    (root / "Pulumi.demo.yaml").write_text("encryptionsalt: v1:x\nconfig: {}\n")
    for name in (
        "passphrase",
        "ssh/alice",
        "ssh/alice.pub",
        "ssh/site-torino",
        "ssh/known_hosts-demo",
        "ssh/demo.conf",
        "logs/x",
    ):
        (home / name).write_text(name)
    assert files.of_clone(root) == {"federation.yaml": b"name: farm\n", "Pulumi.demo.yaml": b"config: {}\n"}
    assert sorted(files.of_home(home)) == ["passphrase", "ssh/alice", "ssh/alice.pub"]
    files.put(root, home, Change("home/ssh/bob"), b"key")
    files.put(root, home, Change("files/Pulumi.demo.yaml", delete=True), b"")
    assert (home / "ssh/bob").read_bytes() == b"key" and stat.S_IMODE((home / "ssh/bob").stat().st_mode) == 0o600
    assert not (root / "Pulumi.demo.yaml").exists()


def test_the_oldest_archives_go() -> None:
    names = [judge.archive_name("farm", f"2026-11-{d:02}T01:00:00Z") for d in range(1, 6)]
    others = ["farm-b-20261101T010000Z.aerie", "farm-mine.aerie", "farm-20261101T010000Z.tar", "notes"]
    assert names[0] == "farm-20261101T010000Z.aerie"
    assert judge.to_remove([*reversed(names), *others], "farm", 2) == names[:3]
    assert judge.to_remove(names, "farm", 9) == [] and judge.to_remove(names, "farm", 0) == []


def test_what_will_not_be_as_it_was_is_told() -> None:
    manifest = Manifest("farm", "", "a" * 40, {"etcd": "1", "old": "9"}, [], ["no queue"])
    assert judge.notes(manifest, {"etcd": "1", "old": "9"}, "a" * 40) == ["no queue"]
    assert judge.notes(manifest, {"etcd": "2"}, "b" * 40)[1:] == [
        f"it was made by revision {'a' * 12}, this checkout is {'b' * 12}: the machines get what is here",
        "images are other ones than then: etcd",
    ]


def place(name: str) -> Place:
    login = Login("root", "172.31.1.10", 22, Path("key"), Path("known"))
    return Place(name, name, "172.31.1.10", True, login)


MEMBERS, EVERYBODY = [place("a")], [place("a"), place("b")]
ORDER = {
    "all, on new machines": (
        What(True, True, ["demo"], masters=True),
        ["Marathon stops", "Mesos' masters stop", "frameworks stop", "Calico stops; routes and policies stay", "etcd stops"],
        ["etcd starts", "etcd has a quorum", "what Calico knew of containers is forgotten", "Calico starts", "Calico is healthy", "Mesos' masters start", "Marathon starts"],
    ),
    "etcd": (
        What(True, False),
        ["Calico stops; routes and policies stay", "etcd stops"],
        ["etcd starts", "etcd has a quorum", "what Calico knew of containers is forgotten", "Calico starts", "Calico is healthy"],
    ),
    "ZooKeeper": (What(False, True), ["Marathon stops", "frameworks stop"], ["Marathon starts"]),
    "queues": (What(False, False, ["demo"]), ["Marathon stops"], ["Marathon starts"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ORDER)
def test_what_is_stopped_is_started(case: str) -> None:
    what, stopped, started = ORDER[case]
    down, up = stops(what, MEMBERS, EVERYBODY), starts(what, MEMBERS, EVERYBODY)
    assert ([s.say for s in down], [s.say for s in up]) == (stopped, started)
    words = {w for s in down for w in s.script.split() if w in ("marathon", "mesos-master", "calico", "etcd")}
    assert words == {w for s in up if "docker start" in s.script for w in s.script.split() if w in words}
    assert all(len(s.at) == 2 for s in [*down, *up] if s.say.startswith("Calico"))


DOCKER = """#!/bin/sh
# In docker's place: one volume, and a container that has it if the file `running` says so.
echo "$@" >> "$STAGE/calls"
case "$1 $2" in
"volume inspect") echo "$STAGE/volume/_data" ;;
"ps -q") [ -e "$STAGE/running" ] && echo c1 ;;
"pause c1" | "unpause c1" | "volume create") ;;
*) exit 9 ;;
esac
exit 0
"""


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A submit node's volume, and a docker that knows nothing else."""
    data = tmp_path / "volume/_data"
    (data / "queue").mkdir(parents=True)
    (data / "home/alice").mkdir(parents=True)
    (data / "queue/job_queue.log").write_text("103 1.0 JobStatus 1\n")
    (data / "home/alice/out").write_text("42")
    (data / "home/alice/out").chmod(0o640)
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    return tmp_path


def on_stage(stage: Path, script: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PATH": f"{stage}:{os.environ['PATH']}", "STAGE": str(stage)}
    return subprocess.run(["sh", "-c", script], input=given, capture_output=True, env=env)


def test_a_spool_is_taken_while_nothing_writes_and_put_back(stage: Path) -> None:
    (stage / "running").touch()
    saved = on_stage(stage, machines.spool_save("aerie-demo-spool"))
    assert saved.returncode == 0, saved.stderr
    calls = (stage / "calls").read_text()
    assert calls.index("pause c1") < calls.index("unpause c1")
    assert sorted(p.name for p in (stage / "volume").iterdir()) == ["_data"], "nothing is left beside it"
    refused = on_stage(stage, machines.spool_restore("aerie-demo-spool"), saved.stdout)
    assert refused.returncode == 1 and b"a container uses aerie-demo-spool" in refused.stderr
    (stage / "running").unlink()
    (stage / "volume/_data/queue/job_queue.log").write_text("newer")
    (stage / "volume/_data/queue/other").write_text("newer")
    back = on_stage(stage, machines.spool_restore("aerie-demo-spool"), saved.stdout)
    assert back.returncode == 0, back.stderr
    data = stage / "volume/_data"
    assert (data / "queue/job_queue.log").read_text() == "103 1.0 JobStatus 1\n" and not (data / "queue/other").exists()
    assert (data / "home/alice/out").read_text() == "42" and stat.S_IMODE(
        (data / "home/alice/out").stat().st_mode
    ) == 0o640


def test_a_submit_node_is_never_left_paused(stage: Path) -> None:
    (stage / "running").touch()
    (stage / "timeout").write_text("#!/bin/sh\nexit 124\n")
    (stage / "timeout").chmod(0o755)
    failed = on_stage(stage, machines.spool_save("aerie-demo-spool"))
    assert failed.returncode == 1 and b"is not copied within 20 s" in failed.stderr
    assert (stage / "calls").read_text().splitlines()[-1] == "unpause c1"
    assert sorted(p.name for p in (stage / "volume").iterdir()) == ["_data"]


def test_progress_goes_on_with_the_same_archive_only(tmp_path: Path) -> None:
    first = progress.progress_of(tmp_path, "one")
    assert first.done == [] and not first.goes_on
    first.finish(progress.FILES)
    first.finish(progress.STATES)
    assert progress.progress_of(tmp_path, "one").goes_on and progress.progress_of(tmp_path, "two").done == []
    told = json.loads((tmp_path / progress.NAME).read_text())
    (tmp_path / progress.NAME).write_text(json.dumps(told | {"at": told["at"] - progress.LASTS}))
    assert not progress.progress_of(tmp_path, "one").goes_on, "what is there by now may be in use"
    first.end()
    assert progress.progress_of(tmp_path, "one").done == []
    (tmp_path / progress.NAME).write_text("{")
    assert progress.progress_of(tmp_path, "one").done == []


def test_a_home_of_another_federation_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AERIE_HOME", str(tmp_path / ".aerie/barn"))
    with pytest.raises(Refused, match="which is not farm's"):
        secrets.home_of("farm")
    monkeypatch.delenv("AERIE_HOME")
    assert secrets.home_of("farm") == tmp_path / ".aerie/farm"
    monkeypatch.setenv("AERIE_HOME", "/srv/farm")
    assert secrets.home_of("farm") == Path("/srv/farm")


@pytest.fixture
def sealed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of the federation `farm`, sealed with the file `key` beside it."""
    monkeypatch.setitem(sealed.SCRYPT, "n", 16)
    folder = tmp_path / "parts"
    contents: dict[str, Any] = {
        "files/federation.yaml": "name: farm\n",
        "home/passphrase": "the passphrase of then",
        "stacks/federation.json": json.dumps({"deployment": {"resources": []}}),
    }
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    parts = [part_of(n, folder / n) for n in contents]
    (tmp_path / "key").write_text("the passphrase of then\n")
    manifest = Manifest("farm", "2026-11-28T14:05:06Z", "", {}, parts, ["no queue"])
    archive.write(tmp_path / "a.aerie", b"the passphrase of then", manifest, folder)
    return tmp_path / "a.aerie"


@pytest.fixture
def the(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.setenv("AERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(gather, "labelled", lambda _: ["container farm-a"])
    (tmp_path / "clone").mkdir()
    return clone_in(tmp_path / "clone", monkeypatch)


def test_check_tells_what_is_in_it(the: Clone, sealed_file: Path) -> None:
    for command in ("backup", "restore"):
        status, said = the.run(command, "--check", str(sealed_file), "--key", str(sealed_file.with_name("key")))
        assert status == 0, said
        assert "farm at 2026-11-28T14:05:06Z, revision none: whole" in said and "no queue" in said
        assert "  home/passphrase                        22 B  " in said
        assert said.splitlines()[-1] == f"Next: aerie restore {sealed_file}"
    status, said = the.run("backup", "--check", str(sealed_file), "--key", str(sealed_file.with_name("key")), "--json")
    assert json.loads(said)["parts"][1]["name"] == "home/passphrase"
    assert not (the.root.parent / "home").exists(), "nothing was made"


def test_check_without_its_passphrase(the: Clone, sealed_file: Path, tmp_path: Path) -> None:
    status, said = the.run("backup", "--check", str(sealed_file))
    assert (
        status == 2
        and "to open a.aerie with" in said
        and "Next: give the file with its passphrase by --key FILE" in said
    )
    (tmp_path / "other").write_text("another passphrase")
    status, said = the.run("restore", str(sealed_file), "--key", str(tmp_path / "other"))
    assert status == 1 and "it was sealed with another passphrase, or is damaged" in said
    (tmp_path / "short").write_text("1234\n")
    status, said = the.run("restore", str(sealed_file), "--key", str(tmp_path / "short"))
    assert status == 1 and "has 4 characters: too few" in said


def test_nothing_is_restored_over_what_lives(the: Clone, sealed_file: Path) -> None:
    key = str(sealed_file.with_name("key"))
    (the.root / "federation.yaml").write_text("name: barn\n")
    status, said = the.run("restore", str(sealed_file), "--key", key, "--yes")
    assert status == 1, said
    assert "nothing was changed:\n  it is there: container farm-a\n  other files are here" in said
    assert said.splitlines()[-1].startswith("Next: aerie destroy, if that still works; or --replace")
    assert (the.root / "federation.yaml").read_text() == "name: barn\n"
    assert the.run("restore", str(sealed_file), "--key", key, "--replace", "--force", answers="n\n")[0] == 1
    assert (the.root / "federation.yaml").read_text() == "name: barn\n"


def test_backup_is_asked_for_in_one_way(the: Clone, tmp_path: Path) -> None:
    status, said = the.run("backup", str(tmp_path / "f"), "--into", str(tmp_path))
    assert (status, said.splitlines()[0]) == (2, "FILE and --into are one too many")
    assert the.run("backup", "--keep", "3")[0] == 2
    assert the.run("backup", "--check")[0] == 2
