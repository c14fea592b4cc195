"""The scheduler's loop against the fake master over real HTTP, and a fake HTCondor."""

import asyncio

import pytest
from fake_mesos_master import FakeMaster
from framework_helpers import FakeCondor, FakeStorage, Shell, agents, group, raw_policy, with_shell
from htcondor_framework.core import cycle
from htcondor_framework.core.model import Phase
from htcondor_framework.inbox import TermOver
from mesos_client import silence

ELASTIC = raw_policy(max=4)


def names_in_order(m: FakeMaster) -> list[str]:
    return [t.id.split(".")[1] for t in m.history]


def calls(m: FakeMaster, kind: str) -> list[dict]:
    return [c for c in m.calls if c["type"] == kind]


def test_daemons_start_in_order_then_fixed_executors() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=3)
        assert names_in_order(m) == ["central-manager", "submit-node", *["executor"] * 3]
        # The submit node where its spool is, fixed executors over the sites.
        where = [(t.id, t.agent.id, t.agent.attributes) for t in m.history]
        by_name = {t.id.split(".")[1]: t for t in m.history}
        assert by_name["submit-node"].agent.id == "A0", where
        assert len({t.agent.attributes["site"] for t in m.running("demo.executor.")}) == 3, where
        assert m.framework["name"] == "htcondor-demo" and m.framework["roles"] == ["pool-1"]
        assert m.framework["user"] == "pool-1" and m.framework["failover_timeout"] == 604800
        await s.until(lambda: m.suppressed)
        await s.until(lambda: not any(t.unacknowledged for t in m.history))

    with_shell(test, raw_policy(3))


def test_nothing_but_the_daemons_without_a_policy() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        await s.until(lambda: m.suppressed)
        assert sorted(set(names_in_order(m))) == ["central-manager", "submit-node"]

    with_shell(test)


def test_the_submit_node_waits_for_a_negotiator() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        s.condor.silent = True
        await s.until(lambda: s.running("central-manager"))
        await s.until(lambda: any("negotiator" in line.text for line in s.s.history.last(20)))
        assert not s.running("submit-node")
        s.condor.silent = False
        await s.up()

    with_shell(test, raw_policy(1))


def test_scale_out_with_the_queue_and_in_again() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        await s.until(lambda: m.suppressed)
        s.condor.idle = [group(3)]
        await s.until(lambda: len(s.running("executor")) == 3)
        s.condor.claims = dict.fromkeys(s.running("executor"), 1)
        s.condor.idle = []
        # One ends its jobs: it alone is drained, and killed once it is.
        first, *others = s.running("executor")
        s.condor.claims[first] = 0
        await s.until(lambda: first not in m.tasks)
        assert s.condor.told[0] == (f"startd-{first}", False)
        assert sorted(s.running("executor")) == sorted(others)
        assert {t for t, _ in s.condor.told} == {f"startd-{first}"}
        await s.until(lambda: m.suppressed)

    with_shell(test, ELASTIC)


def test_never_over_max() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        s.condor.idle = [group(50)]
        await s.until(lambda: len(s.running("executor")) == 4)
        await asyncio.sleep(0.5)  # many cycles: that nothing happens cannot be waited for
        assert names_in_order(m).count("executor") == 4

    with_shell(test, ELASTIC)


def test_a_drain_that_fails_is_tried_again_and_said() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        s.condor.idle = [group(1)]
        await s.until(lambda: s.running("executor"))
        s.condor.idle, s.condor.fails = [], True
        await s.until(lambda: s.s.feed.drains_failed == 1)
        assert any("could not be told" in line.text for line in s.s.history.last(5))
        assert s.running("executor")

    with_shell(test, ELASTIC)


def test_without_a_collector_executors_are_asked_and_drained_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "ALONE_AFTER", 0.1)

    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        (task,) = m.running("demo.executor.")
        s.condor.claims[task.id] = 1
        s.condor.silent = True
        await s.until(lambda: s.s.feed.alone)
        m.maintain(task.agent.id)
        await s.until(lambda: task.id in s.condor.draining)
        assert s.condor.directly == [task.id]
        await s.until(lambda: task.id in s.s.feed.own)
        assert task.id in m.tasks
        s.condor.claims[task.id] = 0
        await s.until(lambda: task.id not in m.tasks)

    with_shell(test, raw_policy(1), address_of=lambda _: "10.65.0.9")


def test_what_is_stored_comes_before_what_is_sent() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        stored = [key for batch in s.store.writes for kind, key in batch if kind == "task"]
        assert {t.id for t in m.history} <= set(stored)
        assert s.store.load().framework_id == m.framework_id

    async def check(s: Shell, m: FakeMaster) -> None:
        real = s.store.write

        async def write(changes: object) -> None:
            launched = {t.id for t in m.history}
            new = {key for kind, key, value in changes if kind == "task" and value and value["phase"] == "launching"}
            assert not new & launched
            await real(changes)

        s.store.write = write
        await test(s, m)

    with_shell(check, raw_policy(1))


def test_another_scheduler_goes_on_with_the_same_tasks() -> None:
    async def main() -> None:
        master, store = FakeMaster(agents()), FakeStorage()
        await master.start()
        condor = FakeCondor(master)
        async with Shell(master, store, condor, raw_policy(2, max=4)) as s:
            await s.up(executors=2)
            # Of a launch that was never heard of nobody knows for a minute whether it is still on its way.
            await s.until(lambda: all(t.phase is Phase.RUNNING for t in store.load().tasks.values()))
            framework, tasks = master.framework_id, set(master.tasks)
        gone = next(t for t in sorted(tasks) if ".executor." in t)
        master._release(master.tasks[gone])  # nobody told us of its end
        async with Shell(master, store, condor) as s:
            await s.until(lambda: gone not in s.s.state.tasks and len(s.running("executor")) == 2)
            assert master.framework_id == framework
            assert tasks - {gone} < set(master.tasks) and len(master.tasks) == 4
        await master.stop()

    asyncio.run(main())


def test_the_second_scheduler_takes_over_and_the_first_ends() -> None:
    async def main() -> None:
        master, store = FakeMaster(agents()), FakeStorage()
        await master.start()
        condor = FakeCondor(master)
        async with Shell(master, store, condor, raw_policy(1)) as first:
            await first.up(executors=1)
            tasks = set(master.tasks)
            async with Shell(master, store, condor) as second:
                with pytest.raises(TermOver):
                    async with asyncio.timeout(10):
                        await first.job
                await second.up(executors=1)
                assert set(master.tasks) == tasks and master.subscriptions == 2
        await master.stop()

    asyncio.run(main())


def test_a_new_master_changes_nothing() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=2)
        tasks = set(m.tasks)
        m.fail_over()
        await s.until(lambda: m.subscriptions == 2 and s.s.leading)
        await s.until(lambda: calls(m, "RECONCILE"))
        await asyncio.sleep(0.3)
        assert set(m.tasks) == tasks == {t.id for t in s.s.state.tasks.values() if t.phase is Phase.RUNNING}

    with_shell(test, raw_policy(2))


def test_calls_that_get_no_answer_are_made_again() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        m.cut = ["ACCEPT", "SUPPRESS"]
        await s.up(executors=2)
        assert m.subscriptions >= 2
        await s.until(lambda: set(m.tasks) == {t.id for t in s.s.state.tasks.values() if t.phase is Phase.RUNNING})
        m.cut = ["KILL"]
        await s.call("PUT", "/v1/policy", raw_policy(1), 200)
        await s.until(lambda: len(m.running("demo.executor.")) == 1)
        assert not m.cut

    with_shell(test, raw_policy(2))


def test_an_agent_that_is_lost_with_the_old_master_is_unreachable_before_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence, "ASK_AGAIN", 0.05)

    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=3)
        lost = m.running("demo.executor.")[0]
        away = lost.agent.id
        asked = len(calls(m, "RECONCILE"))
        m.fail_over(lost=[away])
        await s.until(lambda: m.subscriptions == 2)
        await s.until(lambda: len(calls(m, "RECONCILE")) > asked + 2)  # asked again and again
        assert s.s.state.tasks[lost.id].phase is not Phase.UNREACHABLE  # there is still time
        monkeypatch.setattr(silence, "GRACE", 0.0)
        await s.until(lambda: s.s.state.tasks[lost.id].phase is Phase.UNREACHABLE)
        m.return_agent(away)
        await s.until(lambda: s.s.state.tasks[lost.id].phase is Phase.RUNNING)

    with_shell(test, raw_policy(3))


def test_an_agent_lost_and_returned() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=3)
        tasks = set(m.tasks)
        m.lose_agent("A1")
        away = {t.id for t in m.tasks.values() if t.agent.id == "A1"}
        await s.until(lambda: all(s.s.state.tasks[t].phase is Phase.UNREACHABLE for t in away))
        m.return_agent("A1")
        await s.until(lambda: all(t.phase is Phase.RUNNING for t in s.s.state.tasks.values()))
        assert tasks == set(m.tasks) == set(s.s.state.tasks)

    with_shell(test, raw_policy(3))


@pytest.mark.parametrize(
    "state",
    ["FINISHED", "FAILED", "KILLED", "ERROR", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR"],
)
def test_a_task_that_ends_in_any_way_is_started_again(state: str) -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=2)
        first = s.running("executor")[0]
        m.update(first, f"TASK_{state}")
        await s.until(lambda: first not in s.s.state.tasks and ("task", first) not in s.store.values)
        await s.until(lambda: len(s.running("executor")) == 2)

    with_shell(test, raw_policy(2))


@pytest.mark.parametrize("state", ["STAGING", "STARTING", "KILLING"])
def test_a_task_that_lives_stays(state: str) -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        first = s.running("executor")[0]
        m.update(first, f"TASK_{state}")
        await s.until(lambda: not m.tasks[first].unacknowledged)
        assert first in s.s.state.tasks
        assert (s.s.state.tasks[first].phase is Phase.KILLING) == (state == "KILLING")

    with_shell(test, raw_policy(1))


def stranger(m: FakeMaster, task_id: str, agent: str = "A0") -> None:
    info = {"name": "x", "task_id": {"value": task_id}, "agent_id": {"value": agent}}
    env = {"AERIE_SLOT_CPUS": "1", "AERIE_SLOT_MEMORY": "400", "AERIE_SLOT_DISK": "900"}
    info["command"] = {"environment": {"variables": [{"name": k, "value": v} for k, v in env.items()]}}
    m._launch(info, [m.agents[agent]])


def test_strangers_that_are_ours_are_taken_over_and_others_killed() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        ours, other, second = "demo.executor.abc", "other.executor.abc", "demo.central-manager.abc"
        for task_id in (ours, other, second):
            stranger(m, task_id)
            s.condor.claims[task_id] = 1
        await s.until(lambda: other not in m.tasks and second not in m.tasks)
        await s.until(lambda: ours in s.s.state.tasks and s.s.state.tasks[ours].hostname == "127.0.0.1")
        assert ours in m.tasks and len(s.running("central-manager")) == 1

    with_shell(test, raw_policy(1, max=4))


def test_a_framework_that_mesos_has_removed_begins_anew() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        framework, tasks = m.framework_id, set(m.tasks)
        m.remove_framework()
        await s.until(lambda: len(s.running("executor")) == 1)
        assert m.framework_id != framework and not tasks & set(m.tasks)
        await s.until(lambda: s.store.load().framework_id == m.framework_id)
        assert set(s.store.load().tasks) == set(m.tasks)

    with_shell(test, raw_policy(1))


def test_what_nobody_wants_is_declined_for_long_and_offers_are_asked_for_again() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        await s.until(lambda: m.suppressed)
        declines = calls(m, "DECLINE")
        assert declines and all(c["decline"]["filters"]["refuse_seconds"] == 3600 for c in declines)
        # An idle pool leaves Mesos alone, once all that it had to say of its start is said.
        rate = 9
        while rate >= 3:
            before = len(m.calls)
            await asyncio.sleep(0.5)
            rate = len(m.calls) - before
        revived = len(calls(m, "REVIVE"))
        s.condor.idle = [group(1)]
        await s.until(lambda: s.running("executor"))
        assert len(calls(m, "REVIVE")) > revived
        # What fits nowhere asks again and again, but ever more seldom.
        s.condor.claims = dict.fromkeys(s.running("executor"), 1)
        await s.until(lambda: m.suppressed or s.condor.idle == [])
        revived = len(calls(m, "REVIVE"))
        s.condor.idle = [group(1, memory=500, key="big", places=frozenset({"bari"}))]
        m.agents["A2"].cpus = 0.5
        await asyncio.sleep(1.0)
        assert len(calls(m, "REVIVE")) - revived <= 3

    with_shell(test, ELASTIC)


def test_a_new_subscription_says_whether_offers_are_wanted() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        await s.until(lambda: m.suppressed)
        m.fail_over()
        await s.until(lambda: m.subscriptions == 2)
        assert calls(m, "SUBSCRIBE")[1]["subscribe"]["suppressed_roles"] == ["pool-1"]
        await s.until(lambda: s.s.leading)

    with_shell(test, ELASTIC)


def test_a_launch_that_mesos_refuses_is_no_record() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        for task in m.history:
            shown = task.info
            assert all(r["allocation_info"] == {"role": "pool-1"} for r in shown["resources"])
        assert {k for k, _ in s.store.values} <= {"framework", "task", "policy", "settings"}

    with_shell(test, raw_policy(1))


def test_kills_that_were_lost_with_the_connection_are_sent_again() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        first = s.running("executor")[0]
        s.condor.claims = {}
        # Mesos hears of the kill and does nothing.
        m._auto_kill = False
        await s.call("POST", f"/v1/executors/{first}/drain", status=202)
        await s.until(lambda: calls(m, "KILL"))
        kills = len(calls(m, "KILL"))
        m.fail_over()
        await s.until(lambda: len(calls(m, "KILL")) > kills)
        assert s.s.state.tasks[first].phase is Phase.KILLING

    with_shell(test, raw_policy(1))


def test_neighbours_are_told_what_we_hold() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=2)
        await s.until(lambda: s.shares.published and s.shares.published[-1].holds.cpus == 2)
        us = s.shares.published[-1]
        assert us.pool == "demo" and us.share.cpus == 8

    with_shell(test, raw_policy(2))
