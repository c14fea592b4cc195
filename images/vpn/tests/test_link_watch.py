"""The link watch's decisions (images/vpn/watch/link.c), fed by `link-watch replay`. Needs a C compiler; where there is none, the
image's own build and tests/live/test_vpn_links.py have to do."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "watch"
COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

Replay = Callable[[list[str]], tuple[list[str], str]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The watch."""
    made = tmp_path_factory.mktemp("watch") / "link-watch"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover"]
    subprocess.run([str(COMPILER), *flags, "-o", str(made), *map(str, SOURCES.glob("*.c"))], check=True)
    return made


@pytest.fixture
def replay(program: Path) -> Replay:
    """Events in; out come the changes of state, and the last state with its round-trip time in us, the number of lost and the ms to
    the next probe."""

    def run(events: list[str]) -> tuple[list[str], str]:
        text = "".join(f"{e}\n" for e in events)
        done = subprocess.run([program, "replay"], input=text, capture_output=True, text=True, check=True)
        *changes, last = done.stdout.splitlines()
        return changes, last

    return run


def probes(first: int, count: int, answered: Callable[[int], bool], rtt: int = 10, every: int = 500) -> Iterator[str]:
    """`count` probes from number `first` on, one each `every` ms, each judged before; those that are `answered` after `rtt` ms."""
    pending: list[tuple[int, int]] = []
    for number in range(first, first + count):
        at = number * every
        while pending and pending[0][0] <= at:
            due, which = pending.pop(0)
            yield f"answer {which} {due}"
        yield f"judge {at}"
        yield f"probe {at}"
        if answered(number):
            pending.append((at + rtt, number))
    for due, which in pending:
        yield f"answer {which} {due}"


def test_up_after_three_answers(replay: Replay) -> None:
    assert replay([*probes(0, 2, lambda n: True)]) == ([], "unknown 10000 0 500")
    assert replay([*probes(0, 3, lambda n: True)]) == (["1010 up"], "up 10000 0 500")


def test_down_after_three_misses_and_back(replay: Replay) -> None:
    # Numbers 10 to 19 get no answer: the third of them is missed when the fourth is due.
    changes, last = replay([*probes(0, 40, lambda n: not 10 <= n < 20)])
    assert changes == ["1010 up", "6500 down", "11010 up"]
    assert last == "up 10000 10 500"


def test_a_miss_hurries_the_probes_and_one_answer_in_many_is_enough(replay: Replay) -> None:
    up = [*probes(0, 10, lambda n: True)]  # the last one at 4500
    assert replay([*up, "judge 5000", "probe 5000", "judge 5500", "probe 5500"])[1].endswith(" 100")
    assert replay([*up, "judge 5000", "probe 5000", "answer 10 5010", "judge 5500", "probe 5500"])[1].endswith(" 500")
    hurried = [e for i in range(30) for e in (f"judge {5600 + i * 100}", f"probe {5600 + i * 100}")]
    lossy = [*up, "judge 5000", "probe 5000", "judge 5500", "probe 5500", *hurried]
    changes, last = replay(lossy)
    assert changes == ["1010 up", "6500 down"] and last.endswith(" 500")  # no hurry with a dead one
    # Probe 20 was sent at 6400.
    assert replay([*lossy[: lossy.index("judge 6500")], "answer 20 6410"])[0] == ["1010 up"]
    assert replay([*lossy[: lossy.index("judge 6500")], "answer 20 6410", *hurried[18:]])[0] == ["1010 up", "8000 down"]


def test_the_first_answers_that_never_come(replay: Replay) -> None:
    assert replay([*probes(0, 4, lambda n: False)])[0] == ["1500 down"]


def test_two_in_three_lost_is_no_dead_link(replay: Replay) -> None:
    # Bad, but traffic gets through; nor does it count as three answers in a row once it is down.
    assert replay([*probes(0, 300, lambda n: n < 10 or n % 3 == 0)])[0] == ["1010 up"]
    changes, _ = replay(["down 0", *probes(0, 300, lambda n: n % 3 == 0)])
    assert changes == []
    changes, _ = replay(["down 0", *probes(0, 300, lambda n: n % 3 != 0)])
    assert changes == []


@pytest.mark.parametrize("rtt", [499, 501, 900, 1400])
def test_a_slow_link_is_not_dead(replay: Replay, rtt: int) -> None:
    changes, last = replay([*probes(0, 100, lambda n: True, rtt=rtt)])
    assert changes == [f"{1000 + rtt} up"]
    assert last.startswith(f"up {rtt * 1000} 0 ")


def test_a_watch_that_was_held_up_finds_no_loss(replay: Replay) -> None:
    """What it did not send cannot be missed: 20 s between two probes are one miss, not forty."""
    events = [
        *probes(0, 5, lambda n: True),
        "judge 22000",
        "probe 22000",
        "judge 42000",
        "probe 42000",
        "answer 6 42010",
    ]
    changes, last = replay(events)
    assert changes == ["1010 up"] and last.startswith("up ")


def test_answers_that_are_not_its_own(replay: Replay) -> None:
    """Repeated, of probes that were never sent, and of some long past."""
    for strange in ("answer 0 700", "answer 5 700", "answer 65535 700", "answer 40000 700"):
        events = ["probe 0", "answer 0 10", "probe 500", *[strange] * 5]
        assert replay(events)[1] == "unknown 10000 0 500", strange


def test_a_down_link_tells_no_round_trip_time(replay: Replay) -> None:
    assert replay([*probes(0, 20, lambda n: n < 10)])[1].startswith("down -1 ")


def test_the_median_is_of_the_last_answers(replay: Replay) -> None:
    slow = ["probe 0", "answer 0 90", "probe 500", "answer 1 590", "probe 1000", "answer 2 1030"]
    assert replay(slow)[1] == "up 90000 0 500"
    later = [line for n in range(3, 13) for line in (f"probe {n * 500}", f"answer {n} {n * 500 + 20 + n}")]
    assert replay([*slow, *later])[1] == "up 28000 0 500"


def test_numbers_wrap_around(replay: Replay) -> None:
    """After nine hours they start again, be the link up all the time or dead for hours."""
    assert replay([*probes(0, 70000, lambda n: True)]) == (["1010 up"], "up 10000 0 500")
    for dead in (32000, 34000, 65533, 65536, 66000, 131072):
        changes, last = replay([*probes(0, 10 + dead + 5, lambda n, dead=dead: n < 10 or n >= 10 + dead)])  # type: ignore[misc]
        assert [c.split()[1] for c in changes] == ["up", "down", "up"], dead
        assert last == f"up 10000 {dead} 500"


def test_status_is_told_to_whoever_connects(program: Path) -> None:
    """Each gets the whole of what `vpn status` prints, and no process is left of it."""
    with tempfile.TemporaryDirectory(prefix="w-") as name:  # short: a socket's path has at most 107 characters
        folder = Path(name)
        vpn = folder / "vpn"
        vpn.write_text('#!/bin/sh\necho "$*"\nexec seq 1 30000\n')
        vpn.chmod(0o755)
        command = [str(program), "run", name, str(vpn), "routes"]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            deadline = time.monotonic() + 10
            while not (folder / "status.sock").exists():
                assert time.monotonic() < deadline, "it does not listen"
                if watch.poll() is not None:
                    said = watch.communicate()[1]
                    assert "cannot ping" in said, said
                    pytest.skip(f"here tests may not ping: {said.strip()}")
                time.sleep(0.01)
            for _ in range(3):
                with socket.socket(socket.AF_UNIX) as asking:
                    asking.connect(str(folder / "status.sock"))
                    text = asking.makefile().read()
                assert text.splitlines() == ["status", *map(str, range(1, 30001))]
            children = Path(f"/proc/{watch.pid}/task/{watch.pid}/children")
            deadline = time.monotonic() + 10
            while children.read_text().strip():
                assert time.monotonic() < deadline, "a process is left"
                time.sleep(0.01)
        finally:
            watch.terminate()
            watch.communicate()
        assert watch.returncode == 0 and not list(folder.glob("*.sock"))
