"""The dashboards' panels: what the file may be, what Graphite is asked, and what becomes of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from page_helpers import PANELS, SITES
from status_page.config import Mistake
from status_page.panels import RANGES, Choice, Panels

SERVICES, POOL = Choice("services", 0, "1h"), Choice("pool", 0, "7d", pool="demo")


def test_each_series_is_called_by_its_panel_and_target() -> None:
    assert Panels(PANELS).targets(SERVICES) == [
        'aliasSub(aliasSub(aliasByNode(aerie.aerie.*.etcd.fsync,2),"^","fsync "),"^","0.0:")',
        'aliasSub(aliasByNode(aerie.aerie.*.etcd.commit,2),"^","0.1:")',
        'aliasSub(aliasByNode(aerie.aerie.*.etcd.health,2),"^","1.0:")',
    ]


def test_sites_and_pools_are_parts_of_a_path_whatever_they_are_called() -> None:
    panels = Panels(PANELS)
    assert all("aerie.aerie.my_site.etcd" in t for t in panels.targets(Choice("services", 0, "1h", "my.site")))
    assert "condor.demo.jobs" in panels.targets(POOL)[0]
    assert "condor.a___b.jobs" in panels.targets(Choice("pool", 0, "1h", pool='a"),b'))[0]


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (SERVICES, ""),
        (POOL, ""),
        (Choice("services", 0, "24h", "cnaf"), ""),
        (Choice("services", 0, "2h"), "range is '2h'; write one of 1h, 6h, 24h, 7d"),
        (Choice("none", 0, "1h"), "there is no board 'none'; write one of services, pool"),
        (Choice("services", 1, "1h"), "services has sections 0 to 0"),
        (Choice("services", 0, "1h", "pisa"), "there is no site 'pisa'; write one of torino, cnaf, bari"),
        (Choice("pool", 0, "1h", pool="other"), "there is no pool 'other' now"),
    ],
)
def test_choices(choice: Choice, says: str) -> None:
    assert Panels(PANELS).wrong(choice, SITES, {"demo"}) == says


def series(name: str, *points: Any) -> dict[str, Any]:
    return {"target": name, "datapoints": [list(p) for p in points]}


def test_answers_come_by_panel_in_the_targets_order_and_without_what_says_nothing() -> None:
    found = Panels(PANELS).answer(
        SERVICES,
        [series("0.1:torino", (1, 60), (None, 120)), series("0.0:fsync a:b", (0.123456789, 60), (2, 120)), series("1.0:x", (None, 60))],
    )  # fmt: skip
    assert found == {
        "panels": [
            [
                {"name": "fsync a:b", "start": 60, "step": 60, "values": [0.123457, 2]},
                {"name": "torino", "start": 60, "step": 60, "values": [1, None]},
            ],
            [],
        ]
    }


@pytest.mark.parametrize(
    "answer", [[{}], [1], [series("torino", (1, 1))], [series("7.0:x", (1, 1))], [{"target": "0.0:x"}]]
)
def test_answers_that_are_none(answer: Any) -> None:
    with pytest.raises(ValueError, match="no series of a panel"):
        Panels(PANELS).answer(SERVICES, answer)


def changed(**more: Any) -> str:
    found = json.loads(PANELS)
    found["boards"][0]["sections"][0]["panels"][0] |= more
    return json.dumps(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is none of"),
        ("[]", "is none of"),
        ('{"version": 2, "boards": []}', "is of version 2, and this page reads 1"),
        ('{"version": 1}', "KeyError 'boards'"),
        (changed(targets=[]), "'etcd: writes' has no targets"),
        (changed(targets=[1]), "'etcd: writes' has no targets"),
        (changed(kind="pie"), "is of kind 'pie'"),
    ],
)
def test_files_that_are_none(text: str, says: str) -> None:
    with pytest.raises(Mistake, match=says):
        Panels(text)


def test_ranges_are_what_graphite_keeps() -> None:
    assert {since for since, _, _ in RANGES.values()} == {"-1h", "-6h", "-24h", "-7d"}
    assert all(100 <= points <= 400 and keep >= 10 for _, points, keep in RANGES.values())
