"""What HTCondor is asked and told beside the loop, and what pools tell each other."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from framework_helpers import FakeShares, group
from htcondor_framework.core.model import (
    Homeless,
    Kind,
    Neighbour,
    Phase,
    Pool,
    Queue,
    Role,
    Share,
    Size,
    SlotState,
    StartdAd,
    Task,
)
from htcondor_framework.core.view import Drain, Plan
from htcondor_framework.feed import Feed
from htcondor_framework.shares import Exchange, parse, to_json
from hypothesis import given
from hypothesis import strategies as st


class FakeDaemons:
    """Answers what it is given; a drain waits for `go`."""

    def __init__(self) -> None:
        self.answers: list[object] = []
        self.asked = 0
        self.startds: tuple[StartdAd, ...] = ()
        self.log: list[str] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.alone = False  # no collector answers
        self.asked_directly: list[str] = []

    async def queue(self) -> Queue | None:
        self.asked += 1
        if self.error:
            raise self.error
        return Queue(time.time(), (group(1),)) if self.asked == 1 else None

    async def pool(self) -> Pool | None:
        return None if self.alone else Pool(time.time(), self.startds)

    async def drain(self, startd_name: str, cancel: bool) -> None:
        self.log.append(f"{startd_name} {cancel}")
        await self.go.wait()
        self.log.append(f"{startd_name} {cancel} done")
        if self.error:
            raise self.error

    async def drain_directly(self, task: str, address: str, cancel: bool) -> None:
        await self.drain(f"{task} at {address}", cancel)

    async def executor(self, task: str, address: str) -> StartdAd | None:
        self.asked_directly.append(task)
        return ad(f"startd of {task}", task=task) if address else None

    async def reschedule(self) -> None:
        self.log.append("reschedule")

    async def close(self) -> None:
        pass


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.002)


def with_feed(test: Callable[[Feed, FakeDaemons, list[str]], Awaitable[None]]) -> None:
    async def main() -> None:
        daemons, said = FakeDaemons(), []
        feed = Feed(daemons, lambda: True, lambda: None, said.append)
        feed.intervals = (0.01, 0.02)
        job = asyncio.create_task(feed.run())
        try:
            await test(feed, daemons, said)
            assert not job.done()
        finally:
            job.cancel()
            await asyncio.gather(job, return_exceptions=True)
            await feed.close()

    asyncio.run(main())


def ad(name: str, state: SlotState = SlotState.FREE, task: str = "") -> StartdAd:
    return StartdAd(name, "10.65.0.9", task, "bari", state, Size(1), Size(1), 0, time.time())


def test_no_answer_is_not_an_empty_queue_and_an_error_ends_nothing() -> None:
    async def test(feed: Feed, daemons: FakeDaemons, said: list[str]) -> None:
        await until(lambda: daemons.asked > 3)
        first = feed.queue
        assert first is not None and first.idle
        daemons.error = RuntimeError("broken")
        asked = daemons.asked
        await until(lambda: daemons.asked > asked + 3)
        assert feed.queue is first  # it grows old, and the core sees that

    with_feed(test)


def test_a_drain_that_hangs_stops_nobody_and_is_not_sent_twice() -> None:
    async def test(feed: Feed, daemons: FakeDaemons, said: list[str]) -> None:
        feed.drain(task("t1"), "one", False)
        feed.drain(task("t1"), "one", False)
        feed.drain(task("t2"), "two", False)
        await until(lambda: len(daemons.log) == 2)
        feed.drain(task("t1"), "one", True)  # waits for the first: the order counts
        asked = daemons.asked
        await until(lambda: daemons.asked > asked + 3)
        assert daemons.log == ["one False", "two False"]
        daemons.go.set()
        await until(lambda: feed.drains == 3)
        assert daemons.log.index("one False done") < daemons.log.index("one True")
        daemons.error = RuntimeError("no session")
        feed.drain(task("t1"), "one", False)
        await until(lambda: feed.drains_failed == 1)
        assert said == ["one could not be told to take no new job: no session"]

    with_feed(test)


def task(task_id: str, drain: str = "", address: str = "") -> Task:
    return Task(
        task_id,
        Role.EXECUTOR,
        Kind.ELASTIC,
        task_id,
        "A",
        "n",
        "bari",
        Size(1),
        "t",
        Phase.RUNNING,
        0,
        0,
        drain,
        1.0,
        address,
    )


def test_a_drain_waits_for_the_executors_ad() -> None:
    async def test(feed: Feed, daemons: FakeDaemons, said: list[str]) -> None:
        daemons.go.set()
        tasks = {"t1": task("t1", "idle"), "t2": task("t2", "idle", "10.65.0.9"), "t3": task("t3", "idle")}
        feed.tell(Plan(drains=(Drain("t1", "idle"), Drain("t2", "idle"), Drain("t3", "idle")), tasks=tasks))
        assert daemons.log == []
        daemons.startds = (ad("one", task="t1"), ad("two"))  # the second carries no task: known by its address
        await until(lambda: feed.pool is not None and len(feed.pool.startds) == 2)
        tasks["t3"] = task("t3")  # decided otherwise in the meantime
        feed.tell(Plan(tasks=tasks))
        daemons.startds = (*daemons.startds, ad("three", task="t3"))
        await until(lambda: feed.pool is not None and len(feed.pool.startds) == 3)
        feed.tell(Plan(tasks=tasks))
        await until(lambda: feed.drains == 2)
        assert {"one False", "two False"} <= set(daemons.log) and "three False" not in daemons.log

    with_feed(test)


def test_without_a_collector_executors_are_told_by_themselves() -> None:
    async def test(feed: Feed, daemons: FakeDaemons, said: list[str]) -> None:
        daemons.go.set()
        daemons.startds = (ad("one", task="t1"),)
        await until(lambda: feed.pool is not None and len(feed.pool.startds) == 1)
        daemons.alone = True  # what it said last is still known, but it hands out no session
        asked = daemons.asked
        await until(lambda: daemons.asked > asked + 3)
        tasks = {name: task(name, "room", "10.65.0.9") for name in ("t1", "t2")} | {"t3": task("t3", "room")}
        feed.tell(Plan(drains=tuple(Drain(name, "room") for name in tasks), tasks=tasks))
        await until(lambda: feed.drains == 2)
        assert {line for line in daemons.log if line.endswith("done")} == {
            "t1 at 10.65.0.9 False done",
            "t2 at 10.65.0.9 False done",
        }
        assert feed.drains_failed == 0

    with_feed(test)


def test_only_whom_the_plan_names_is_asked_by_himself_and_of_many_all_in_turn() -> None:
    async def test(feed: Feed, daemons: FakeDaemons, said: list[str]) -> None:
        tasks = {f"t{n}": task(f"t{n}", "room", "10.65.0.9") for n in range(20)}
        assert not daemons.asked_directly
        feed.tell(Plan(asks=tuple(tasks), tasks=tasks))
        await until(lambda: len(feed.own) == 20)
        assert set(daemons.asked_directly[:20]) == set(tasks)
        feed.tell(Plan(asks=("t3", "t4"), tasks={"t3": tasks["t3"], "t4": task("t4", "room")}))
        await until(lambda: set(feed.own) == {"t3"})  # of t4 nobody knows the address

    with_feed(test)


def test_jobs_are_matched_as_soon_as_an_executor_has_come() -> None:
    async def test(feed: Feed, daemons: FakeDaemons, said: list[str]) -> None:
        await until(lambda: daemons.asked > 3)
        assert daemons.log == []
        daemons.startds = (ad("one"),)
        await until(lambda: bool(daemons.log))
        asked = daemons.asked
        await until(lambda: daemons.asked > asked + 3)
        assert daemons.log == ["reschedule"]  # once for each

    with_feed(test)


_NUMBERS = st.floats(0, 1e6)
_SIZES = st.builds(Size, _NUMBERS, _NUMBERS)


_HOMES = st.none() | st.builds(Homeless, st.just("torino-agent-1.x_y"), st.builds(Size, _NUMBERS, _NUMBERS, _NUMBERS))


@given(st.builds(Neighbour, st.just("second"), st.builds(Share, _NUMBERS, _NUMBERS), _SIZES, _SIZES, _SIZES, _HOMES))
def test_a_neighbour_survives_its_node(neighbour: Neighbour) -> None:
    import json

    assert parse(json.dumps(to_json(neighbour)).encode()) == neighbour


_WITH_HOME = b'{"pool":"x","share":{"cpus":1,"memory":0},"holds":{"cpus":0,"memory":0},"wants":{"cpus":0,"memory":0},"homeless":%b}'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b"[1]",
        b'{"pool":"x","share":{"cpus":-1,"memory":0},"holds":{"cpus":0,"memory":0},"wants":{"cpus":0,"memory":0}}',
        b'{"pool":"x","share":{"cpus":1e999,"memory":0},"holds":{"cpus":0,"memory":0},"wants":{"cpus":0,"memory":0}}',
        b"[" * 5000,
        _WITH_HOME % b'{"node":"a b","cpus":1,"memory":1,"disk":0}',
        _WITH_HOME % b'{"node":"a","cpus":-1,"memory":1,"disk":0}',
        _WITH_HOME % b'"a"',
    ],
)
def test_what_is_no_neighbour(data: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse(data)


def test_a_later_version_may_say_more_and_an_earlier_one_less() -> None:
    data = b'{"pool":"x","share":{"cpus":1,"memory":2},"holds":{"cpus":0,"memory":0},"wants":{"cpus":0,"memory":0},"more":1}'
    assert parse(data).share == Share(1, 2) and parse(data).giving == Size()


def test_the_exchange_keeps_the_last_words_while_nobody_answers() -> None:
    async def main() -> None:
        shares, woken = FakeShares(), []
        us = Neighbour("demo", Share(1, 1), Size(), Size())
        other = Neighbour("second", Share(1, 1), Size(), Size(2))
        shares.others = (us, other)
        exchange = Exchange(shares, "demo", lambda: us, lambda: woken.append(1))
        job = asyncio.create_task(exchange.run())
        await until(lambda: bool(woken))
        assert exchange.others == (other,) and shares.published == [us]
        shares.others = None
        exchange.changed()
        await until(lambda: len(shares.published) == 2)
        assert exchange.others == (other,) and len(woken) == 1
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)

    asyncio.run(main())
