"""What `make up` waits for and `make down` leaves, with pools of both kinds; Pulumi and the pools themselves are stood in for."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.batch.framework_client import refusal
from tests.unit.cli_data import Clone, clone_in
from tests.unit.conftest import Checkout
from tools import farm, first_jobs, jobs, stacks
from tools.login import Login

LOGIN = Login("demo", "172.31.1.10", 2222, Path("key"), Path("known"))


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


class Stand:
    """In the place of Pulumi: what was destroyed, in order; `refuses` is what the pool's stack says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, the: Clone, refuses: str = "") -> None:
        self.done: list[str] = []
        self.refuses = refuses
        the.stacks = ["federation", "torino", "cnaf", "bari", "demo"]
        monkeypatch.setattr(stacks, "run", self.run)
        monkeypatch.setattr(farm, "existing_stacks", lambda _: set(the.stacks))
        monkeypatch.setattr(farm, "remove_labelled", lambda _: self.done.append("what is left") or [])  # type: ignore[func-returns-value]
        monkeypatch.setattr(farm, "end_jobs", lambda _f, names, *_: self.done.append(f"jobs of {names}"))
        monkeypatch.setattr("aerie.destroying.recover", lambda *_: [])
        monkeypatch.setattr("aerie.destroying.known_stacks", lambda _: set(the.stacks))
        monkeypatch.setattr("aerie.destroying.subprocess.run", lambda *_, **__: None)

    def run(self, verb: str, names: list[str], *_: Any) -> dict[str, stacks.Progress]:
        self.done.append(f"{verb} {','.join(names)}")
        if names == ["demo"] and self.refuses:
            raise stacks.StackFailed(f"destroy of demo failed:\n{self.refuses}")
        return {name: stacks.Progress(name) for name in names}


SITES = ["destroy torino,cnaf,bari", "destroy federation", "what is left"]


@pytest.fixture
def the(checkout: Checkout, home: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.setenv("AERIE_HOME", str(home))
    return clone_in(checkout.root, monkeypatch)


def test_down(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, the)
    assert the.run("destroy", "--yes")[0] == 0
    assert stand.done == ["destroy demo", *SITES]


def test_down_leaves_a_pool_with_jobs_what_it_stands_on(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, the, refusal("demo", 14))
    status, said = the.run("destroy", "--yes")
    assert status == 1 and "14 jobs run in pool demo" in said and "what it stands on is left as it is" in said
    assert said.splitlines()[-1] == "Next: aerie destroy --jobs-too, to end the jobs with it"
    assert stand.done == ["destroy demo"]


def test_down_with_the_jobs_too(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, the)
    assert the.run("destroy", "--yes", "--jobs-too")[0] == 0
    assert stand.done == ["jobs of ['demo']", "destroy demo", *SITES]


def test_down_goes_on_where_a_pool_fails_for_another_reason(the: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, the, "no Marathon instance answers")
    status, said = the.run("destroy", "--yes")
    assert status == 1 and "no Marathon instance answers" in said
    assert stand.done == ["destroy demo", "destroy demo", *SITES], "it might only have been slow"
    stand.done.clear()
    assert the.run("destroy", "demo", "torino", "--yes")[0] == 1
    assert stand.done == ["destroy demo", "destroy demo"], "what was named is not taken from under what is left"


class FakeMarathon:
    """Knows which apps were waited for."""

    def __init__(self) -> None:
        self.waited: list[str] = []

    def wait(self, app: str, *_: object) -> None:
        self.waited.append(app)


@pytest.mark.parametrize("via", ["marathon", "framework"])
def test_a_pool_is_waited_for(checkout: Checkout, console: Console, monkeypatch: pytest.MonkeyPatch, via: str) -> None:
    def change(data: Any) -> None:
        if via == "framework":
            data["config"]["aerie:pool"].update({"via": via, "share": {"cpus": 8, "memory": 8192}})

    pool = checkout.change("Pulumi.demo.yaml", change).plan("demo").pool
    assert pool is not None
    marathon, fixed = FakeMarathon(), list[int]()

    class FakeFramework:
        wait = staticmethod(fixed.append)

    monkeypatch.setattr(first_jobs, "framework_of", lambda *_: FakeFramework)
    monkeypatch.setattr(Login, "run", lambda *_: subprocess.CompletedProcess([], 0, "", ""))
    first_jobs.wait_for_pool(marathon, "demo", pool, LOGIN, console, checkout.root)  # type: ignore[arg-type]
    if via == "framework":
        assert (marathon.waited, fixed) == (["/demo/framework"], [3])
    else:
        assert set(marathon.waited) == {"/demo/central-manager", "/demo/submit-node", "/demo/executors"}
        assert fixed == []


def test_jobs_are_removed_and_waited_for(tmp_path: Path) -> None:
    """The real script in a real shell, with a `docker` in whose queue a job ends at the second look."""
    docker = tmp_path / "docker"
    docker.write_text(
        f"""#!/bin/sh
case "$*" in
ps*) echo c1 ;;
inspect*) echo "c1 ++" ;;
*condor_rm*) echo removed >> {tmp_path}/log ;;
*condor_q*) if [ -e {tmp_path}/looked ]; then :; else touch {tmp_path}/looked; echo 7; fi ;;
esac
"""
    )
    docker.chmod(0o755)
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh"], input=jobs.remove_script("demo"), capture_output=True, text=True, env=path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "log").read_text() == "removed\n" and (tmp_path / "looked").exists()


def test_make_up_names_the_status_page_at_its_end(checkout: Checkout) -> None:
    def said() -> str:
        out = Console(file=io.StringIO(), width=200)
        first_jobs.summary(out, farm.Phases(out), checkout.plan("torino").federation, ["ssh demo"])
        assert isinstance(out.file, io.StringIO)
        return out.file.getvalue()

    assert "make status   or https://172.31.1.10:8446 (user admin, password marathon-admin)" in said()
    checkout.change("federation.yaml", lambda d: d.update(monitoring={"enabled": False}))
    assert "make status\n" in said() and "8446" not in said()
