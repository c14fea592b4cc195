"""Records and back, and what is written when something changes."""

import dataclasses
import json

import pytest
from framework_helpers import raw_policy
from htcondor_framework import policy as policies
from htcondor_framework.core.model import Kind, Phase, Role, Size, Task
from htcondor_framework.history import History
from htcondor_framework.state import Settings, State, StateError, task_of, task_record
from hypothesis import given
from hypothesis import strategies as st

TASK = Task(
    id="demo.executor.1",
    role=Role.EXECUTOR,
    kind=Kind.ELASTIC,
    name="demo.executor.1",
    agent="A1",
    hostname="n1",
    place="bari",
    size=Size(2, 1024, 2000),
    template="abc",
    phase=Phase.LAUNCHING,
    since=1.5,
    launched=1.0,
)
_TIMES = st.floats(0, 2e9)
_TASKS = st.builds(
    Task,
    id=st.just("t"),
    role=st.sampled_from(Role),
    kind=st.sampled_from(Kind),
    name=st.text(),
    agent=st.text(),
    hostname=st.text(),
    place=st.text(),
    size=st.builds(Size, *[st.floats(0, 1e6)] * 4),
    template=st.text(),
    phase=st.sampled_from(Phase),
    since=_TIMES,
    launched=_TIMES,
    drain=st.text(),
    node=st.text(),
    drain_asked=_TIMES,
    address=st.text(),
    healthy=st.sampled_from([None, True, False]),
)


@given(_TASKS)
def test_a_task_survives_being_stored(task: Task) -> None:
    assert task_of("t", json.loads(json.dumps(task_record(task)))) == task


def test_only_what_changed_is_written() -> None:
    state = State(framework_id="F", tasks={TASK.id: TASK}, policy=policies.parse(raw_policy(1, max=2)))
    state.settings = Settings(paused=True, drain_sites=frozenset({"bari"}))
    first = state.take_changes()
    assert {(kind, key) for kind, key, _ in first} == {
        ("framework", "id"),
        ("policy", "current"),
        ("settings", "current"),
        ("task", TASK.id),
    }
    loaded = State.load((kind, key, json.loads(json.dumps(value))) for kind, key, value in first)
    assert loaded == state and loaded.take_changes() == []
    assert state.take_changes() == []
    # What is not stored is no change.
    state.tasks = {TASK.id: dataclasses.replace(TASK, idle_since=5.0, seen=True)}
    assert state.take_changes() == []
    state.tasks = {TASK.id: dataclasses.replace(TASK, phase=Phase.RUNNING)}
    assert [(kind, key) for kind, key, _ in state.take_changes()] == [("task", TASK.id)]
    state.forget_framework()
    assert state.take_changes() == [("framework", "id", None), ("task", TASK.id, None)]


@pytest.mark.parametrize(
    "record",
    [
        ("task", "t", {}),
        ("task", "t", {**task_record(TASK), "phase": "dancing"}),
        ("policy", "current", {"fixed": 1}),
        ("settings", "current", {"paused": True}),
        ("framework", "id", {}),
    ],
)
def test_what_another_version_stored_is_not_guessed_at(record: tuple) -> None:
    with pytest.raises(StateError, match=record[1]):
        State.load([record])


def test_decisions_are_told_once_while_they_hold() -> None:
    history = History(most=3)
    assert history.cycle(["a", "b"], 1.0) == ["a", "b"]
    assert history.cycle(["b"], 2.0) == []
    assert history.cycle(["b", "a"], 3.0) == ["a"]
    history.event("c", 4.0)
    assert [(line.when, line.text) for line in history.last(9)] == [(4.0, "c"), (3.0, "a"), (1.0, "b")]
    assert len(history.last(1)) == 1
