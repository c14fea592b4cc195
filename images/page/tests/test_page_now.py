"""What the page shows, from what Graphite and Marathon say: each NAME.json of data/now has beside it what is to come of it.

AERIE_WRITE_EXPECTED=1 writes the expected files anew; look at what changed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from page_helpers import AT, DATA, SITES, answer, config
from status_page.now import Known, Source, heard, now
from status_page.pools import apps
from status_page.series import FRESH, latest

FILES = sorted(p for p in (DATA / "now").glob("*.json") if not p.name.endswith(".expected.json"))


def shown(file: Path) -> dict[str, Any]:
    case = json.loads(file.read_text())
    the = config(case.get("sites", SITES), case.get("quorum", SITES))
    asked = case.get("asked", AT)
    sources = {
        name: Source(**case[name]) if name in case else Source().answered(asked) for name in ("graphite", "marathon")
    }
    known = Known(
        latest(answer(case["points"], case.get("ages", {}), asked), asked),
        apps=apps(case["apps"]),
        machines=case.get("machines", {}),
        **sources,
    )
    found: dict[str, Any] = json.loads(json.dumps(now(the, known, AT)))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_what_is_shown(file: Path) -> None:
    beside = file.with_suffix(".expected.json")
    found = json.dumps(shown(file), indent=1) + "\n"
    if os.environ.get("AERIE_WRITE_EXPECTED"):
        beside.write_text(found)
    assert found == beside.read_text()


def texts(name: str) -> list[str]:
    return [p["text"] for p in shown(DATA / "now" / f"{name}.json")["problems"]]


def test_what_is_well_is_said_to_be() -> None:
    found = shown(DATA / "now" / "well.json")
    assert found["summary"] == {"state": "well", "text": "All is well: 3 sites, 6 machines, 3 running jobs."}
    assert sum(link["up"] for link in found["links"]) == len(found["links"]) == 6


def test_each_trouble_is_told_once_and_the_worst_first() -> None:
    found = texts("link-down")
    assert found[0] == "The link between bari and torino is down" and len(found) == 3
    assert found[1] == "Alert handshake_old fires at torino and bari" and "a_new_rule" in found[2]


def test_a_leader_may_be_at_the_site_that_is_silent() -> None:
    points = json.loads((DATA / "now" / "well.json").read_text())["points"]

    def told(**changes: float) -> list[str]:
        left = {site: {**points[site], **changes} for site in ("torino", "cnaf")}  # ZooKeeper's leader is at bari
        known = Known(latest(answer(left), AT), graphite=Source().answered(AT), marathon=Source().answered(AT))
        return [p["text"] for p in now(config(), known, AT)["problems"] if "nobody leads" in p["text"]]

    assert told() == []
    assert told(**{"zookeeper.serving": 0}) == ["ZooKeeper: nobody leads, so Mesos and Marathon cannot elect who leads"]


def test_no_value_of_an_app_but_names_and_numbers_gets_out() -> None:
    for file in FILES:
        assert "not for browsers" not in json.dumps(shown(file))


def test_old_values_are_not_those_of_now() -> None:
    points = {"torino": {"collector.connected": 1.0}}
    there = latest(answer(points, {"torino": FRESH - 20}), AT)
    assert there.values == points and there.seen == {"torino": AT - FRESH + 10}
    gone = latest(answer(points, {"torino": FRESH}), AT)
    assert gone.values == {} and gone.seen == {"torino": AT - FRESH - 10}


@pytest.mark.parametrize("wrong", [["x"], [{"target": "a.b"}], [{"target": "aerie.f.s.n", "datapoints": None}], [{}]])
def test_an_answer_that_is_none(wrong: Any) -> None:
    with pytest.raises(ValueError, match="which is no series"):
        latest(wrong, AT)


def test_machines_of_a_silent_site_are_those_that_it_had() -> None:
    there = {"torino": {"machines.torino-agent-1.registered": 1.0}}
    known = Known(latest(answer(there), AT), machines={"bari": [{"name": "b"}]})
    assert {s: [m["name"] for m in ms] for s, ms in heard(config(), known).items()} == {
        "torino": ["torino-agent-1"],
        "bari": ["b"],
    }


def test_since_when_a_source_is_away() -> None:
    source = Source().answered(100).answered(110)
    assert (source.state, source.since, source.good) == ("answers", 100, 110)
    away = source.failed("no connection", 120).failed("no answer in time", 130)
    assert (away.state, away.since, away.good, away.why) == ("away", 110, 110, "no answer in time")
    never = Source().failed("no connection", 5).failed("no connection", 9)
    assert (never.since, never.good) == (5, None)
    assert away.answered(140).since == 140
