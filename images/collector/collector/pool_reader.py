"""Run in a submit node's container, where it stays: reads its pool by HTCondor's Python bindings, as often as it is asked.

It stands alone (the collector sends its text to that container's Python), and needs the bindings `htcondor2` and `classad2`, which are
in the container anyway. One word a line on its standard input, to each an answer: a line of JSON, an empty one, and the `END` of
docker.py. It ends with its input. What cannot be told is an answer too, {"error": TEXT}, and the next word is read.

    counts    {"idle": N, "running": N, "held": N}: jobs that need a slot; of the schedd alone
    all       {"ads": [...], "jobs": [...], "priorities": [...], "disk": [SIZE, USED, FREE]}

`ads` are those of daemons and slots. `jobs` are groups: `Jobs` is how many jobs there are of the kind, its time is that of the one which has been
so for longest, and `Match`, where it is known of idle jobs, says whether requirements (the job's and the slot's) agree: "free" with a slot as
it is now, "whole" with one only if it were empty, "none" with no slot of the pool. `disk` is the spool's, in bytes.

Two processes. The one that stays is root of the container, but with no right save to change its user: the pool's token is root's, and the schedd
knows by FS only `condor` and the pool's users. It logs in and evaluates nothing. For each "all" it makes another, which goes on in its
sessions as `nobody`: there users' expressions are evaluated, and whatever they do ends with that process, its memory and its time.
"""

from __future__ import annotations

import contextlib
import enum
import json
import math
import os
import pwd
import resource
import signal
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

Told = TypeVar("Told")
Ad = Mapping[str, Any]

# Of each daemon's ad.
DAEMON = ("DaemonCoreDutyCycle", "RecentDaemonCoreDutyCycle", "MonitorSelfCPUUsage", "MonitorSelfResidentSetSize")
DAEMONS = {
    "Scheduler": ("schedds", (*DAEMON, "TotalIdleJobs", "TotalRunningJobs", "TotalHeldJobs", "JobsStarted", "JobsCompleted", "ShadowsRunning")),
    "Collector": ("collectors", DAEMON),
    "Negotiator": (
        "negotiators",
        (*DAEMON, "LastNegotiationCycleDuration0", "LastNegotiationCyclePeriod0", "LastNegotiationCycleMatches0",
         "LastNegotiationCycleRejections0", "LastNegotiationCycleNumIdleJobs0", "LastNegotiationCycleCandidateSlots0"),
    ),
}  # fmt: skip
SLOTS = ("Machine", "Slot")  # what a slot's ad is called: by the version
SIZES = ("Cpus", "Memory", "Disk", "GPUs")
SLOT = (
    *("SlotType", "State", *SIZES, *(f"TotalSlot{size}" for size in SIZES)),
    *("RemoteOwner", "RemoteGroup", "AccountingGroup", "Machine"),
)
PRIORITY = (
    "ResourcesUsed",
    "AccumulatedUsage",
    "WeightedAccumulatedUsage",
    "Priority",
    "WeightedResourcesUsed",
    "PriorityFactor",
)
REQUESTS = ("RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs")
IDLE = 1
SINCE = {IDLE: "QDate", 2: "JobCurrentStartDate", 5: "EnteredCurrentStatus"}  # since when a job is idle, running, held
# What is asked of a job. The last three are what HTCondor's own defaults of the requests are made of: an attribute that is not asked for
# would not be known where they are evaluated.
JOB = (
    *("JobStatus", "JobUniverse", "Owner", "ServerTime", *SINCE.values(), *REQUESTS, "AutoClusterId"),
    *("MemoryUsage", "ResidentSetSize", "DiskUsage"),
)
DAG = 7  # the universe of jobs that manage others
AGES = (300, 3600, 4 * 3600, 8 * 3600, 86400, 2 * 86400, 7 * 86400)  # seconds: the edges of the bins that are told
FINE, STEP = 600, 10  # seconds: until this age jobs are told apart by so much

END = "@@aerie 0"  # as docker.py waits for it
SPOOL = "/var/spool/condor"
PAGE = 20_000  # jobs of one question, of which each takes some 1.2 kB
GROUPS = 200  # kinds of jobs whose requirements are looked at, those of the most jobs first
CHUNK = 250  # slots whose whole ads are here at a time, of which each takes some 20 kB
MATCHING = 2.0  # seconds of CPU for it: what was not looked at until then is not known
PATIENCE = 30  # seconds for one answer
QUICKLY = 5.0  # seconds: what fails within them is asked for once more
MEMORY = 400_000_000  # bytes that one answer may take, beside what is there before


def number(value: Any) -> float | None:
    """None if it is none: what HTCondor calls undefined, or an error, is an enumeration of the bindings."""
    if isinstance(value, int | float) and not isinstance(value, enum.Enum) and math.isfinite(value):
        return float(value)
    return None


def bucket(seconds: float) -> int:
    """Jobs of about the same age have the same one, and are in the same bin of AGES."""
    return int(max(0.0, seconds) // STEP) if seconds < FINE else -1 - bisect_right(AGES, seconds)


class Groups:
    """Jobs as groups. `add` them; an ad is read once and not kept."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.waiting: Counter[int] = Counter()  # idle jobs by their autocluster: alike for the negotiator

    def add(self, job: Any) -> None:
        """`job.get(NAME)` is evaluated."""
        status, now = number(job.get("JobStatus")), number(job.get("ServerTime")) or 0.0
        name = SINCE.get(int(status or 0), "")
        since = number(job.get(name)) if name else None
        asked = tuple(number(job.get(request)) for request in REQUESTS)
        kind = int(number(job.get("AutoClusterId")) or -1) if status == IDLE else -1
        universe, owner = number(job.get("JobUniverse")), str(job.get("Owner", "unknown"))
        key = (status, universe, owner, asked, kind, None if since is None else bucket(now - since))
        if key not in self._groups:
            numbers = dict(zip(REQUESTS, asked, strict=True)) | {"JobStatus": status, "JobUniverse": universe}
            told = {n: v for n, v in numbers.items() if v is not None}
            self._groups[key] = {"Owner": owner, **told, "ServerTime": now, "Jobs": 0, "kind": kind}
        group = self._groups[key]
        group["Jobs"] += 1
        if since is not None and group["ServerTime"] - group.get(name, group["ServerTime"]) <= now - since:
            group[name], group["ServerTime"] = since, now
        if kind >= 0:
            self.waiting[kind] += 1

    def told(self, matches: Mapping[int, str]) -> list[dict[str, Any]]:
        """`matches` are by autocluster."""
        out = []
        for group in self._groups.values():
            match = matches.get(group["kind"])
            known = {name: value for name, value in group.items() if name != "kind"}
            out.append({**known, "Match": match} if match else known)
        return out


def pages(jobs: int) -> list[str]:
    """Constraints: each job satisfies one, and not many more than PAGE satisfy the same."""
    number_of = -(-jobs // PAGE) or 1
    return ["True"] if number_of == 1 else [f"(ClusterId + ProcId) % {number_of} == {n}" for n in range(number_of)]


def free(slot: Ad) -> bool:
    return slot.get("State") == "Unclaimed"


def match(jobs: Mapping[int, Any], slots: Iterable[Any], end: float) -> dict[int, str]:
    """For each kind of jobs "free", "whole" or "none" (see above). The ads of slots are as classad2's, and are changed. Nothing is said of what was not looked at
    when the process has had `end` seconds of CPU."""
    found: dict[int, str] = {}
    for slot in slots:
        if len(found) == len(jobs) and set(found.values()) == {"free"}:
            break  # no further slot is asked for
        # What drains refuses all jobs, but not for good.
        mutual = slot.get("State") != "Drained" and slot.get("Draining") is not True
        for as_it_is in (True, False):
            if as_it_is and not free(slot):
                continue
            if not as_it_is:
                for size in SIZES:
                    if number(whole := slot.get(f"TotalSlot{size}")) is not None:
                        slot[size] = whole
            for kind, job in jobs.items():
                if found.get(kind) == "free" or (not as_it_is and kind in found):
                    continue
                if time.process_time() > end:
                    return {kind: "free" for kind, match in found.items() if match == "free"}
                # `matches` says whether the other's requirements are satisfied.
                if slot.matches(job) and (not mutual or job.matches(slot)):
                    found[kind] = "free" if as_it_is else "whole"
    return {kind: found.get(kind, "none") for kind in jobs}


def chunks(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), size):
        yield names[first : first + size]


def plain(ad: Any, names: Iterable[str]) -> dict[str, Any]:
    """Of an ad those attributes that JSON can say."""
    values = ((name, ad.get(name)) for name in names)
    return {n: v for n, v in values if isinstance(v, str) or number(v) is not None}


class Bindings:
    """What is asked of HTCondor. Raises whatever the bindings raise."""

    def __init__(self) -> None:
        import classad2
        import htcondor2

        self._classad, self._condor = classad2, htcondor2

    def configure(self) -> None:
        """The bindings read HTCondor's configuration once, and we may have been started before the pool's was written."""
        self._condor.reload_config()

    def counts(self) -> dict[str, int]:
        """From the schedd's own summary, so it costs the same however many jobs there are."""
        options = self._condor.QueryOpt.SummaryOnly
        (ad,) = self._condor.Schedd().query(f"JobUniverse != {DAG}", opts=options)
        return {state.lower(): int(ad[state]) for state in ("Idle", "Running", "Held")}

    def priorities(self) -> list[dict[str, Any]]:
        names = ("Name", "IsAccountingGroup", *PRIORITY)
        return [plain(ad, names) for ad in self._condor.Negotiator().getPriorities()]

    def knock(self) -> None:
        """Opens a session with the collector."""
        self._condor.Collector().query(self._condor.AdType.Negotiator, "", ["Name"])

    def ads(self) -> list[dict[str, Any]]:
        names = list(dict.fromkeys(("MyType", "Name", *SLOT, *(a for _, of in DAEMONS.values() for a in of))))
        kinds = " || ".join(f'MyType == "{kind}"' for kind in (*SLOTS, *DAEMONS))
        return [plain(ad, names) for ad in self._condor.Collector().query(self._condor.AdType.Any, kinds, names)]

    def groups(self, jobs: int) -> Groups:
        schedd, groups = self._condor.Schedd(), Groups()
        for page in pages(jobs):
            for job in schedd.query(page, list(JOB)):
                groups.add(job)
        return groups

    def matches(self, waiting: Counter[int], ads: Sequence[Ad]) -> dict[int, str]:
        """By autocluster. The schedd tells what distinguishes one, which is all that its requirements and the slots' speak of."""
        names = [str(ad["Name"]) for ad in sorted(ads, key=free, reverse=True)
                 if ad.get("MyType") in SLOTS and ad.get("SlotType") != "Dynamic"]  # fmt: skip
        if not waiting or not names:
            return {}
        most = {kind for kind, _ in waiting.most_common(GROUPS)}
        found = self._condor.Schedd().query(opts=self._condor.QueryOpt.AutoCluster)
        jobs = {int(ad["AutoClusterId"]): ad for ad in found if ad.get("AutoClusterId") in most}
        return match(jobs, self._slots(names), time.process_time() + MATCHING)

    def _slots(self, names: Sequence[str]) -> Iterator[Any]:
        collector = self._condor.Collector()
        for some in chunks(names, CHUNK):
            listed = ", ".join(self._classad.quote(name) for name in some)
            found = collector.query(self._condor.AdType.Startd, f"member(Name, {{{listed}}})")
            yield from sorted(found, key=free, reverse=True)


def disk(folder: str = SPOOL) -> list[int]:
    """Bytes of its disk: all, used, and what may be written yet."""
    told = os.statvfs(folder)
    return [told.f_frsize * n for n in (told.f_blocks, told.f_blocks - told.f_bfree, told.f_bavail)]


@contextlib.contextmanager
def as_condor() -> Iterator[None]:
    """FS takes a process for its effective user, and root is nobody whom the schedd knows."""
    os.seteuid(pwd.getpwnam("condor").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def counts(bindings: Bindings) -> dict[str, int]:
    with as_condor():
        return twice(bindings.counts)


def twice(ask: Callable[[], Told]) -> Told:
    """A daemon that was started anew does not know our session any more, which the bindings notice by failing at once. One that is
    too busy to answer is not asked again."""
    begun = time.monotonic()
    try:
        return ask()
    except Exception:
        if time.monotonic() - begun > QUICKLY:
            raise
        return ask()


def everything(bindings: Bindings) -> str:
    """The answer to "all" as JSON. What the other process needs sessions for is asked for here before."""
    jobs = sum(counts(bindings).values())
    twice(bindings.knock)
    told = {"priorities": twice(bindings.priorities), "disk": disk()}

    def as_nobody() -> str:
        ads, groups = bindings.ads(), bindings.groups(jobs)
        found = bindings.matches(groups.waiting, ads)
        return json.dumps({"ads": ads, "jobs": groups.told(found), **told})

    return elsewhere(as_nobody)


def elsewhere(ask: Callable[[], str]) -> str:
    """What it returns in a process of its own, which is `nobody`. Raises RuntimeError if that fails, or does not end in time."""
    out, into = os.pipe()
    if not (child := os.fork()):
        try:
            os.close(out)
            harmless()
            text = ask()
        except BaseException as error:
            text = json.dumps({"error": why(error)})
        with os.fdopen(into, "w") as pipe:
            pipe.write(text)
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGALRM:
        raise RuntimeError(f"not within {PATIENCE} s")
    if status:
        raise RuntimeError(f"the process that evaluates jobs ended with {status}")
    return text


def harmless() -> None:
    """This process becomes nobody, and gets its limits: a signal that is not handled ends it even within C."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE)
    resource.setrlimit(
        resource.RLIMIT_CPU, (PATIENCE + 2, PATIENCE + 2)
    )  # behind the alarm, by which a busy one is told from a killed one
    with open("/proc/self/statm") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    user = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def answer(bindings: Bindings, word: str) -> str:
    try:
        if word == "counts":
            return json.dumps(counts(bindings))
        if word == "all":
            return everything(bindings)
        raise ValueError(f"no question: {word!r}")
    except Exception as error:
        with contextlib.suppress(Exception):
            bindings.configure()
        return json.dumps({"error": why(error)})


def main() -> None:
    bindings = Bindings()
    # By the buffer from which this text came: what else is in it already is not lost.
    while line := sys.stdin.buffer.readline():
        print(f"{answer(bindings, line.decode().strip())}\n\n{END}", flush=True)


if __name__ == "__main__":
    main()
