"""Applying a change: the order, what stops it, and that nothing is done that was not reviewed. Pulumi and the farm are stand-ins here."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.quorum_data import ends
from tools.preview import apply as applying
from tools.preview import health, saved
from tools.preview.apply import Job, Shell, apply
from tools.preview.cost import Farm
from tools.preview.model import Change, Report, StackPreview
from tools.preview.order import groups
from tools.preview.quorums import Health, judge
from tools.preview.roll import Hands, Stopped
from tools.preview.run import NEW
from tools.preview.touched import Stack

FARM = Farm(("torino", "cnaf", "bari", "pisa"), ("torino", "cnaf", "bari"))
GROUPS = (["federation"], ["torino", "cnaf", "pisa"], ["demo"])
STACKS = [name for group in GROUPS for name in group]


def of(stack: str, op: str, name: str = "x") -> StackPreview:
    return StackPreview(stack, {op: 1}, (Change(stack, op, "command:remote:Command", name),))  # type: ignore[arg-type]


def etcd(stack: str, op: str = "update") -> StackPreview:
    return of(stack, op, f"{stack}-front-end-etcd")


@dataclass
class World:
    """Says what each stack's preview is, and which sites' members do not answer at each look; notes what was done."""

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

        def look() -> Health:
            self.did.append("look")
            return judge(FARM.quorum, ends(FARM.quorum, silent=self.looks.pop(0) if self.looks else ()))

        def wait(_: float, missing: Callable[[], list[str]], __: Callable[[str], None]) -> list[str]:
            return missing()

        noted = Hands(lambda sites: self.did.append(f"note {' '.join(sites)}"), look, lambda _: None, wait=wait)
        return Shell(lambda stack: self.did.append(f"init {stack}"), plan, up, noted)

    @property
    def ups(self) -> list[str]:
        return [d for d in self.did if d.startswith("up")]


def run(world: World, reviewed: Report | None = None, **more: object) -> list[str]:
    job = Job(GROUPS, FARM, applying.NO_EDITS, reviewed, **more)  # type: ignore[arg-type]
    return apply(job, world.shell(), Console(file=io.StringIO()))


def reviewed(*stacks: StackPreview) -> Report:
    return Report(stacks, {})


def test_the_federation_then_sites_then_pools() -> None:
    world = World({s: [of(s, "update")] for s in STACKS})
    assert run(world, reviewed()) == STACKS
    assert world.did[:2] == ["plan federation", "up federation"] and world.did[-2:] == ["plan demo", "up demo"]
    assert set(world.did[2:5]) == {"plan torino", "plan cnaf", "plan pisa"}, "before any of them is changed"
    assert world.did[5:-2] == ["up torino", "up cnaf", "up pisa", "note torino cnaf pisa"]


def test_members_one_site_after_the_other_with_whole_quorums_in_between() -> None:
    world = World({"torino": [etcd("torino")], "cnaf": [etcd("cnaf")], "pisa": [of("pisa", "update")]})
    assert run(world, reviewed()) == ["pisa", "torino", "cnaf"]
    did = [d for d in world.did if not d.startswith(("plan", "note"))]
    assert (
        did[did.index("up torino") :] == ["up torino", "look", "look", "up cnaf", "look"]
        and "look" in did[: did.index("up torino")]
    )


def test_what_has_nothing_to_do_is_left_alone() -> None:
    world = World({"cnaf": [of("cnaf", "update")]})
    assert run(world, reviewed()) == ["cnaf"]
    assert world.ups == ["up cnaf"] and "look" not in world.did


def test_a_quorum_that_would_be_lost_stops_before_anything() -> None:
    world = World({"torino": [etcd("torino")], "pisa": [of("pisa", "update")]}, [["cnaf"]] * 9)
    with pytest.raises(
        Stopped, match=r"(?s)etcd: 2 of 3 members answer \(cnaf-front-end does not\).*applied so far: nothing"
    ):
        run(world, reviewed())
    assert world.ups == []


def test_a_member_that_does_not_come_back_stops_the_next_site() -> None:
    world = World({s: [etcd(s)] for s in ("torino", "cnaf")}, [[], [], [], ["torino"]])
    with pytest.raises(
        Stopped, match=r"(?s)after the change of torino .*etcd: 2 of 3 members are good.*applied so far: torino"
    ):
        run(world, reviewed())
    assert world.ups == ["up torino"]


@pytest.mark.parametrize("op", ["replace", "delete"])
def test_more_than_was_reviewed_is_not_done(op: str) -> None:
    world = World(
        {"federation": [of("federation", "update")], "torino": [of("torino", "update")], "cnaf": [etcd("cnaf", op)]}
    )
    with pytest.raises(
        Stopped,
        match=rf"(?s)cnaf would do more than was reviewed:\n  cnaf: {op} of cnaf-front-end-etcd.*applied so far: federation",
    ):
        run(world, reviewed(etcd("cnaf")))
    assert world.ups == ["up federation"] and "plan demo" not in world.did


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
        {"torino": [StackPreview("torino", errors=("no federation",))], "federation": [of("federation", "create")]}
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
    assert [d for d in world.did if "pisa" in d] == ["plan pisa", "init pisa", "plan pisa", "up pisa", "note pisa"]


def test_a_dry_run_does_nothing() -> None:
    world = World({"torino": [of("torino", "delete", "x")], "pisa": [StackPreview("pisa", note=NEW)]})
    assert run(world, None, dry_run=True) == []
    assert all(d.startswith("plan") for d in world.did)


def test_plans_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(World({"torino": [of("torino", "update", "x")]}), reviewed())
    assert list(tmp_path.iterdir()) == []


def test_the_groups() -> None:
    stacks = [Stack("demo", "pool"), Stack("bari", "site"), Stack("federation", "federation"), Stack("torino", "site")]
    assert groups(stacks, [s.name for s in stacks]) == (["federation"], ["bari", "torino"], ["demo"])
    assert groups(stacks, ["demo", "bari"]) == ([], ["bari"], ["demo"])


# -- waiting


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
