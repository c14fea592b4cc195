"""The order of sites' updates: which of them take members of quorums away, what is refused, and what is waited for."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.preview_data import DATA, previews
from tests.unit.quorum_data import AGENTS, ends
from tools.preview import applied, health
from tools.preview.cost import Farm
from tools.preview.model import Change, Diff, StackPreview
from tools.preview.order import PARTS, Order, Taken, lost_for_good, order_of, taken
from tools.preview.quorums import Etcd, FrontEnd, Health, Keeper, Quorum, away, judge, missing, refusals, wanted
from tools.preview.roll import Hands, Stopped, alone, roll

SITES = ("torino", "cnaf", "bari")
FARM = Farm((*SITES, "pisa"), SITES)
CASES = yaml.safe_load((DATA.parent / "quorums" / "cases.yaml").read_text())


def change(
    stack: str, name: str, op: str = "update", paths: Sequence[str] = ("create",), kind: str = "", **more: Any
) -> Change:
    diffs = tuple(Diff(p, "a", "b") for p in paths)
    return Change(stack, op, kind or "command:remote:Command", name, diffs, **more)  # type: ignore[arg-type]


def of(stack: str, *changes: Change) -> StackPreview:
    return StackPreview(stack, {"update": len(changes)}, changes)


# -- what a change takes


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("agents-more", {"torino": set()}),
        ("agents-less", {"torino": set()}),
        ("image-of-etcd", {site: {"etcd"} for site in SITES}),
        ("image-of-machines", {"cnaf": set(PARTS)}),
        ("rotation-at-a-site", {"cnaf": {"etcd", "mesos-master", "marathon"}}),
    ],
)
def test_what_recorded_changes_take(scenario: str, expected: dict[str, set[str]]) -> None:
    found = taken([p for p in previews(scenario) if p.stack in SITES], FARM)
    assert {t.site: set(t.away) for t in found} == expected
    assert not any(t.gone or t.renewed for t in found)


def test_a_vpn_made_anew_cuts_the_members_off() -> None:
    vpn = change("torino", "torino-vpn")
    assert taken([of("torino", vpn)], FARM) == [Taken("torino", PARTS)]
    assert taken([of("pisa", change("pisa", "pisa-vpn"))], FARM) == [Taken("pisa")], "no member stands there"
    # With a renewed key the tunnels come back only once both ends have it.
    assert taken([of("torino", vpn), of("cnaf", change("cnaf", "cnaf-vpn-torino"))], FARM) == [
        Taken("torino"),
        Taken("cnaf"),
    ]
    new = change("cnaf", "cnaf-vpn-pisa", "create")
    assert [t.away for t in taken([of("torino", vpn), of("cnaf", new)], FARM)] == [PARTS, frozenset()]


def test_what_is_renewed_for_all() -> None:
    outside: dict[str, Any] = {"paths": ("stdin",), "outside": True}
    ca = change(
        "torino",
        "torino-front-end-certificate",
        "replace",
        ("ca_certificate",),
        "pulumi-python:dynamic/identity:Certificate",
    )
    own = ("torino-front-end-certificate",)
    etcd = change("torino", "torino-front-end-etcd", because=own, **outside)
    assert taken([of("torino", ca, etcd)], FARM)[0].renewed
    assert not taken([of("torino", etcd)], FARM)[0].renewed, "the site's own certificate explains it"
    assert taken([of("torino", change("torino", "torino-front-end-mesos-master", **outside))], FARM)[0].renewed
    acls = change("torino", "torino-front-end-zookeeper", paths=("stdin",))
    assert not taken([of("torino", acls)], FARM)[0].renewed, "nothing of the federation is in it"


@pytest.mark.parametrize(
    ("takes", "renewed", "missed", "expected"),
    [
        ("torino cnaf+ bari+ pisa", False, {}, Order(("torino", "pisa"), ("cnaf", "bari"))),
        ("torino+ cnaf+ bari+", False, {"bari": 1}, Order((), ("bari", "torino", "cnaf"))),
        ("torino* cnaf* bari", True, {}, Order(("bari",), (), ("torino", "cnaf"))),
        ("torino* cnaf* bari", False, {}, Order(("bari",), ("torino", "cnaf"))),
        ("torino* cnaf+ bari", True, {}, Order(("bari",), ("torino", "cnaf"))),
        ("torino* cnaf", True, {}, Order(("cnaf",), ("torino",))),
    ],
)
def test_the_order(takes: str, renewed: bool, missed: dict[str, int], expected: Order) -> None:
    """+ takes a member away, * because something is renewed."""
    found = [
        Taken(w.rstrip("+*"), frozenset({"etcd"}) if w[-1] in "+*" else frozenset(), renewed=w[-1] == "*")
        for w in takes.split()
    ]
    assert order_of(found, renewed, missed) == expected


def test_two_members_do_not_go_for_good_at_once() -> None:
    gone = [Taken(site, gone=frozenset({"etcd"})) for site in ("lecce", "pisa")]
    assert lost_for_good(gone[:1], FARM) == []
    (told,) = lost_for_good(gone, FARM)
    assert told.startswith("etcd: the members of lecce, pisa would go for good by one change, and leave 3 of 5; ")


# -- the health of quorums


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_cases(case: dict[str, Any]) -> None:
    """`silent` sites say nothing; `change` members say something else. Then what is bad, what is missing of all, and what is refused of
    `update` (a site, all its parts)."""
    sites = case.get("sites", SITES)
    found = judge(sites, ends(sites, case.get("silent", ()), case.get("change")))
    bad = {f"{q.name}: {q.trouble}" for q in found.quorums.values() if q.trouble}
    bad |= {f"{q.name}: {site} {why}" for q in found.quorums.values() for site, why in q.bad.items()}
    assert sorted(bad) == sorted(case.get("bad", ()))
    every = {part: frozenset(case.get("wanted", sites)) for part in found.quorums}
    assert missing(found, every, case.get("agents", ())) == case.get("missing", [])
    if "update" in case:
        assert refusals(found, case["update"], case.get("parts", PARTS)) == case.get("refused", [])


def test_what_is_waited_for() -> None:
    before = judge(SITES, ends(SITES, ["bari"]))
    assert wanted(before, "bari", {"etcd"}, {"marathon"})["etcd"] == frozenset(SITES), "the site's own comes back"
    assert wanted(before, "bari", {"etcd"}, {"marathon"})["zookeeper"] == {"torino", "cnaf"}, (
        "what was away is not waited for"
    )
    assert wanted(before, "torino", set(), {"etcd"})["etcd"] == {"cnaf"}
    assert away(before) == {"bari": 4}


def test_members_of_a_lost_quorum_are_not_waited_for_until_enough_may_be_there() -> None:
    """All members of ZooKeeper ran out of memory: the first that gets more serves nobody, the second does."""
    none = {f"{site}.keeper": {"mode": ""} for site in SITES}
    lost = wanted(judge(SITES, ends(SITES, change=none)), "torino", {"zookeeper"}, ())
    assert {part for part, there in lost.items() if not there} == {"zookeeper", "mesos-master", "marathon"}
    assert lost["etcd"] == frozenset(SITES), "the others are"
    one = {k: v for k, v in none.items() if k != "torino.keeper"}
    again = wanted(judge(SITES, ends(SITES, change=one)), "cnaf", {"zookeeper"}, ())
    assert again["zookeeper"] == {"torino", "cnaf"} and again["marathon"] == frozenset(SITES)


# -- rolling


@dataclass
class Farmland:
    """Members come back as the looks say: sites that are silent, each time; the last one again and again."""

    looks: list[list[str]] = field(default_factory=lambda: [[]])
    did: list[str] = field(default_factory=list)
    renewed: bool = False
    agents: frozenset[str] = AGENTS
    said: list[str] = field(default_factory=list)

    def hands(self) -> Hands:
        def look() -> Health:
            silent = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
            self.did.append("look")
            return judge(SITES, ends(SITES, silent))

        def wait(_: float, ask: Callable[[], list[str]], __: Callable[[str], None]) -> list[str]:
            for _again in range(3):
                if not (trouble := ask()):
                    break
            return trouble

        return Hands(
            lambda sites: self.did.append(f"up {' '.join(sites)}"),
            look,
            self.said.append,
            lambda: self.agents,
            lambda _: self.renewed,
            wait=wait,
        )

    @property
    def ups(self) -> list[str]:
        return [d for d in self.did if d.startswith("up")]


def etcd(site: str, **more: Any) -> StackPreview:
    return of(site, change(site, f"{site}-front-end-etcd", **more))


def test_new_sites_and_what_touches_no_member_go_at_once_and_ask_nobody() -> None:
    land = Farmland()
    roll([of("torino", change("torino", "torino-agent-1-calico"))], FARM, land.hands(), ["bari"])
    assert land.did == ["up bari torino"]


def test_members_go_one_site_after_the_other() -> None:
    land = Farmland()
    roll([etcd("torino"), etcd("bari"), of("cnaf", change("cnaf", "cnaf-agent-1-calico"))], FARM, land.hands())
    assert land.ups == ["up cnaf", "up torino", "up bari"]
    rolled = land.did[land.did.index("up torino") :]
    assert rolled == ["up torino", "look", "look", "up bari", "look"]
    assert "one site after the other: torino, bari" in land.said[0]


def test_nothing_is_changed_where_a_quorum_would_be_lost() -> None:
    land = Farmland([["cnaf"]])
    with pytest.raises(
        Stopped,
        match=r"(?s)etcd: 2 of 3 members answer \(cnaf-front-end does not\); replacing torino's leaves 1.*nothing was changed",
    ):
        roll([etcd("torino"), of("bari", change("bari", "bari-agent-1-calico"))], FARM, land.hands())
    assert land.ups == []


def test_the_site_that_is_sick_is_mended_first() -> None:
    land = Farmland([["bari"], ["bari"], ["bari"], []])
    roll([etcd("torino"), etcd("bari")], FARM, land.hands())
    assert land.ups == ["up bari", "up torino"]


def test_a_site_that_is_not_whole_yet_comes_first() -> None:
    land = Farmland([["cnaf"], []])
    roll([etcd("torino"), of("cnaf", change("cnaf", "cnaf-front-end-etcd", "create"))], FARM, land.hands())
    assert land.did[:3] == ["look", "up cnaf", "look"] and land.ups == ["up cnaf", "up torino"]


def test_a_quorum_that_is_lost_is_mended_member_by_member() -> None:
    land = Farmland([list(SITES)] * 3 + [["cnaf", "bari"]] * 2 + [["bari"]] * 2 + [[]])
    roll([etcd(site) for site in SITES], FARM, land.hands())
    assert land.ups == ["up torino", "up cnaf", "up bari"]


def test_a_member_that_just_starts_is_waited_for() -> None:
    land = Farmland([["cnaf"], ["cnaf"], []])
    roll([etcd("torino")], FARM, land.hands())
    assert land.ups == ["up torino"]


def test_agents_that_are_gone_with_their_machine_are_not_waited_for() -> None:
    land = Farmland(agents=frozenset({"10.0.0.1"}))
    roll([etcd("torino")], FARM, land.hands())
    assert land.ups == ["up torino"]


def test_what_is_renewed_for_all_goes_to_all_at_once() -> None:
    land = Farmland(renewed=True)
    roll([etcd(site, paths=("stdin",), outside=True) for site in SITES], FARM, land.hands())
    assert land.ups == ["up torino cnaf bari"] and land.did[-1] == "look"


def _holds(home: Path, holding: Any, done: Any) -> None:
    with alone(home, lambda _: None):
        holding.set()
        done.wait(20)


def test_two_do_not_roll_at_once(tmp_path: Path) -> None:
    holding, done = multiprocessing.Event(), multiprocessing.Event()
    other = multiprocessing.Process(target=_holds, args=(tmp_path, holding, done))
    other.start()
    try:
        assert holding.wait(20)
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            done.set()

        with alone(tmp_path, say):
            assert said == [f"waiting for another update of members (process {other.pid})"]
    finally:
        done.set()
        other.join()


# -- what the members say


def test_the_answers_of_a_front_end() -> None:
    told = (DATA.parent / "quorums" / "front-end.txt").read_text()
    found, keeper = health.read(told)
    assert found == Etcd(
        "9372538179322589801", "10501334649042878790", 4711, 4711, True, (), ("bari", "cnaf", "torino"), ()
    )
    assert keeper == Keeper("leader", 2)
    assert health.read("status \nhealth \nmembers \n") == (None, None)
    assert health.read("status {broken\n") == (None, None)
    assert health.keeper("This ZooKeeper instance is not currently serving requests") == Keeper("")


def test_who_says_nothing_is_told_why() -> None:
    found = judge(SITES, {s: FrontEnd(trouble={"etcd": "no route"}) for s in SITES})
    quorum: Quorum = found.quorums["etcd"]
    assert quorum.bad["torino"] == "does not answer: no route" and not quorum.good


# -- what is noted


def test_what_was_applied(tmp_path: Path) -> None:
    for name in ("components/a.py", "components/tests/t.py", "docs/x.md", "Pulumi.torino.yaml", "federation.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before = applied.program(tmp_path, "torino")
    (tmp_path / "docs/x.md").write_text("2")
    (tmp_path / "components/tests/t.py").write_text("2")
    assert applied.program(tmp_path, "torino") == before
    (tmp_path / "components/a.py").write_text("2")
    assert applied.program(tmp_path, "torino") != before != applied.program(tmp_path, "bari")
    one, two = ({"ca_certificate": "c", "passwords": {"a": word}, "other": word} for word in "12")
    assert applied.secrets(one) != applied.secrets(two) and applied.secrets(one) == applied.secrets({**one, "other": 3})
    assert applied.recall(tmp_path, "torino") == {}
    applied.note(tmp_path, "torino", "p", "s")
    assert applied.recall(tmp_path, "torino") == {"program": "p", "secrets": "s"}
    assert json.loads((tmp_path / "applied" / "torino.json").read_text())["program"] == "p"
