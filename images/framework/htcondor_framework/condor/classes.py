"""ClassAds of jobs and of executors that do not exist yet, evaluated by HTCondor's own library. Only where that is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import classad2

from ..core.model import Size
from .ads import IDLE, WANTS_A_SLOT, GroupAd, accounting_group, number, text
from .requirements import Truth, blame, places

# What the startd of the image `htcondor` says, as far as it does not depend on the machine: of use until a real one is seen.
_TEMPLATE: Mapping[str, object] = {
    "MyType": "Machine", "Arch": "X86_64", "OpSys": "LINUX", "HasFileTransfer": True, "HasIOProxy": True, "HasJICLocalConfig": True,
    "HasJICLocalStdin": True, "HasJobDeferral": True, "HasMPI": True, "HasPerFileEncryption": True, "HasReconnect": True,
    "HasSelfCheckpointTransfers": True, "HasSshd": True, "HasTDP": True, "HasTransferInputRemaps": True, "HasVM": False,
}  # fmt: skip
# A new executor is none of those that are there: what names one is another name, and what is of its state is that of a free one.
_NEW: Mapping[str, object] = {
    "Machine": "new.executor", "Name": "slot1@new.executor", "AerieNode": "new", "AerieTask": "new", "UtsnameNodename": "new",
    "State": "Unclaimed", "Activity": "Idle", "Start": True, "LoadAvg": 0.0, "TotalLoadAvg": 0.0, "CondorLoadAvg": 0.0,
    "TotalCondorLoadAvg": 0.0, "CpuBusy": False, "SlotID": 1, "SlotType": "Partitionable", "PartitionableSlot": True,
    "NumDynamicSlots": 0,
}  # fmt: skip
_STALE = (
    "MyAddress",
    "AddressV1",
    "StartdIpAddr",
    "Draining",
    "DrainingRequestId",
    "DrainReason",
    "DynamicSlot",
    "DSlotId",
    "Requirements",
)
# What differs between groups that are all the same to a slot.
_COUNTING = frozenset({"Id", "JobIds", "JobCount", "JobStatus"})
_CACHED = 5000  # groups
# HTCondor's defaults, in HTCondor's units.
_DEFAULTS = {"RequestCpus": 1.0, "RequestMemory": 128.0, "RequestDisk": 102400.0, "RequestGPUs": 0.0}
# The startd gives a job this much more disk than it asks for (measured, 23.9.6).
_SCRATCH = 1024.0  # KiB


def evaluated(ad: Any, names: Sequence[str]) -> dict[str, object]:
    """The attributes' values; without those that are undefined, errors, or no plain values."""
    found: dict[str, object] = {}
    for name in names:
        value = _value(lambda name=name: ad.eval(name)) if name in ad else None  # type: ignore[misc]
        if isinstance(value, str | bool | int | float) and not isinstance(value, classad2.Value):
            found[name] = value
    return found


def _value(evaluate: Callable[[], Any]) -> Any:
    try:
        return evaluate()
    except Exception:  # the bindings raise whatever an expression's evaluation makes of it
        return None


class Judge:
    """Sizes and places of jobs, by ads as the schedd sends them. `sites`: the pool's.

    `cut`: what a slot is cut to for RequestCpus and so on, as expressions (HTCondor's MODIFY_REQUEST_EXPR_*)."""

    def __init__(self, sites: Sequence[str], cut: Mapping[str, str]) -> None:
        self.sites = tuple(sites)
        self._cut = {
            name: expression for name in _DEFAULTS if (expression := _expression(cut.get(name, ""))) is not None
        }
        self._parsed: dict[str, Any] = {}
        self._slots: dict[str, Any] = {}
        self._real: set[str] = set()
        self._cache: dict[tuple[tuple[str, str], ...], tuple[Size, frozenset[str], str]] = {}
        self.learn({})

    def learn(self, seen: Mapping[str, Any]) -> None:
        """Real ads of executors, by site. A site without one is judged by another's, or by what the image is known to say."""
        for site in self.sites:
            base = seen.get(site) or next((seen[s] for s in self.sites if s in seen), None)
            self._slots[site] = _prospective(base, site)
            self._real.discard(site)
            if base is not None:
                self._real.add(site)
        self._cache.clear()

    def group(self, ad: Any) -> GroupAd:
        values = evaluated(
            ad, ("JobCount", "JobIds", "JobStatus", "JobUniverse", "Owner", "AccountingGroup", "AcctGroup")
        )
        status, universe = int(number(values, "JobStatus")), int(number(values, "JobUniverse", 5))
        requirements = str(ad.lookup("Requirements")) if "Requirements" in ad else "true"
        if status == IDLE and universe in WANTS_A_SLOT:
            size, where, why = self._judged(ad, requirements)
        else:
            size, where, why = self.request(ad), frozenset[str](), ""
        return GroupAd(
            count=int(number(values, "JobCount", 1)),
            ids=text(values, "JobIds"),
            status=status,
            universe=universe,
            owner=text(values, "Owner"),
            group=accounting_group(values),
            request=size,
            requirements=requirements,
            places=where,
            waits_for=why,
        )

    def request(self, ad: Any) -> Size:
        """What a slot has to have for one of these jobs, and is cut to."""

        def of(name: str) -> float:
            plain = number(evaluated(ad, (name,)), name, _DEFAULTS[name])
            expression = self._cut.get(name)
            if expression is None:
                return plain
            return number({name: _value(lambda: expression.eval(ad))}, name, plain)

        disk = -(-(of("RequestDisk") + _SCRATCH) // 1024)
        return Size(of("RequestCpus"), of("RequestMemory"), disk, of("RequestGPUs"))

    def _judged(self, ad: Any, requirements: str) -> tuple[Size, frozenset[str], str]:
        key = tuple(sorted((name, str(value)) for name, value in ad.items() if name not in _COUNTING))
        if (known := self._cache.get(key)) is not None:
            return known
        if len(self._cache) >= _CACHED:
            self._cache.clear()
            self._parsed.clear()
        size = self.request(ad)
        for slot in self._slots.values():
            _resize(slot, size)

        def holds(expression: str, site: str) -> Truth:
            return self._holds(ad, expression, self._slots[site])

        where = places(requirements, self.sites, holds, self._real.__contains__)
        why = "" if where else blame(requirements, self.sites, holds)
        self._cache[key] = (size, where, why)
        return size, where, why

    def _holds(self, ad: Any, expression: str, slot: Any) -> Truth:
        if expression not in self._parsed:
            self._parsed[expression] = _expression(expression)
        parsed = self._parsed[expression]
        if parsed is None:
            return Truth.FALSE
        result = _value(lambda: parsed.eval(ad, slot))
        if isinstance(result, classad2.Value):
            return Truth.UNDEFINED if result == classad2.Value.Undefined else Truth.FALSE
        # A number counts as true if it is not 0, as in HTCondor's matchmaking.
        return Truth.TRUE if isinstance(result, bool | int | float) and result else Truth.FALSE


def _resize(slot: Any, size: Size) -> None:
    """As large as the job wants it: whether there can be one so large is decided elsewhere."""
    for name, value in (("Cpus", size.cpus), ("Memory", size.memory), ("Disk", size.disk * 1024), ("GPUs", size.gpus)):
        for key in (name, f"Total{name}", f"TotalSlot{name}"):
            if value or name != "GPUs":
                slot[key] = int(value) if value == int(value) else value
            elif key in slot:
                del slot[key]


def _expression(source: str) -> Any:
    return _value(lambda: classad2.ExprTree(source)) if source else None


def _prospective(base: Any, site: str) -> Any:
    """The ad of an executor that could be at `site`; `base` is a real one's."""
    slot = classad2.ClassAd()
    for name, value in _TEMPLATE.items():
        slot[name] = value
    if base is not None:
        slot = classad2.ClassAd(str(base))
        for name in _STALE:
            if name in slot:
                del slot[name]
    for name, value in _NEW.items():
        slot[name] = value
    slot["AerieSite"] = site
    return slot
