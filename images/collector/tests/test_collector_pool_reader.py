"""What the reader in a submit node makes of HTCondor's ads. The bindings themselves are in tests/live/test_htcondor_waiting.py."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from collector import pool_reader
from collector.pool_reader import AGES, Groups, bucket, disk, elsewhere, match, number, pages, plain
from collector.sources.condor import age


class Value(IntEnum):
    """As classad2 has it: what is no value is a number to Python."""

    Error = 1
    Undefined = 2


def job(**known: Any) -> dict[str, Any]:
    whole = {"JobStatus": 1, "JobUniverse": 5, "Owner": "ann", "ServerTime": 10000, "QDate": 9000, "RequestCpus": 1}
    return whole | {"RequestMemory": 64, "RequestDisk": 1024, "AutoClusterId": 1} | known


def grouped(*jobs: dict[str, Any], matches: dict[int, str] | None = None) -> list[dict[str, Any]]:
    groups = Groups()
    for one in jobs:
        groups.add(one)
    return groups.told(matches or {})


def test_what_is_no_number() -> None:
    assert [number(v) for v in (Value.Undefined, Value.Error, None, "1", float("nan"), float("inf"))] == [None] * 6
    assert number(True) == 1.0 and number(2.5) == 2.5


def test_ages_of_one_bucket_are_in_one_bin() -> None:
    for edge in AGES:
        for seconds in range(edge - 25, edge + 25):
            alike = [s for s in range(edge - 60, edge + 60) if bucket(s) == bucket(seconds)]
            assert {age(s) for s in alike} == {age(seconds)}
    assert bucket(10) != bucket(9) and bucket(-5) == bucket(0)
    assert len({bucket(s) for s in range(2_000_000)}) < 70


def test_jobs_alike_are_one_group_and_told_by_the_oldest() -> None:
    found = grouped(*(job(QDate=5000 + n) for n in (2, 1, 3)), job(Owner="bob"), job(RequestMemory=65))
    assert [(g["Owner"], g["RequestMemory"], g["Jobs"]) for g in found] == [
        ("ann", 64, 3),
        ("bob", 64, 1),
        ("ann", 65, 1),
    ]
    assert found[0]["QDate"] == 5001


def test_since_when_follows_from_the_state() -> None:
    times = {"JobCurrentStartDate": 9500, "EnteredCurrentStatus": 9900}
    idle, running, held, removed = grouped(*(job(JobStatus=status, **times) for status in (1, 2, 5, 3)))
    assert (idle["QDate"], running["JobCurrentStartDate"], held["EnteredCurrentStatus"]) == (9000, 9500, 9900)
    assert not {"QDate", "JobCurrentStartDate", "EnteredCurrentStatus"} & removed.keys()


def test_what_is_undefined_is_left_out() -> None:
    (group,) = grouped(job(RequestGPUs=Value.Undefined, RequestMemory=Value.Error, QDate=Value.Undefined))
    assert not {"RequestGPUs", "RequestMemory", "QDate"} & group.keys()


def test_matches_are_told_of_idle_jobs_by_their_autocluster() -> None:
    jobs = (job(AutoClusterId=1), job(AutoClusterId=2), job(AutoClusterId=Value.Undefined), job(JobStatus=2))
    found = grouped(*jobs, matches={1: "none", 2: "free"})
    assert [group.get("Match") for group in found] == ["none", "free", None, None]
    assert not any("kind" in group for group in found)


@pytest.mark.parametrize(("jobs", "number_of"), [(0, 1), (1, 1), (20_000, 1), (20_001, 2), (100_000, 5)])
def test_pages(jobs: int, number_of: int) -> None:
    assert len(pages(jobs)) == number_of
    if number_of > 1:
        for n in (0, 1, 7, 99_999):
            meaning = [eval(page, {"ClusterId": 12, "ProcId": n}) for page in pages(jobs)]
            assert meaning.count(True) == 1, "each job is on one page"


class FakeAd(dict[str, Any]):
    """As classad2.ClassAd, with a function as requirements."""

    def __init__(self, requirements: Callable[[Any, Any], bool], **known: Any) -> None:
        super().__init__(known)
        self.requirements = requirements

    def matches(self, other: FakeAd) -> bool:
        """As there: whether the other's requirements are satisfied by this."""
        return other.requirements(other, self)


def slot(start: Callable[[Any, Any], bool] = lambda slot, job: True, **known: Any) -> FakeAd:
    sizes = {"TotalSlotCpus": 4, "Cpus": 4, "TotalSlotMemory": 1000, "Memory": 1000}
    return FakeAd(start, **({"State": "Unclaimed", "Site": "bari"} | sizes | known))


def wants(**attributes: Any) -> FakeAd:
    """A job that wants a core, and these."""
    return FakeAd(lambda job, slot: slot["Cpus"] >= 1 and all(slot.get(k) == v for k, v in attributes.items()))


def matched(jobs: dict[int, FakeAd], *slots: FakeAd) -> dict[int, str]:
    return match(jobs, slots, time.process_time() + 10)


def test_what_matches_which_slot() -> None:
    jobs = {1: wants(), 2: wants(Site="torino"), 3: wants(Site="cnaf")}
    assert matched(jobs, slot(), slot(Site="torino", Cpus=0)) == {1: "free", 2: "whole", 3: "none"}
    assert matched(jobs) == {1: "none", 2: "none", 3: "none"}


def test_a_slot_that_refuses_the_job() -> None:
    assert matched({1: wants()}, slot(lambda slot, job: False)) == {1: "none"}
    assert matched({1: wants()}, slot(lambda slot, job: False, State="Drained")) == {1: "whole"}, "not for good"
    assert matched({1: wants()}, slot(State="Claimed")) == {1: "whole"}
    assert matched({1: wants()}, slot(State="Claimed"), slot()) == {1: "free"}


def test_no_slot_is_asked_for_once_all_is_known() -> None:
    def slots() -> Any:
        yield slot()
        raise AssertionError("one was enough")

    with pytest.raises(AssertionError):
        match({1: wants(Site="cnaf")}, slots(), time.process_time() + 10)
    two = (s for s in (slot(), slot()))
    assert match({1: wants()}, two, time.process_time() + 10) == {1: "free"} and len(list(two)) == 0
    more = (s for s in (slot(), slot(), slot()))
    match({1: wants()}, more, time.process_time() + 10)
    assert len(list(more)) == 1, "the one after the first was taken, and not the last"


def test_what_was_not_looked_at_in_time_is_not_known() -> None:
    assert match({1: wants(Site="cnaf"), 2: wants()}, [slot()], time.process_time() - 1) == {}


def test_attributes_that_json_can_say() -> None:
    ad = {"Name": "a", "Cpus": 4, "Load": float("inf"), "State": Value.Undefined, "Ok": True, "Expr": object()}
    assert plain(ad, [*ad, "missing"]) == {"Name": "a", "Cpus": 4, "Ok": True}


def test_the_disk(tmp_path: Path) -> None:
    size, used, free_ = disk(str(tmp_path))
    assert size > 0 and 0 <= used <= size and 0 <= free_ <= size - used


@pytest.fixture
def as_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests need not be root: the other process keeps its user, and has its limits."""
    for name in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(os, name, lambda *_: None)


def test_another_process_answers(as_we_are: None) -> None:
    assert json.loads(elsewhere(lambda: json.dumps(os.getpid()))) != os.getpid()
    assert len(elsewhere(lambda: "x" * 1_000_000)) == 1_000_000

    def fails() -> str:
        raise ValueError("no such pool")

    assert json.loads(elsewhere(fails)) == {"error": "ValueError: no such pool"}


def test_another_process_ends_in_time_and_with_its_memory(as_we_are: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_reader, "PATIENCE", 1)

    def forever() -> str:
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        while True:
            pass

    with pytest.raises(RuntimeError, match="not within 1 s"):
        elsewhere(forever)
    with pytest.raises(RuntimeError, match=f"ended with {-signal.SIGKILL}"):
        elsewhere(lambda: os.kill(os.getpid(), signal.SIGKILL) or "")
    assert "MemoryError" in elsewhere(lambda: "x" * 10 * pool_reader.MEMORY)


def test_what_fails_is_an_answer() -> None:
    class Bindings:
        def __getattr__(self, name: str) -> Any:
            raise OSError(f"{name} is away")

    assert "no question" in json.loads(pool_reader.answer(Bindings(), "drop"))["error"]  # type: ignore[arg-type]
    assert "error" in json.loads(pool_reader.answer(Bindings(), "counts"))  # type: ignore[arg-type]


def test_a_daemon_that_was_started_anew_is_asked_twice_and_one_that_is_busy_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Any] = [OSError("no session"), 1, OSError("away"), OSError("still away"), OSError("busy"), 2]

    def ask() -> Any:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    assert pool_reader.twice(ask) == 1
    with pytest.raises(OSError, match="still away"):
        pool_reader.twice(ask)
    monkeypatch.setattr(pool_reader, "QUICKLY", 0.0)
    with pytest.raises(OSError, match="busy"):
        pool_reader.twice(ask)
    assert answers == [2]


class Early:
    """Bindings that were imported before the pool's configuration was there."""

    configured = False

    def configure(self) -> None:
        self.configured = True

    def counts(self) -> dict[str, int]:
        if not self.configured:
            raise OSError("no schedd is known")
        return {"idle": 1, "running": 2, "held": 0}


def test_what_was_started_before_the_configuration_reads_it_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_reader, "as_condor", contextlib.nullcontext)
    early: Any = Early()
    assert "no schedd is known" in pool_reader.answer(early, "counts")
    assert json.loads(pool_reader.answer(early, "counts")) == {"idle": 1, "running": 2, "held": 0}
