"""Applying a change: the order, what stops it, and that nothing is done that was not reviewed. Pulumi and the farm are stand-ins here."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from components.spec.loader import read_federation
from tests.unit.conftest import BASE
from tools.preview import apply as applying
from tools.preview import health, saved
from tools.preview.apply import Job, Shell, Stopped, apply
from tools.preview.cost import Farm
from tools.preview.model import Change, Report, StackPreview
from tools.preview.order import Step, quorum_trouble, steps
from tools.preview.run import NEW
from tools.preview.touched import Stack
from tools.status_model import STATUS, Quorum, Status

FARM = Farm(("torino", "cnaf", "bari"), ("torino", "cnaf", "bari"))
STEPS = (Step("federation"), Step("torino", True), Step("cnaf", True), Step("pisa"), Step("demo"))


def of(stack: str, op: str, name: str) -> StackPreview:
    return StackPreview(stack, {op: 1}, (Change(stack, op, "command:remote:Command", name),))  # type: ignore[arg-type]


@dataclass
class World:
    """Says what each stack's preview is, and what is missing of the quorums at each look; notes what was done."""

    plans: dict[str, list[StackPreview]]
    looks: list[list[str]] = field(default_factory=list)
    did: list[str] = field(default_factory=list)
    fails: str = ""

    def shell(self) -> Shell:
        def plan(stack: str, file: Path) -> StackPreview:
            file.write_text("{}")
            self.did.append(f"plan {stack}")
            found = self.plans.get(stack, [StackPreview(stack, {"same": 3})])
            return found.pop(0) if len(found) > 1 else found[0]

        def up(stack: str, file: Path) -> None:
            assert file.exists(), "a stack is applied by its plan"
            self.did.append(f"up {stack}")
            if stack == self.fails:
                raise Stopped(f"pulumi up -s {stack} failed (see above)")

        def quorums() -> list[str]:
            self.did.append("look")
            return self.looks.pop(0) if self.looks else []

        return Shell(lambda stack: self.did.append(f"init {stack}"), plan, up, quorums)


def run(world: World, reviewed: Report | None = None, **more: object) -> list[str]:
    job = Job(STEPS, FARM, applying.NO_EDITS, reviewed, **more)  # type: ignore[arg-type]
    return apply(job, world.shell(), Console(file=io.StringIO()))


def reviewed(*stacks: StackPreview) -> Report:
    return Report(stacks, {})


def test_one_after_the_other_with_whole_quorums_in_between() -> None:
    changed = {s.stack: [of(s.stack, "update", "x")] for s in STEPS}
    world = World(changed)
    assert run(world, reviewed()) == [s.stack for s in STEPS]
    assert world.did == [
        "plan federation", "up federation",
        "plan torino", "look", "up torino", "look",
        "plan cnaf", "look", "up cnaf", "look",
        "plan pisa", "up pisa",
        "plan demo", "up demo",
    ]  # fmt: skip


def test_what_has_nothing_to_do_is_left_alone() -> None:
    world = World({"cnaf": [of("cnaf", "update", "x")]})
    assert run(world, reviewed()) == ["cnaf"]
    assert [d for d in world.did if d.startswith("up")] == ["up cnaf"] and world.did.count("look") == 2


@pytest.mark.parametrize(("looks", "upped"), [([["etcd: 2 of 3"]], []), ([[], ["etcd: 2 of 3"]], ["up torino"])])
def test_a_quorum_that_is_not_whole_stops_the_next_site(looks: list[list[str]], upped: list[str]) -> None:
    world = World({s: [of(s, "update", "x")] for s in ("torino", "cnaf")}, looks)
    with pytest.raises(Stopped, match=r"(?s)etcd: 2 of 3.*applied so far: (nothing|torino)"):
        run(world, reviewed())
    assert [d for d in world.did if d.startswith("up")] == upped


def test_the_site_that_is_sick_can_be_mended() -> None:
    world = World({"torino": [of("torino", "update", "x")]}, [[]])
    assert run(world, reviewed(), mends=("torino",)) == ["torino"]
    assert world.did.count("look") == 1


@pytest.mark.parametrize("op", ["replace", "delete"])
def test_more_than_was_reviewed_is_not_done(op: str) -> None:
    world = World({"torino": [of("torino", "update", "x")], "cnaf": [of("cnaf", op, "cnaf-front-end-etcd")]})
    with pytest.raises(
        Stopped,
        match=rf"(?s)cnaf would do more than was reviewed:\n  cnaf: {op} of cnaf-front-end-etcd.*applied so far: torino",
    ):
        run(world, reviewed(of("cnaf", "update", "cnaf-front-end-etcd")))
    assert "up cnaf" not in world.did and "plan demo" not in world.did


@pytest.mark.parametrize("op", ["create", "update"])
def test_what_adds_or_restarts_only_needs_no_second_review(op: str) -> None:
    assert run(World({"cnaf": [of("cnaf", op, "x")]}), reviewed()) == ["cnaf"]


def test_what_was_reviewed_is_done() -> None:
    world = World({"cnaf": [of("cnaf", "delete", "x")]})
    assert run(world, reviewed(of("cnaf", "delete", "x"))) == ["cnaf"]
    assert saved.beyond(reviewed(of("cnaf", "delete", "x")), reviewed(of("bari", "delete", "x"))) == [
        "bari: delete of x (Command)"
    ]


def test_a_preview_that_fails_stops() -> None:
    world = World(
        {"torino": [StackPreview("torino", errors=("no federation",))], "federation": [of("federation", "create", "x")]}
    )
    with pytest.raises(Stopped, match=r"(?s)torino cannot be previewed:\nno federation.*applied so far: federation"):
        run(world, reviewed())


def test_an_up_that_fails_stops_and_is_not_called_applied() -> None:
    world = World({"torino": [of("torino", "update", "x")], "cnaf": [of("cnaf", "update", "x")]}, fails="torino")
    with pytest.raises(Stopped, match=r"(?s)pulumi up -s torino failed.*applied so far: nothing"):
        run(world, reviewed())


def test_a_new_stack_is_made_first() -> None:
    world = World({"pisa": [StackPreview("pisa", note=NEW), of("pisa", "create", "x")]})
    assert run(world, reviewed()) == ["pisa"]
    assert [d for d in world.did if "pisa" in d] == ["plan pisa", "init pisa", "plan pisa", "up pisa"]


def test_a_dry_run_does_nothing() -> None:
    world = World({"torino": [of("torino", "delete", "x")], "pisa": [StackPreview("pisa", note=NEW)]})
    assert run(world, None, dry_run=True) == []
    assert all(d.startswith("plan") for d in world.did)


def test_plans_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(World({"torino": [of("torino", "update", "x")]}), reviewed())
    assert list(tmp_path.iterdir()) == []


def test_the_order() -> None:
    federation, _ = read_federation(BASE)
    assert federation is not None
    stacks = [
        Stack("demo", "pool"),
        Stack("pisa", "site"),
        Stack("bari", "site"),
        Stack("federation", "federation"),
        Stack("torino", "site"),
    ]
    found = steps(stacks, federation, [s.name for s in stacks])
    assert [s.stack for s in found] == ["federation", "bari", "torino", "pisa", "demo"]
    assert [s.stack for s in found if s.member] == ["bari", "torino"]
    assert [s.stack for s in steps(stacks, federation, ["demo", "bari"])] == ["bari", "demo"]


# -- the quorums


def status(*quorums: Quorum) -> Status:
    empty = {"topology": "full-mesh", "sites": [], "links": []}
    blank = {k: [] for k in ("sites", "apps", "pools", "frameworks", "problems", "notes")}
    told = {
        "federation": "aerie",
        "verdict": "good",
        "quorums": [],
        "routing": empty,
        "next": "",
        "seconds": 0.0,
        **blank,
    }
    return Status(**{**STATUS.validate_python(told).__dict__, "quorums": quorums})


@pytest.mark.parametrize(
    ("up", "held", "expected", "trouble"),
    [
        (3, True, 3, ""),
        (2, True, 3, "etcd: 2 of 3 members are up"),
        (3, False, 3, "etcd: all members are up, none leads"),
        (1, False, 1, ""),  # the first site of a new federation: there is no majority yet
        (0, False, 1, "etcd: 0 of 1 members are up"),
        (2, False, 2, "etcd: all members are up, none leads"),
    ],
)
def test_what_is_missing_of_a_quorum(up: int, held: bool, expected: int, trouble: str) -> None:
    found = quorum_trouble(status(Quorum("etcd", 3, up, "torino", held, up - 2)), expected)
    assert found == ([trouble] if trouble else [])


def looks(*answers: list[str]) -> tuple[Callable[[], list[str]], list[list[str]]]:
    left = list(answers)
    return (lambda: left.pop(0) if len(left) > 1 else left[0]), left


def test_it_waits_until_they_are_whole() -> None:
    look, left = looks(["etcd: 2 of 3"], ["etcd: 2 of 3"], [])
    said: list[str] = []
    assert health.wait(60, look, said.append, clock=lambda: 0.0, pause=lambda _: None) == []
    assert said == ["waiting for the quorums: etcd: 2 of 3"] and left == [[]]


def test_it_does_not_wait_for_ever() -> None:
    look, _ = looks(["etcd: 2 of 3"])
    time = iter(range(100))
    assert health.wait(5, look, clock=lambda: float(next(time)), pause=lambda _: None) == ["etcd: 2 of 3"]
    assert next(time) < 12


# -- the command line


def test_without_a_review_nothing_is_applied(capsys: pytest.CaptureFixture[str]) -> None:
    assert applying.main([]) == 2
    assert "--reviewed FILE is missing" in " ".join(capsys.readouterr().err.split())


def test_a_review_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "review.json").write_text("{}")
    assert applying.main(["--reviewed", str(tmp_path / "review.json")]) == 2
    assert "not what tools.preview --save wrote" in " ".join(capsys.readouterr().err.split())
