"""Marathon's events in words, and what changed between two answers of Graphite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from page_helpers import AT, DATA
from status_page.events import LONGEST, MOST, Parser, changes, event, kept, of_marathon
from test_page_now import shown


def texts(before: str, after: str) -> list[str]:
    return [e["text"] for e in changes(shown(DATA / "now" / f"{before}.json"), shown(DATA / "now" / f"{after}.json"))]


def test_what_changed_is_told_and_what_did_not_is_not() -> None:
    assert texts("well", "well") == []
    assert texts("well", "link-down") == [
        "bari does not hear torino through the tunnel any more",
        "torino does not hear bari through the tunnel any more",
        "alert a_new_rule fires at bari",
        "alert handshake_old fires at bari",
        "alert handshake_old fires at torino",
    ]
    assert texts("link-down", "well")[-1] == "alert handshake_old at torino has ended"
    assert texts("well", "no-leader") == [
        "etcd at torino does not serve: it has no majority",
        "Mesos master at cnaf is stopped",
        "machine bari-agent-1 is not registered with Mesos any more",
    ]
    assert texts("no-leader", "well")[-1] == "machine bari-agent-1 is registered with Mesos again"
    assert "bari tells nothing any more" in texts("well", "silent-site")
    assert "ZooKeeper at torino leads now" in texts("well", "silent-site")
    assert "bari tells again" in texts("silent-site", "well")


def test_old_values_are_no_news() -> None:
    assert texts("well", "graphite-away") == ["Graphite does not answer"]
    assert texts("graphite-away", "link-down") == ["Graphite answers again"]
    assert texts("starting", "well") == []
    assert list(changes(None, shown(DATA / "now" / "link-down.json"))) == []


CASES: list[dict[str, Any]] = json.loads((DATA / "events.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['kind']}-{c['text']}"[:60])
def test_marathons_events(case: dict[str, Any]) -> None:
    found = of_marathon(case["kind"], case["data"], AT)
    assert (found and {"kind": found["kind"], "text": found["text"]}) == (
        case["text"] and {"kind": case["level"], "text": case["text"]}
    )


def test_an_events_own_time_and_length() -> None:
    data = {"appId": "/a", "taskStatus": "TASK_FAILED", "message": "x" * 1000, "timestamp": "2025-11-28T17:15:00.000Z"}
    found = of_marathon("status_update_event", data, 1.0)
    assert found and found["at"] == AT and len(found["text"]) == LONGEST
    found = of_marathon("status_update_event", {**data, "timestamp": "now"}, 1.0)
    assert found and found["at"] == 1.0


def test_the_stream_in_any_pieces() -> None:
    text = 'event: a\r\ndata: {"n": 1}\r\n\r\n: nothing\r\n\r\nevent: b\ndata: {"n":\ndata: 2}\n\ndata: broken\n\nevent: c\ndata: 3\n\n'
    wanted = [("a", {"n": 1}), ("b", {"n": 2}), ("c", 3)]
    for size in (1, 2, 7, len(text)):
        parser = Parser()
        assert [e for n in range(0, len(text), size) for e in parser.feed(text[n : n + size])] == wanted, size


def test_an_event_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("status_page.events.MOST_TEXT", 100)
    with pytest.raises(ValueError, match="no end"):
        Parser().feed("data: " + "x" * 200)


def test_the_newest_come_first_and_the_oldest_go() -> None:
    ring: list[dict[str, Any]] = []
    for n in range(MOST + 5):
        ring = kept(ring, [event(n, "info", str(n))])
    assert [e["text"] for e in ring[:2]] == [str(MOST + 4), str(MOST + 3)] and len(ring) == MOST
    assert kept(ring, [event(0, "info", "late")])[-1]["text"] != "late"


def test_every_file_of_events_is_read() -> None:
    assert {p.name for p in Path(DATA).iterdir()} == {"now", "events.json", "environments", "panels.json"}
