"""The client's shell: its files, the child process that may hang or end, the command that drains."""

from __future__ import annotations

import asyncio
import logging
import stat
import sys
from pathlib import Path

import pytest
from htcondor_framework.condor import tools
from htcondor_framework.condor.client import Condor, CondorError
from htcondor_framework.condor.process import Child, HungUp, NoAnswer
from htcondor_framework.config import CondorConfig

CONFIG = CondorConfig(
    ("10.66.0.10:9618",), "CONDOR_HOST = 10.66.0.10", ("first.token.x", "second.token.y"), "demo.aerie"
)

# A process in the place of the one that speaks to HTCondor.
FAKE_WORKER = """
import json, os, sys, time
for line in sys.stdin:
    q = json.loads(line)
    kind = q["do"]
    if kind == "hang":
        time.sleep(60)
    if kind == "end":
        sys.exit(3)
    if kind == "rubbish":
        print("Warning: something")
    elif kind == "none":
        print(json.dumps({"id": q["id"], "none": "nobody is there"}))
    else:
        value = {"seen": 1.0, "idle": [], "usage": {"running": 0, "by_owner": {}, "by_group": {}}, "held": os.getpid()}
        if kind == "pool":
            pool = {"seen": 1.0, "startds": [], "negotiator": True, "schedd": True}
            schedd = {"MyAddress": "<10.66.0.11:9618>", "UpdateSequenceNumber": 1}
            value = {"pool": pool, "schedd": schedd, "examples": {}, "collector": q["collectors"][-1]}
        print(json.dumps({"id": q["id"], "value": value}))
    sys.stdout.flush()
"""


def fake_child(timeout: float = 5.0, script: str = FAKE_WORKER) -> Child:
    return Child(timeout, (sys.executable, "-c", script))


async def pid(child: Child) -> int:
    found: int = (await child.ask({"do": "queue"}))["held"]
    return found


def test_the_files(tmp_path: Path) -> None:
    Condor(CONFIG, ("bari",), tmp_path)
    Condor(CondorConfig(("h:1",), "A = 2\n", ("third",), "d"), ("bari",), tmp_path)
    config = tmp_path / "etc/condor/config.d/50-aerie.config"
    assert config.read_text() == "A = 2\n"
    for folder in (tmp_path / "root/.condor/tokens.d", tmp_path / "etc/condor/tokens.d"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [(f.name, f.read_text(), stat.S_IMODE(f.stat().st_mode)) for f in folder.iterdir()] == [
            ("aerie-0", "third\n", 0o600)
        ]


async def test_one_process_answers_all(tmp_path: Path) -> None:
    child = fake_child()
    assert len(set(await asyncio.gather(*(pid(child) for _ in range(5))))) == 1
    await child.close()


async def test_one_that_hangs_is_killed_and_replaced() -> None:
    child = fake_child(timeout=3)
    before = await pid(child)
    with pytest.raises(HungUp, match=r"3 s"):
        await child.ask({"do": "hang"})
    assert not Path(f"/proc/{before}").exists()
    assert await pid(child) != before
    await child.close()


@pytest.mark.parametrize("how", ["end", "rubbish"])
async def test_one_that_ends_or_talks_nonsense_is_replaced(how: str) -> None:
    child = fake_child()
    before = await pid(child)
    with pytest.raises(NoAnswer, match="ended"):
        await child.ask({"do": how})
    assert await pid(child) != before
    await child.close()


async def test_no_answer_is_handed_to_another_question() -> None:
    child = fake_child()
    await pid(child)
    task = asyncio.create_task(child.ask({"do": "hang"}))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await child.ask({"do": "queue"}))["seen"] == 1.0
    await child.close()


async def test_one_that_cannot_start_is_not_started_in_a_loop() -> None:
    child = fake_child(script="import no_such_module")
    for _ in range(5):
        with pytest.raises(NoAnswer):
            await child.ask({"do": "queue"})
    assert child.starts == 1


def condor(tmp_path: Path, *answers: str, collectors: tuple[str, ...] = ("a:1",), timeout: float = 5.0) -> Condor:
    """With processes, the collector's first and the schedd's second, that take every question for this one; "" for what it is."""
    scripts = [FAKE_WORKER.replace('q["do"]', f'"{answer}"', 1) if answer else FAKE_WORKER for answer in answers]
    config = CondorConfig(collectors, "", (), "d")
    return Condor(config, ("bari",), tmp_path, lambda: fake_child(timeout, scripts.pop(0)))


async def test_both_answer(tmp_path: Path) -> None:
    c = condor(tmp_path, "", "")
    queue, pool = await asyncio.gather(c.queue(), c.pool())
    assert queue is not None and pool is not None and pool.negotiator
    await c.close()


async def test_no_data_is_none_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    c = condor(tmp_path, "none", "")
    with caplog.at_level(logging.INFO):
        assert [await c.pool() for _ in range(3)] == [None] * 3
        assert [await c.queue() for _ in range(3)] == [None] * 3
    assert [r.getMessage() for r in caplog.records] == [
        "no data of the collector: nobody is there",
        "no data of the schedd: no collector tells of a schedd",
    ]
    await c.close()


async def test_a_schedd_that_hangs_does_not_keep_the_collector_waiting(tmp_path: Path) -> None:
    c = condor(tmp_path, "", "hang", timeout=1.0)
    assert await c.pool() is not None
    task = asyncio.create_task(c.queue())
    await asyncio.sleep(0)
    assert await asyncio.wait_for(c.pool(), 0.9) is not None
    assert not task.done()
    assert await task is None
    # Nor does it take another second of each cycle, as long as it sends no new ad.
    assert await asyncio.wait_for(c.queue(), 0.1) is None
    await c.close()


async def test_who_answered_is_asked_first(tmp_path: Path) -> None:
    c = condor(tmp_path, "", "", collectors=("a:1", "b:1", "c:1"))
    assert await c.pool() is not None  # by the last, c
    assert c._collectors == ["c:1", "a:1", "b:1"]
    await c.close()


async def test_who_hangs_is_asked_last(tmp_path: Path) -> None:
    c = condor(tmp_path, "hang", "", collectors=("a:1", "b:1"), timeout=0.3)
    assert await c.pool() is None
    assert c._collectors == ["b:1", "a:1"]
    await c.close()


# Says what it was called with, and ends as told.
FAKE_DRAIN = '#!/bin/sh\necho "$@" >> "{log}"\n{then}\n'


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return tmp_path / "calls"


def command(tmp_path: Path, then: str) -> None:
    (tmp_path / "bin").mkdir(exist_ok=True)
    path = tmp_path / "bin" / "condor_drain"
    path.write_text(FAKE_DRAIN.format(log=tmp_path / "calls", then=then))
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("cancel", "how"),
    [
        (False, '-graceful -reason framework -check (MaxJobRetirementTime =!= 0) || (State =!= "Claimed")'),
        (True, "-cancel"),
    ],
)
async def test_drain(tmp_path: Path, calls: Path, cancel: bool, how: str) -> None:
    command(tmp_path, "exit 0")
    await Condor(CONFIG, ("bari",), tmp_path).drain("10-65-0-7.demo.aerie", cancel)
    assert calls.read_text() == f"{how} -pool 10.66.0.10:9618 10-65-0-7.demo.aerie\n"


async def test_told_twice(tmp_path: Path, calls: Path) -> None:
    command(tmp_path, "echo 'DRAIN_JOBS request: error code 10001: Draining already in progress.' >&2; exit 1")
    await Condor(CONFIG, ("bari",), tmp_path).drain("x", False)


@pytest.mark.parametrize(
    ("answer", "asked"), [("ERROR: Can't find address for startd x", 2), ("Attempt to send DRAIN_JOBS failed", 1)]
)
async def test_why_a_drain_failed(tmp_path: Path, calls: Path, answer: str, asked: int) -> None:
    command(tmp_path, f'echo "{answer}" >&2; exit 1')
    condor = Condor(CondorConfig(("a:1", "b:1"), "", (), "d"), ("bari",), tmp_path)
    with pytest.raises(CondorError) as raised:
        await condor.drain("x", False)
    assert str(raised.value) == answer
    assert len(calls.read_text().splitlines()) == asked


async def test_a_drain_that_would_end_jobs_is_refused(tmp_path: Path, calls: Path) -> None:
    command(tmp_path, "echo 'error code 10003: Draining check expression is false on slot1_1@x.' >&2; exit 1")
    with pytest.raises(CondorError, match="when it has none"):
        await Condor(CONFIG, ("bari",), tmp_path).drain("x", False)


async def test_a_drain_that_hangs_is_ended(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path, f'echo $$ > "{tmp_path}/pid"; exec sleep 60')
    monkeypatch.setattr(tools, "TIMEOUT", 0.5)
    with pytest.raises(CondorError, match="no answer"):
        await Condor(CONFIG, ("bari",), tmp_path).drain("x", False)
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


@pytest.mark.parametrize("name", ["-all", "", "a b", "$(reboot)"])
async def test_only_names_are_drained(tmp_path: Path, calls: Path, name: str) -> None:
    command(tmp_path, "exit 0")
    with pytest.raises(CondorError, match="no name"):
        await Condor(CONFIG, ("bari",), tmp_path).drain(name, False)
    assert not calls.exists()
