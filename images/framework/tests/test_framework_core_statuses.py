"""What each state of a Mesos task does to the records."""

from __future__ import annotations

import dataclasses

import pytest
from framework_core_helpers import MANAGER, NOW, ROLES, SUBMIT, executor, role
from htcondor_framework.core import delays
from htcondor_framework.core.model import Kind, Phase, Role, Size, Task
from htcondor_framework.core.statuses import ENDED, Outcome, Update, apply_update
from htcondor_framework.core.view import Memory

ALL_ENDED = sorted(ENDED)


def apply(*tasks: Task, now: float = NOW, memory: Memory | None = None, **update: object) -> Outcome:
    records = {t.id: t for t in tasks}
    kept = dict(records)
    out = apply_update(
        records,
        memory or Memory(),
        Update(**update),  # type: ignore[arg-type]
        now,
        pool="demo",
        roles=(MANAGER, SUBMIT),
    )
    assert records == kept
    assert out.changed == (dict(out.tasks) != kept)
    return out


def young(**changes: object) -> Task:
    return executor(
        "a", **{"phase": Phase.LAUNCHING, "since": NOW - 5, "launched": NOW - 5, "healthy": None, **changes}
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["TASK_STAGING", "TASK_STARTING"])
def test_staging_and_starting_are_still_a_launch(state: str) -> None:
    task = young()
    out = apply(task, task=task.id, state=state)
    assert not out.changed and out.tasks[task.id].phase is Phase.LAUNCHING


def test_running_is_recorded_with_its_address_and_said() -> None:
    task = young()
    out = apply(task, task=task.id, state="TASK_RUNNING", address="10.65.0.7", healthy=True)
    after = out.tasks[task.id]
    assert (after.phase, after.since, after.address, after.healthy) == (Phase.RUNNING, NOW, "10.65.0.7", True)
    assert "runs on bari-1" in out.text


def test_the_same_again_changes_nothing() -> None:
    task = executor("a")
    out = apply(task, task=task.id, state="TASK_RUNNING", agent=task.agent)
    assert not out.changed


def test_an_older_state_does_not_undo_a_newer_one() -> None:
    task = executor("a")
    assert apply(task, task=task.id, state="TASK_STARTING").tasks[task.id].phase is Phase.RUNNING
    killing = executor("a", phase=Phase.KILLING)
    assert apply(killing, task=killing.id, state="TASK_RUNNING").tasks[killing.id].phase is Phase.KILLING


def test_health_is_kept_when_an_update_does_not_tell_it() -> None:
    task = executor("a", healthy=True)
    assert apply(task, task=task.id, state="TASK_RUNNING", healthy=None).tasks[task.id].healthy is True
    assert apply(task, task=task.id, state="TASK_RUNNING", healthy=False).tasks[task.id].healthy is False


def test_killing_is_recorded_whoever_asked_for_it() -> None:
    task = executor("a")
    assert apply(task, task=task.id, state="TASK_KILLING").tasks[task.id].phase is Phase.KILLING


@pytest.mark.parametrize("state", [*ALL_ENDED, "TASK_UNKNOWN"])
def test_an_ended_task_is_no_record_any_more(state: str) -> None:
    task = executor("a")
    out = apply(task, executor("b"), task=task.id, state=state)
    assert set(out.tasks) == {executor("b").id}
    assert state in out.text


@pytest.mark.parametrize("state", ["TASK_FAILED", "TASK_ERROR", "TASK_KILLED", "TASK_LOST", "TASK_DROPPED"])
def test_a_launch_that_ends_at_once_counts_as_a_failure_of_its_agent(state: str) -> None:
    task = young()
    out = apply(task, task=task.id, state=state)
    assert out.failed and out.memory.failures == {"bari-1": (1, NOW + delays.FIRST)}


def test_a_role_fails_by_its_name() -> None:
    task = role(MANAGER, phase=Phase.LAUNCHING)
    out = apply(task, task=task.id, state="TASK_FAILED")
    assert set(out.memory.failures) == {"central-manager"}


@pytest.mark.parametrize(
    "task, update",
    [
        (young(phase=Phase.KILLING), {"state": "TASK_KILLED"}),
        (young(phase=Phase.KILLING), {"state": "TASK_FAILED"}),
        (young(), {"state": "TASK_FINISHED"}),
        (young(), {"state": "TASK_GONE"}),
        (young(), {"state": "TASK_GONE_BY_OPERATOR"}),
        (young(), {"state": "TASK_LOST", "reason": "REASON_INVALID_OFFERS"}),
        (young(launched=NOW - 61), {"state": "TASK_UNKNOWN"}),
        (executor("a", since=NOW - 500), {"state": "TASK_FAILED"}),
        (young(kind=Kind.FIXED, drain="update", phase=Phase.RUNNING), {"state": "TASK_FINISHED"}),
    ],
    ids=[
        "killed by us",
        "failed when killed by us",
        "an elastic one finished",
        "its machine is gone",
        "gone by operator",
        "its offer was gone",
        "unknown",
        "it ran well for long",
        "drained, finished",
    ],
)
def test_no_failure_is_counted_when_it_is(task: Task, update: dict[str, str]) -> None:
    out = apply(task, task=task.id, **update)
    assert not out.tasks and not out.failed and not out.memory.failures


def test_a_fixed_executor_that_finishes_at_once_is_a_failure() -> None:
    task = young(kind=Kind.FIXED)
    assert apply(task, task=task.id, state="TASK_FINISHED").failed


def test_several_that_die_together_count_once_and_then_the_delay_doubles() -> None:
    failures = delays.failed({}, "x", NOW)
    assert delays.failed(failures, "x", NOW + 1) == failures
    for n in range(1, 12):
        until = failures["x"][1]
        assert delays.left(failures, "x", until - 1) == 1
        failures = delays.failed(failures, "x", until)
        assert failures["x"] == (n + 1, until + min(300, 5 * 2**n))
    assert delays.settle(failures, failures["x"][1] + 299) == failures
    assert delays.settle(failures, failures["x"][1] + 300) == {}


def test_unreachable_stays_a_record_and_counts_from_when_it_was_first_said() -> None:
    task = executor("a")
    out = apply(task, task=task.id, state="TASK_UNREACHABLE")
    after = out.tasks[task.id]
    assert (after.phase, after.since) == (Phase.UNREACHABLE, NOW)
    assert not apply(after, now=NOW + 50, task=task.id, state="TASK_UNREACHABLE").changed


def test_an_executor_that_returns_is_welcome_also_beside_its_replacement() -> None:
    task = executor("a", phase=Phase.UNREACHABLE, since=NOW - 100)
    out = apply(task, executor("b"), task=task.id, state="TASK_RUNNING")
    assert out.tasks[task.id].phase is Phase.RUNNING and not out.kills
    assert "is back" in out.text


@pytest.mark.parametrize("phase", [Phase.LAUNCHING, Phase.RUNNING])
def test_a_central_manager_that_returns_beside_its_replacement_is_killed_at_once(phase: Phase) -> None:
    old = role(MANAGER, id="demo.central-manager.old", phase=Phase.UNREACHABLE, since=NOW - 100)
    new = role(MANAGER, id="demo.central-manager.new", phase=phase)
    out = apply(old, new, task=old.id, state="TASK_RUNNING")
    assert [k.task for k in out.kills] == [old.id]
    assert out.tasks[old.id].phase is Phase.KILLING and out.tasks[new.id] == new


def test_a_central_manager_that_returns_alone_goes_on() -> None:
    old = role(MANAGER, phase=Phase.UNREACHABLE, since=NOW - 100)
    also_away = role(MANAGER, id="demo.central-manager.2", phase=Phase.UNREACHABLE)
    out = apply(old, also_away, task=old.id, state="TASK_RUNNING")
    assert not out.kills and out.tasks[old.id].phase is Phase.RUNNING


def test_two_central_managers_of_different_names_do_not_fight() -> None:
    old = role(MANAGER, phase=Phase.UNREACHABLE)
    other = role(MANAGER, id="demo.central-manager-2.x", name="central-manager-2")
    assert not apply(old, other, task=old.id, state="TASK_RUNNING").kills


def test_unknown_is_not_the_end_of_a_launch_that_may_be_on_its_way() -> None:
    task = young(launched=NOW - 59)
    assert not apply(task, task=task.id, state="TASK_UNKNOWN").changed
    assert not apply(young(launched=NOW - 61), task=task.id, state="TASK_UNKNOWN").tasks


def test_a_state_of_a_later_mesos_changes_nothing() -> None:
    task = executor("a")
    assert not apply(task, task=task.id, state="TASK_DREAMING").changed
    assert not apply(task="demo.executor.s", state="TASK_DREAMING").changed


def test_an_unknown_executor_is_taken_over() -> None:
    out = apply(*ROLES, task="demo.executor.s", state="TASK_RUNNING", agent="S1", hostname="bari-2", place="bari")
    task = out.tasks["demo.executor.s"]
    assert (task.role, task.phase, task.agent, task.place) == (Role.EXECUTOR, Phase.RUNNING, "S1", "bari")
    assert (task.size, task.template) == (Size(), "") and not out.kills


def test_an_unknown_role_is_taken_over_if_there_is_none() -> None:
    away = role(MANAGER, phase=Phase.UNREACHABLE)
    for records in ((), (away,)):
        out = apply(*records, task="demo.central-manager.s", state="TASK_RUNNING")
        assert out.tasks["demo.central-manager.s"].role is Role.CENTRAL_MANAGER and not out.kills


def test_an_unknown_role_is_killed_if_there_is_one_already() -> None:
    out = apply(*ROLES, task="demo.submit-node.s", state="TASK_RUNNING")
    assert [k.task for k in out.kills] == ["demo.submit-node.s"] and not out.changed


@pytest.mark.parametrize("name", ["other.executor.s", "demo.nothing.s", "x", "demo.executor", ""])
def test_a_task_that_is_none_of_this_pools_is_killed(name: str) -> None:
    assert [k.task for k in apply(task=name, state="TASK_RUNNING").kills] == [name]


@pytest.mark.parametrize("state", [*ALL_ENDED, "TASK_UNKNOWN", "TASK_UNREACHABLE", "TASK_KILLING"])
def test_a_stranger_that_ends_or_is_away_is_no_record(state: str) -> None:
    out = apply(task="demo.executor.s", state=state)
    assert not out.changed and not out.kills


def test_every_state_of_mesos_is_handled() -> None:
    """Each of them either changes the record of a running executor, or is what it is in already."""
    for state in [*ALL_ENDED, "TASK_UNKNOWN", "TASK_UNREACHABLE", "TASK_KILLING", "TASK_RUNNING"]:
        task = executor("a")
        out = apply(task, task=task.id, state=state)
        assert out.changed == (state != "TASK_RUNNING"), state
    assert dataclasses.replace(task) == task
