"""The client against the fake master."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fake_mesos_master import FakeAgent, FakeMaster
from mesos_client import (
    Backoff,
    CallRefused,
    Disconnected,
    Event,
    Framework,
    NotConnected,
    Offers,
    SchedulerClient,
    StaticDetector,
    Subscribed,
    Update,
)


class Framed:
    """A client that runs, and what it has heard."""

    def __init__(self, masters: list[str], **more: object) -> None:
        self.events: list[Event] = []
        self.client = SchedulerClient(
            StaticDetector(masters), Framework("test"), self.events.append, backoff=Backoff(0.02, 0.1), **more
        )

    async def until(self, kind: type, count: int = 1) -> Event:
        async with asyncio.timeout(20):
            while len(found := [e for e in self.events if isinstance(e, kind)]) < count:
                await asyncio.sleep(0.005)
        return found[count - 1]


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())


async def started(**more: object) -> FakeMaster:
    master = FakeMaster([FakeAgent("A1", "n1")], **more)
    await master.start()
    return master


class Running:
    def __init__(self, framed: Framed) -> None:
        self.framed = framed

    async def __aenter__(self) -> Framed:
        self.task = asyncio.create_task(self.framed.client.run())
        return self.framed

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


TASK = {
    "name": "t",
    "task_id": {"value": "t1"},
    "agent_id": {"value": "A1"},
    "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}],
}


def test_launch_update_acknowledge_kill() -> None:
    async def test() -> None:
        master = await started(credentials=("me", "pass"))
        async with Running(Framed([master.address], auth=("me", "pass"))) as f:
            offer = (await f.until(Offers)).offers[0]
            assert f.client.framework_id == master.framework_id and offer.hostname == "n1"
            await f.client.accept([offer.id], [TASK], 60)
            update = await f.until(Update, 2)
            assert update.status.state == "TASK_RUNNING"
            for e in [e for e in f.events if isinstance(e, Update)]:
                await f.client.acknowledge(e.status)
            assert not master.tasks["t1"].unacknowledged
            await f.client.kill("t1", "A1", 1)
            assert (await f.until(Update, 4)).status.state == "TASK_KILLED"
            await f.client.reconcile_all([("t1", "A1")])
            assert (await f.until(Update, 5)).status.state == "TASK_GONE"
        await master.stop()

    run(test)


def test_a_call_without_an_answer_is_followed_by_a_new_subscription() -> None:
    async def test() -> None:
        master = await started()
        async with Running(Framed([master.address])) as f:
            offer = (await f.until(Offers)).offers[0]
            master.cut = ["ACCEPT"]
            with pytest.raises(NotConnected):
                await f.client.accept([offer.id], [TASK], 60)
            await f.until(Disconnected)
            await f.until(Subscribed, 2)
            await f.client.reconcile([("t1", "A1"), ("t2", None)])
            await f.until(Update, 2)
            assert [e.status.state for e in f.events if isinstance(e, Update)] == ["TASK_GONE", "TASK_UNKNOWN"]
        await master.stop()

    run(test)


def test_a_wrong_password_is_tried_again_not_fatal() -> None:
    async def test() -> None:
        master = await started(credentials=("me", "pass"))
        async with Running(Framed([master.address], auth=("me", "wrong"))) as f:
            await asyncio.sleep(0.2)
            assert not f.events and not f.client.connected
            with pytest.raises(NotConnected):
                await f.client.revive()
        await master.stop()

    run(test)


def test_redirect_to_the_leader_and_failover_with_the_same_id() -> None:
    async def test() -> None:
        one, two = await started(), await started()
        one.redirect_to = two.address
        async with Running(Framed([one.address])) as f:
            await f.until(Subscribed)
            first = f.client.framework_id
            assert one.subscriptions == 0 and f.client.master == two.address
            one.redirect_to, two.redirect_to = None, one.address
            two.drop_stream()
            await f.until(Disconnected)
            await f.until(Subscribed, 2)
            assert f.client.framework_id == first == one.framework_id
        await one.stop()
        await two.stop()

    run(test)


def test_a_master_that_redirects_to_itself_is_not_hammered() -> None:
    async def test() -> None:
        master = await started()
        master.redirect_to = master.address
        seen = 0
        f = Framed([master.address])
        original = f.client._stream

        async def count(*a: object) -> object:
            nonlocal seen
            seen += 1
            return await original(*a)

        f.client._stream = count
        async with Running(f):
            await asyncio.sleep(0.5)
        assert 2 <= seen < 60
        await master.stop()

    run(test)


def test_missed_heartbeats_end_the_stream() -> None:
    async def test() -> None:
        master = await started(heartbeat=0.05)
        # A machine with much else to do is late by some of them.
        async with Running(Framed([master.address], missed=16)) as f:
            await f.until(Subscribed)
            await asyncio.sleep(1.0)  # longer than the 16
            assert not [e for e in f.events if isinstance(e, Disconnected)]
            master.silent, master.suppressed = True, True
            await f.until(Disconnected)
            await f.until(Subscribed, 2)
        await master.stop()

    run(test)


def test_a_refused_call_says_why() -> None:
    async def test() -> None:
        master = await started()
        async with Running(Framed([master.address])) as f:
            await f.until(Subscribed)
            with pytest.raises(CallRefused, match="400"):
                await f.client.call({"type": "DANCE"})
        await master.stop()

    run(test)


def test_a_second_framework_takes_over() -> None:
    async def test() -> None:
        master = await started()
        async with Running(Framed([master.address])) as first:
            await first.until(Subscribed)
            async with Running(Framed([master.address], framework_id=first.client.framework_id)) as second:
                await second.until(Subscribed)
                await first.until(Disconnected)
        await master.stop()

    run(test)
