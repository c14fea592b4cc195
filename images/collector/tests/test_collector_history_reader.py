"""Reading HTCondor's history after a position: rotation, halves of jobs, batches, and what was rotated away."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from collector import history_reader as reader

TEXT = (Path(__file__).parent / "data" / "history.txt").read_bytes()
END = TEXT.rindex(b"*** ")
WHOLE = TEXT[: TEXT.index(b"\n", END) + 1]  # without the job that is just being written


def job(number: int) -> bytes:
    return f'ClusterId = {number}\n*** Offset = 0 ClusterId = {number} ProcId = 0 Owner = "ann" CompletionDate = 1\n'.encode()


class Spool:
    """A folder with a history, read as the collector has it read: each answer's position is the next one's."""

    def __init__(self, folder: Path) -> None:
        self.history = folder / "history"
        self.history.write_bytes(b"")
        self.position, self.found = "", True

    def write(self, *numbers: int) -> None:
        with self.history.open("ab") as file:
            file.write(b"".join(map(job, numbers)))

    def rotate(self, stamp: str) -> Path:
        rotated = self.history.with_name(f"history.{stamp}")
        self.history.rename(rotated)
        self.history.write_bytes(b"")
        return rotated

    def read(self, jobs: int = 100, most: int = 10_000, keep: bool = True) -> tuple[list[int], int]:
        """The jobs' numbers, and how many wait."""
        opened = reader.files(str(self.history))
        taken, position, self.found, waiting = reader.read(opened, self.position, jobs, most)
        for file in opened:
            file.close()
        if keep:
            self.position = position
        return [int(re.findall(rb"ClusterId = (\d+) ", record)[0]) for record in taken], waiting


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def test_records_end_with_their_line_and_nowhere_else() -> None:
    found = reader.records(TEXT)
    assert b"".join(found) == WHOLE and len(found) == 3
    assert found[0].startswith(b"ClusterId = 1\nProcId = 0\n") and b"not the end" in found[0]


def test_a_job_that_is_just_being_written_comes_once_it_is_whole(spool: Spool) -> None:
    spool.history.write_bytes(TEXT)
    assert spool.read() == ([1, 1, 2], 0)
    with spool.history.open("ab") as file:
        file.write(b'ten"\n*** Offset = 9 ClusterId = 3 ')
    assert spool.read() == ([], 0)
    with spool.history.open("ab") as file:
        file.write(b'ProcId = 0 Owner = "ann" CompletionDate = 4\n')
    assert spool.read() == ([3], 0)
    assert spool.read() == ([], 0)


def test_batches_are_bounded_and_the_rest_is_counted(spool: Spool) -> None:
    spool.write(1, 2, 3, 4, 5)
    assert spool.read(jobs=2) == ([1, 2], 3)
    assert spool.read(most=2 * len(job(1))) == ([3, 4], 1)
    assert spool.read(most=1) == ([5], 0), "one that is larger than a batch comes alone"


def test_a_history_that_was_rotated_is_gone_through_in_order(spool: Spool) -> None:
    spool.write(1, 2)
    assert spool.read(jobs=1) == ([1], 1)
    spool.rotate("20261128T120000")
    spool.write(3)
    spool.rotate("20261128T120000.1")
    spool.rotate("20261128T130000")
    spool.write(4, 5)
    (spool.history.parent / "history.lock").write_bytes(job(99))
    assert spool.read(jobs=1) == ([2], 3)
    assert spool.read(jobs=2) == ([3, 4], 1)
    assert spool.read() == ([5], 0) and spool.found
    assert spool.read() == ([], 0) and spool.found


def test_what_was_not_taken_comes_once_more(spool: Spool) -> None:
    spool.write(1, 2)
    assert spool.read(keep=False) == spool.read(keep=False) == ([1, 2], 0)


def test_a_position_that_was_rotated_away_begins_with_the_oldest(spool: Spool) -> None:
    spool.write(1)
    spool.read()
    spool.rotate("20261128T120000").unlink()
    spool.write(2, 3)
    assert spool.read() == ([2, 3], 0) and not spool.found
    assert spool.read() == ([], 0) and spool.found


def test_an_inode_that_another_file_has_now_is_no_position(spool: Spool) -> None:
    spool.write(1, 2)
    spool.read(jobs=1)
    spool.history.write_bytes(job(7) + job(8))  # the same inode, as large
    assert spool.read() == ([7, 8], 0) and not spool.found


def test_a_file_that_became_shorter_is_no_position(spool: Spool) -> None:
    spool.write(1, 2)
    spool.read()
    os.truncate(spool.history, len(job(1)))
    assert spool.read() == ([1], 0) and not spool.found


def test_an_empty_history_is_a_position_too(spool: Spool) -> None:
    assert spool.read() == ([], 0) and spool.position.endswith(":0:0")
    spool.write(1)
    assert spool.read() == ([1], 0) and spool.found


@pytest.fixture
def adstash(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stands in for HTCondor's modules, which are in the submit node only (tests/live/test_history_image.py has the real ones)."""

    def parse(text: str) -> dict[str, Any]:
        ad = dict(re.findall(r"^(\w+) = (.*)$", text, flags=re.MULTILINE))
        if "Broken" in ad:
            raise ValueError("no ad")
        return {name: int(value) if value.isdigit() else value for name, value in ad.items()}

    convert: Any = ModuleType("convert")
    convert._LAUNCH_TIME = -1
    convert.to_json = lambda ad, return_dict: {**ad, "RecordTime": convert._LAUNCH_TIME, "Rank": float("nan")}
    convert.unique_doc_id = lambda doc: f"{doc['ClusterId']}#{doc['RecordTime']}"
    package: Any = ModuleType("adstash")
    package.convert = convert
    classad: Any = ModuleType("classad")
    classad.parseOne = parse
    for name, module in (("adstash", package), ("classad", classad)):
        monkeypatch.setitem(sys.modules, name, module)
    return convert


def test_a_jobs_id_has_its_own_time_and_json_no_number_that_it_cannot_have(adstash: Any) -> None:
    attributes = b"EnteredCurrentStatus = 50\n"
    found = reader.documents([attributes + job(1), b"QDate = 40\n" + job(2)])
    assert [one["id"] for one in found] == ["1#50", "2#40"]
    assert found[0]["doc"] == {"ClusterId": 1, "EnteredCurrentStatus": 50, "RecordTime": 50}


def test_a_job_that_cannot_be_read_is_told_and_the_others_come(adstash: Any) -> None:
    broken, well = reader.documents([b"Broken = 1\n" + job(1), job(2)])
    assert broken["error"] == "ValueError: no ad" and "ClusterId = 1 " in broken["job"]
    assert well["id"] == "2#0"
