"""The command line itself: quick, in plain words, and right about which stacks, which files and which way in."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from aerie import environment, names, submit_files, submitting, terminal
from aerie.federation import Here, site_of
from aerie.ordering import chosen, next_after, standing_on
from aerie.terminal import Refused
from components.spec.loader import read_federation
from components.spec.validate import read_pools
from tests.unit.cli_data import Clone, clone_in
from tests.unit.conftest import BASE
from tools import farm, stacks
from tools.login import Login
from tools.preview import applied
from tools.preview.model import StackPreview

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (
    "init", "up", "preview", "destroy", "status", "doctor", "explain", "history", "submit", "ssh", "rtt", "path", "site add", "site remove",
    "pool add", "pool remove", "backup", "restore",
)  # fmt: skip


@pytest.fixture
def the(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.setenv("AERIE_HOME", str(home))
    shutil.copytree(BASE, tmp_path / "clone")
    return clone_in(tmp_path / "clone", monkeypatch)


@pytest.fixture
def here() -> Here:
    federation, _ = read_federation(BASE)
    assert federation is not None
    return Here(BASE, federation, read_pools(BASE, federation))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(the: Clone, command: str) -> None:
    status, said = the.run(*command.split(), "--help")
    assert status == 0 and f"  aerie {command}" in said
    assert command == "ssh" or "--json" in said


def test_help_lists_all(the: Clone) -> None:
    _, said = the.run("--help")
    assert (
        all(f"  {command.split()[0]} " in said for command in COMMANDS) and "..." not in said.partition("Commands:")[2]
    )


def test_help_imports_nothing_heavy() -> None:
    """What takes long to import is imported by the command that needs it."""
    script = "import sys\nfrom aerie.__main__ import main\nsys.argv=['aerie', '--help']\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "typer" in loaded, done.stderr
    assert not loaded & {"pydantic", "yaml", "rich", "requests", "pulumi", "openstack", "components", "tools"}


def test_a_known_failure_is_told_without_calls(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(error: Exception) -> int:
        with pytest.raises(BaseException) as caught:
            terminal.command(lambda: (_ for _ in ()).throw(error))()
        return getattr(caught.value, "exit_code", -1)

    assert fails(Refused("no", "do this", 2)) == 2
    assert fails(stacks.StackFailed("up of demo failed")) == 1
    assert fails(KeyboardInterrupt()) == 130  # type: ignore[arg-type]
    assert fails(ZeroDivisionError("ours")) == -1, "a mistake of ours shows its calls"
    said = capsys.readouterr().err
    assert "no\nNext: do this" in said and "up of demo failed\nNext: mend that" in said


class Pulumi:
    """In its place: what was done, in order."""

    def __init__(self, patch: pytest.MonkeyPatch, there: set[str], known: Clone) -> None:
        self.done: list[str] = []
        known.stacks += sorted(there)
        patch.setattr(stacks, "run", self.run)
        for module in ("running", "destroying"):
            patch.setattr(f"aerie.{module}.known_stacks", lambda _: tuple(sorted(there)))
            patch.setattr(f"aerie.{module}.recover", lambda *_: [])
        patch.setattr("aerie.running.previews", self.previews)
        patch.setattr("tools.preview.health.Watch.shared", lambda _: {})
        patch.setattr("tools.preview.sites.note", lambda sites, *_: self.done.append(f"note {' '.join(sites)}"))
        patch.setattr("tools.first_jobs.run", lambda _f, pools, *_: self.done.append(f"jobs in {' '.join(pools)}"))
        self.changes: dict[str, StackPreview] = {}
        for name, work in {
            "prepare_keys": lambda _: None,
            "existing_stacks": lambda _: there,
            "check": lambda *_: self.done.append("check"),
            "init_stacks": lambda _, names: self.done.append(f"init {' '.join(names)}"),
            "make_images": lambda _: self.done.append("images"),
            "marathon_of": lambda *_: object(),
            "wait_for_quorum": lambda *_: self.done.append("quorum"),
            "remove_labelled": lambda _: self.done.append("the rest") or [],  # type: ignore[func-returns-value]
        }.items():
            patch.setattr(farm, name, work)
        patch.setattr("aerie.destroying.subprocess.run", lambda command, **_: self.done.append(" ".join(command[1:])))

    def run(self, verb: str, names: list[str], *_: Any) -> dict[str, stacks.Progress]:
        everything = " (everything goes)" if os.environ.get("AERIE_ALL_GO") else ""
        self.done.append(f"{verb} {' '.join(names)}{everything}")
        return {n: stacks.Progress(n, seconds=1.0, changes={"same": 3, "create": 2}) for n in names}

    def previews(self, names: list[str], _: Path) -> list[StackPreview]:
        self.done.append(f"look at {' '.join(names)}")
        return [self.changes.get(n, StackPreview(n, {"same": 3})) for n in names]


PHASES = ["check", "images", "stacks", "federation", "sites", "quorum", "pools"]
ALL = {"federation", "torino", "cnaf", "bari", "demo"}


def test_up_goes_in_order(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = Pulumi(monkeypatch, set(), the)
    status, said = the.run("up", "--images")
    assert status == 0, said
    assert pulumi.done == [
        "check", "images", "init federation torino cnaf bari demo", "up federation",
        "look at ", "up torino cnaf bari", "note torino cnaf bari", "quorum", "up demo",
    ]  # fmt: skip
    assert said.splitlines()[-1] == "Next: aerie status; aerie submit demo FILE; look at https://172.31.1.10:8446"


def test_up_of_some_waits_for_no_quorum_without_pools(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = Pulumi(monkeypatch, ALL, the)
    status, said = the.run("up", "bari", "federation", "--json")
    assert (status, pulumi.done[2:]) == (0, ["up federation", "look at bari", "up bari", "note bari"])
    done = json.loads(said[said.index("\n{") :])
    assert done["stacks"]["bari"] == {"seconds": 1.0, "changes": {"create": 2}}


def test_sites_that_are_as_they_were_are_left_alone(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = Pulumi(monkeypatch, ALL, the)
    pulumi.changes["cnaf"] = StackPreview("cnaf", {"update": 1})
    home = Path(os.environ["AERIE_HOME"])
    for site, of_program in (("torino", applied.program(the.root, "torino")), ("bari", "another")):
        applied.note(home, site, of_program, "")
    status, said = the.run("up", "torino", "cnaf", "bari")
    # bari shows no change, but it was brought up by another program: what its state says of the order of things may be another.
    assert status == 0, said
    assert pulumi.done[2:] == ["look at torino cnaf bari", "up cnaf bari", "note cnaf bari"]
    assert "torino: done in 0.0 s (no change)" in said
    pulumi.changes["cnaf"] = StackPreview("cnaf", errors=("no federation",))
    status, said = the.run("up", "cnaf")
    assert status == 1 and "cnaf cannot be previewed:\nno federation" in said


def test_up_with_jobs_is_what_make_up_does(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = Pulumi(monkeypatch, set(), the)
    status, said = the.run("up", "--images", "--jobs", "24")
    assert status == 0 and pulumi.done[-2:] == ["up demo", "jobs in demo"]
    assert [line for line in said.splitlines() if line in PHASES] == PHASES


def test_preview_leaves_out_what_is_not_there(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = Pulumi(monkeypatch, {"federation", "torino"}, the)
    status, said = the.run("preview")
    assert (status, pulumi.done[2:]) == (0, ["preview federation", "preview torino"])
    assert "not there yet, so all of it would be made: cnaf, bari, demo" in said
    assert said.splitlines()[-1] == "Next: aerie up federation torino"


@pytest.mark.parametrize(("failures", "status"), [(1, 0), (2, 1)])
def test_what_was_slow_is_destroyed_once_more(
    the: Clone, monkeypatch: pytest.MonkeyPatch, failures: int, status: int
) -> None:
    pulumi = Pulumi(monkeypatch, ALL, the)
    works, left = pulumi.run, [failures]

    def slow(verb: str, names: list[str], *rest: Any) -> dict[str, stacks.Progress]:
        done = works(verb, names, *rest)
        if names == ["demo"] and left[0]:
            left[0] -= 1
            raise stacks.StackFailed("destroy of demo failed [sic]")
        return done

    monkeypatch.setattr(stacks, "run", slow)
    found, said = the.run("destroy", "demo", "--yes")
    assert (found, pulumi.done.count("destroy demo")) == (status, 2), said
    assert "destroy of demo failed [sic]" in said and "once more" in said
    assert ("--remove demo" in pulumi.done) is (status == 0), "its settings go once it is gone"


def test_destroy_goes_the_other_way_round(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = Pulumi(monkeypatch, ALL, the)
    assert the.run("destroy", answers="n\n")[0] == 1 and pulumi.done == []
    status, said = the.run("destroy", answers="y\n")
    assert status == 0, said
    assert pulumi.done == [
        "destroy demo (everything goes)", "--remove demo",
        "destroy torino cnaf bari (everything goes)", "--remove torino cnaf bari",
        "destroy federation (everything goes)", "--remove federation", "the rest",
    ]  # fmt: skip


def test_destroy_refuses_with_others_on_it(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    pulumi = Pulumi(monkeypatch, ALL, the)
    status, said = the.run("destroy", "cnaf", "--yes")
    assert status == 1 and "demo stands on cnaf, nothing was changed\nNext: aerie destroy demo cnaf" in said
    assert the.run("destroy", "demo", "cnaf", "-y")[0] == 0
    # Without "everything goes": the other sites' machines can take what ran there.
    assert pulumi.done == ["destroy demo", "--remove demo", "destroy cnaf", "--remove cnaf"]


def test_names_of_stacks(here: Here) -> None:
    assert chosen(here, ["demo", "federation"], "destroy") == [["demo"], ["federation"]]
    with pytest.raises(Refused, match="there is no stack torinoo; there are: federation, torino") as refused:
        chosen(here, ["torinoo"], "up")
    assert refused.value.do == "write torino"
    assert standing_on(here, ["federation"], ALL) == ["bari", "cnaf", "demo", "torino"]
    assert standing_on(here, ["torino"], {"torino", "federation"}) == []
    assert next_after(here, "preview", [], {"demo": {"changes": {}}}).startswith("nothing")


def test_machines_have_their_sites_name(here: Here) -> None:
    longer = here.federation.model_copy(
        update={"sites": {**here.federation.sites, "torino-b": here.federation.sites["bari"]}}
    )
    names_ = ("torino", "torino-agent-1", "torino-b-agent-1", "torinoagent", "demo")
    assert [site_of(longer, n) for n in names_] == ["torino", "torino", "torino-b", "", ""]


def test_completion_offers_names(the: Clone) -> None:
    (the.root / "federation.yaml").write_text(
        "name: x\n\nsites:  # all\n  # the first\n  pisa:\n    lan: 10.0.0.0/24\n  a-b: {lan: 1}\nimages:\n  registry: x\n"
    )
    for name in ("torino", "cnaf", "bari"):
        (the.root / f"Pulumi.{name}.yaml").unlink()
    (the.root / "Pulumi.pisa.yaml").write_text("")
    assert names.of_sites("") == ["pisa", "a-b"]
    assert (names.of_pools(""), names.of_pools("x"), names.pools_and_sites("")) == (
        ["demo"],
        [],
        ["demo", "pisa", "a-b"],
    )
    assert names.of_stacks("") == ["federation", "demo", "pisa"]
    assert names.sites_in("name: x\n") == []


LOGIN = Login("demo", "172.31.1.10", 2222, Path("/k"), Path("/known"))


def test_ssh(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("aerie.federation.into_pool", lambda *_: LOGIN)
    monkeypatch.setattr("os.execvp", lambda _, line: ran.append(line))
    the.run("ssh", "demo")
    the.run("ssh", "demo", "condor_q", "-constraint", "JobStatus == 1")
    the.run("ssh", "demo", "condor_q | wc -l")
    assert ran[0][-1] == "demo@172.31.1.10" and "BatchMode=no" in ran[0]
    assert [line[-1] for line in ran[1:]] == ["condor_q -constraint 'JobStatus == 1'", "condor_q | wc -l"]
    status, said = the.run("ssh", "--json", "demo")
    assert status == 0 and json.loads(said)["port"] == 2222 and len(ran) == 3
    assert "Next: aerie ssh --print demo" in the.run("ssh", "demo", "--print")[1]
    status, said = the.run("ssh", "dem")
    assert status == 2 and "there is no pool and no machine dem; pools and sites: demo, torino, cnaf, bari" in said


def test_files_that_go_along(tmp_path: Path) -> None:
    text = """
executable = run.sh
Transfer_Input_Files = data.txt, lib/a.so, https://x.example/y, /etc/hosts, $(name).txt
input = in.txt
queue
"""
    assert submit_files.named(text) == ["run.sh", "in.txt", "data.txt", "lib/a.so"]
    assert submit_files.named("executable = x\ntransfer_executable = False\n") == []
    (tmp_path / "my.sub").write_text("executable = run.sh\ninput = ../secret\nqueue\n")
    (tmp_path / "run.sh").write_text("")
    files, missing = submit_files.to_send(tmp_path / "my.sub", [tmp_path / "run.sh"])
    assert ([name for _, name in files], missing) == (["my.sub", "run.sh"], ["../secret"])


def test_submit_sends_and_submits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real script in a real shell, by an `ssh` that is none, to a condor_submit that is none."""
    there, bin_ = tmp_path / "there", tmp_path / "bin"
    there.mkdir(), bin_.mkdir()
    for name, text in {
        "ssh": f'cd {there} && for last; do :; done; exec sh -c "$last"',
        "condor_submit": 'ls; cat "$2" >&2; echo 7.0 - 7.3',
    }.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    (tmp_path / "my job.sub").write_text("queue 4\n")
    files = [(tmp_path / "my job.sub", "my job.sub")]
    assert submitting.send(LOGIN, files, "my job.sub", "f 1") == ("7.0", "7.3")
    assert (there / "f 1" / "my job.sub").read_text() == "queue 4\n"
    (bin_ / "condor_submit").write_text("#!/bin/sh\necho 'ERROR: no queue' >&2; exit 1\n")
    with pytest.raises(Refused, match="condor_submit fails: ERROR: no queue"):
        submitting.send(LOGIN, files, "my job.sub", "f2")
    with tarfile.open(fileobj=io.BytesIO(submitting.packed(files))) as tar:
        assert tar.getnames() == ["my job.sub"]


@pytest.mark.parametrize(
    ("queue", "why", "do"),
    [
        ("[ $n -lt 3 ] && echo 7.0 2 undefined; true", "", ""),
        ("echo 7.0 2 undefined; echo 7.1 5 out of disk", "a job is held: 7.1 5 out of disk", "aerie explain demo 7.1"),
        ("echo gone >&2; exit 1", "the submit node answers no more: gone", "aerie status"),
    ],
)
def test_jobs_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue: str, why: str, do: str) -> None:
    count = tmp_path / "count"
    fakes = {
        "ssh": 'for last; do :; done; exec sh -c "$last"',
        "condor_q": f"echo >> {count}; n=$(wc -l < {count}); {queue}",
        "sleep": "",
    }
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if not why:
        submitting.until_done(LOGIN, "demo", "7")
        assert len(count.read_text()) == 3
        return
    with pytest.raises(Refused) as refused:
        submitting.until_done(LOGIN, "demo", "7")
    assert str(refused.value) == why and refused.value.do.startswith(do)


def test_submit_with_what_is_not_there(the: Clone) -> None:
    file = the.root / "a.sub"
    file.write_text("executable = none.sh\nqueue\n")
    status, said = the.run("submit", "demo", str(file))
    assert (status, "a.sub names what is not beside it: none.sh" in said) == (2, True)


def test_which_shells_need_nothing() -> None:
    mine = {"AERIE_HOME": "/h 1", "PULUMI_BACKEND_URL": "file:///h%201/state"}
    assert environment.complete(mine, True) and not environment.complete(mine, False)
    assert not environment.complete({**mine, "AERIE_HOME": "/other"}, True), "another federation's shell"
    assert environment.complete({**mine, "PULUMI_BACKEND_URL": "s3://state"}, True)
    assert not environment.complete({}, True)


def test_what_is_set_in_a_shell_that_has_nothing() -> None:
    after = {"PATH": "/p:/bin", "AERIE_HOME": "/h", "PULUMI_BACKEND_URL": "file:///h/state", "LANG": "C", "_": "x"}
    assert environment.changes({"PATH": "/bin", "PULUMI_CONFIG_PASSPHRASE": "x"}, after) == {
        "PATH": "/p:/bin", "AERIE_HOME": "/h", "PULUMI_BACKEND_URL": "file:///h/state", "PULUMI_CONFIG_PASSPHRASE": None,
    }  # fmt: skip
    assert "PULUMI_BACKEND_URL" not in environment.changes({"PULUMI_BACKEND_URL": "s3://state"}, after)


def test_the_console_script_finds_its_clone(tmp_path: Path) -> None:
    """By the way it was called; in an environment that several clones share, by the working directory; and nothing that lies
    in the working directory is imported."""
    shared, clone = tmp_path / "venv", tmp_path / "clone"
    (shared / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "setup" / "aerie", shared / "bin" / "aerie")
    (shared / "bin" / "python").symlink_to(sys.executable)
    (clone / "aerie").mkdir(parents=True)
    (clone / "Pulumi.yaml").touch()
    (clone / "aerie" / "__init__.py").touch()
    (clone / "aerie" / "__main__.py").write_text("import sys\ndef main(): print(__file__, sys.argv[1:])\n")
    (clone / ".venv").symlink_to(shared)
    (tmp_path / "elsewhere" / "aerie").mkdir(parents=True)
    (tmp_path / "elsewhere" / "aerie" / "__init__.py").write_text("raise SystemExit('not this one')\n")

    def run(script: Path, folder: Path) -> str:
        done = subprocess.run([str(script), "a b", "-x"], capture_output=True, text=True, cwd=folder)
        return done.stdout + done.stderr

    expected = f"{clone}/aerie/__main__.py ['a b', '-x']\n"
    assert run(clone / ".venv" / "bin" / "aerie", tmp_path / "elsewhere") == expected
    (clone / "sub").mkdir()
    assert run(shared / "bin" / "aerie", clone / "sub") == expected
    assert "this is no clone of aerie" in run(shared / "bin" / "aerie", tmp_path)
