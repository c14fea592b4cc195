"""What happened lately: Marathon's events in words, and what changed between two answers of Graphite. Pure.

An event is {at: Unix time, kind: good, bad, warn or info, text}. Nothing of an app's definition is in it but its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from .sites import UNKNOWN, Json

MOST = 60  # events that are kept
LONGEST = 200  # signs of a message
MOST_TEXT = 8_000_000  # signs of one event of the stream: a deployment's has all apps in it

_TASKS = {
    "TASK_RUNNING": ("good", "runs"),
    "TASK_FINISHED": ("info", "ended well"),
    "TASK_KILLED": ("info", "was ended"),
    "TASK_FAILED": ("bad", "failed"),
    "TASK_ERROR": ("bad", "was refused"),
    "TASK_LOST": ("bad", "is lost"),
    "TASK_DROPPED": ("bad", "was dropped"),
    "TASK_GONE": ("bad", "is gone"),
    "TASK_GONE_BY_OPERATOR": ("warn", "is gone"),
    "TASK_UNREACHABLE": ("warn", "is unreachable"),
}


class Parser:
    """Of server-sent events: takes pieces of text, gives the events that are whole as (kind, data)."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[tuple[str, Any]]:
        """ValueError if there is no end to an event."""
        *blocks, self._rest = (self._rest + text).replace("\r\n", "\n").split("\n\n")
        if len(self._rest) > MOST_TEXT:
            raise ValueError("Marathon's event has no end")
        return [found for block in blocks if (found := _block(block))]


def _block(text: str) -> tuple[str, Any] | None:
    kind, data = "message", []
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data.append(value)
    try:
        return (kind, json.loads("\n".join(data))) if data else None
    except ValueError:
        return None  # one that cannot be read must not end the others


def when(data: Mapping[str, Any], now: float) -> float:
    """An event's own time."""
    try:
        return datetime.fromisoformat(str(data["timestamp"])).timestamp()
    except (KeyError, ValueError):
        return now


def event(at: float, kind: str, text: str) -> Json:
    return {"at": at, "kind": kind, "text": text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"}


def of_marathon(kind: str, data: Any, now: float) -> Json | None:
    """What is told of one of Marathon's events; None for what nobody need see."""
    if not isinstance(data, Mapping):
        return None
    at, app = when(data, now), str(data.get("appId", ""))
    if kind == "status_update_event" and (known := _TASKS.get(str(data.get("taskStatus")))):
        level, words = known
        where = f" on {data['host']}" if data.get("host") else ""
        why = f": {data['message']}" if level == "bad" and data.get("message") else ""
        return event(at, level, f"a task of {app} {words}{where}{why}")
    if kind in ("unhealthy_task_kill_event", "unhealthy_instance_kill_event"):
        return event(
            at, "bad", f"a task of {app or data.get('runSpecId', '?')} was ended, since its health checks failed"
        )
    if kind == "app_terminated_event":
        return event(at, "info", f"app {app} is gone")
    if kind == "deployment_success":
        return event(at, "good", f"deployed: {_apps(data) or 'a change'}")
    if kind == "deployment_failed":
        return event(at, "warn", f"a deployment was cut off: {_apps(data) or 'a change'}")
    if kind == "api_post_event" and isinstance(data.get("appDefinition"), Mapping):
        return event(at, "info", f"somebody changed {data['appDefinition'].get('id', 'an app')}")
    return None


def _apps(data: Mapping[str, Any]) -> str:
    plan = data.get("plan")
    steps = plan.get("steps", []) if isinstance(plan, Mapping) else []
    found = [str(a.get("app") or a.get("pod")) for step in steps for a in step.get("actions", [])]
    more = list(dict.fromkeys(found))
    return ", ".join(more[:3]) + (f" and {len(more) - 3} more" if len(more) > 3 else "")


def changes(before: Json | None, after: Json, sources_only: bool = False) -> Iterator[Json]:
    """What is otherwise now, told at the time of `after`. Nothing at the start: that it is so is no event. `sources_only`: nothing of
    what Graphite's values say."""
    if before is None:
        return
    at = after["at"]
    for name, words in (("graphite", "Graphite"), ("marathon", "Marathon")):
        was, now = (x["sources"][name]["state"] for x in (before, after))
        if was == "answers" and now == "away":
            yield event(at, "bad", f"{words} does not answer")
        if was == "away" and now == "answers":
            yield event(at, "good", f"{words} answers again")
    if sources_only or any(x["sources"]["graphite"]["state"] != "answers" for x in (before, after)):
        return
    for found in (_sites, _links, _alerts):
        yield from (event(at, kind, text) for kind, text in found(before, after))


def _sites(before: Json, after: Json) -> Iterator[tuple[str, str]]:
    old = {s["name"]: s for s in before["sites"]}
    for site in after["sites"]:
        was = old.get(site["name"])
        if was is None:
            continue
        if (was["state"] == UNKNOWN) != (site["state"] == UNKNOWN):
            yield (
                ("bad", f"{site['name']} tells nothing any more")
                if site["state"] == UNKNOWN
                else ("good", f"{site['name']} tells again")
            )
            continue
        if site["state"] != UNKNOWN:
            yield from _services(site["name"], was["services"], site["services"])
            yield from _machines({m["name"]: m for m in was["machines"]}, site["machines"])


def _services(site: str, before: Sequence[Json], after: Sequence[Json]) -> Iterator[tuple[str, str]]:
    old = {s["name"]: s for s in before}
    for service in after:
        was = old.get(service["name"])
        if was is None or UNKNOWN in (was["state"], service["state"]) or "tunnels" in service["says"]:
            continue  # tunnels are told each by itself
        if was["state"] != service["state"]:
            yield ("good" if service["state"] == "well" else "bad"), f"{service['name']} at {site} {_sentence(service)}"
        elif service["leads"] and not was["leads"]:
            yield "info", f"{service['name']} at {site} leads now"


def _sentence(service: Json) -> str:
    says = str(service["says"])
    return f"has {says}" if says[:1].isdigit() else says


def _machines(before: Mapping[str, Json], after: Sequence[Json]) -> Iterator[tuple[str, str]]:
    for machine in after:
        was = before.get(machine["name"])
        if was is None:
            yield "info", f"machine {machine['name']} is there"
        elif was["registered"] and machine["registered"] is False:
            yield "warn", f"machine {machine['name']} is not registered with Mesos any more"
        elif was["registered"] is False and machine["registered"]:
            yield "good", f"machine {machine['name']} is registered with Mesos again"


def _links(before: Json, after: Json) -> Iterator[tuple[str, str]]:
    old = {(e["from"], e["to"]): e["up"] for e in before["links"]}
    for end in after["links"]:
        was = old.get((end["from"], end["to"]))
        if was is True and end["up"] is False:
            yield "bad", f"{end['from']} does not hear {end['to']} through the tunnel any more"
        if was is False and end["up"] is True:
            yield "good", f"{end['from']} hears {end['to']} through the tunnel again"


def _alerts(before: Json, after: Json) -> Iterator[tuple[str, str]]:
    was, now = ({(a["rule"], site) for a in x["alerts"] for site in a["sites"]} for x in (before, after))
    for rule, site in sorted(now - was):
        yield "warn", f"alert {rule} fires at {site}"
    for rule, site in sorted(was - now):
        yield "good", f"alert {rule} at {site} has ended"


def kept(ring: Sequence[Json], new: Sequence[Json]) -> list[Json]:
    """The newest first, MOST at most."""
    return sorted([*new, *ring], key=lambda e: -e["at"])[:MOST]
