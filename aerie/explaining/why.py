"""Why a job waits, in plain words, causes first; and what to do. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .facts import COMPLETED, HELD, IDLE, REMOVED, RUNNING, SUSPENDED, TRANSFERRING, Analysis, Facts, Job, Slot

YOUNG = 20  # seconds: the negotiator has not looked at it
COUNTED = {IDLE: "waiting", RUNNING: "running", TRANSFERRING: "running", COMPLETED: "done", HELD: "held"}
STATES = {
    IDLE: "waits", RUNNING: "runs", REMOVED: "is being removed", COMPLETED: "is done", HELD: "is held",
    TRANSFERRING: "runs", SUSPENDED: "is suspended",
}  # fmt: skip
BY_HAND = (1, 15)  # HoldReasonCode of condor_hold, and of a submission on hold
# (what the job asks for, the slots' attribute, what the unit is worth, how it is called)
ASKS = {
    "Cpus": ("cpus", 1, "core"),
    "Memory": ("memory", 1, "MB of memory"),
    "Disk": ("disk", 1024, "MB of disk"),
    "GPUs": ("gpus", 1, "GPU"),
}


@dataclass(frozen=True)
class Answer:
    """`state` in words; `why`, the reasons; `do`, what to do next; `good`: nothing needs to be done about the job."""

    job: str
    owner: str
    state: str
    why: tuple[str, ...]
    do: str
    good: bool
    counts: tuple[tuple[str, int], ...] = ()


def answer(f: Facts) -> Answer:
    """About a job, or a cluster: then about the first one that waits, else the first held, else any."""
    if f.trouble:
        return Answer(str(f.asked), "", "unknown", (f.trouble,), "aerie status", False)
    if not f.jobs:
        return _left(f)
    job = next((j for s in (IDLE, HELD) for j in f.jobs if j.status == s), f.jobs[0])
    counts = Counter(COUNTED.get(j.status, "other") for j in f.jobs)
    why, do, good = _about(f, job)
    told = tuple(counts.most_common()) if len(f.jobs) > 1 else ()
    return Answer(
        str(job.id), job.owner, f"{STATES.get(job.status, '?')}, {_since(f, job)}", tuple(why), do, good, told
    )


def _since(f: Facts, job: Job) -> str:
    start = job.since or job.submitted
    return f"since {_span(f.now - start)}" if start else "since when is not known"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _left(f: Facts) -> Answer:
    """Not in the queue."""
    job = f.left
    if job is None:
        what = f"pool {f.pool} has and had no such job"
        return Answer(
            str(f.asked),
            "",
            "is not known",
            (what,),
            f"aerie ssh {f.pool} condor_q -allusers shows those that there are",
            False,
        )
    done = job.status == COMPLETED
    where = f" on {job.host}" if job.host else ""
    why = (
        f"it ended{where} with exit status {job.exit_code}"
        if done and job.exit_code is not None
        else job.why or f"it ended{where}"
    )
    log = f"aerie ssh {f.pool} condor_history {job.id} -long"
    return Answer(str(job.id), job.owner, "is done" if done else "was removed", (why,), log, True)


def _about(f: Facts, job: Job) -> tuple[list[str], str, bool]:
    if job.status in (RUNNING, TRANSFERRING):
        site = next((s.site for s in f.slots or () if s.machine == job.host), "")
        where = f"on {job.host}" + (f" at {site}" if site else "")
        again = f"; it was started {job.starts} times" if job.starts > 1 else ""
        return [f"{where}{again}"], f"aerie ssh {f.pool} condor_tail -f {job.id}", True
    if job.status == HELD:
        by_hand = job.code in BY_HAND
        mend = "" if by_hand else "mend that, then "
        return [job.why or "HTCondor does not say why"], f"{mend}aerie ssh {f.pool} condor_release {job.id}", False
    if job.status != IDLE:
        return [job.why or f"HTCondor's state {job.status}"], f"aerie ssh {f.pool} condor_q {job.id} -long", True
    return _waits(f, job)


def _waits(f: Facts, job: Job) -> tuple[list[str], str, bool]:
    """Both sides' reasons: the framework knows what may come, HTCondor what is there."""
    why, never = _by_framework(f, job)
    edit = f"aerie ssh {f.pool} condor_qedit {job.id} ATTRIBUTE VALUE; or condor_rm, and submit it with less"
    if f.slots is None:
        return [*why, "the collector does not answer, so nobody is matched"], "aerie status", False
    if not f.slots:
        none = "there is no executor" + (" now: one is started where that is possible" if f.framework else "")
        return [*why, none], f"aerie status; executors.count in Pulumi.{f.pool}.yaml", False
    lacking = [*_lacking(f.analysis, job, f.slots)] if f.analysis else []
    if lacking:
        hopeless = any(for_good for _, for_good in lacking)
        told = [*why, *(text for text, _ in lacking)]
        if f.framework is not None and not never:
            return told, "wait; aerie status shows what the framework starts", not hopeless
        return told, edit if hopeless else f"wait; or more executors: Pulumi.{f.pool}.yaml", not hopeless
    if never:
        return why, edit, False
    return [*why, *_no_match(f, job)], "wait; say it again in a minute", True


def _by_framework(f: Facts, job: Job) -> tuple[list[str], bool]:
    if f.framework is None:
        return [], False
    if f.framework.trouble:
        return [f"the pool's framework does not answer: {f.framework.trouble}"], False
    out = ["the pool's framework is paused: it starts nothing"] if f.framework.paused else []
    for waiting in f.framework.waiting:
        if covers(waiting.jobs, job):
            return [*out, f"framework: {waiting.why}"], waiting.never
    return out, False


def covers(jobs: str, job: Job) -> bool:
    """Whether the framework's `7.0 ... 7.2, 9.0` has the job in it."""
    for first, process, last, last_process in re.findall(r"(\d+)\.(\d+)(?: *(?:\.\.\.|-) *(\d+)\.(\d+))?", jobs):
        start = int(first), int(process)
        end = (int(last), int(last_process)) if last else start
        if start <= (job.cluster, job.process) <= end:
            return True
    return False


def _lacking(a: Analysis, job: Job, slots: tuple[Slot, ...]) -> Iterator[tuple[str, bool]]:
    """(what no slot has, whether waiting is no use) of each condition that fits none."""
    none = [c for c in a.conditions if c.slots == 0]
    for condition in none:
        found = re.search(r"TARGET\.(Cpus|Memory|Disk|GPUs) >= ", condition.text)
        field, unit, word = ASKS[found[1]] if found else ("", 1, "")
        asks = getattr(job, field, None) if field else None
        if asks is None:
            yield f"no executor fulfils its requirement {condition.text}", True
            continue
        most = max((getattr(s, f"total_{field}") for s in slots), default=0.0)
        free = max((getattr(s, field) for s in slots if s.partitionable or s.state == "Unclaimed"), default=0.0)
        wish = f"it asks for {_amount(asks / unit, word)}"
        if asks > most:
            yield f"{wish}; the largest executor has {_amount(most / unit, word)}", True
        else:
            yield (
                f"{wish}; at the most {_amount(free / unit, word)} are free on one executor now, others' jobs have the rest",
                False,
            )
    if not none and a.machines and a.rejected == a.machines:
        yield "each of its requirements is fulfilled by some executor, but no executor fulfils all of them", True


def _amount(number: float, word: str) -> str:
    plural = "s" if word in ("core", "GPU") and number != 1 else ""
    return f"{number:g} {word}{plural}"


def _room(job: Job, slots: tuple[Slot, ...]) -> str:
    """That nothing has room now, in words; "" if something has. HTCondor's analysis counts what is taken by others as able to run it."""
    asks = {field: getattr(job, field) or 0.0 for field, _, _ in ASKS.values()}
    unit = {field: (size, word) for field, size, word in ASKS.values()}
    fitting = {s.machine for s in slots if all(getattr(s, f"total_{n}") >= a for n, a in asks.items())}
    free = [s for s in slots if s.machine in fitting and s.state == "Unclaimed"]
    if not fitting or any(all(getattr(s, n) >= a for n, a in asks.items()) for s in free):
        return ""
    short = [n for n, a in asks.items() if not any(getattr(s, n) >= a for s in free)] or ["cpus"]
    size, word = unit[short[0]]
    most = max((getattr(s, short[0]) for s in free), default=0.0)
    whose = (
        "1 executor that is large enough is"
        if len(fitting) == 1
        else f"{len(fitting)} executors that are large enough are"
    )
    return f"the {whose} busy: it asks for {_amount(asks[short[0]] / size, word)}, at the most {_amount(most / size, word)} are free on one of them"


def _no_match(f: Facts, job: Job) -> Iterator[str]:
    """Nothing speaks against the job itself."""
    if busy := _room(job, f.slots or ()):
        yield busy
        return
    a = f.analysis
    if a is None or f.now - job.submitted < YOUNG:
        yield "it is new: the negotiator has not looked at it yet"
        return
    if a.able:
        yield f"{_executors(a.able)} could run it now: HTCondor matches it within a minute"
    if a.refuse:
        yield f"{_executors(a.refuse)} that would fit: no new jobs there now: being emptied, or by policy"
    if a.mine:
        yield f"{_executors(a.mine)} that fit run other jobs of {job.owner}"
    if a.others:
        yield f"{_executors(a.others)} that fit serve others: it is a matter of priority (condor_userprio)"
    if job.rejected:
        yield f"the negotiator said, {_span(f.now - job.looked_at)} ago: {job.rejected}"


def _executors(count: int) -> str:
    return "1 executor" if count == 1 else f"{count} executors"
