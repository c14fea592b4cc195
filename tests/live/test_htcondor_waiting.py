"""A real pool by the collector's own reader: why jobs wait, and what the reader outlives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector.docker import Docker, Program
from collector.sources import condor, pools
from htcondor_pool import Pool, pool_of, run, small, until
from pool_collector import SOCKET, PoolCollector

pytestmark = pytest.mark.live

CENTRAL, SUBMIT, COLLECTOR = "172.27.9.10", "172.27.9.11", "172.27.9.12"
NODE = "hw-submit"
READER = "aerie-pool-reader"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with pool_of("hw", "172.27.9.0/24", tmp_path_factory.mktemp("pool"), small("waits", "172.27.9")) as pool:
        pool.start_managers()
        yield pool


@pytest.fixture(scope="module")
def reader(pool: Pool) -> Iterator[Program]:
    found = pools.reader(Docker(SOCKET), NODE)
    yield found
    found.close()


def answer(reader: Program, word: str = "all") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(reader.ask(word))
    return found


def values(reader: Program) -> dict[str, float]:
    return condor.pool("demo", answer(reader))[0]


def waits(reader: Program) -> dict[str, float]:
    """Those reasons that there are."""
    at = "condor.demo.waiting."
    return {name.removeprefix(at): n for name, n in values(reader).items() if name.startswith(at) and n}


def becomes(reader: Program, wanted: dict[str, float]) -> None:
    seen: list[dict[str, float]] = []

    def so() -> bool:
        seen.append(waits(reader))
        return seen[-1] == wanted

    try:
        until(f"jobs wait for {wanted}", so, 90)
    except AssertionError as error:
        raise AssertionError(f"{error}; last {seen[-1]}\n{reader.ask('all')[-3000:]}") from None


def readers(uid: str = "") -> list[str]:
    """The processes of readers in the submit node, of one user or of all: their numbers on this machine."""
    lines = (line.split(None, 2) for line in run("docker", "top", NODE, "-eo", "pid,user,args").splitlines()[1:])
    return [pid for pid, user, args in lines if args.endswith(READER) and uid in ("", user)]


def test_each_reason_is_the_one_that_it_is(pool: Pool, reader: Program) -> None:
    pool.submit("first", "sleep 600")
    assert waits(reader) == {"new": 1}
    becomes(reader, {"no_slot": 1})
    pool.start_executor(1)
    until("it runs", lambda: answer(reader, "counts")["running"] == 1)
    pool.submit("wide", "sleep 600", 2, "request_cpus = 2")  # one core is free, of two
    pool.submit("big", "sleep 600", 3, "request_cpus = 5")
    pool.submit("much", "sleep 600", 1, "request_memory = 100GB")
    pool.submit("picky", "sleep 600", 4, 'requirements = (Machine == "nowhere")')
    becomes(reader, {"slots_busy": 2, "too_big": 4, "requirements": 4})


def test_the_whole_answer_is_read(pool: Pool, reader: Program) -> None:
    before = time.monotonic()
    text = reader.ask("all")
    took = time.monotonic() - before
    found, there = condor.pool("demo", json.loads(text))
    print(f"it took {took:.2f} s, {len(text)} bytes")
    assert len(there) == 1
    assert found["condor.demo.jobs.totals.running.totals.cpu_request"] == 1
    assert found["condor.demo.jobs.users.alice.idle.totals.count"] == 10
    assert found["condor.demo.jobs.totals.idle.totals.oldest"] > 0
    assert found["condor.demo.priorities.waits_aerie.alice.alice.PriorityFactor"] == 1000
    assert 0 < found["condor.demo.spool.fill"] < 1
    assert {name.split(".")[2] for name in found if "RecentDaemonCoreDutyCycle" in name} == {
        "schedds", "collectors", "negotiators",
    }  # fmt: skip
    assert answer(reader, "counts") == {"idle": 10, "running": 1, "held": 0}


def test_a_slot_that_is_free_and_one_that_is_wanted_are_not_the_same(pool: Pool, reader: Program) -> None:
    """Another executor has room; a job that wants the first one waits for that all the same. What a limit keeps from a free slot that
    suits it is another thing."""
    pool.ssh("condor_rm -constraint 'JobStatus == 1'")
    pool.start_executor(2)
    first = f"{pool.executor_address(1).replace('.', '-')}.{pool.spec.domain}"
    pool.submit("there", "sleep 600", 2, f'request_cpus = 2\nrequirements = (Machine == "{first}")')
    becomes(reader, {"slots_busy": 2})
    pool.inside(pool.manager(), f"condor_userprio -setceil alice@{pool.spec.domain} 1")
    pool.submit("limited", "sleep 600", 3)
    becomes(reader, {"slots_busy": 2, "not_matched": 3})
    pool.inside(pool.manager(), f"condor_userprio -setceil alice@{pool.spec.domain} -1")
    until("they run", lambda: answer(reader, "counts")["running"] >= 3, 90)


def test_one_that_stays_may_do_little_and_one_that_evaluates_less(pool: Pool, reader: Program) -> None:
    answer(reader, "counts")
    (stays,) = readers()
    state = run("docker", "exec", NODE, "sh", "-c", f"cat /proc/$(pgrep -f {READER}$)/status")
    rights = {line.split()[0]: line.split()[1] for line in state.splitlines() if line.startswith(("Cap", "NoNew"))}
    assert rights["CapEff:"] == rights["CapPrm:"] == rights["CapBnd:"] == "00000000000000c0", "SETUID and SETGID"
    assert rights["NoNewPrivs:"] == "1"
    asked = pools.reader(Docker(SOCKET), NODE)  # another one, and more questions at once than one looks at
    stream = asked._start()
    try:
        stream.sendall(b"all\n" * 50)
        until("one that evaluates is nobody", lambda: readers("nobody"), 30)
    finally:
        stream.close()
    until("only the one that stays is left", lambda: readers() == [stays], 60)


def test_the_reader_outlives_the_schedd_and_the_central_manager(pool: Pool, reader: Program) -> None:
    def known() -> int:
        return sum(answer(reader, "counts").values())

    there, before = known(), readers()
    pool.inside(NODE, "kill -9 $(pidof condor_schedd)")
    until("it tells that the schedd is away", lambda: "error" in answer(reader, "counts"), 10)
    until("the new schedd answers", lambda: "error" not in answer(reader, "counts") and known() == there, 90)
    until("and tells all", lambda: "error" not in answer(reader), 60)
    run("docker", "stop", "-t", "1", pool.manager())
    assert "error" in answer(reader), "it tells that the collector is away"
    assert known() == there, "of jobs the schedd knows"
    run("docker", "start", pool.manager())
    until("executors are known again", lambda: len(condor.executors(answer(reader).get("ads", []))) == 2, 120)
    assert readers() == before, "by the same process"


def test_one_that_is_started_before_the_pools_configuration_reads_it_later(pool: Pool) -> None:
    """The collector finds a submit node within its round, while that still writes its files."""
    files, kept = "/etc/condor/config.d", "/etc/condor/config.later"
    pool.inside(NODE, f"mv {files} {kept}")
    early = pools.reader(Docker(SOCKET), NODE)
    try:
        assert "error" in json.loads(early.ask("all"))
        pool.inside(NODE, f"mv {kept} {files}")
        early.ask("counts")  # may be the one that finds that it has to read it
        assert set(json.loads(early.ask("counts"))) == {"idle", "running", "held"}
        assert "error" not in json.loads(early.ask("all"))
    finally:
        early.close()
        pool.inside(NODE, f"[ -d {files} ] || mv {kept} {files}")


def test_no_reader_is_left_when_the_collector_is_killed(pool: Pool, reader: Program, tmp_path: Path) -> None:
    reader.close()
    until("the tests' reader ends with its input", lambda: readers() == [], 30)
    collector = PoolCollector(pool, COLLECTOR)
    try:
        collector.start(tmp_path, interval=1)
        until("its reader is there", readers, 60)
        collector.kill()
        took = until("no reader is left", lambda: readers() == [], 60)
        print(f"it ended within {took:.1f} s")
    finally:
        collector.remove()
