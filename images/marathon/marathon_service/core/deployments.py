"""Deployments: the steps from one set of apps to another, and how far they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from . import paths
from .model import Action, Deployment, State
from .scaling import Change, change
from .spec import AppSpec, Json

Definitions = Mapping[str, Json | None]


def depends_on(dependency: str, app_id: str) -> bool:
    """Whether `dependency` (an app or a group) names `app_id` or a group that holds it."""
    return app_id == dependency or app_id.startswith(dependency.rstrip("/") + "/")


def layers(apps: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Apps by their dependencies, those first that need nothing.  Raises ValueError on a cycle."""
    graph = TopologicalSorter(
        {a: {b for b in apps for d in needs if b != a and depends_on(d, b)} for a, needs in apps.items()}
    )
    try:
        graph.prepare()
    except CycleError as e:
        raise ValueError(f"dependencies go in a circle: {' -> '.join(e.args[1])}") from None
    found: list[list[str]] = []
    while graph.is_active():
        ready = sorted(graph.get_ready())
        found.append(ready)
        graph.done(*ready)
    return found


def kind_of(before: Json | None, after: Json | None) -> str | None:
    """The action that leads from one definition of an app to another; None when there is nothing to do."""
    if after is None:
        return None if before is None else "StopApplication"
    if before is None:
        return "StartApplication"
    if before["versionInfo"]["lastConfigChangeAt"] != after["versionInfo"]["lastConfigChangeAt"]:
        return "RestartApplication" if after["instances"] else "ScaleApplication"
    return "ScaleApplication" if before["instances"] != after["instances"] else None


def needs(raw: Json, groups: Mapping[str, Json]) -> list[str]:
    """What an app depends on: by itself, and by the groups that it is in."""
    found, group = list(raw.get("dependencies") or ()), paths.parent(raw["id"])
    while group != "/":
        # A group that depends on itself, or on what holds it, means nothing.
        found += (d for d in groups.get(group, {}).get("dependencies") or () if not depends_on(d, raw["id"]))
        group = paths.parent(group)
    return found


def steps(
    original: Definitions,
    target: Definitions,
    groups: Mapping[str, Json] | None = None,
    before: Mapping[str, Json] | None = None,
) -> tuple[tuple[Action, ...], ...]:
    """Stops first, those that need others before what they need; then all that is new is begun, without instances; then scalings and
    restarts in the order of dependencies.  `groups` are those that have dependencies of their own, after the change and `before` it."""
    groups, before = groups or {}, before or {}
    kinds = {a: k for a in target if (k := kind_of(original.get(a), target[a]))}
    # The groups' own dependencies as they were: with their apps the groups may go too.
    stops = {
        a: needs(raw, before) for a, k in kinds.items() if k == "StopApplication" and (raw := original[a]) is not None
    }
    found = [tuple(Action("StopApplication", a) for a in layer) for layer in _in_any_order(stops)[::-1]]
    if starts := tuple(Action(k, a) for a, k in sorted(kinds.items()) if k == "StartApplication"):
        found.append(starts)
    rest = {a: needs(raw, groups) for a in kinds if (raw := target[a]) is not None}
    for layer in layers(rest):
        found.append(
            tuple(Action("ScaleApplication" if kinds[a] == "StartApplication" else kinds[a], a) for a in layer)
        )
    return tuple(found)


def _in_any_order(apps: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """`layers`; what goes in a circle (the state of an older version may) all at once."""
    try:
        return layers(apps)
    except ValueError:
        return [sorted(apps)]


def wanted(state: State, app_id: str) -> AppSpec | None:
    """The definition that the scheduler should bring `app_id` to now: its own, or the old one while a deployment has
    not come to it yet.  None: no instance should be there."""
    spec = state.apps.get(app_id)
    for deployment in state.locking([app_id]):
        turn = _turn(deployment, app_id)
        if turn is not None and turn > deployment.step:
            raw = deployment.original.get(app_id)
            return state.parsed(raw) if raw is not None else None
    return spec


def needed(state: State, spec: AppSpec) -> Change:
    """scaling.change for an app and its instances; computed anew only when something of it has changed."""
    known = state.memo.get(spec.id)
    if known is None or known[0] is not spec:
        known = state.memo[spec.id] = (spec, change(spec, state.of_app(spec.id)))
    found: Change = known[1]
    return found


def _turn(deployment: Deployment, app_id: str) -> int | None:
    """Index of the step from which the app is brought to its target."""
    for n, step in enumerate(deployment.steps):
        if any(a.app == app_id and a.kind != "StartApplication" for a in step):
            return n
    return None


def step_done(state: State, deployment: Deployment) -> bool:
    for action in deployment.steps[deployment.step]:
        if action.kind == "StartApplication":
            continue  # the app exists: its instances come in the next step
        spec = state.apps.get(action.app)
        if action.kind == "StopApplication" or spec is None:
            if any(i.unreachable_since is None for i in state.of_app(action.app)):
                return False
        elif not needed(state, spec).complete:
            return False
    return True


def advance(state: State) -> list[tuple[str, Deployment]]:
    """Move deployments on; returns ("step", d) for each step that ended and ("success", d) for each that is done."""
    news: list[tuple[str, Deployment]] = []
    for deployment in list(state.deployments.values()):
        while True:
            if deployment.step >= len(deployment.steps):
                state.drop_deployment(deployment.id)
                news.append(("success", deployment))
                break
            if not step_done(state, deployment):
                break
            news.append(("step", deployment))
            deployment = dataclasses.replace(deployment, step=deployment.step + 1)
            state.put_deployment(deployment)
    return news
