"""Dashboards: every metric of the table has a panel and no other is asked for, nothing overlaps, Grafana's own model takes them."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from collector.metrics import table
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from components.monitoring.dashboards import grafana, names
from components.monitoring.dashboards.catalogue import NOT_SHOWN, everything, files, of_federation
from components.monitoring.dashboards.model import COLUMNS, GOOD_TO_BAD, UID, UNITS, Board, Panel, Section, placed
from components.monitoring.dashboards.names import Names, UnknownMetric
from components.monitoring.dashboards.pool import pool

BOARDS = everything("aerie", ["demo", "batch"])
JSON: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in files(BOARDS).items()}
plugins.register_default_plugins()

boards = pytest.mark.parametrize("board", BOARDS, ids=lambda b: b.name)
dashboards = pytest.mark.parametrize("name", JSON)


def paths(target: str) -> list[list[str]]:
    """The parts of each path in a target."""
    return [found.split(".") for found in re.findall(r"aerie\.[^,()\"]+", target)]


def shows(path: list[str]) -> set[str]:
    """Which metrics of the table a path may bring, by its parts after aerie.<federation>.<site>."""
    return {m.name for m in table() if fits(m.name.split("."), path[3:])}


def fits(name: list[str], path: list[str]) -> bool:
    pairs = zip(name, path, strict=False)
    return len(name) == len(path) and all(n.startswith("<") or fnmatch.fnmatchcase(n, p) for n, p in pairs)


def all_targets() -> Iterator[str]:
    for dashboard in JSON.values():
        yield from grafana.targets(dashboard)


def test_every_path_is_one_of_a_metric_of_the_table() -> None:
    found = [path for target in all_targets() for path in paths(target)]
    assert len(found) > 150
    assert [path for path in found if not shows(path)] == []


def test_each_target_says_truly_which_metrics_it_has() -> None:
    for board in BOARDS:
        for panel in board.panels:
            for series in panel.series:
                brought = [shows(path) for path in paths(series.target)]
                assert len(brought) == len(series.metrics)
                assert all(name in found for name, found in zip(series.metrics, brought, strict=True)), series


def test_every_metric_has_a_panel_or_a_reason_to_have_none() -> None:
    shown = {name for board in BOARDS for panel in board.panels for name in panel.metrics}
    assert {m.name for m in table()} - shown == set(NOT_SHOWN)
    assert all(NOT_SHOWN.values())


def test_a_metric_that_the_table_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownMetric, match=r"mesos\.master\.cpus\.usd is no metric"):
        Names("aerie").one("mesos.master.cpus.usd", "used")
    with pytest.raises(ValueError, match="has no part machine"):
        Names("aerie").path("etcd.keys", machine="x")


def test_its_table_is_the_collectors() -> None:
    assert {name: (m.unit, m.text, m.where) for name, m in names.table().items()} == {
        m.name: (m.unit, m.text, m.where) for m in table()
    }
    assert {m.unit for m in table()} == set(UNITS)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (Names("f").each("etcd.keys"), "aliasByNode(aerie.f.*.etcd.keys,2)"),
        (Names("f").each("vpn.<peer>.rtt", ("site", "peer"), "$site"), "aliasByNode(aerie.f.$site.vpn.*.rtt,2,4)"),
        (Names("f").each("vpn.<peer>.rx_bytes", rate=1), "aliasByNode(perSecond(aerie.f.*.vpn.*.rx_bytes),2)"),
        (
            Names("f", {"pool": "p"}).sums("pools.<pool>.<role>.containers", ("role",), label="n"),
            'aliasSub(groupByNodes(aerie.f.*.pools.p.*.containers,"sum",5),"^","n ")',
        ),
        (
            Names("f").one("mesos.master.tasks.lost_total", "lost", "max", rate=60),
            'alias(maxSeries(scale(perSecond(aerie.f.*.mesos.master.tasks.lost_total),60)),"lost")',
        ),
        (
            Names("f").share("mesos.master.cpus.used", "mesos.master.cpus.total", "cores"),
            'alias(divideSeries(maxSeries(aerie.f.*.mesos.master.cpus.used),maxSeries(aerie.f.*.mesos.master.cpus.total)),"cores")',
        ),
    ],
)
def test_targets(made: names.Series, expected: str) -> None:
    assert made.target == expected


@boards
def test_nothing_overlaps_and_nothing_sticks_out(board: Board) -> None:
    places = [(what.title, place) for what, place in placed(board)]
    for title, place in places:
        assert place.x >= 0 and place.y >= 0 and place.width > 0 and place.height > 0, title
        assert place.x + place.width <= COLUMNS, title
    assert [(a, b) for (a, here), (b, there) in combinations(places, 2) if here.overlaps(there)] == []


def test_what_overlaps_is_found() -> None:
    panel = Panel("a", (Names("f").each("etcd.keys"),), width=20)
    board = Board("b", "f", "t", "", (Section("s", (panel, panel)),))
    (_, heading), (_, first), (_, second) = placed(board)
    assert not first.overlaps(second) and second.y == first.y + first.height and heading.height == first.y
    assert first.overlaps(first)


@dashboards
def test_the_json_has_the_places(name: str) -> None:
    board = next(b for b in BOARDS if f"{b.name}.json" == name)
    found = [(p["title"], tuple(p["gridPos"][k] for k in "xywh")) for p in JSON[name]["panels"]]
    assert found == [(what.title, (at.x, at.y, at.width, at.height)) for what, at in placed(board)]


@dashboards
def test_grafanas_own_model_takes_it_and_loses_nothing(name: str) -> None:
    again = json.loads(json.dumps(Dashboard.from_json(JSON[name]), cls=JSONEncoder))
    assert again == JSON[name]


@dashboards
def test_ids_and_names_are_there_once(name: str) -> None:
    panels = JSON[name]["panels"]
    for key in ("id", "title"):
        values = [p[key] for p in panels]
        assert len(set(values)) == len(values), key
    assert "id" not in JSON[name], "that is the database's, and another one in each Grafana"
    for panel in panels:
        letters = [t["refId"] for t in panel.get("targets", [])]
        assert letters == sorted(set(letters)) and (letters or panel["type"] == "row")


def test_uids_are_what_they_were() -> None:
    """Links and bookmarks are made of them: a change here breaks them."""
    assert {name: d["uid"] for name, d in JSON.items()} == {
        "overview.json": "aerie-overview",
        "network.json": "aerie-network",
        "services.json": "aerie-services",
        "machines.json": "aerie-machines",
        "pool-batch.json": "aerie-pool-batch",
        "pool-demo.json": "aerie-pool-demo",
    }
    agents = next(p for p in JSON["overview.json"]["panels"] if p["title"] == "Active agents")
    assert agents["id"] == Panel("Active agents", ()).id == 519631


def test_long_names_have_uids_that_grafana_takes_and_that_differ() -> None:
    federation, pools = "f" * 20, ["p" * 19 + x for x in "ab"]
    uids = [pool(federation, name).uid for name in pools]
    assert len(set(uids)) == 2 and all(len(uid) <= UID for uid in uids)


def test_two_federations_in_one_grafana_share_nothing() -> None:
    ours, theirs = of_federation("ours"), of_federation("theirs")
    for key in ("uid", "title"):
        assert not {getattr(b, key) for b in ours} & {getattr(b, key) for b in theirs}
    assert not [t for b in theirs for t in grafana.targets(json.loads(grafana.text(b))) if "aerie.ours." in t]


@dashboards
def test_the_data_source_is_the_one_that_is_chosen_above(name: str) -> None:
    variables = {v["name"]: v for v in JSON[name]["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "graphite")
    for panel in JSON[name]["panels"]:
        for each in [panel, *panel.get("targets", [])]:
            if panel["type"] != "row":
                assert each["datasource"] == {"type": "graphite", "uid": "${datasource}"}
    asked = {word for target in grafana.targets(JSON[name]) for word in re.findall(r"\$(\w+)", target)}
    assert asked == set(variables) - {"datasource"}


def test_pools_differ_in_nothing_but_their_name() -> None:
    one, other = (files([pool("aerie", name)])[f"pool-{name}.json"] for name in ("demo", "batch"))
    assert one.replace("demo", "batch") == other


@boards
def test_what_a_panel_says_of_itself(board: Board) -> None:
    for panel in board.panels:
        assert panel.title and panel.text and panel.grafana_unit
        rates = ["perSecond" in series.target for series in panel.series]
        assert all(rates) or not any(rates), panel.title
        assert all(rates) == (panel.grafana_unit in ("cpm", "Bps")), panel.title
        assert len({names.metric(m).unit for m in panel.metrics}) == 1, f"{panel.title}: two units on one axis"


def test_limits_rise_or_fall() -> None:
    def steps(title: str, board: str) -> list[tuple[float | None, str]]:
        panel = next(p for p in JSON[board]["panels"] if p["title"] == title)
        return [(s["value"], s["color"]) for s in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]

    assert steps("Round trips now", "network.json") == [(None, "green"), (50, "yellow"), (150, "red")]
    assert steps("etcd: healthy", "overview.json") == [(None, "red"), (0.5, "yellow"), (1, "green")]
    assert GOOD_TO_BAD == ("green", "yellow", "red")
