"""HTCondor's ads as the values that decisions are made of. Pure: an ad is a mapping of its evaluated attributes.

Cpus in cores, memory in MiB, disk in MiB (HTCondor's is in KiB). An attribute that is missing or of another type counts as absent.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.model import JobGroup, Queue, Size, SlotState, StartdAd, Usage

Ad = Mapping[str, object]

IDLE, HELD = 1, 5
# Running, transferring its output, suspended: all of them have a slot.
IN_A_SLOT = frozenset({2, 6, 7})
# Vanilla (containers too), java, vm. Scheduler, local and grid jobs need no slot: they are nobody's demand and nobody's usage.
WANTS_A_SLOT = frozenset({5, 10, 13})
PARALLEL = 11
NO_PARALLEL = "they are of the parallel universe; this pool has no dedicated scheduler"

SLOT_ATTRIBUTES = (
    "Activity", "AerieSite", "AerieTask", "Cpus", "Disk", "Draining", "DynamicSlot", "GPUs", "LastHeardFrom", "Machine", "Memory",
    "MyAddress", "MyType", "Name", "NumDynamicSlots", "PartitionableSlot", "State", "StatsLifetime", "TotalSlotCpus",
    "TotalSlotDisk", "TotalSlotGPUs", "TotalSlotMemory", "UpdateSequenceNumber",
)  # fmt: skip
JOB_ATTRIBUTES = (
    "JobStatus", "JobUniverse", "RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs", "Requirements", "Owner",
    "AccountingGroup", "AcctGroup",
)  # fmt: skip
_IDS = 60  # characters of a group's job ids


def number(ad: Ad, name: str, default: float = 0.0) -> float:
    value = ad.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        return default
    return max(0.0, float(value))


def text(ad: Ad, name: str) -> str:
    value = ad.get(name)
    return value if isinstance(value, str) else ""


# -- the collector's


@dataclass(frozen=True)
class Sighting:
    """An executor's ad, and what says whether it is a new one: `stamp` changes with each that the collector is sent."""

    ad: StartdAd
    stamp: str


def startds(slots: Iterable[Ad]) -> tuple[Sighting, ...]:
    """One for each machine, in the order of their names. `heard` is the collector's LastHeardFrom, in whole seconds."""
    machines: dict[str, list[Ad]] = defaultdict(list)
    for slot in slots:
        if name := text(slot, "Machine"):
            machines[name].append(slot)
    return tuple(_startd(name, machines[name]) for name in sorted(machines))


def _startd(name: str, slots: list[Ad]) -> Sighting:
    dynamic = [s for s in slots if s.get("DynamicSlot") is True]
    whole = sorted((s for s in slots if s.get("DynamicSlot") is not True), key=lambda s: text(s, "Name"))
    partitionable = [s for s in whole if s.get("PartitionableSlot") is True]
    fixed = [s for s in whole if s.get("PartitionableSlot") is not True]
    # Both kinds of ads of a partitionable slot come and go one by one: whichever still tells of a claim is believed.
    cut = max(len(dynamic), int(sum(number(s, "NumDynamicSlots") for s in partitionable)))
    claims = cut + sum(1 for s in fixed if text(s, "State") in ("Claimed", "Preempting", "Matched"))
    free = [*partitionable, *(s for s in fixed if text(s, "State") == "Unclaimed")]
    some = (whole or dynamic)[0]
    heard = max(number(s, "LastHeardFrom") for s in slots)
    found = StartdAd(
        name=name,
        address=address(text(some, "MyAddress")),
        task=text(some, "AerieTask"),
        site=text(some, "AerieSite"),
        state=_state(whole, slots, claims),
        total=_sum(_size(s, "TotalSlot") for s in whole or dynamic),
        free=_sum(_size(s, "") for s in free),
        claims=claims,
        heard=heard,
    )
    numbers = ",".join(f"{number(s, 'UpdateSequenceNumber'):.0f}" for s in whole)
    return Sighting(found, f"{heard:.0f}:{numbers}")


def _state(whole: list[Ad], slots: list[Ad], claims: int) -> SlotState:
    """A partitionable slot says "Drained" from the moment it is told to drain, while its dynamic slots still work; so do fixed
    slots that happen to be free. An executor is drained if all say so, none is Retiring any more, and there is no claim.

    Between the end of its last job and the end of Retiring (POLLING_INTERVAL at the most) a startd of 23.9.6 believes that jobs may
    be ended at once, and goes on believing it if the drain is cancelled just then: see Condor.drain."""
    if any(s.get("Draining") is True or text(s, "State") == "Drained" for s in slots):
        settled = [text(s, "State") == "Drained" and text(s, "Activity") != "Retiring" for s in whole]
        drained = claims == 0 and whole and all(settled)
        return SlotState.DRAINED if drained else SlotState.DRAINING
    return SlotState.CLAIMED if claims else SlotState.FREE


def _size(slot: Ad, prefix: str) -> Size:
    def of(name: str) -> float:
        return number(slot, prefix + name, number(slot, name))

    return Size(of("Cpus"), of("Memory"), of("Disk") // 1024, of("GPUs"))


def _sum(sizes: Iterable[Size]) -> Size:
    total = Size()
    for size in sizes:
        total += size
    return total


def address(sinful: str) -> str:
    """IPv4 of HTCondor's "<10.65.0.7:9618?...>"; "" without one."""
    found = re.match(r"<(\d+\.\d+\.\d+\.\d+):", sinful)
    return found[1] if found else ""


# -- the schedd's


@dataclass(frozen=True)
class GroupAd:
    """One ad of a query with GroupBy: jobs that agree in all of JOB_ATTRIBUTES. `request`: what a slot is cut to for one of them.
    `places` and `waits_for` as in JobGroup; they matter for idle ones that want a slot only."""

    count: int
    ids: str
    status: int
    universe: int
    owner: str
    group: str
    request: Size
    requirements: str = ""
    places: frozenset[str] = frozenset()
    waits_for: str = ""


def accounting_group(ad: Ad) -> str:
    """The group without the user: AcctGroup, as condor_submit writes it beside AccountingGroup ("physics.cms.alice"); a job that sets
    the latter itself is believed to name its user after the last dot."""
    return text(ad, "AcctGroup") or text(ad, "AccountingGroup").rpartition(".")[0]


def ancestors(group: str) -> list[str]:
    """ "physics.cms" is in "physics" and in "physics.cms"."""
    parts = group.split(".") if group else []
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def queue(groups: Iterable[GroupAd], seen: float) -> Queue:
    idle: dict[str, JobGroup] = {}
    owners: dict[str, float] = defaultdict(float)
    accounting: dict[str, float] = defaultdict(float)
    running = held = 0
    for g in groups:
        if g.status == HELD:
            held += g.count
        elif g.status == IDLE and (g.universe in WANTS_A_SLOT or g.universe == PARALLEL):
            found = _job_group(g)
            before = idle.get(found.key)
            idle[found.key] = found if before is None else _joined(before, found)
        elif g.status in IN_A_SLOT and g.universe in WANTS_A_SLOT:
            running += g.count
            owners[g.owner] += g.request.cpus * g.count
            for name in ancestors(g.group):
                accounting[name] += g.request.cpus * g.count
    ordered = tuple(idle[key] for key in sorted(idle))
    return Queue(seen, ordered, Usage(running, dict(owners), dict(accounting)), held)


def _job_group(g: GroupAd) -> JobGroup:
    places, waits_for = (frozenset[str](), NO_PARALLEL) if g.universe == PARALLEL else (g.places, g.waits_for)
    same = f"{g.owner}\n{g.group}\n{g.request}\n{sorted(places)}\n{waits_for}\n{g.requirements}\n{g.universe}"
    key = hashlib.sha256(same.encode()).hexdigest()[:16]
    return JobGroup(key, g.count, g.request, places, g.owner, g.group, _short(g.ids), waits_for)


def _joined(a: JobGroup, b: JobGroup) -> JobGroup:
    """Ads that differ in what comes to the same, as two expressions of one value."""
    jobs = _short(f"{a.jobs}, {b.jobs}")
    return JobGroup(a.key, a.count + b.count, a.request, a.places, a.owner, a.group, jobs, a.waits_for)


def _short(ids: str) -> str:
    return ids if len(ids) <= _IDS else ids[: _IDS - 4].rpartition(" ")[0].rstrip(",. ") + " ..."
