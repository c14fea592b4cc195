"""Maintenance, from Mesos' inverse offers to our answers, against the fake master over real HTTP."""

from __future__ import annotations

import pytest
from fake_mesos_master import FakeMaster
from framework_helpers import Shell, raw_policy, with_shell
from htcondor_framework.core import draining
from mesos_client import maintenance


def agents_of(m: FakeMaster, name: str) -> set[str]:
    return {t.agent.id for t in m.running(f"demo.{name}.")}


def test_everything_but_the_submit_node_leaves_and_then_we_agree() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=3)
        executor = next(t for t in m.running("demo.executor.") if t.agent.id == "A0")
        s.condor.claims[executor.id] = 1
        m.maintain("A0")
        await s.until(lambda: executor.id in s.condor.draining)
        await s.until(lambda: m.maintenance.answers.get("A0") == "DECLINE")
        # A replacement is there already; its own job goes on.
        await s.until(lambda: len(s.running("executor")) == 4)
        assert executor.id in m.tasks
        await s.until(lambda: "A0" not in agents_of(m, "central-manager") and s.running("central-manager"))
        s.condor.claims[executor.id] = 0
        await s.until(lambda: executor.id not in m.tasks)
        await s.until(lambda: m.maintenance.answers.get("A0") == "ACCEPT")
        assert agents_of(m, "submit-node") == {"A0"}
        assert "A0" not in agents_of(m, "executor")

    with_shell(test, raw_policy(3))


def test_a_maintenance_that_is_cancelled_gives_the_executors_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "LEASE", 2.5)

    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        (task,) = m.running("demo.executor.")
        s.condor.claims[task.id] = 1
        m.maintain(task.agent.id)
        await s.until(lambda: task.id in s.condor.draining)
        m.maintain(task.agent.id, on=False)
        await s.until(lambda: task.id not in s.condor.draining)
        assert s.s.state.tasks[task.id].drain == ""

    with_shell(test, raw_policy(1))


def test_a_new_scheduler_goes_on_with_the_drain() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        (task,) = m.running("demo.executor.")
        s.condor.claims[task.id] = 1
        m.maintain(task.agent.id)
        await s.until(lambda: s.s.state.tasks[task.id].drain == draining.MAINTENANCE)
        await s.until(lambda: task.id in s.condor.draining)
        await s.until(lambda: m.maintenance.answers.get(task.agent.id) == "DECLINE")
        s.job.cancel()
        told = len(s.condor.told)
        async with Shell(m, s.store, s.condor, s.policy) as second:
            await second.until(lambda: second.s.feed.pool)
            await second.until(lambda: m.maintenance.answers.get(task.agent.id) == "DECLINE")
            assert (f"startd-{task.id}", True) not in s.condor.told[told:], "it was not taken back meanwhile"
            s.condor.claims[task.id] = 0
            await second.until(lambda: task.id not in m.tasks)

    with_shell(test, raw_policy(1))


def test_a_pool_that_wants_nothing_is_asked_too() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        await s.until(lambda: m.suppressed)
        (manager,) = m.running("demo.central-manager.")
        m.maintain(manager.agent.id)
        await s.until(lambda: manager.id not in m.tasks)
        await s.until(lambda: len(s.running("central-manager")) == 1)
        (manager,) = m.running("demo.central-manager.")
        assert manager.agent.unavailable_from is None
        await s.until(lambda: m.suppressed)

    with_shell(test, raw_policy(0))
