"""What /v2/queue says of offers: how many were looked at, why they were of no use, and which they were."""

from __future__ import annotations

from typing import Any

from fake_mesos_master import FakeMaster
from marathon_core_helpers import T0, offer, operations, spec
from marathon_helpers import TestService, with_service
from marathon_service.core.matching import Pool
from marathon_service.core.model import State
from marathon_service.core.placing import FUNNEL, Placer, Rejections
from marathon_service.core.queue_views import queue
from mesos_client.messages import Offer

APP = {"id": "/big", "cmd": "x", "mem": 16}


def steps(summary: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """(reason, declined, processed) of the steps at which something was declined."""
    return [(s["reason"], s["declined"], s["processed"]) for s in summary if s["declined"]]


def shown(seen: Rejections, offers: bool = False) -> dict[str, Any]:
    state = State()
    operations(state).create({"id": "/app", "cmd": "x", "cpus": 1, "mem": 128, "disk": 10})
    (item,) = queue(state, {"/app": 1}, {"/app": seen}, T0, offers)
    return item


def seen_of(*pools: Pool, times: int = 1) -> Rejections:
    seen = Rejections()
    placer = Placer(spec(disk=10, constraints=[["hostname", "UNLIKE", "n9"]]), pools, [], spec().constraints, T0, seen)
    for _ in range(times):
        placer.take()
    return seen


def test_an_offer_counts_for_the_first_reason_and_reaches_no_later_step() -> None:
    seen = seen_of(
        Pool.of(offer("n1", cpus=0.1, mem=1)),  # too little of both
        Pool.of(offer("n2", mem=1)),
        Pool.of(offer("n3", role="other")),
    )
    summary = shown(seen)["processedOffersSummary"]
    assert (summary["processedOffersCount"], summary["unusedOffersCount"]) == (3, 3)
    expected = [("UnfulfilledRole", 1, 3), ("InsufficientCpus", 1, 2), ("InsufficientMemory", 1, 1)]
    assert steps(summary["rejectSummaryLaunchAttempt"]) == steps(summary["rejectSummaryLastOffers"]) == expected
    assert [s["reason"] for s in summary["rejectSummaryLastOffers"]] == list(FUNNEL)
    assert summary["lastUnusedOfferAt"].startswith("20") and "lastUsedOfferAt" not in summary


def test_the_attempt_adds_up_and_of_each_agent_the_last_offer_stays() -> None:
    seen = seen_of(Pool.of(offer("n1", cpus=0.1)))
    first = next(iter(seen.last.values())).offer
    again = Offer.from_json({**_raw(first), "id": {"value": "another"}})
    seen.refuse(again, ["InsufficientMemory"], T0 + 5)
    summary = shown(seen)["processedOffersSummary"]
    assert steps(summary["rejectSummaryLaunchAttempt"]) == [("InsufficientCpus", 1, 2), ("InsufficientMemory", 1, 1)]
    assert steps(summary["rejectSummaryLastOffers"]) == [("InsufficientMemory", 1, 1)]


def test_an_offer_that_is_looked_at_twice_counts_once() -> None:
    seen = Rejections()
    for _ in range(3):
        seen.refuse(offer("n1"), ["UnfulfilledConstraint"], T0)
    assert (seen.processed, seen.unused, seen.reasons) == (1, 1, {"UnfulfilledConstraint": 1})


def test_one_that_was_used_reaches_the_end() -> None:
    seen = seen_of(Pool.of(offer("n1", cpus=1)), Pool.of(offer("n2", cpus=0.1)), times=2)
    summary = shown(seen)["processedOffersSummary"]
    assert summary["processedOffersCount"] > summary["unusedOffersCount"] > 0
    last = summary["rejectSummaryLaunchAttempt"][-1]
    assert last["processed"] - last["declined"] == summary["processedOffersCount"] - summary["unusedOffersCount"]


def test_the_last_unused_offers_are_shown_where_they_are_asked_for() -> None:
    raw = {
        "id": {"value": "O1"},
        "agent_id": {"value": "A1"},
        "hostname": "n1",
        "allocation_info": {"role": "*"},
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}},
            {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31009}]}},
        ],
        "attributes": [
            {"name": "site", "type": "TEXT", "text": {"value": "bari"}},
            {"name": "rack", "type": "SCALAR", "scalar": {"value": 3}},
            {"name": "disks", "type": "SET", "set": {"item": ["ssd", "hdd"]}},
        ],
    }
    seen = Rejections()
    seen.refuse(Offer.from_json(raw), ["InsufficientMemory", "InsufficientCpus"], T0)
    assert "lastUnusedOffers" not in shown(seen)
    (unused,) = shown(seen, offers=True)["lastUnusedOffers"]
    assert unused["reason"] == ["InsufficientMemory", "InsufficientCpus"] and unused["timestamp"].startswith("20")
    assert unused["offer"] == {
        "id": "O1",
        "agentId": "A1",
        "hostname": "n1",
        "resources": [
            {"name": "cpus", "role": "*", "scalar": 0.5},
            {"name": "ports", "role": "*", "ranges": [{"begin": 31000, "end": 31009}]},
        ],
        "attributes": [
            {"name": "site", "text": "bari"},
            {"name": "rack", "scalar": 3},
            {"name": "disks", "set": ["ssd", "hdd"]},
        ],
    }


def test_by_the_api_and_forgotten_once_nothing_waits() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call("POST", "/v2/apps", {**APP, "cpus": 50}, 201)
        await s.until(lambda: len(s.scheduler.rejections.get(APP["id"], Rejections()).last) == len(m.agents))
        (item,) = (await s.call("GET", "/v2/queue?embed=lastUnusedOffers"))["queue"]
        assert {u["offer"]["agentId"] for u in item["lastUnusedOffers"]} == set(m.agents)
        assert all(u["reason"] == ["InsufficientCpus"] for u in item["lastUnusedOffers"])
        assert "lastUnusedOffers" not in (await s.call("GET", "/v2/queue"))["queue"][0]
        await s.call("PUT", f"/v2/apps{APP['id']}?force=true", {"cpus": 0.1})
        await s.deployed()
        assert not s.scheduler.rejections

    with_service(test)


def _raw(of: Offer) -> dict[str, Any]:
    return {"id": {"value": of.id}, "agent_id": {"value": of.agent_id}, "hostname": of.hostname}
