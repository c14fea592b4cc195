"""HTCondor's answers as values, by the names of fifemon's condor probe below `condor.<pool>`. Pure.

Ads of daemons and slots are JSON objects as condor_status prints them, an attribute that is not evaluated as a text. Jobs are
lines of values, evaluated: what a job asks for is an expression as often as a number.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ..metrics import part
from .waiting import waiting

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
SLOT = (
    "SlotType",
    "State",
    "Cpus",
    "Memory",
    "Disk",
    "TotalSlotCpus",
    "TotalSlotMemory",
    "TotalSlotDisk",
    "TotalSlotGPUs",
    "GPUs",
    "RemoteOwner",
    "RemoteGroup",
    "AccountingGroup",
    "Machine",
)
PRIORITY = (
    "ResourcesUsed",
    "AccumulatedUsage",
    "WeightedAccumulatedUsage",
    "Priority",
    "WeightedResourcesUsed",
    "PriorityFactor",
)
# The columns of a job's line, the owner last. The last three are what HTCondor's own defaults of the requests are made of: an
# attribute that is not asked for would not be known where they are evaluated.
JOB = (
    "JobStatus",
    "JobUniverse",
    "QDate",
    "ServerTime",
    "JobCurrentStartDate",
    "EnteredCurrentStatus",
    "RequestCpus",
    "RequestMemory",
    "RequestDisk",
    "RequestGPUs",
    "MemoryUsage",
    "ResidentSetSize",
    "DiskUsage",
    "Owner",
)
STATES = {1: "idle", 2: "running", 5: "held"}
DAG = 7  # the universe of jobs that manage others
AGES = ((300, "recent"), (3600, "one_hour"), (4 * 3600, "four_hours"), (8 * 3600, "eight_hours"), (86400, "one_day"),
        (2 * 86400, "two_days"), (7 * 86400, "one_week"))  # fmt: skip

_STATUS = ",".join(dict.fromkeys(("MyType", "Name", *SLOT, *(a for _, names in DAEMONS.values() for a in names))))
_KINDS = " || ".join(f'MyType == "{kind}"' for kind in ("Machine", "Slot", *DAEMONS))
MARK = "@@next"
# All that a pool is asked, in its submit node, as root there: the schedd takes that for the administrator's own.
COMMAND = (
    f"condor_status -any -json -constraint '{_KINDS}' -attributes {_STATUS} && echo {MARK}"
    f" && condor_q -allusers -autoformat {' '.join(JOB)} && echo {MARK} && condor_userprio -allusers -long"
    f" && echo {MARK} && df -P -k /var/spool/condor"
)

# What is asked every round: a job that starts is seen within seconds. One process, 0.03 s of CPU.
QUICK = f"condor_q -allusers -totals -constraint 'JobUniverse != {DAG}'"


def totals(text: str) -> dict[str, float]:
    """Jobs by state, from what `QUICK` printed. ValueError: it is not that."""
    line = re.search(r"^Total for query: .*$", text, flags=re.MULTILINE)
    found = {state: int(n) for n, state in re.findall(r"(\d+) (\w+)", line[0])} if line else {}
    if missing := set(STATES.values()) - found.keys():
        raise ValueError(f"condor_q -totals does not tell how many are {', '.join(sorted(missing))}")
    return {f"jobs.totals.{state}.totals.count": float(found[state]) for state in STATES.values()}


def number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def named(text: str) -> str:
    """A daemon's or a user's name as fifemon has it."""
    return part(text.replace("@", "-"))


def answers(text: str) -> tuple[list[Ad], list[Ad], str, str]:
    """What `COMMAND` printed: ads of daemons and slots, jobs; priorities and the spool's disk as text. An empty list is printed as
    nothing."""
    status, queue, priorities, disk = text.split(f"{MARK}\n", 3)
    return json.loads(status or "[]"), [job(line) for line in queue.splitlines() if line.strip()], priorities, disk


def job(line: str) -> Ad:
    """A job's ad from its line; what is undefined there is left out. ValueError if it is no such line."""
    values = line.split(None, len(JOB) - 1)
    if len(values) != len(JOB):
        raise ValueError(f"no line of condor_q: {line[:80]!r}")
    found = dict(zip(JOB, values, strict=True))
    owner = found.pop("Owner")
    numbers = {
        name: float(value) for name, value in found.items() if re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value)
    }
    return {**numbers, "Owner": owner.strip()}


def daemons(ads: Iterable[Ad]) -> dict[str, float]:
    out: dict[str, float] = {}
    for ad in ads:
        if found := DAEMONS.get(ad.get("MyType", "")):
            kind, attributes = found
            # Of a daemon that has just started some are -1: not known yet.
            out |= {f"{kind}.{named(ad['Name'])}.{a}": n for a in attributes if a in ad and (n := number(ad[a])) >= 0}
    return out


def slots(ads: Iterable[Ad]) -> dict[str, float]:
    """Slots by type and state, claimed ones by group and user; cores, MB and KB."""
    out: dict[str, float] = defaultdict(float)
    for ad in ads:
        if ad.get("MyType") not in ("Machine", "Slot"):
            continue
        kind, state = part(str(ad.get("SlotType", "Static"))), part(str(ad.get("State", "Unknown")))
        size = {name: number(ad.get(name)) for name in ("Cpus", "Memory", "Disk")}
        for name, value in size.items():
            out[f"slots.{kind}.totals.{name}"] += value
        if kind == "Partitionable":
            for name in ("TotalSlotCpus", "TotalSlotMemory"):
                out[f"slots.{kind}.totals.{name}"] += number(ad.get(name))
        at = f"slots.{kind}.{state}"
        if state == "Claimed" and kind != "Partitionable":
            at += f".{_group(ad)}.{named(str(ad.get('RemoteOwner', 'Unknown')).partition('@')[0])}"
        for name, value in {**size, "NumSlots": 1.0}.items():
            out[f"{at}.{name}"] += value
    return out


def _group(ad: Ad) -> str:
    group = str(ad.get("RemoteGroup", "None"))
    return "None" if group in ("<none>", "none", "None") else named(group)


def age(seconds: float) -> str:
    """The name of the bin that an age is in."""
    return next((name for limit, name in AGES if seconds < limit), "longer")


def jobs(ads: Iterable[Ad]) -> dict[str, float]:
    """Jobs by state, by user, and by how long they have been so."""
    counts: Counter[str] = Counter()
    for state in STATES.values():
        counts[f"jobs.totals.{state}.totals.count"] = 0
        counts[f"jobs.totals.{state}.totals.oldest"] = 0
    cores = 0.0
    for ad in ads:
        status = ad.get("JobStatus")
        state = "dag" if ad.get("JobUniverse") == DAG else STATES.get(status, "unknown")  # type: ignore[arg-type]
        now = number(ad.get("ServerTime"))
        since = {1: "QDate", 2: "JobCurrentStartDate", 5: "EnteredCurrentStatus"}.get(status, "")  # type: ignore[arg-type]
        so_long = max(0.0, now - number(ad[since])) if since in ad else 0.0
        total, user = (
            f"jobs.totals.{state}.totals",
            f"jobs.users.{named(str(ad.get('Owner', 'unknown')))}.{state}.totals",
        )
        counts[f"{total}.count"] += 1
        counts[f"{user}.count"] += 1
        if state in STATES.values():
            counts[f"{total}.count_{'holdage_' if state == 'held' else ''}{age(so_long)}"] += 1
            counts[f"{total}.oldest"] = max(counts[f"{total}.oldest"], int(so_long))
        cores += number(ad.get("RequestCpus")) if state == "running" else 0.0
    return {**{name: float(n) for name, n in counts.items()}, "jobs.totals.running.totals.cpu_request": cores}


def priorities(text: str) -> dict[str, float]:
    """From `condor_userprio -long`: attributes with the number of their user behind them."""
    users: dict[str, dict[str, str]] = defaultdict(dict)
    for key, count, value in re.findall(r"^([A-Za-z]+)(\d+) = (.*)$", text, flags=re.MULTILINE):
        users[count][key] = value.strip('"')
    out: dict[str, float] = {}
    for user in users.values():
        if user.get("IsAccountingGroup") != "false" or "@" not in user.get("Name", ""):
            continue
        name, _, domain = user["Name"].partition("@")
        groups = name.split(".")
        at = f"priorities.{part(domain)}.{named(groups[0].rpartition('_')[2])}.{named(groups[-1])}"
        out |= {f"{at}.{attribute}": float(user[attribute]) for attribute in PRIORITY if attribute in user}
    return out


def spool(text: str) -> dict[str, float]:
    """From `df -P -k`: bytes, and what part of those that may be written is in use, as df's own column. ValueError if it is none."""
    row = re.fullmatch(r"\S.*?\s+(\d+)\s+(\d+)\s+(\d+)\s+\d+%\s+/.*", text.strip().rpartition("\n")[2])
    if row is None:
        raise ValueError(f"no answer of df: {text[:80]!r}")
    size, used, free = (float(n) * 1024 for n in row.groups())
    return {"spool.size": size, "spool.free": free, "spool.fill": used / (used + free) if used + free else 1.0}


def executors(ads: Iterable[Ad]) -> set[str]:
    """The machines that have a slot."""
    return {str(ad["Machine"]) for ad in ads if ad.get("MyType") in ("Machine", "Slot") and "Machine" in ad}


def pool(name: str, text: str) -> tuple[dict[str, float], set[str]]:
    """All values of one answer, and its executors. ValueError if it cannot be read."""
    status, queue, priority, disk = answers(text)
    why = {f"waiting.{reason}": float(n) for reason, n in waiting(queue, status).items()}
    found = {**daemons(status), **slots(status), **jobs(queue), **why, **priorities(priority), **spool(disk)}
    at = f"condor.{part(name)}."
    return {at + key: value for key, value in found.items()}, executors(status)
