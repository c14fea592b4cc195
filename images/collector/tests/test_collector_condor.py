"""A pool's metrics from a real pool's ads: two executors, five jobs that sleep and one that is held."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from collector import metrics
from collector.sources import condor, pools

TEXT = (Path(__file__).parent / "data" / "pool.json").read_text()
POOL = json.loads(TEXT)
EMPTY: dict[str, Any] = {"ads": [], "jobs": [], "priorities": [], "disk": [1024e3, 921600, 102400]}
EXECUTORS = {"10-92-6-64.demo.aerie", "10-92-76-192.demo.aerie"}


def test_jobs() -> None:
    found, there = condor.pool("demo", POOL)
    at = "condor.demo.jobs"
    counts = {s: found[f"{at}.totals.{s}.totals.count"] for s in ("idle", "running", "held")}
    assert counts == {"idle": 3, "running": 2, "held": 1}
    assert found[f"{at}.users.demo.idle.totals.count"] == 3
    assert found[f"{at}.totals.running.totals.cpu_request"] == 2
    assert found[f"{at}.totals.held.totals.count_holdage_recent"] == 1
    assert there == EXECUTORS


def test_slots_priorities_and_daemons() -> None:
    found, _ = condor.pool("demo", POOL)
    assert found["condor.demo.slots.Dynamic.Claimed.None.demo.Cpus"] == 2
    assert found["condor.demo.slots.Partitionable.totals.TotalSlotCpus"] == 2
    assert found["condor.demo.priorities.demo_aerie.demo.demo.PriorityFactor"] == 1000
    assert found["condor.demo.negotiators.10-93-0-10_demo_aerie.LastNegotiationCyclePeriod0"] == 5
    assert 0 < found["condor.demo.collectors.demo-10-93-0-10_demo_aerie.RecentDaemonCoreDutyCycle"] < 1


def test_an_empty_pool_has_no_jobs_rather_than_none_known() -> None:
    found, there = condor.pool("demo", EMPTY)
    assert found["condor.demo.jobs.totals.idle.totals.count"] == 0 and there == set()
    assert not [name for name in found if ".users." in name]
    with pytest.raises(ValueError, match="the reader tells nothing of ads, disk"):
        condor.pool("demo", {"jobs": [], "priorities": []})


def test_the_spools_disk() -> None:
    found, _ = condor.pool("demo", EMPTY)
    at = "condor.demo.spool"
    assert {n: found[f"{at}.{n}"] for n in ("size", "free", "fill")} == {"size": 1024e3, "free": 102400, "fill": 0.9}
    assert condor.pool("demo", POOL)[0][f"{at}.fill"] == pytest.approx(0.39, abs=0.001)
    assert condor.spool([0, 0, 0])["spool.fill"] == 1


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


QUICK = '{"idle": 4, "running": 2, "held": 1}\n'


def test_what_a_daemon_does_not_know_yet_is_absent() -> None:
    ad = {"MyType": "Scheduler", "Name": "a", "MonitorSelfCPUUsage": -1.0, "TotalIdleJobs": 0}
    assert condor.daemons([ad]) == {"schedds.a.TotalIdleJobs": 0.0}


def test_numbers_of_jobs() -> None:
    assert condor.totals(json.loads(QUICK)) == {
        "jobs.totals.idle.totals.count": 4,
        "jobs.totals.running.totals.count": 2,
        "jobs.totals.held.totals.count": 1,
    }
    with pytest.raises(ValueError, match="does not tell how many jobs are held, running"):
        condor.totals({"idle": 4})


def test_groups_of_jobs_are_as_many_jobs() -> None:
    one = {
        "Owner": "ann",
        "JobStatus": 2,
        "JobUniverse": 5,
        "RequestCpus": 2,
        "ServerTime": 1000,
        "JobCurrentStartDate": 900,
    }
    assert condor.jobs([one | {"Jobs": 3}]) == condor.jobs([one] * 3)
    assert condor.jobs([one | {"Jobs": 3}])["jobs.totals.running.totals.cpu_request"] == 6


class Asked:
    """Stands in for the reader in a submit node: what it answers to "all", one after the other, and to "counts"."""

    def __init__(self, *answers: str | Exception, counts: str = QUICK) -> None:
        self.answers, self.counts, self.closed = list(answers), counts, False

    def ask(self, word: str) -> str:
        assert not self.closed
        return self.counts if word == "counts" else self.all()

    def all(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


def test_who_came_and_went() -> None:
    one = TEXT.replace("10-92-6-64", "10-92-6-65")
    pool = pools.Pool("demo", Asked(TEXT, one, one))  # type: ignore[arg-type]
    seen = []
    for _ in range(3):
        pool.ask()
        values = pool.values()
        seen.append(tuple(values[f"condor.demo.executors.{what}"] for what in ("count", "joined_total", "left_total")))
    assert seen == [(2, 0, 0), (2, 1, 1), (2, 1, 1)]


def test_every_metric_of_a_pool_is_read_and_no_other() -> None:
    pool = pools.Pool("demo", Asked(TEXT))  # type: ignore[arg-type]
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


def in_each(asked: Asked) -> Callable[..., Any]:
    """Makes pools' readers: always the same."""
    return lambda docker, container: asked


def test_the_numbers_of_jobs_are_told_before_all_else_and_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pools.Pool("demo", Asked(TEXT))  # type: ignore[arg-type]
    pool.count()
    counted = pool.values()
    assert counted["condor.demo.jobs.totals.idle.totals.count"] == 4 and len(counted) == 3
    pool.ask()
    assert pool.values()["condor.demo.jobs.totals.idle.totals.count"] == 4
    monkeypatch.setattr(pools, "STALE", 0.0)
    assert pool.values()["condor.demo.jobs.totals.idle.totals.count"] != 4, "as all else, which is older"


def test_numbers_that_are_not_told_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(TEXT, counts='{"error": "OSError: Failed to fetch ads from schedd"}')
    monkeypatch.setattr(pools, "reader", in_each(asked))
    with pytest.raises(pools.Partly, match="pool demo: its reader: OSError: Failed to fetch ads from schedd"):
        pools.Pools(Docker({"abc": "demo"})).read()  # type: ignore[arg-type]


def test_a_pool_that_is_slow_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, begun, asked = threading.Event(), threading.Event(), Asked()

    def slow() -> str:
        begun.set()
        assert answer.wait(10)
        return TEXT

    asked.all = slow  # type: ignore[method-assign]
    monkeypatch.setattr(pools, "reader", in_each(asked))
    monkeypatch.setattr(pools, "QUICKLY", 0.1)
    docker = Docker({"abc": "demo"})
    source = pools.Pools(docker)  # type: ignore[arg-type]
    source.read()
    assert begun.wait(10)
    assert len(source.read()) == len(source.read()) == 3, (
        "the numbers of jobs alone, which wait behind the other question now"
    )
    answer.set()
    found = until(lambda: len(source.read()) > 3 and source.read())
    assert found["condor.demo.executors.count"] == 2
    assert source.read() == found, "told every round"
    docker.there = {}
    assert source.read() == {} and asked.closed, "another submit node may have the spool now"


def test_a_pool_that_fails_is_an_error_once_and_the_last_answer_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(TEXT, '{"error": "RuntimeError: Failed communication with collector."}')
    monkeypatch.setattr(pools, "reader", in_each(asked))
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
    assert partly.count == 1 and "pool demo: its reader: RuntimeError: Failed comm" in str(partly)
    assert partly.values["condor.demo.executors.count"] == 2


def test_an_old_answer_is_no_longer_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pools.Pool("demo", Asked(TEXT))  # type: ignore[arg-type]
    pool.ask()
    assert pool.values()
    pool.count()
    monkeypatch.setattr(pools, "OLD", 0.0)
    assert len(pool.values()) == 3
    monkeypatch.setattr(pools, "STALE", 0.0)
    assert pool.values() == {}


def test_the_reader_gets_no_right_and_no_secret_of_the_container() -> None:
    started: list[list[str]] = []

    class Engine:
        def create(self, container: str, command: list[str]) -> Any:
            started.append(command)
            raise OSError("no engine here")

    with pytest.raises(OSError, match="no engine here"):
        pools.reader(Engine(), "abc").ask("all")  # type: ignore[arg-type]
    (command,) = started
    assert command[:3] == ["setpriv", "--bounding-set=-all,+setuid,+setgid", "--no-new-privs"]
    assert command[3:5] == ["env", "-i"], "with nothing of the container's environment"
    assert command[command.index("python3") + 1] == "-I" and command[-1] == "aerie-pool-reader"
