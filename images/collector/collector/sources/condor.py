"""What a pool's reader told (pool_reader.py) as values, by the names of fifemon's condor probe below `condor.<pool>`. Pure.

Ads of daemons and slots, and users' priorities, are JSON objects of HTCondor's attributes. Jobs are groups: one object for each kind,
`Jobs` of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..metrics import part
from ..pool_reader import AGES, DAEMONS, DAG, PRIORITY, SINCE, SLOTS
from .waiting import waiting

Ad = Mapping[str, Any]

STATES = {1: "idle", 2: "running", 5: "held"}
BINS = (
    *zip(AGES, ("recent", "one_hour", "four_hours", "eight_hours", "one_day", "two_days", "one_week"), strict=True),
)


def totals(answer: Mapping[str, Any]) -> dict[str, float]:
    """Jobs by state, from the answer to "counts". ValueError: it is not that."""
    if missing := set(STATES.values()) - answer.keys():
        raise ValueError(f"the reader does not tell how many jobs are {', '.join(sorted(missing))}")
    return {f"jobs.totals.{state}.totals.count": float(answer[state]) for state in STATES.values()}


def number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def named(text: str) -> str:
    """A daemon's or a user's name as fifemon has it."""
    return part(text.replace("@", "-"))


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
        if ad.get("MyType") not in SLOTS:
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
    return next((name for limit, name in BINS if seconds < limit), "longer")


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
        number_of = int(ad.get("Jobs", 1))
        since = SINCE.get(status, "")  # type: ignore[arg-type]
        so_long = max(0.0, now - number(ad[since])) if since in ad else 0.0
        total, user = (
            f"jobs.totals.{state}.totals",
            f"jobs.users.{named(str(ad.get('Owner', 'unknown')))}.{state}.totals",
        )
        counts[f"{total}.count"] += number_of
        counts[f"{user}.count"] += number_of
        if state in STATES.values():
            counts[f"{total}.count_{'holdage_' if state == 'held' else ''}{age(so_long)}"] += number_of
            counts[f"{total}.oldest"] = max(counts[f"{total}.oldest"], int(so_long))
        cores += number_of * number(ad.get("RequestCpus")) if state == "running" else 0.0
    return {**{name: float(n) for name, n in counts.items()}, "jobs.totals.running.totals.cpu_request": cores}


def priorities(users: Iterable[Ad]) -> dict[str, float]:
    """Of the negotiator's users; groups are left out."""
    out: dict[str, float] = {}
    for user in users:
        if user.get("IsAccountingGroup") is not False or "@" not in user.get("Name", ""):
            continue
        name, _, domain = user["Name"].partition("@")
        groups = name.split(".")
        at = f"priorities.{part(domain)}.{named(groups[0].rpartition('_')[2])}.{named(groups[-1])}"
        out |= {f"{at}.{attribute}": number(user[attribute]) for attribute in PRIORITY if attribute in user}
    return out


def spool(disk: Sequence[float]) -> dict[str, float]:
    """From bytes in all, used and free: also what part of those that may be written is in use, as df has it."""
    size, used, free = map(float, disk)
    return {"spool.size": size, "spool.free": free, "spool.fill": used / (used + free) if used + free else 1.0}


def executors(ads: Iterable[Ad]) -> set[str]:
    """The machines that have a slot."""
    return {str(ad["Machine"]) for ad in ads if ad.get("MyType") in SLOTS and "Machine" in ad}


def pool(name: str, answer: Mapping[str, Any]) -> tuple[dict[str, float], set[str]]:
    """All values of one answer to "all", and the pool's executors. ValueError if it is none."""
    if missing := {"ads", "jobs", "priorities", "disk"} - answer.keys():
        raise ValueError(f"the reader tells nothing of {', '.join(sorted(missing))}")
    ads, queue = answer["ads"], answer["jobs"]
    why = {f"waiting.{reason}": float(n) for reason, n in waiting(queue, ads).items()}
    found = {
        **daemons(ads),
        **slots(ads),
        **jobs(queue),
        **why,
        **priorities(answer["priorities"]),
        **spool(answer["disk"]),
    }
    at = f"condor.{part(name)}."
    return {at + key: value for key, value in found.items()}, executors(ads)
