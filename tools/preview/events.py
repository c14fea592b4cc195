"""Reads the engine's events (`--event-log`): what Pulumi's JSON leaves out, which is what policies say, and what a refresh found of
resources whose provider tells no details. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from . import scrub

Json = Mapping[str, Any]
FOUND = ("update", "delete")


def _step(metadata: Json) -> dict[str, Any]:
    return {
        "op": metadata["op"],
        "urn": metadata["urn"],
        "oldState": metadata.get("old"),
        "newState": metadata.get("new") if metadata["op"] != "delete" else None,
        "detailedDiff": metadata.get("detailedDiff"),
        "diffReasons": metadata.get("diffs"),
    }


def parse(text: str) -> list[Json]:
    """The events of a log, one JSON object a line; a last line that was cut off is left out."""
    out: list[Json] = []
    for line in text.splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            continue
    return out


def refreshed(events: Iterable[Json]) -> dict[str, Any]:
    """What a refresh found, in the form of `pulumi preview --json`: a step for each resource that is otherwise or gone."""
    steps: list[dict[str, Any]] = [
        {"op": "refresh", "urn": "", "newState": {"custom": False}}
    ]  # by which a reader knows what this is
    summary: dict[str, int] = {}
    diagnostics: list[Json] = []
    for event in events:
        if (found := event.get("resOutputsEvent")) and found["metadata"]["op"] in FOUND:
            steps.append(_step(found["metadata"]))
        if found := event.get("summaryEvent"):
            summary = dict(found.get("resourceChanges") or {})
        if (said := event.get("diagnosticEvent")) and not said.get("ephemeral"):
            diagnostics.append({k: said.get(k) for k in ("urn", "message", "severity")})
    return {"steps": steps, "changeSummary": summary, "diagnostics": diagnostics}


def violations(events: Iterable[Json]) -> tuple[list[str], list[str]]:
    """What policies refuse, and what they advise, a line each: which policy, of which resource, and its words."""
    refused, advised = list[str](), list[str]()
    for event in events:
        if said := event.get("policyEvent"):
            name = str(said.get("resourceUrn") or "").rsplit("::", 1)[-1]
            message = scrub.text(" ".join(str(said.get("message") or "").split()))
            text = f"{said.get('policyName')}: {name + ': ' if name else ''}{message}"
            target = refused if said.get("enforcementLevel") == "mandatory" else advised
            if text not in target:
                target.append(text)
    return refused, advised
