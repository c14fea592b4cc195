"""Groups in the JSON of the API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from . import app_views, history, paths
from .model import State
from .spec import Json
from .stamps import stamp


@dataclass(frozen=True)
class Embed:
    """What of a group is shown."""

    groups: bool = True
    apps: bool = True
    of_apps: frozenset[str] = frozenset()


def embeds(values: Collection[str]) -> Embed:
    """Of embed=group.groups, group.apps, group.apps.tasks and so on; nothing given means groups and apps."""
    if not values:
        return Embed()
    of_apps = frozenset(app_views.embeds([v for v in values if v.startswith("group.apps.")]))
    return Embed("group.groups" in values, "group.apps" in values, of_apps)


def group(state: State, group_id: str, embed: Embed = Embed()) -> Json:
    """A group with its apps and groups, whole."""
    apps = {a: app_views.app(state, s, embed.of_apps) for a, s in state.apps.items() if paths.inside(a, group_id)}
    groups = {g: m for g, m in state.groups.items() if g == group_id or paths.inside(g, group_id)}
    known = next(iter(history.versions(state, group_id)), None)
    version = max((v for v in (known, *(a["version"] for a in apps.values())) if v), default=stamp(0))
    return group_at(group_id, apps, groups, version, embed)


def group_at(
    group_id: str, apps: Mapping[str, Json], groups: Mapping[str, Json], version: str, embed: Embed = Embed()
) -> Json:
    """A group out of all apps and (those made by name) groups below it."""
    here: dict[str, list[Json]] = {}
    for app_id in sorted(apps):
        here.setdefault(paths.parent(app_id), []).append(apps[app_id])
    children: dict[str, set[str]] = {}
    for path in (*here, *groups):
        while path != group_id and paths.inside(path, group_id):
            children.setdefault(paths.parent(path), set()).add(path)
            path = paths.parent(path)

    def build(own: str) -> Json:
        meta = groups.get(own, {})
        body: Json = {"id": own, "dependencies": meta.get("dependencies", []), "version": version}
        if embed.apps:
            body["apps"] = here.get(own, [])
        if embed.groups:
            body["groups"] = [build(child) for child in sorted(children.get(own, ()))]
        body["pods"] = []
        if "enforceRole" in meta:
            # Only where it was set: the public Python client knows no such field.
            body["enforceRole"] = meta["enforceRole"]
        return body

    return build(group_id)
