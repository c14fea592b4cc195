"""Versions of groups: each change is noted as what it did to which apps and groups, so that any group can be shown, and brought back,
as it was after a change.

A record is {"apps": {id: [version before, version after]}, "groups": {id: [meta before, after]}, "gone": {id: {version: definition}}}; null for
an app or group that was not there.  "gone" holds what of an app's definition would be lost with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from . import paths
from .model import State
from .spec import AppSpec, Json

_MOST = 300_000  # bytes of lost definitions that a record holds; what is more is forgotten


def note(
    state: State, version: str, specs: Mapping[str, AppSpec | None], groups: Mapping[str, Json | None], keep: int
) -> None:
    """Before a change is made: note it.  No more than `keep` changes are remembered."""
    apps: Json = {}
    gone: Json = {}
    room = _MOST
    for app_id, spec in specs.items():
        before = state.apps.get(app_id)
        if spec is not None and before is not None and before.raw == {**spec.raw, "version": before.version}:
            continue
        apps[app_id] = [before.version if before else None, spec.version if spec else None]
        if spec is None and before is not None and room > 0:
            gone[app_id] = _lost(state, app_id, before.version)
            room -= len(json.dumps(gone[app_id]))
    changed = {g: [state.groups.get(g), meta] for g, meta in groups.items() if state.groups.get(g) != meta}
    if not apps and not changed:
        return
    state.put_history(version, {"apps": apps, "groups": changed, "gone": gone})
    for old in sorted(state.history)[: max(0, len(state.history) - keep)]:
        state.put_history(old, None)


def _lost(state: State, app_id: str, current: str) -> dict[str, Json]:
    """The definitions of an app that the changes noted so far speak of, the newest first, as many as there is room for."""
    named = {v for record in state.history.values() for v in record["apps"].get(app_id, ()) if v is not None} | {
        current
    }
    found: dict[str, Json] = {}
    size = 0
    for version in sorted(named, reverse=True):
        raw = state.versions.get(app_id, {}).get(version)
        if raw is None:
            continue
        size += len(json.dumps(raw))
        if size > _MOST:
            break
        found[version] = raw
    return found


def groups_before(state: State, version: str) -> dict[str, Json | None]:
    """The groups that the change `version` made or changed, as they were."""
    return {g: before for g, (before, _) in state.history.get(version, {}).get("groups", {}).items()}


def versions(state: State, group_id: str) -> list[str]:
    """The versions of a group that are known, the newest first."""
    found = [v for v, record in state.history.items() if _touches(record, group_id)]
    if not found:
        # The state of a version of this service that noted no changes, or all of them are forgotten.
        found = [v for a, s in state.apps.items() if paths.inside(a, group_id) for v in [s.version]][:1]
    return sorted(found, reverse=True)


def _touches(record: Json, group_id: str) -> bool:
    return any(paths.inside(a, group_id) for a in record["apps"]) or any(
        g == group_id or paths.inside(g, group_id) for g in record["groups"]
    )


def at(state: State, group_id: str, version: str) -> tuple[dict[str, Json], dict[str, Json]] | None:
    """(apps, groups) below a group as they were after the change `version`; None where that is not known any more."""
    if version not in versions(state, group_id):
        return None
    held: dict[str, str | None] = {a: s.version for a, s in state.apps.items() if paths.inside(a, group_id)}
    groups: dict[str, Json | None] = {
        g: m for g, m in state.groups.items() if g == group_id or paths.inside(g, group_id)
    }
    gone: dict[tuple[str, str], Json] = {}
    for then in sorted(state.history, reverse=True):
        if then <= version:
            break
        record = state.history[then]
        for app_id, (before, _) in record["apps"].items():
            if paths.inside(app_id, group_id):
                held[app_id] = before
        for app_id, lost in record["gone"].items():
            gone |= {(app_id, number): raw for number, raw in lost.items()}
        for g, (meta, _) in record["groups"].items():
            if g == group_id or paths.inside(g, group_id):
                groups[g] = meta
    apps = {}
    for app_id, number in held.items():
        if number is not None:
            raw = state.versions.get(app_id, {}).get(number) or gone.get((app_id, number))
            if raw is None:
                return None
            apps[app_id] = raw
    return apps, {g: meta for g, meta in groups.items() if meta is not None}
