"""A new master's silence about a task, told from an answer that is late."""

from __future__ import annotations

from mesos_client.silence import ASK_AGAIN, GRACE, Silence


def test_a_task_that_is_not_heard_of_is_silent_once_its_time_is_over() -> None:
    silence = Silence()
    silence.ask(["a", "b"], 100.0)
    silence.heard("a")
    assert silence.take_silent(100.0 + GRACE - 0.1) == set()
    assert silence.take_silent(100.0 + GRACE) == {"b"}
    assert silence.take_silent(200.0) == set()
    assert silence.wake_at(200.0) is None


def test_it_is_asked_again_until_then() -> None:
    silence = Silence()
    assert not silence.due(0.0)
    silence.ask(["a"], 100.0)
    assert not silence.due(100.0 + ASK_AGAIN - 0.1)
    assert silence.due(100.0 + ASK_AGAIN)
    assert not silence.due(100.0 + ASK_AGAIN + 0.1)
    silence.heard("a")
    assert not silence.due(200.0)


def test_another_master_starts_the_time_anew() -> None:
    silence = Silence()
    silence.ask(["a"], 100.0)
    silence.ask(["a", "c"], 110.0)
    assert silence.take_silent(100.0 + GRACE) == set()
    assert silence.take_silent(110.0 + GRACE) == {"a", "c"}


def test_it_wakes_for_what_comes_first() -> None:
    silence = Silence()
    silence.ask(["a"], 100.0)
    assert silence.wake_at(100.0) == 100.0 + ASK_AGAIN
    assert silence.wake_at(100.0 + GRACE - 1) == 100.0 + GRACE
