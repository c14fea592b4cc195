"""`make up` and `make down` with pools of both kinds; Pulumi and the pools themselves are stood in for."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.batch.framework_client import refusal
from tests.unit.conftest import Checkout
from tools import farm, jobs, stacks
from tools.login import Login

LOGIN = Login("demo", "172.31.1.10", 2222, Path("key"), Path("known"))


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


class Stand:
    """In the place of Pulumi: what was destroyed, in order; `refuses` is what the pool's stack says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, checkout: Checkout, refuses: str = "") -> None:
        self.done: list[str] = []
        self.refuses = refuses
        monkeypatch.setattr(stacks, "run", self.run)
        monkeypatch.setattr(farm, "existing_stacks", lambda _: {"federation", "torino", "cnaf", "bari", "demo"})
        monkeypatch.setattr(farm, "recover", lambda *_: [])
        monkeypatch.setattr(farm, "remove_labelled", lambda _: self.done.append("what is left") or [])  # type: ignore[func-returns-value]
        monkeypatch.setattr(farm, "end_jobs", lambda _f, names, *_: self.done.append(f"jobs of {names}"))
        monkeypatch.setattr("tools.farm.subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 0, "", ""))

    def run(self, verb: str, names: list[str], *_: Any) -> None:
        self.done.append(f"{verb} {','.join(names)}")
        if names == ["demo"] and self.refuses:
            raise stacks.StackFailed(f"destroy of demo failed:\n{self.refuses}")


SITES = ["destroy torino,cnaf,bari", "destroy federation", "what is left"]


def test_down(checkout: Checkout, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, checkout)
    farm.down(console, root=checkout.root)
    assert stand.done == ["destroy demo", *SITES]


def test_down_leaves_a_pool_with_jobs_what_it_stands_on(
    checkout: Checkout, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(monkeypatch, checkout, refusal("demo", 14))
    with pytest.raises(farm.Refused, match=r"14 jobs run in pool demo(.|\n)*the sites are left(.|\n)*--jobs-too"):
        farm.down(console, root=checkout.root)
    assert stand.done == ["destroy demo"]


def test_down_with_the_jobs_too(checkout: Checkout, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand(monkeypatch, checkout)
    farm.down(console, jobs_too=True, root=checkout.root)
    assert stand.done == ["jobs of ['demo']", "destroy demo", *SITES]


def test_down_goes_on_where_a_pool_fails_for_another_reason(
    checkout: Checkout, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(monkeypatch, checkout, "no Marathon instance answers")
    with pytest.raises(farm.Refused, match="no Marathon instance answers"):
        farm.down(console, root=checkout.root)
    assert stand.done == ["destroy demo", *SITES]


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

    monkeypatch.setattr(farm, "framework_of", lambda *_: FakeFramework)
    monkeypatch.setattr(Login, "run", lambda *_: subprocess.CompletedProcess([], 0, "", ""))
    farm.wait_for_pool(marathon, "demo", pool, LOGIN, console, checkout.root)  # type: ignore[arg-type]
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
