"""Queue and Pool as JSON and back: what the child process that speaks to HTCondor sends."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..core.model import JobGroup, Pool, Queue, Size, SlotState, StartdAd, Usage


def queue_to_json(queue: Queue) -> dict[str, Any]:
    found = asdict(queue)
    for group in found["idle"]:
        group["places"] = sorted(group["places"])
    return found


def queue_from_json(found: dict[str, Any]) -> Queue:
    idle = tuple(
        JobGroup(**(g | {"request": Size(**g["request"]), "places": frozenset(g["places"])})) for g in found["idle"]
    )
    return Queue(found["seen"], idle, Usage(**found["usage"]), found["held"])


def pool_to_json(pool: Pool) -> dict[str, Any]:
    return asdict(pool)


def pool_from_json(found: dict[str, Any]) -> Pool:
    startds = tuple(
        StartdAd(**(s | {"state": SlotState(s["state"]), "total": Size(**s["total"]), "free": Size(**s["free"])}))
        for s in found["startds"]
    )
    return Pool(found["seen"], startds, found["negotiator"], found["schedd"])
