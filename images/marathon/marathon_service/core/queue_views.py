"""The queue in the JSON of the API: what waits, and what became of the offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from mesos_client.messages import Offer, Resource

from . import delays
from .model import State
from .placing import FUNNEL, Rejections, Unused
from .spec import Json
from .stamps import stamp


def queue(
    state: State, unplaced: Mapping[str, int], rejections: Mapping[str, Rejections], now: float, offers: bool = False
) -> list[Json]:
    """One item for each app that waits. `offers`: with the last offer of each agent that was of no use to it."""
    items = []
    for app_id, count in sorted(unplaced.items()):
        spec = state.apps.get(app_id)
        if spec is None:
            continue
        left = delays.left(state, spec, now)
        seen = rejections.get(app_id, Rejections())
        item = {
            "app": spec.raw,
            "count": count,
            "delay": {"timeLeftSeconds": int(left + 0.999), "overdue": left <= 0},
            "since": stamp(state.waiting_since.get(app_id, now)),
            "processedOffersSummary": _summary(seen),
        }
        if offers:
            item["lastUnusedOffers"] = [_unused(u) for u in seen.last.values()]
        items.append(item)
    return items


def _summary(seen: Rejections) -> Json:
    last = Counter(u.first for u in seen.last.values())
    summary: Json = {
        "processedOffersCount": seen.processed,
        "unusedOffersCount": seen.unused,
        "rejectSummaryLastOffers": _funnel(len(seen.last), last),
        "rejectSummaryLaunchAttempt": _funnel(seen.processed, seen.reasons),
    }
    if seen.last_unused is not None:
        summary["lastUnusedOfferAt"] = stamp(seen.last_unused)
    if seen.last_used is not None:
        summary["lastUsedOfferAt"] = stamp(seen.last_used)
    return summary


def _funnel(reach: int, reasons: Mapping[str, int]) -> list[Json]:
    """Reason by reason: how many offers came so far, and how many of them no further."""
    steps = []
    for reason in FUNNEL:
        declined = reasons.get(reason, 0)
        steps.append({"reason": reason, "declined": declined, "processed": reach})
        reach -= declined
    return steps


def _unused(unused: Unused) -> Json:
    return {"offer": _offer(unused.offer), "reason": list(unused.reasons), "timestamp": stamp(unused.at)}


def _offer(offer: Offer) -> Json:
    return {
        "id": offer.id,
        "agentId": offer.agent_id,
        "hostname": offer.hostname,
        "resources": [_resource(r) for r in offer.resources],
        "attributes": [{"name": a["name"], **_value(a)} for a in offer.raw_attributes],
    }


def _resource(resource: Resource) -> Json:
    return {"name": resource.name, "role": resource.role, **_value(resource.raw)}


def _value(raw: Mapping[str, Any]) -> Json:
    """The one value of an attribute or a resource, by its kind."""
    if "text" in raw:
        return {"text": raw["text"].get("value", "")}
    if "scalar" in raw:
        return {"scalar": raw["scalar"]["value"]}
    if "ranges" in raw:
        spans = raw["ranges"].get("range", ())
        return {"ranges": [{"begin": int(r["begin"]), "end": int(r["end"])} for r in spans]}
    return {"set": list(raw["set"].get("item", ()))} if "set" in raw else {}
