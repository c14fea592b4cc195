"""Which stacks a change touches; held against what the program really makes of each image and file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.conftest import BASE, IMAGES, Checkout, Graphs
from tests.unit.mocks import Difference, Graph, difference, plain
from tools.preview.checkout import read_checkout
from tools.preview.cost import FOLLOWS
from tools.preview.touched import Stack, changed_stacks

ROOT = Path(__file__).resolve().parents[2]
CASES = yaml.safe_load((Path(__file__).parent / "data" / "preview" / "touched.yaml").read_text())
STACKS = ("federation", "torino", "cnaf", "bari", "demo")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with the configuration of the unit tests (three sites, of which all have a member, and the pool demo) and our images."""
    root = tmp_path / "here"
    shutil.copytree(BASE, root)
    (root / "images").symlink_to(ROOT / "images")
    return root


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_a_change_touches(case: dict[str, Any], here: Path) -> None:
    for name in case.get("removed", ()):
        (here / name).unlink()
    stacks = list(read_checkout(here).stacks)
    if extra := case.get("stacks"):
        stacks = [
            Stack(s["name"], s["kind"], frozenset(s.get("images", ())), frozenset(s.get("sites", ()))) for s in extra
        ]
    found = changed_stacks(case["files"], stacks, here)
    assert list(found.stacks) == case["touches"]
    assert list(found.gone) == case.get("gone", [])
    for name, files in case.get("because", {}).items():
        assert list(found.because[name]) == files


def really_used(graph: Graph) -> set[str]:
    """The images whose tags the program puts into what it registers: each has one of its own in the tests' checkouts."""
    said = str([plain(dict(r.wire)) for r in graph.resources])
    return {image for n, image in enumerate(IMAGES) if f"aerie/{image}:{n:012x}" in said}


@pytest.mark.parametrize("stack", STACKS)
def test_the_images_of_each_stack_are_those_that_the_program_uses(stack: str, graphs: Graphs, here: Path) -> None:
    known = {s.name: s.images for s in read_checkout(here).stacks}
    assert known[stack] == really_used(graphs(stack))


def test_those_of_a_pool_by_a_framework_too(checkouts: Callable[[], Checkout]) -> None:
    def framework(data: Any) -> None:
        data["config"]["aerie:pool"] |= {"via": "framework", "share": {"cpus": 4, "memory": 4096}}

    own = checkouts().change("Pulumi.demo.yaml", framework)
    known = {s.name: s.images for s in read_checkout(own.root).stacks}
    graph = own.graph("demo")
    # It tells the framework, in its environment, which image executors are made of.
    own.tags = {**own.tags, "htcondor": "ffffffffffff"}
    told = {"htcondor"} if difference(graph, own.graph("demo")) != Difference(set(), set(), {}) else set[str]()
    assert known["demo"] == really_used(graph) | told


RENEWED = {
    "calico": {"calico"},
    "mesos-agent": {"mesos-master", "mesos-agent"},
    "mesos-operator": {"mesos-master", "mesos-agent"},
    "mesos-marathon": {"mesos-master", "marathon"},
    "marathon-admin": {"marathon"},
    "zookeeper-mesos": {"mesos-master", "mesos-agent", "marathon"},
    "zookeeper-marathon": {"marathon"},
    "pools": {"mesos-master"},
    "wireguard-": {"vpn"},
    "ssh-": {"machine"},
}


@pytest.mark.parametrize("what", [name for name, _ in FOLLOWS if name in RENEWED])
def test_what_follows_from_a_renewed_identity_is_what_the_program_does(
    what: str, checkouts: Callable[[], Checkout], graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The federation's outputs with that one identity renewed; which services of its site differ."""
    from tests.unit import conftest

    name = f"{what}torino" if what.endswith("-") else what
    real = conftest.federation_state

    def renewed(sites: list[str]) -> tuple[dict[str, Any], list[str]]:
        state, secret = real(sites)
        if name in state["passwords"]:
            state["passwords"][name] += " renewed"
        elif name.startswith(("ssh-", "wireguard-")):
            kind = "ssh" if name.startswith("ssh-") else "wireguard"
            for half in ("private", "public"):
                state[f"{kind}_{half}_keys"]["torino"] += " renewed"
        else:
            state["calico_certificate"], state["calico_private_key"] = "renewed", "renewed too"
        return state, secret

    before = graphs("torino")
    monkeypatch.setattr(conftest, "federation_state", renewed)
    found = difference(before, checkouts().graph("torino"))
    assert found.added == found.removed == set()
    parts = {
        p
        for p in ("mesos-master", "mesos-agent", "marathon", "calico", "etcd", "zookeeper")
        for n in found.changed
        if n.endswith(f"-{p}")
    }
    parts |= {"vpn"} if "torino-vpn" in found.changed and "connection" not in found.changed["torino-vpn"] else set()
    parts |= {"machine"} if "uploads" in found.changed.get("torino-agent-1", set()) else set()
    if what == "ssh-":
        assert "machine" in parts, "its key is told a machine at its start"
        return
    assert parts == RENEWED[what]
    text = dict(FOLLOWS)[what]
    for part in RENEWED[what]:
        words = {
            "mesos-master": ("mesos-master", "Mesos masters"),
            "mesos-agent": ("mesos-agent", "agents"),
            "vpn": ("VPN",),
            "marathon": ("marathon", "Marathon"),
        }
        assert any(w in text for w in words.get(part, (part,))), (part, text)
