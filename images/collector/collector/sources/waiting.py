"""Why idle jobs wait: each counted under one of a few reasons, from what it asks for, what slots there are, and whether requirements
agree, as the pool's reader found by HTCondor's own matching. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..metrics import WAITING

Ad = Mapping[str, Any]
Shape = tuple[float, float, float, float]  # cores, MB, KB, GPUs
Match = str | None  # "free", "whole" or "none", as pool_reader.py has it; None: it was not looked at


# What whoever waits may do, by the reasons of metrics.WAITING.
TODO = {
    "new": "nothing: the negotiator has not looked at it twice yet",
    "no_slot": "see why no executor is there: aerie explain, and the pool's apps at Marathon",
    "too_big": "ask for less by condor_qedit (RequestCpus, RequestMemory, RequestDisk, RequestGPUs), or give executors more in the pool's file",
    "slots_busy": "wait, or add executors (executors.count in the pool's file)",
    "requirements": "condor_q -better-analyze JOB on the submit node says which part no slot satisfies; condor_qedit JOB Requirements changes it",
    "not_matched": "wait for the next negotiation; condor_userprio -all shows priorities, condor_q -better-analyze JOB on the submit node the rest",
}
CYCLES = 2  # of the negotiator, for which a job counts as new
PERIOD = 60.0  # seconds: a cycle where no negotiator tells of its own
ELSEWHERE = (7, 12)  # the universes scheduler and local: such jobs run beside the schedd, without a slot
IDLE = 1


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def request(job: Ad) -> Shape:
    """What a job asks for: what is not told counts as nothing, but for one core."""
    cores = _number(job.get("RequestCpus")) or 1.0
    return cores, _number(job.get("RequestMemory")), _number(job.get("RequestDisk")), _number(job.get("RequestGPUs"))


def _whole(slot: Ad) -> Shape:
    """What a slot has when no job is in it."""

    def most(name: str, free: str) -> float:
        return max(_number(slot.get(name)), _number(slot.get(free)))

    return (
        most("TotalSlotCpus", "Cpus"),
        most("TotalSlotMemory", "Memory"),
        most("TotalSlotDisk", "Disk"),
        most("TotalSlotGPUs", "GPUs"),
    )


def _free(slot: Ad) -> Shape:
    return _number(slot.get("Cpus")), _number(slot.get("Memory")), _number(slot.get("Disk")), _number(slot.get("GPUs"))


def fits(wanted: Shape, there: Shape) -> bool:
    return all(w <= t for w, t in zip(wanted, there, strict=True))


def largest(shapes: Iterable[Shape]) -> list[Shape]:
    """Those that fit into no other: what fits into one of all fits into one of these."""
    out: list[Shape] = []
    for shape in sorted(set(shapes), reverse=True):
        if not any(fits(shape, other) for other in out):
            out.append(shape)
    return out


def period(ads: Iterable[Ad]) -> float:
    """Seconds between two negotiations, by the pool's negotiators; the longest if there are several."""
    found = [_number(ad.get("LastNegotiationCyclePeriod0")) for ad in ads if ad.get("MyType") == "Negotiator"]
    return max(found, default=0.0) or PERIOD


def waiting(jobs: Iterable[Ad], ads: Iterable[Ad]) -> dict[str, int]:
    """How many idle jobs wait for each reason, 0 among them. `jobs` may be groups, each `Jobs` of a kind; `ads` are those of daemons and
    slots. A dynamic slot is a part of a partitionable one, and no place of its own."""
    ads = list(ads)
    slots = [ad for ad in ads if ad.get("MyType") in ("Machine", "Slot") and ad.get("SlotType") != "Dynamic"]
    whole = largest(map(_whole, slots))
    free = largest(_free(s) for s in slots if s.get("State") == "Unclaimed")
    young = CYCLES * period(ads)
    counts = dict.fromkeys(WAITING, 0)
    asked: Counter[tuple[Shape, Match]] = Counter()  # a shape is looked at once, however many jobs have it
    for job in jobs:
        if job.get("JobStatus") != IDLE or job.get("JobUniverse") in ELSEWHERE:
            continue
        number = int(job.get("Jobs", 1))
        if _number(job.get("ServerTime")) - _number(job.get("QDate")) < young:
            counts["new"] += number
        else:
            asked[request(job), job.get("Match")] += number
    for (shape, match), number in asked.items():
        counts[_reason(shape, match, whole, free)] += number
    return counts


def _reason(wanted: Shape, match: Match, whole: list[Shape], free: list[Shape]) -> str:
    if not whole:
        return "no_slot"
    if not any(fits(wanted, slot) for slot in whole):
        return "too_big"
    if match == "none":
        return "requirements"
    # A free slot that is large enough may be none that the job wants; those that it wants are in use then.
    if match == "whole" or not any(fits(wanted, slot) for slot in free):
        return "slots_busy"
    return "not_matched"
