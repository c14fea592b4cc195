"""Benchmark jobs: the plan, the submit file, and what is told of them."""

from __future__ import annotations

import io
import itertools
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tools.jobs import JobsFailed
from tools.load.plan import Batch, Mistake, Wish, count, job_of, mistakes, mix_of, plan, submit_file
from tools.load.report import by_site, rate, rows
from tools.load.work import STUCK, Counts, counts, run

WISH = Wish(60, 2, 20, 0.5, {"cpu": 6, "memory": 3, "io": 1}, 48, 32)


def test_a_mix() -> None:
    assert mix_of("cpu=6, memory=3,io") == {"cpu": 6, "memory": 3, "io": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpu=1", "--mix: there is no kind 'gpu'; write some of cpu, memory, io"),
        ("cpu=x", "--mix: 'cpu=x' has no whole number; write cpu=1"),
        ("cpu=0,io=0", "--mix: all weights are 0"),
        ("", "--mix: there is no kind ''"),
    ],
)
def test_a_bad_mix(text: str, said: str) -> None:
    with pytest.raises(Mistake, match=re.escape(said)):
        mix_of(text)


def test_a_plan_has_every_job_evenly_in_time_and_by_weight() -> None:
    batches = plan(WISH)
    jobs = [job for batch in batches for job in batch.jobs]
    assert len(jobs) == count(WISH) == 120
    assert [b.at for b in batches] == [5.0 * n for n in range(24)]
    assert {len(b.jobs) for b in batches} == {5}
    assert {kind: sum(j.kind == kind for j in jobs) for kind in WISH.mix} == {"cpu": 72, "memory": 36, "io": 12}
    # In any ten after one another too: the mix is even, not only right in the end.
    assert [j.kind for j in jobs[:10]].count("cpu") == 6 and [j.kind for j in jobs[50:60]].count("io") == 1
    lengths = [int(m[1]) for j in jobs if (m := re.search(r"--timeout (\d+)s", j.arguments))]
    assert min(lengths) >= 10 and max(lengths) <= 30 and sum(lengths) / len(lengths) == pytest.approx(20, abs=0.5)
    assert plan(WISH) == batches


@pytest.mark.parametrize("rate_", [0.5, 7, 61, 6000])
@pytest.mark.parametrize("minutes", [0.1, 1, 3.3])
def test_any_rate_gives_its_count_in_its_time(rate_: float, minutes: float) -> None:
    wish = replace(WISH, rate=rate_, minutes=minutes)
    batches = plan(wish)
    assert sum(len(b.jobs) for b in batches) == max(1, round(rate_ * minutes))
    assert all(0 <= b.at < minutes * 60 for b in batches)
    assert all(a.at < b.at for a, b in itertools.pairwise(batches))
    sizes = {len(b.jobs) for b in batches}
    assert max(sizes) - min(sizes) <= 1


def test_what_stress_is_told() -> None:
    assert job_of("cpu", 5, WISH).arguments == "--cpu 1 --timeout 5s"
    memory, disk = job_of("memory", 5, WISH), job_of("io", 5, WISH)
    assert memory.arguments == "--vm 1 --vm-bytes 48M --timeout 5s" and memory.memory > 48
    assert disk.arguments == "--hdd 1 --hdd-bytes 32M --timeout 5s" and disk.disk > 32


def test_the_submit_file() -> None:
    text = submit_file(Batch(0, (job_of("cpu", 5, WISH), job_of("io", 6, WISH))), "20260101-000000")
    assert 'My.AerieLoad = "20260101-000000"' in text
    assert text.endswith(
        "queue kind, mem, room, words from (\n"
        "  cpu, 64, 1, --cpu 1 --timeout 5s\n"
        "  io, 64, 33, --hdd 1 --hdd-bytes 32M --timeout 6s\n)\n"
    )


def test_all_mistakes_at_once() -> None:
    wrong = Wish(0, -1, 0, 2, {"memory": 1, "io": 1}, 2000, 0)
    said = mistakes(wrong, 1024, 2000)
    assert [line.split(":")[0] for line in said] == [
        "--rate 0",
        "--minutes -1",
        "--length 0",
        "--spread 2",
        "--memory 2000",
        "--disk 0",
    ]
    assert said[4].endswith("write 1 to 976 (MB)")
    assert mistakes(WISH, 1024, 2000) == []
    assert mistakes(replace(WISH, mix={"cpu": 1}, memory=5000), 1024, 2000) == []
    assert "100000 at most" in mistakes(replace(WISH, rate=6000, minutes=60), 1024, 2000)[0]


AD: dict[str, Any] = {
    "JobStatus": 4,
    "ExitCode": 0,
    "QDate": 100,
    "JobStartDate": 110,
    "CompletionDate": 160,
    "RemoteUserCpu": 40.0,
}
AD |= {"RemoteSysCpu": 5.0, "RemoteWallClockTime": 50.0, "AerieLoadKind": "cpu", "LastRemoteHost": "slot1@a.demo.aerie"}


def test_the_report() -> None:
    io_ = {**AD, "AerieLoadKind": "io", "JobStartDate": 130, "RemoteUserCpu": 0, "ExitCode": 1, "NumJobStarts": 2}
    removed = {"JobStatus": 3, "QDate": 0}
    cpu, disk, everything = rows([AD, io_, removed])
    assert (cpu.kind, cpu.jobs, cpu.failed, cpu.wait, cpu.cpu, cpu.again) == ("cpu", 1, 0, 10, 0.9, 0)
    assert (disk.kind, disk.failed, disk.wait_most, disk.again) == ("io", 1, 30, 1)
    assert (everything.kind, everything.jobs, everything.wait, everything.cpu) == ("all", 2, 20, 0.5)
    assert rate([AD, io_, removed]) == 2.0
    assert by_site([AD, io_, removed, {**AD, "LastRemoteHost": "x"}], {"a.demo.aerie": "bari"}) == {
        "bari": 2,
        "gone meanwhile": 1,
    }
    assert rows([removed]) == [] and rate([removed]) == 0


def test_counts() -> None:
    assert counts(9, "1\n2\n6\n5\n") == Counts(9, 1, 2, 1)
    assert str(counts(9, "1\n5\n")) == "9 submitted, 1 idle, 0 running, 1 held, 7 done"


class SimulatedQueue:
    """Each job runs at once for `seconds`; time is what was waited."""

    def __init__(self, seconds: float) -> None:
        self.clock, self.seconds, self.ends = 0.0, seconds, list[float]()
        self.submitted_at = list[float]()

    def submit(self, batch: Batch) -> None:
        self.submitted_at.append(self.clock)
        self.ends += [self.clock + self.seconds] * len(batch.jobs)

    def look(self, submitted: int) -> Counts:
        return Counts(submitted, 0, sum(end > self.clock for end in self.ends), 0)

    def wait(self, seconds: float) -> None:
        self.clock += max(seconds, 0.001)


def follow(queue: SimulatedQueue, batches: list[Batch]) -> tuple[Counts, str]:
    out = io.StringIO()
    ended = run(queue, batches, Console(file=out), lambda: queue.clock, queue.wait)  # type: ignore[arg-type]
    return ended, out.getvalue()


def test_a_load_is_submitted_when_it_is_due_and_followed_to_its_end() -> None:
    queue = SimulatedQueue(7)
    ended, said = follow(queue, plan(WISH))
    assert ended == Counts(120, 0, 0, 0)
    assert queue.submitted_at == pytest.approx([5.0 * n for n in range(24)], abs=0.1)
    assert 115 + 7 <= queue.clock <= 115 + 9
    assert said.splitlines()[-1].strip().endswith("120 submitted, 0 idle, 0 running, 120 done")


def test_a_load_that_nobody_runs_ends_with_words() -> None:
    with pytest.raises(JobsFailed, match=f"no job has ended for {STUCK} s: 120 submitted"):
        follow(SimulatedQueue(1e9), plan(WISH))
