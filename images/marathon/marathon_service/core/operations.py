"""What clients ask for, as changes of the State: each returns the deployment that carries it out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from . import definition, deployments, history, paths
from .definition import Rules
from .events import app_posted, checks_changed, deployment_event
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


class TooMany(Exception):
    """More deployments at once than the service carries out."""


@dataclass(frozen=True)
class Wish:
    """What shall become of apps, as one deployment.

    `target`: normal definitions by app id, and `groups` what is said of groups by theirs (None: delete).  `force` takes apps away from
    deployments that have them in hand; `restart` replaces instances even if nothing changes.  `original`: the definitions to go back to,
    unless it is those of now."""

    target: Mapping[str, Json | None]
    groups: Mapping[str, Json | None] = field(default_factory=dict)
    force: bool = False
    restart: bool = False
    original: Mapping[str, Json | None] | None = None


@dataclass
class Change:
    """A wish that was thought through and not carried out: see `Operations.prepare`."""

    deployment: Deployment
    specs: dict[str, AppSpec | None]
    groups: dict[str, Json | None] = field(default_factory=dict)
    locks: list[Deployment] = field(default_factory=list)


class Operations:
    """Changes of one State.  `clock` gives seconds since the epoch, `new_id` a fresh deployment id; `check_size` raises where a value
    is more than can be stored."""

    def __init__(
        self,
        state: State,
        rules: Rules,
        clock: Callable[[], float],
        new_id: Callable[[], str],
        check_size: Callable[[Json], None] = lambda _value: None,
    ) -> None:
        self.state, self.rules, self._clock, self._new_id = state, rules, clock, new_id
        self._check_size = check_size
        self._events: list[Json] = []

    def take_events(self) -> list[Json]:
        """What is to be told of the changes since the last call."""
        events, self._events = self._events, []
        return events

    def posted(self, app_id: str, definition: Json, uri: str, client: str) -> None:
        """Notes that a client changed an app by the API."""
        self._events.append(app_posted(definition, uri, client, self._clock()))

    def app(self, app_id: str) -> AppSpec:
        spec = self.state.apps.get(app_id)
        if spec is None:
            raise NotFound(f"App '{app_id}' does not exist")
        return spec

    def version(self) -> str:
        return next_version(self._clock(), self.state.last_version)

    def _used_ports(self, but: str, beside: Iterable[Json] = ()) -> Iterator[int]:
        """Service ports that are taken: looked for only where one is to be chosen."""
        for raw in (*(s.raw for a, s in self.state.apps.items() if a != but), *beside):
            yield from definition.service_ports(raw)

    def normal(
        self, body: object, app_id: str | None = None, partial: bool = False, beside: Iterable[Json] = ()
    ) -> Json:
        """The normal form of a client's app, over the app of that id as it is when `partial`.  `beside`: other definitions of the same
        change, whose service ports are taken too."""
        update = definition.migrate(body, self.rules.bridge)
        given = update.get("id")
        if app_id is not None:
            update["id"] = app_id  # whatever the body says: an app cannot be renamed
        elif not isinstance(given, str):
            raise Invalid([("/id", "is required" if given is None else "must be a string")])
        else:
            update["id"] = paths.absolute(given)
        before = self.state.apps.get(update["id"])
        if partial and before is not None:
            update = definition.merge(before.raw, update)
        used = self._used_ports(update["id"], beside)
        return definition.normalise(update, self.rules, used, before.raw if before else None)

    def create(self, body: object, force: bool = False) -> tuple[AppSpec, Deployment]:
        normal = self.normal(body)
        if normal["id"] in self.state.apps:
            raise Conflict(f"An app with id [{normal['id']}] already exists.")
        deployment = self.change(Wish({normal["id"]: normal}, force=force))
        return self.state.apps[normal["id"]], deployment

    def update(self, app_id: str, body: Json, *, partial: bool = True, force: bool = False) -> Deployment:
        """Create or change one app; a body of only `version` goes back to that version."""
        if set(body) - {"id"} == {"version"} and body["version"] is not None:
            body = self.of_version(app_id, body["version"])
            partial = False
        return self.change(Wish({app_id: self.normal(body, app_id, partial)}, force=force))

    def update_all(self, bodies: list[Json], *, must_exist: bool, partial: bool, force: bool = False) -> Deployment:
        """Create or change many apps by one deployment."""
        target: dict[str, Json | None] = {}
        problems = []
        for n, body in enumerate(bodies):
            app_id = paths.absolute(body["id"])
            if must_exist:
                self.app(app_id)
            try:
                if app_id in target:
                    raise Invalid([("/id", f"{app_id} is in the list twice")])
                target[app_id] = self.normal(body, app_id, partial, [raw for raw in target.values() if raw])
            except Invalid as e:
                problems += [(f"({n}){path}", message) for path, message in e.problems]
        if problems:
            raise Invalid(problems)
        return self.change(Wish(target, force=force))

    def of_version(self, app_id: str, version: object) -> Json:
        self.app(app_id)
        raw = self.state.versions.get(app_id, {}).get(str(version))
        if raw is None:
            raise NotFound(f"App '{app_id}' does not exist in version {version}")
        return raw

    def restart(self, app_id: str, force: bool = False) -> Deployment:
        return self.change(Wish({app_id: self.app(app_id).raw}, force=force, restart=True))

    def delete(self, app_ids: Iterable[str], force: bool = False, groups: Iterable[str] = ()) -> Deployment:
        return self.change(Wish(dict.fromkeys(app_ids), dict.fromkeys(groups), force))

    def change(self, wish: Wish) -> Deployment:
        """Carries the wish out.  Raises as `prepare` does."""
        return self.apply(self.prepare(wish))

    def prepare(self, wish: Wish) -> Change:
        """Checks everything and changes nothing.  Raises Invalid, Locked, TooMany."""
        target, groups, original = wish.target, wish.groups, wish.original
        locks = self.state.locking(target)
        if locks and not wish.force:
            raise Locked(locks)
        self._check_ids(target, groups)
        self._check_bounds(target, len(locks))
        version = self.version()
        specs = {
            a: definition.stamped(raw, self.state.apps.get(a), version, wish.restart) if raw is not None else None
            for a, raw in target.items()
        }
        if original is None:
            original = {a: self.state.apps[a].raw if a in self.state.apps else None for a in target}
        wanted = {a: s.raw if s else None for a, s in specs.items()}
        after = {g: meta for g, meta in {**self.state.groups, **groups}.items() if meta is not None}
        try:
            if any(raw and raw.get("dependencies") for raw in wanted.values()) or groups:
                every = {a: s for a, s in {**self.state.apps, **specs}.items() if s}
                deployments.layers({a: deployments.needs(s.raw, after) for a, s in every.items()})
            steps = deployments.steps(original, wanted, after, self.state.groups)
        except ValueError as e:
            raise Invalid([("/dependencies", str(e))]) from None
        deployment = Deployment(self._new_id(), version, steps, original, wanted, 0, self._clock())
        self._check_size(deployment.to_json())
        return Change(deployment, specs, dict(groups), locks)

    def _check_ids(self, target: Mapping[str, Json | None], groups: Mapping[str, Json | None]) -> None:
        """No path may be an app and a group."""
        new = [a for a, raw in target.items() if raw is not None and a not in self.state.apps]
        made = {g for g, meta in groups.items() if meta is not None and g not in self.state.groups}
        if not new and not made:
            return
        apps = {a for a in self.state.apps if a not in target} | {a for a, raw in target.items() if raw is not None}
        gone = {g for g, meta in groups.items() if meta is None}
        inner = {up for a in apps for up in paths.parents(a)} | (self.state.groups.keys() - gone) | made
        for app_id in new:
            if app_id in inner:
                raise Invalid([("/id", f"there is a group with the id {app_id}")])
        for path in {up for a in new for up in (paths.parent(a), *paths.parents(paths.parent(a)))} | made:
            if path in apps:
                raise Invalid([("/id", f"{path} is an app, and cannot be a group too")])

    def _check_bounds(self, target: Mapping[str, Json | None], ends: int) -> None:
        most = self.rules.max_apps
        change = sum((raw is not None) - (a in self.state.apps) for a, raw in target.items())
        if most is not None and change > 0 and len(self.state.apps) + change > most:
            raise Invalid([("/", f"this service may have {most} apps (MARATHON_MAX_APPS)")])
        if len(self.state.deployments) - ends >= self.rules.max_deployments:
            raise TooMany(
                f"{len(self.state.deployments)} deployments are under way, and no more than {self.rules.max_deployments} may be "
                "(MARATHON_MAX_RUNNING_DEPLOYMENTS): try again when some have ended"
            )

    def apply(self, change: Change) -> Deployment:
        now, deployment = self._clock(), change.deployment
        for lock in change.locks:
            self._end(lock)
        history.note(self.state, deployment.version, change.specs, change.groups, self.rules.max_versions)
        for app_id, spec in change.specs.items():
            before = self.state.apps.get(app_id)
            self._events += checks_changed(app_id, before, spec, now)
            if spec is None:
                self.state.drop_app(app_id)
            elif before is None or before.raw != {**spec.raw, "version": before.version}:
                self.state.put_app(spec, self.rules.max_versions)
                if before is None or spec.config_version != before.config_version:
                    self.state.delays.pop(app_id, None)
        for group_id, meta in change.groups.items():
            if group_id != "/" and self.state.groups.get(group_id) != meta:
                self.state.put_group(group_id, meta)
        self.state.put_deployment(deployment)
        self._events += deployment_event("info", deployment, now)
        return deployment

    def _end(self, deployment: Deployment) -> None:
        self.state.drop_deployment(deployment.id)
        self._events += deployment_event("failed", deployment, self._clock())

    def cancel(self, deployment_id: str, force: bool = False) -> Deployment | None:
        """Stop a deployment: with `force` just so, else by a new one that brings back what was before."""
        deployment = self.state.deployments.get(deployment_id)
        if deployment is None:
            raise NotFound(f"DeploymentPlan {deployment_id} does not exist")
        if force:
            self._end(deployment)
            return None
        return self.change(Wish(deployment.original, history.groups_before(self.state, deployment.version), force=True))

    # -- tasks

    def tasks(self, ids: Iterable[str]) -> list[Instance]:
        return [self.state.instances[i] for i in dict.fromkeys(ids) if i in self.state.instances]

    def kill(
        self, instances: list[Instance], *, scale: bool = False, force: bool = False, wipe: bool = False
    ) -> Deployment | None:
        """Kill these; they are replaced, or with `scale` their apps get so many fewer instances."""
        deployment = None
        if scale:
            counts: dict[str, int] = {}
            for i in instances:
                if i.active and i.app_id in self.state.apps:
                    counts[i.app_id] = counts.get(i.app_id, 0) + 1
            apps = self.state.apps
            fewer = {a: {**apps[a].raw, "instances": max(0, apps[a].instances - n)} for a, n in counts.items()}
            deployment = self.change(Wish(fewer, force=force))
        for i in instances:
            if wipe and i.unreachable_since is not None:
                self.state.drop_instance(i.id)
            elif i.kill_reason is None:
                self.state.put_instance(dataclasses.replace(i, kill_reason="asked"))
        return deployment
