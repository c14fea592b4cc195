"""A pool's metrics from a real answer: two executors, five jobs that sleep and one that is held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from collector import metrics
from collector.sources import condor, pools

TEXT = (Path(__file__).parent / "data" / "condor.txt").read_text()
DISK = "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 1000 900 100 90% /var/spool/condor\n"
EMPTY = f"{condor.MARK}\n{condor.MARK}\n{condor.MARK}\n{DISK}"
EXECUTORS = {"10-92-6-64.demo.aerie", "10-92-76-192.demo.aerie"}


def test_jobs() -> None:
    found, there = condor.pool("demo", TEXT)
    at = "condor.demo.jobs"
    counts = {s: found[f"{at}.totals.{s}.totals.count"] for s in ("idle", "running", "held")}
    assert counts == {"idle": 3, "running": 2, "held": 1}
    assert found[f"{at}.users.demo.idle.totals.count"] == 3
    assert found[f"{at}.totals.running.totals.cpu_request"] == 2
    assert found[f"{at}.totals.held.totals.count_holdage_recent"] == 1
    assert there == EXECUTORS


def test_slots_priorities_and_daemons() -> None:
    found, _ = condor.pool("demo", TEXT)
    assert found["condor.demo.slots.Dynamic.Claimed.None.demo.Cpus"] == 2
    assert found["condor.demo.slots.Partitionable.totals.TotalSlotCpus"] == 2
    assert found["condor.demo.priorities.demo_aerie.demo.demo.PriorityFactor"] == 1000
    assert found["condor.demo.negotiators.10-93-0-10_demo_aerie.LastNegotiationCyclePeriod0"] == 5
    assert 0 < found["condor.demo.collectors.demo-10-93-0-10_demo_aerie.RecentDaemonCoreDutyCycle"] < 1


def test_an_empty_pool_has_no_jobs_rather_than_none_known() -> None:
    found, there = condor.pool("demo", EMPTY)
    assert found["condor.demo.jobs.totals.idle.totals.count"] == 0 and there == set()
    assert not [name for name in found if ".users." in name]
    with pytest.raises(ValueError):
        condor.pool("demo", "Error: communication error\n")


def test_the_spools_disk() -> None:
    found, _ = condor.pool("demo", EMPTY)
    at = "condor.demo.spool"
    assert {n: found[f"{at}.{n}"] for n in ("size", "free", "fill")} == {"size": 1024e3, "free": 102400, "fill": 0.9}
    assert condor.pool("demo", TEXT)[0][f"{at}.fill"] == pytest.approx(0.39, abs=0.005)
    with pytest.raises(ValueError, match="no answer of df"):
        condor.spool("df: /var/spool/condor: Permission denied\n")


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(0, "recent"), (299, "recent"), (300, "one_hour"), (86399, "one_day"), (604799, "one_week"), (604800, "longer")],
)
def test_ages(seconds: float, name: str) -> None:
    assert condor.age(seconds) == name


def test_groups_and_states_that_are_rare() -> None:
    slot = {"MyType": "Slot", "SlotType": "Dynamic", "State": "Claimed", "Cpus": 4, "RemoteOwner": "ann@demo.aerie"}
    found = condor.slots([slot | {"RemoteGroup": "cms.top"}, slot | {"RemoteGroup": "<none>"}])
    assert found["slots.Dynamic.Claimed.cms_top.ann.Cpus"] == found["slots.Dynamic.Claimed.None.ann.Cpus"] == 4
    jobs = condor.jobs([{"Owner": "ann", "JobStatus": 2, "JobUniverse": 7}, {"Owner": "ann", "JobStatus": 4}])
    assert jobs["jobs.totals.dag.totals.count"] == jobs["jobs.totals.unknown.totals.count"] == 1
    assert jobs["jobs.totals.running.totals.count"] == 0


def test_an_attribute_that_htcondor_did_not_evaluate_is_no_number() -> None:
    assert condor.number("/Expr(RequestMemory)/") == 0


QUICK = """

-- Schedd: 10-76-0-11.demo.aerie : <10.76.0.11:43149?... @ 11/28/26 19:11:10
Total for query: 7 jobs; 0 completed, 0 removed, 4 idle, 2 running, 1 held, 0 suspended
Total for all users: 9 jobs; 0 completed, 0 removed, 5 idle, 3 running, 1 held, 0 suspended

"""


def test_what_a_daemon_does_not_know_yet_is_absent() -> None:
    ad = {"MyType": "Scheduler", "Name": "a", "MonitorSelfCPUUsage": -1.0, "TotalIdleJobs": 0}
    assert condor.daemons([ad]) == {"schedds.a.TotalIdleJobs": 0.0}


def test_numbers_of_jobs() -> None:
    assert condor.totals(QUICK) == {
        "jobs.totals.idle.totals.count": 4,
        "jobs.totals.running.totals.count": 2,
        "jobs.totals.held.totals.count": 1,
    }
    for text in ("", "Total for query: 7 jobs; 4 idle"):
        with pytest.raises(ValueError, match="does not tell how many are"):
            condor.totals(text)


class Asked:
    """Stands in for the shell in a submit node: what it answers, one after the other."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.closed = list(answers), False

    def ask(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


def test_who_came_and_went() -> None:
    one = TEXT.replace("10-92-6-64", "10-92-6-65")
    pool = pools.Pool("demo", Asked(TEXT, one, one), Asked())  # type: ignore[arg-type]
    seen = []
    for _ in range(3):
        pool.ask()
        values = pool.values()
        seen.append(tuple(values[f"condor.demo.executors.{what}"] for what in ("count", "joined_total", "left_total")))
    assert seen == [(2, 0, 0), (2, 1, 1), (2, 1, 1)]


def test_every_metric_of_a_pool_is_read_and_no_other() -> None:
    pool = pools.Pool("demo", Asked(TEXT), Asked(QUICK))  # type: ignore[arg-type]
    pool.ask()
    named = {name: metrics.known(name) for name in pool.values()}
    assert [name for name, metric in named.items() if metric is None] == []
    found = {metric.name for metric in named.values() if metric}
    # No slot here is claimed but by a user, and none is Static.
    assert {m.name for m in metrics.TABLE["condor"]} == found
    for name, value in pool.values().items():
        metric = named[name]
        assert metric and metric.low <= value <= metric.high, f"{name} = {value}"


class Docker:
    """An engine with submit nodes: pool by container."""

    def __init__(self, there: dict[str, str]) -> None:
        self.there = there

    def get(self, path: str) -> Any:
        assert "aerie-role%3Dsubmit" in path
        label = pools.LABEL
        return [{"Id": c, "Labels": {f"{label}aerie-pool": pool}} for c, pool in self.there.items()]


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < end, "not within 10 s"
        time.sleep(0.01)
    return found


def in_turn(whole: Asked, quick: Any = None) -> Callable[..., Any]:
    """Makes pools' shells: the one that tells all, and the one that counts jobs."""

    class Always:
        def ask(self) -> str:
            return QUICK

        def close(self) -> None:
            pass

    def make(docker: Any, container: str, command: str, seconds: float) -> Any:
        return (quick or Always()) if command == condor.QUICK else whole

    return make


def test_the_numbers_of_jobs_are_told_before_all_else_and_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pools.Pool("demo", Asked(TEXT), Asked(QUICK))  # type: ignore[arg-type]
    pool.count()
    counted = pool.values()
    assert counted["condor.demo.jobs.totals.idle.totals.count"] == 4 and len(counted) == 3
    pool.ask()
    assert pool.values()["condor.demo.jobs.totals.idle.totals.count"] == 4
    monkeypatch.setattr(pools, "STALE", 0.0)
    assert pool.values()["condor.demo.jobs.totals.idle.totals.count"] != 4, "as all else, which is older"


def test_numbers_that_are_not_told_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "Asked", in_turn(Asked(TEXT), Asked(ValueError("condor_q in abc: exit 1"))))
    with pytest.raises(pools.Partly, match="pool demo: condor_q in abc"):
        pools.Pools(Docker({"abc": "demo"})).read()  # type: ignore[arg-type]


def test_a_pool_that_is_slow_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked = threading.Event(), Asked()

    def ask() -> str:
        assert answer.wait(10)
        return TEXT

    asked.ask = ask  # type: ignore[method-assign]
    monkeypatch.setattr(pools, "Asked", in_turn(asked))
    docker = Docker({"abc": "demo"})
    source = pools.Pools(docker)  # type: ignore[arg-type]
    assert len(source.read()) == len(source.read()) == 3, "the numbers of jobs alone"
    answer.set()
    found = until(lambda: len(source.read()) > 3 and source.read())
    assert found["condor.demo.executors.count"] == 2
    assert source.read() == found, "told every round"
    docker.there = {}
    assert source.read() == {} and asked.closed, "another submit node may have the spool now"


def test_a_pool_that_fails_is_an_error_once_and_the_last_answer_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(TEXT, ValueError("condor_status in abc: exit 1"))
    monkeypatch.setattr(pools, "Asked", in_turn(asked))
    monkeypatch.setattr(pools, "EVERY", 0.0)
    source = pools.Pools(Docker({"abc": "demo"}))  # type: ignore[arg-type]
    until(lambda: len(source.read()) > 3)

    def failed() -> pools.Partly | None:
        try:
            source.read()
        except pools.Partly as partly:
            return partly
        return None

    partly = until(failed)
    assert partly.count == 1 and "pool demo: condor_status in abc" in str(partly)
    assert partly.values["condor.demo.executors.count"] == 2


def test_an_old_answer_is_no_longer_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pools.Pool("demo", Asked(TEXT), Asked(QUICK))  # type: ignore[arg-type]
    pool.ask()
    assert pool.values()
    pool.count()
    monkeypatch.setattr(pools, "OLD", 0.0)
    assert len(pool.values()) == 3
    monkeypatch.setattr(pools, "STALE", 0.0)
    assert pool.values() == {}
