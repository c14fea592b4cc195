"""The Mesos messages that a scheduler reads, from their JSON form.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TERMINAL = frozenset(
    {
        "TASK_FINISHED",
        "TASK_FAILED",
        "TASK_KILLED",
        "TASK_ERROR",
        "TASK_LOST",
        "TASK_DROPPED",
        "TASK_GONE",
        "TASK_GONE_BY_OPERATOR",
    }
)


def is_terminal(state: str) -> bool:
    """Whether a task in this state can never run again.  TASK_UNREACHABLE and TASK_UNKNOWN are not: it may come back."""
    return state in TERMINAL


@dataclass(frozen=True)
class Resource:
    """One resource of an offer.  `role` is the role it is reserved for, "*" when unreserved."""

    name: str
    role: str
    scalar: float | None = None
    ranges: tuple[tuple[int, int], ...] = ()
    raw: Json = field(default_factory=dict, compare=False, repr=False)

    @property
    def plain(self) -> bool:
        """Usable by any task: no volume, not shared, not revocable (it may be taken back at any moment)."""
        return not (
            self.raw.get("shared")
            or self.raw.get("revocable")
            or self.raw.get("disk", {}).get("persistence")
            or self.raw.get("disk", {}).get("source")
        )

    @classmethod
    def from_json(cls, raw: Json) -> Resource:
        reservations = raw.get("reservations") or []
        role = reservations[-1].get("role", "*") if reservations else raw.get("role", "*")
        ranges = tuple((int(r["begin"]), int(r["end"])) for r in raw.get("ranges", {}).get("range", ()))
        scalar = float(raw["scalar"]["value"]) if "scalar" in raw else None
        return cls(raw["name"], role, scalar, ranges, raw)


def attribute_text(raw: Mapping[str, Any]) -> str:
    """The value of an attribute as text, in the form that constraints compare with."""
    if "text" in raw:
        return str(raw["text"].get("value", ""))
    if "scalar" in raw:
        # To the nearest thousandth, as Mesos itself writes it.
        return f"{round(float(raw['scalar']['value']), 3):.3f}".rstrip("0").rstrip(".")
    if "ranges" in raw:
        return "[" + ",".join(f"{r['begin']}-{r['end']}" for r in raw["ranges"].get("range", ())) + "]"
    if "set" in raw:
        return "{" + ",".join(raw["set"].get("item", ())) + "}"
    return ""


@dataclass(frozen=True)
class Offer:
    id: str
    agent_id: str
    hostname: str
    role: str
    resources: tuple[Resource, ...]
    attributes: Mapping[str, str]
    region: str | None = None
    zone: str | None = None
    unavailable_from: float | None = None
    unavailable_for: float | None = None
    raw_attributes: tuple[Json, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def from_json(cls, raw: Json) -> Offer:
        fault = raw.get("domain", {}).get("fault_domain", {})
        gone = raw.get("unavailability", {})
        start = gone.get("start", {}).get("nanoseconds")
        length = gone.get("duration", {}).get("nanoseconds")
        return cls(
            id=raw["id"]["value"],
            agent_id=raw["agent_id"]["value"],
            hostname=raw["hostname"],
            role=raw.get("allocation_info", {}).get("role", "*"),
            resources=tuple(Resource.from_json(r) for r in raw.get("resources", ())),
            attributes={a["name"]: attribute_text(a) for a in raw.get("attributes", ())},
            region=fault.get("region", {}).get("name"),
            zone=fault.get("zone", {}).get("name"),
            unavailable_from=None if start is None else int(start) / 1e9,
            unavailable_for=None if length is None else int(length) / 1e9,
            raw_attributes=tuple(raw.get("attributes", ())),
        )


@dataclass(frozen=True)
class InverseOffer:
    """Mesos would have an agent back, for maintenance from `unavailable_from` on (Unix time)."""

    id: str
    agent_id: str
    unavailable_from: float = 0.0

    @classmethod
    def from_json(cls, raw: Json) -> InverseOffer:
        start = raw.get("unavailability", {}).get("start", {}).get("nanoseconds", 0)
        return cls(raw["id"]["value"], raw["agent_id"]["value"], int(start) / 1e9)


@dataclass(frozen=True)
class TaskStatus:
    """One update of a task.  `uuid` is there when Mesos waits for an acknowledgement."""

    task_id: str
    state: str
    agent_id: str | None = None
    uuid: str | None = None
    message: str = ""
    reason: str = ""
    source: str = ""
    healthy: bool | None = None
    timestamp: float | None = None
    ip_addresses: tuple[str, ...] = ()
    check_status: Json | None = field(default=None, compare=False, repr=False)
    data: str | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_json(cls, raw: Json) -> TaskStatus:
        addresses = [
            ip["ip_address"]
            for n in raw.get("container_status", {}).get("network_infos", ())
            for ip in n.get("ip_addresses", ())
            if ip.get("ip_address")
        ]
        return cls(
            task_id=raw["task_id"]["value"],
            state=raw["state"],
            agent_id=raw.get("agent_id", {}).get("value"),
            uuid=raw.get("uuid"),
            message=raw.get("message", ""),
            reason=raw.get("reason", ""),
            source=raw.get("source", ""),
            healthy=raw.get("healthy"),
            timestamp=raw.get("timestamp"),
            ip_addresses=tuple(addresses),
            check_status=raw.get("check_status"),
            data=raw.get("data"),
        )
