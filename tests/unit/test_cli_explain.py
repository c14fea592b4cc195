"""`aerie explain`: recorded answers of HTCondor and changed ones, and what is said of them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from aerie.explaining import ask
from aerie.explaining.facts import FACTS, Analysis, Condition, Facts, Framework, Job, JobId, Waiting
from aerie.explaining.why import answer, covers
from tests.unit.cli_data import DATA, clone_in

FOLDER = DATA / "explain"
ANALYSIS = (FOLDER / "analysis.txt").read_text()


def recorded(name: str) -> Facts:
    return FACTS.validate_json((FOLDER / f"{name}.json").read_bytes())


def with_framework(f: Facts, jobs: str, why: str, never: bool = False) -> Facts:
    return replace(f, framework=Framework(waiting=(Waiting("1.0", "other"), Waiting(jobs, why, never))))


def test_asks_for_more_than_there_is() -> None:
    said = answer(recorded("big"))
    assert said.why == ("it asks for 64 cores; the largest executor has 2 cores",)
    assert (said.state.split(",")[0], said.good) == ("waits", False) and "condor_qedit 8.0" in said.do


def test_waits_for_its_turn() -> None:
    """HTCondor's own analysis says of this one that three executors are able to run it."""
    said = answer(recorded("busy"))
    assert said.good and said.why == (
        "the 3 executors that are large enough are busy: it asks for 2 cores, at the most 0 cores are free on one of them",
    )


def test_held_and_done() -> None:
    held, done = answer(recorded("held")), answer(recorded("done"))
    assert (held.why, held.do, held.good) == (
        ("via condor_hold (by user demo)",),
        "aerie ssh demo condor_release 10.3",
        False,
    )
    assert (done.state, done.why, done.good) == (
        "is done",
        ("it ended on 10-75-151-192.demo.aerie with exit status 0",),
        True,
    )
    by_itself = replace(recorded("held").jobs[0], why="job used 300 MB, more than it asked for", code=34)
    assert answer(replace(recorded("held"), jobs=(by_itself,))).do.startswith(
        "mend that, then aerie ssh demo condor_release"
    )


def test_no_such_job_and_nobody_to_ask() -> None:
    assert answer(replace(recorded("done"), left=None)).why == ("pool demo has and had no such job",)
    silent = answer(Facts("demo", JobId(5), 0.0, trouble="no submit node of the pool runs there"))
    assert (silent.state, silent.do, silent.good) == ("unknown", "aerie status", False)


def test_no_executors() -> None:
    none = replace(recorded("busy"), slots=())
    assert answer(none).why == ("there is no executor",)
    elastic = with_framework(none, "10.3 ... 10.4", "2 idle jobs want 2 cpus and 64 MiB; no offer from cnaf")
    assert answer(elastic).why[0] == "framework: 2 idle jobs want 2 cpus and 64 MiB; no offer from cnaf"
    assert answer(replace(none, slots=None)).why == ("the collector does not answer, so nobody is matched",)


def test_the_framework_comes_first() -> None:
    never = answer(
        with_framework(recorded("busy"), "10.0 ... 10.4", "they want 16 cpus; the largest executor has 4", True)
    )
    assert never.why == ("framework: they want 16 cpus; the largest executor has 4",) and not never.good
    paused = replace(recorded("busy"), framework=Framework(paused=True))
    assert answer(paused).why[0] == "the pool's framework is paused: it starts nothing"
    gone = replace(recorded("busy"), framework=Framework("no connection"))
    assert answer(gone).why[0] == "the pool's framework does not answer: no connection"


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ('TARGET.AerieSite == "paris"', 'no executor fulfils its requirement TARGET.AerieSite == "paris"'),
        ("TARGET.Memory >= RequestMemory", "it asks for 900 MB of memory; at the most 800 MB of memory are free on one executor now, others' jobs have the rest"),
    ],
)  # fmt: skip
def test_a_condition_that_nothing_fulfils(condition: str, why: str) -> None:
    f = recorded("busy")
    analysis = Analysis(3, 3, conditions=(Condition(6, "TARGET.Cpus >= RequestCpus"), Condition(0, condition)))
    assert answer(replace(f, analysis=analysis, jobs=(replace(f.jobs[0], memory=900.0),))).why == (why,)


def test_conditions_that_nothing_fulfils_together() -> None:
    f = recorded("busy")
    said = answer(replace(f, analysis=Analysis(3, 3, conditions=(Condition(1, "a"), Condition(2, "b")))))
    assert said.why == ("each of its requirements is fulfilled by some executor, but no executor fulfils all of them",)


def test_room_there_is() -> None:
    """Idle executors: what HTCondor says counts; and what is a few seconds old was not looked at."""
    f = recorded("busy")
    free = tuple(replace(s, state="Unclaimed", cpus=s.total_cpus) for s in f.slots or ())
    analysis = Analysis(3, refuse=1, others=2)
    f = replace(f, slots=free, analysis=analysis)
    assert answer(f).why == (
        "1 executor that would fit: no new jobs there now: being emptied, or by policy",
        "2 executors that fit serve others: it is a matter of priority (condor_userprio)",
    )
    assert answer(replace(f, now=f.jobs[0].submitted + 5)).why == (
        "it is new: the negotiator has not looked at it yet",
    )


@pytest.mark.parametrize(
    ("jobs", "has"),
    [
        ("7.0", False),
        ("10.3", True),
        ("10.0 ... 10.4", True),
        ("10.4 ... 12.0", False),
        ("7.0, 9.0 ... 11.2 ...", True),
        ("", False),
    ],
)
def test_the_frameworks_lists_of_jobs(jobs: str, has: bool) -> None:
    assert covers(jobs, Job(10, 3, "demo", 1)) is has


def test_jobs_as_they_are_written() -> None:
    assert (ask.job_id("5"), ask.job_id(" 5.12 ")) == (JobId(5), JobId(5, 12))
    assert [ask.job_id(t) for t in ("", "5.", "x", "5.0; rm", "-5")] == [None] * 5


def test_analysis_is_read() -> None:
    found = ask.analysis(ANALYSIS)
    assert (found.machines, found.rejected, found.able) == (3, 3, 0)
    assert found.conditions[-1] == Condition(0, "TARGET.Cpus >= RequestCpus") and len(found.conditions) == 5


DOCKER = """#!/bin/sh
case "$1" in
ps) echo c1; exit ;;
inspect) echo "c1 ++"; exit ;;
esac
shift 2
case "$*" in
*-af:j*) echo "5.0 0" ;;
*better-analyze*) cat FOLDER/analysis.txt ;;
condor_q*) cat FOLDER/queue.txt ;;
condor_status*) echo "not yet" >&2; exit 1 ;;
esac
"""


def test_the_submit_node_is_asked(tmp_path: Path) -> None:
    """The real script in a real shell, with a collector that does not answer."""
    (tmp_path / "docker").write_text(DOCKER.replace("FOLDER", str(FOLDER)))
    (tmp_path / "docker").chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    script = ask.script("demo", JobId(5))
    done = subprocess.run(["/bin/sh"], input=script, capture_output=True, text=True, env=path)
    found = ask.read("demo", JobId(5), done.stdout, 1000.0, None)
    assert [(j.id, j.cpus, j.status) for j in found.jobs] == [(JobId(5, 0), 64.0, 1), (JobId(5, 1), None, 5)]
    assert found.slots is None and found.analysis is not None and found.analysis.rejected == 3 and not found.trouble
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 0\n")
    done = subprocess.run(["/bin/sh"], input=script, capture_output=True, text=True, env=path)
    assert ask.read("demo", JobId(5), done.stdout, 0.0, None).trouble == "no submit node of the pool runs there"
    assert ask.read("demo", JobId(5), f"{ask.MARK} queue 124\n\n", 0.0, None).trouble == "no answer in time"


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    the = clone_in(tmp_path, monkeypatch)
    monkeypatch.setattr("aerie.federation.here", lambda: None)
    monkeypatch.setattr("aerie.explaining.gather.gather", lambda *_: recorded("big"))
    status, said = the.run("explain", "demo", "8")
    assert status == 1 and "the largest executor has 2 cores" in said and "Next: aerie ssh demo condor_qedit" in said
    status, said = the.run("explain", "demo", "8", "--json")
    assert json.loads(said)["good"] is False
    status, said = the.run("explain", "demo", "eight")
    assert (status, "write its number" in said) == (2, True)
