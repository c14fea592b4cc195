"""What clients ask for, as changes of the State: each returns the deployment that carries it out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping

from . import definition, deployments, paths
from .definition import Rules
from .model import Deployment, Instance, State
from .spec import AppSpec, Json
from .stamps import next_version
from .validation import Invalid


class NotFound(Exception):
    """No such app, group, task, version or deployment; the text says which."""


class Locked(Exception):
    """The apps are in the hands of other deployments."""

    def __init__(self, locks: list[Deployment]) -> None:
        super().__init__("locked by deployments")
        self.locks = locks


class Conflict(Exception):
    """There is one already."""


class Operations:
    """Changes of one State.  `clock` gives seconds since the epoch, `new_id` a fresh deployment id."""

    def __init__(self, state: State, rules: Rules, clock: Callable[[], float], new_id: Callable[[], str]) -> None:
        self.state, self.rules, self._clock, self._new_id = state, rules, clock, new_id

    def app(self, app_id: str) -> AppSpec:
        spec = self.state.apps.get(app_id)
        if spec is None:
            raise NotFound(f"App '{app_id}' does not exist")
        return spec

    def version(self) -> str:
        return next_version(self._clock(), self.state.last_version)

    def _used_ports(self, but: Iterable[str] = ()) -> set[int]:
        left_out = set(but)
        return {p for a, s in self.state.apps.items() if a not in left_out for p in definition.service_ports(s.raw)}

    def normal(self, body: Json, app_id: str | None = None, partial: bool = False) -> Json:
        """The normal form of a client's app, over the app of that id as it is when `partial`."""
        update = definition.migrate(body)
        given = update.get("id")
        if app_id is not None:
            if isinstance(given, str) and paths.absolute(given) != app_id:
                raise Invalid([("/id", f"must be {app_id}: an app cannot be renamed")])
            update["id"] = app_id
        elif not isinstance(given, str):
            raise Invalid([("/id", "is required")])
        else:
            update["id"] = paths.absolute(given)
        before = self.state.apps.get(update["id"])
        if partial and before is not None:
            update = definition.merge(before.raw, update)
        normal = definition.normalise(
            update, self.rules, self._used_ports([update["id"]]), before.raw if before else None
        )
        if any(paths.inside(a, normal["id"]) for a in self.state.apps):
            raise Invalid([("/id", "there is a group with this id")])
        return normal

    def create(self, body: Json) -> tuple[AppSpec, Deployment]:
        normal = self.normal(body)
        if normal["id"] in self.state.apps:
            raise Conflict(f"An app with id [{normal['id']}] already exists.")
        deployment = self.change({normal["id"]: normal})
        return self.state.apps[normal["id"]], deployment

    def update(self, app_id: str, body: Json, *, partial: bool = True, force: bool = False) -> Deployment:
        """Create or change one app; a body of only `version` goes back to that version."""
        if set(body) - {"id"} == {"version"} and body["version"] is not None:
            body = self.of_version(app_id, body["version"])
            partial = False
        return self.change({app_id: self.normal(body, app_id, partial)}, force=force)

    def of_version(self, app_id: str, version: object) -> Json:
        self.app(app_id)
        raw = self.state.versions.get(app_id, {}).get(str(version))
        if raw is None:
            raise NotFound(f"App '{app_id}' does not exist in version {version}")
        return raw

    def restart(self, app_id: str, force: bool = False) -> Deployment:
        return self.change({app_id: self.app(app_id).raw}, force=force, restart=True)

    def delete(self, app_ids: Iterable[str], force: bool = False) -> Deployment:
        return self.change(dict.fromkeys(app_ids), force=force)

    def change(
        self,
        target: Mapping[str, Json | None],
        *,
        force: bool = False,
        restart: bool = False,
        original: Mapping[str, Json | None] | None = None,
    ) -> Deployment:
        """Bring the apps of `target` (normal definitions; None: delete) to these, as one deployment."""
        locks = self.state.locking(target)
        if locks and not force:
            raise Locked(locks)
        version = self.version()
        specs = {
            a: definition.stamped(raw, self.state.apps.get(a), version, restart) if raw is not None else None
            for a, raw in target.items()
        }
        if original is None:
            original = {a: self.state.apps[a].raw if a in self.state.apps else None for a in target}
        wanted = {a: s.raw if s else None for a, s in specs.items()}
        try:
            deployments.layers({a: s.dependencies for a, s in {**self.state.apps, **specs}.items() if s})
            steps = deployments.steps(original, wanted)
        except ValueError as e:
            raise Invalid([("/dependencies", str(e))]) from None
        for lock in locks:
            self.state.drop_deployment(lock.id)
        deployment = Deployment(self._new_id(), version, steps, original, wanted, 0, self._clock())
        for app_id, spec in specs.items():
            if spec is None:
                self.state.drop_app(app_id)
                continue
            before = self.state.apps.get(app_id)
            if before is None or before.raw != {**spec.raw, "version": before.version}:
                self.state.put_app(spec)
                if before is None or spec.config_version != before.config_version:
                    self.state.delays.pop(app_id, None)
        self.state.put_deployment(deployment)
        return deployment

    def cancel(self, deployment_id: str, force: bool = False) -> Deployment | None:
        """Stop a deployment: with `force` just so, else by a new one that brings back what was before."""
        deployment = self.state.deployments.get(deployment_id)
        if deployment is None:
            raise NotFound(f"Deployment {deployment_id} does not exist")
        if force:
            self.state.drop_deployment(deployment_id)
            return None
        return self.change(deployment.original, force=True)

    # -- tasks

    def tasks(self, ids: Iterable[str]) -> list[Instance]:
        return [self.state.instances[i] for i in ids if i in self.state.instances]

    def kill(
        self, instances: list[Instance], *, scale: bool = False, force: bool = False, wipe: bool = False
    ) -> Deployment | None:
        """Kill these; they are replaced, or with `scale` their apps get so many fewer instances."""
        deployment = None
        if scale and instances:
            counts: dict[str, int] = {}
            for i in instances:
                if i.active and i.app_id in self.state.apps:
                    counts[i.app_id] = counts.get(i.app_id, 0) + 1
            deployment = self.change(
                {
                    a: {**self.state.apps[a].raw, "instances": max(0, self.state.apps[a].instances - n)}
                    for a, n in counts.items()
                },
                force=force,
            )
        for i in instances:
            if wipe and i.unreachable_since is not None:
                self.state.drop_instance(i.id)
            elif i.kill_reason is None:
                self.state.put_instance(dataclasses.replace(i, kill_reason="asked"))
        return deployment

    # -- groups

    def apps_of_group(self, group_id: str) -> dict[str, AppSpec]:
        return {a: s for a, s in self.state.apps.items() if paths.inside(a, group_id)}

    def group_exists(self, group_id: str) -> bool:
        return (
            group_id == "/"
            or bool(self.apps_of_group(group_id))
            or any(g == group_id or paths.inside(g, group_id) for g in self.state.groups)
        )

    def put_group(
        self, body: Json, group_id: str | None = None, *, create: bool = False, force: bool = False
    ) -> Deployment:
        """Create a group or make it what `body` says: apps that the body leaves out are deleted."""
        found: dict[str, Json] = {}
        groups: dict[str, Json] = {}
        own = paths.absolute(body.get("id") or group_id or "", group_id or "/")
        if create and own != "/" and self.group_exists(own):
            raise Conflict(f"Group {own} is already created. Use PUT to change this group.")
        if body.get("scaleBy") is not None:
            return self._scale_group(own, body["scaleBy"], force)
        self._flatten(body, own, found, groups)
        whole = "apps" in body or "groups" in body
        gone = {a: None for a in self.apps_of_group(own) if a not in found} if whole and own != "/" else {}
        deployment = self.change({**gone, **found}, force=force)
        for gid, meta in groups.items():
            if gid != "/":
                self.state.put_group(gid, meta)
        return deployment

    def _scale_group(self, group_id: str, by: object, force: bool) -> Deployment:
        if isinstance(by, bool) or not isinstance(by, int | float) or by < 0:
            raise Invalid([("/scaleBy", "must be a number of at least 0")])
        if not self.group_exists(group_id):
            raise NotFound(f"Group '{group_id}' does not exist")
        return self.change(
            {a: {**s.raw, "instances": math.ceil(s.instances * by)} for a, s in self.apps_of_group(group_id).items()},
            force=force,
        )

    def _flatten(self, body: Json, group_id: str, apps: dict[str, Json], groups: dict[str, Json]) -> None:
        if group_id != "/" and (wrong := paths.problem(group_id)):
            raise Invalid([("/id", wrong)])
        shared = [paths.absolute(d, group_id) for d in body.get("dependencies") or ()]
        groups[group_id] = {"dependencies": shared}
        for app in body.get("apps") or ():
            if not isinstance(app, dict) or not isinstance(app.get("id"), str):
                raise Invalid([("/apps", "each app needs an id")])
            app_id = paths.absolute(app["id"], group_id)
            normal = self.normal({**app, "id": app_id}, app_id)
            normal["dependencies"] = list(dict.fromkeys([*normal["dependencies"], *shared]))
            apps[app_id] = normal
        for group in body.get("groups") or ():
            if not isinstance(group, dict) or not isinstance(group.get("id"), str):
                raise Invalid([("/groups", "each group needs an id")])
            self._flatten(group, paths.absolute(group["id"], group_id), apps, groups)

    def delete_group(self, group_id: str, force: bool = False) -> Deployment:
        if not self.group_exists(group_id):
            raise NotFound(f"Group '{group_id}' does not exist")
        deployment = self.delete(self.apps_of_group(group_id), force)
        for gid in [g for g in self.state.groups if g == group_id or paths.inside(g, group_id)]:
            self.state.put_group(gid, None)
        return deployment
