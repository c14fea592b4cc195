"""Why jobs wait: each file of data/waiting has ads of slots, jobs, and what is to come of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from collector.metrics import WAITING
from collector.sources.waiting import TODO, largest, waiting

FILES = sorted((Path(__file__).parent / "data" / "waiting").glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_each_job_waits_for_one_reason(file: Path) -> None:
    case = json.loads(file.read_text())
    assert waiting(case["jobs"], case["ads"]) == case["waiting"]


def test_every_reason_is_seen_in_some_file_and_says_what_to_do() -> None:
    seen = {name for file in FILES for name, n in json.loads(file.read_text())["waiting"].items() if n}
    assert seen == set(WAITING) == set(TODO)
    assert all(WAITING.values()) and all(TODO.values())


def test_a_group_counts_as_its_jobs() -> None:
    case = json.loads((FILES[0].parent / "requirements.json").read_text())
    told = waiting([job | {"Jobs": 7} for job in case["jobs"]], case["ads"])
    assert told == {reason: 7 * n for reason, n in case["waiting"].items()}


def test_shapes_that_fit_into_others_are_left_out() -> None:
    assert largest([(1, 1, 1, 0), (2, 1, 1, 0), (1, 5, 1, 0), (1, 1, 1, 0)]) == [(2, 1, 1, 0), (1, 5, 1, 0)]


def test_it_takes_little_with_many_jobs_and_slots() -> None:
    """50000 jobs of 500 kinds and 5000 slots, each with a little less free than the one before."""
    slots = [
        {"MyType": "Machine", "SlotType": "Partitionable", "State": "Unclaimed", "TotalSlotCpus": 64, "Cpus": n % 64}
        | {"TotalSlotMemory": 2e5, "Memory": 2e5 - n, "TotalSlotDisk": 1e9, "Disk": 1e9 - 1000 * n}
        for n in range(5000)
    ]
    jobs = [
        {"JobStatus": 1, "JobUniverse": 5, "QDate": 0, "ServerTime": 1e6, "RequestCpus": 65, "RequestMemory": n % 500}
        for n in range(50000)
    ]
    before = time.process_time()
    assert waiting(jobs, slots)["too_big"] == 50000
    assert time.process_time() - before < 5
