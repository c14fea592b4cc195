"""A round: sources that fail, hang or say what nobody knows do not stop the others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import wait
from pathlib import Path

from collector import metrics
from collector.rounds import Rounds
from collector.sources import Partly


class Given:
    """A source whose `read` gives, or raises, one thing after the other."""

    def __init__(self, name: str, *answers: dict[str, float] | Exception) -> None:
        self.name, self._answers = name, list(answers)

    def read(self) -> dict[str, float]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Hanging:
    name = "etcd"

    def __init__(self) -> None:
        self.go_on, self.times = threading.Event(), 0

    def read(self) -> dict[str, float]:
        self.times += 1
        self.go_on.wait(30)
        return {"etcd.keys": 1.0}


def test_one_that_fails_is_counted_and_the_others_are_told() -> None:
    rounds = Rounds(
        [Given("vpn", OSError("x"), OSError("x")), Given("bgp", {"bgp.sessions": 2.0}, {"bgp.sessions": 3.0})], 5.0
    )
    assert rounds.ask()["bgp.sessions"] == 2
    found = rounds.ask()
    assert found["bgp.sessions"] == 3
    assert (found["collector.errors.vpn"], found["collector.errors.bgp"]) == (2, 0)


def test_one_that_hangs_costs_the_deadline_and_is_not_asked_again_before_it_answers() -> None:
    hanging = Hanging()
    rounds = Rounds([hanging, Given("bgp", *[{"bgp.sessions": 1.0}] * 3)], 0.2)
    found = rounds.ask()
    assert found["bgp.sessions"] == 1 and found["collector.errors.etcd"] == 1
    assert rounds.ask()["collector.errors.etcd"] == 2 and hanging.times == 1
    hanging.go_on.set()
    assert not wait([rounds._asked["etcd"]], 5).not_done
    assert rounds.ask()["etcd.keys"] == 1 and hanging.times == 2


class Slow:
    """Answers its questions when told to, each with its number."""

    name = "etcd"

    def __init__(self) -> None:
        self.may, self.times = threading.Semaphore(0), 0

    def read(self) -> dict[str, float]:
        self.times += 1
        number = self.times
        assert self.may.acquire(timeout=30)
        return {"etcd.keys": float(number)} | ({"etcd.leader": 1.0} if number == 3 else {})


def test_what_comes_late_is_told_in_the_round_after_unless_there_is_newer() -> None:
    slow = Slow()
    rounds = Rounds([slow], 0.2)
    answers = []
    for _ in range(3):
        answers.append(rounds.ask())
        slow.may.release()
        assert not wait([rounds._asked["etcd"]], 5).not_done
    assert [(a.get("etcd.keys"), a["collector.errors.etcd"]) for a in answers] == [(None, 1), (1, 1), (2, 1)]
    slow.may.release()  # and now it is quick again: the third answer is there already, the fourth comes in time
    found = rounds.ask()
    assert (found["etcd.keys"], found["collector.errors.etcd"]) == (4, 1)
    assert "etcd.leader" not in found, "nothing of the older answer is told beside the newer one"


def test_what_part_of_a_source_says_is_told() -> None:
    found = Rounds([Given("mesos_agent", Partly({"machines.a.load": 1.0}, 2, "two are down"))], 5.0).ask()
    assert found["machines.a.load"] == 1 and found["collector.errors.mesos_agent"] == 2


def test_nothing_is_sent_that_is_not_documented() -> None:
    found = Rounds([Given("bgp", {"bgp.sessions": 1.0, "bgp.secret": 2.0})], 5.0).ask()
    assert "bgp.secret" not in found and found["bgp.sessions"] == 1 and found["collector.errors.bgp"] == 1


def test_what_a_round_says_of_itself_is_documented() -> None:
    found = Rounds([Given("bgp", {})], 5.0).ask()
    assert set(found) == {"collector.seconds", "collector.errors.bgp"}
    assert all(metrics.known(name) for name in found)


def test_missing() -> None:
    names = [m.name.replace("<", "").replace(">", "") for m in metrics.table() if m.name != "vpn.<peer>.rtt"]
    every = {m.where for m in metrics.table()}
    assert metrics.missing(names, every) == ["vpn.<peer>.rtt"]
    assert metrics.missing(names, every - {metrics.TUNNEL}) == []


def test_a_thread_that_a_fault_ends_takes_the_process_with_it() -> None:
    """Docker starts that anew; a collector without its sender would seem well."""
    program = """
import os
import subprocess
import sys
import threading
from collector.__main__ import threads_do_not_end_alone
threads_do_not_end_alone()
threading.Thread(target=lambda: 1 / 0, name="sender").start()
threading.Event().wait(60)
"""
    path = str(Path(__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 70 and "sender" in done.stderr and "ZeroDivisionError" in done.stderr
