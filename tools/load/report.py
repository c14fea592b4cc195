"""What became of a load: pure, from the ads of its jobs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ATTRIBUTES = [
    "ClusterId",
    "ProcId",
    "JobStatus",
    "ExitCode",
    "QDate",
    "JobStartDate",
    "CompletionDate",
    "RemoteUserCpu",
    "RemoteSysCpu",
    "RemoteWallClockTime",
    "AerieLoadKind",
    "LastRemoteHost",
    "NumJobStarts",
]
COMPLETED = 4


@dataclass(frozen=True)
class Row:
    """The jobs of one kind. Times are seconds."""

    kind: str
    jobs: int
    failed: int  # ended with another status than 0
    wait: float  # from submission to start, median
    wait_most: float
    ran: float  # median
    cpu: float  # processor time by wall clock time, of all
    again: int  # starts beyond the first

    @property
    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "jobs": self.jobs,
            "failed": self.failed,
            "wait_median_s": round(self.wait, 1),
            "wait_most_s": round(self.wait_most, 1),
            "ran_median_s": round(self.ran, 1),
            "cpu_share": round(self.cpu, 3),
            "started_again": self.again,
        }


def _row(kind: str, ads: Sequence[Mapping[str, Any]]) -> Row:
    waits = [ad["JobStartDate"] - ad["QDate"] for ad in ads if "JobStartDate" in ad]
    walls = [float(ad.get("RemoteWallClockTime", 0)) for ad in ads]
    cpu = sum(float(ad.get("RemoteUserCpu", 0)) + float(ad.get("RemoteSysCpu", 0)) for ad in ads)
    return Row(
        kind,
        len(ads),
        sum(ad.get("ExitCode") != 0 for ad in ads),
        statistics.median(waits) if waits else 0,
        max(waits, default=0),
        statistics.median(walls),
        cpu / sum(walls) if sum(walls) else 0,
        sum(max(0, int(ad.get("NumJobStarts", 1)) - 1) for ad in ads),
    )


def rows(ads: Sequence[Mapping[str, Any]]) -> list[Row]:
    """One for each kind, and one for all where there are several; of the completed jobs."""
    done = [ad for ad in ads if ad.get("JobStatus") == COMPLETED]
    kinds = sorted({str(ad.get("AerieLoadKind", "?")) for ad in done})
    out = [_row(kind, [ad for ad in done if ad.get("AerieLoadKind", "?") == kind]) for kind in kinds]
    return [*out, _row("all", done)] if len(kinds) > 1 else out


def rate(ads: Sequence[Mapping[str, Any]]) -> float:
    """Completed jobs a minute, from the first submission to the last end; 0 if none is done."""
    done = [ad for ad in ads if ad.get("JobStatus") == COMPLETED and ad.get("CompletionDate")]
    if not done:
        return 0.0
    span: float = max(ad["CompletionDate"] for ad in done) - min(ad["QDate"] for ad in done)
    return 60 * len(done) / max(1, span)


def by_site(ads: Sequence[Mapping[str, Any]], sites: Mapping[str, str]) -> dict[str, int]:
    """Completed jobs by the site of the executor that ran them; most first."""
    out: dict[str, int] = {}
    for ad in ads:
        if ad.get("JobStatus") == COMPLETED:
            site = sites.get(str(ad.get("LastRemoteHost", "?")).split("@")[-1], "gone meanwhile")
            out[site] = out.get(site, 0) + 1
    return dict(sorted(out.items(), key=lambda item: -item[1]))
