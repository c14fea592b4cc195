"""The state: apps with their versions, instances, deployments.  Records are immutable; State holds the current ones
and notes what changed, so that a shell can store exactly that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .instance import Health, Instance
from .spec import AppSpec, Json

__all__ = ["Action", "Damaged", "Delay", "Deployment", "Health", "Instance", "State", "TaskFailure"]


@dataclass(frozen=True)
class Action:
    """`kind`: StartApplication, ScaleApplication, RestartApplication or StopApplication."""

    kind: str
    app: str


@dataclass(frozen=True)
class Deployment:
    """A change under way.  `original` and `target` hold the definitions of the affected apps (None: no such app)."""

    id: str
    version: str
    steps: tuple[tuple[Action, ...], ...]
    original: Mapping[str, Json | None]
    target: Mapping[str, Json | None]
    step: int = 0  # index of the current step
    started_at: float = 0.0

    @property
    def apps(self) -> list[str]:
        return sorted(self.target)

    def to_json(self) -> Json:
        return {
            "id": self.id,
            "version": self.version,
            "step": self.step,
            "started_at": self.started_at,
            "steps": [[[a.kind, a.app] for a in s] for s in self.steps],
            "original": dict(self.original),
            "target": dict(self.target),
        }

    @classmethod
    def from_json(cls, raw: Json) -> Deployment:
        return cls(
            raw["id"],
            raw["version"],
            tuple(tuple(Action(k, a) for k, a in s) for s in raw["steps"]),
            raw["original"],
            raw["target"],
            raw["step"],
            raw["started_at"],
        )


@dataclass(frozen=True)
class Delay:
    """Launch back-off of one version of an app: `seconds` is the present delay, `until` when it is over."""

    config_version: str
    seconds: float
    until: float


@dataclass(frozen=True)
class TaskFailure:
    app_id: str
    task_id: str
    state: str
    message: str
    host: str
    slave_id: str
    version: str
    timestamp: float


class Damaged(ValueError):
    """What is stored of one thing cannot be used."""

    def __init__(self, kind: str, key: str, problem: str) -> None:
        super().__init__(f"{kind} {key} {problem}")
        self.kind, self.key, self.problem = kind, key, problem


class State:
    """Everything that is stored, and (delays, failures) what is not.  Not thread-safe; one owner."""

    def __init__(self) -> None:
        self.apps: dict[str, AppSpec] = {}
        self.versions: dict[str, dict[str, Json]] = {}
        self.groups: dict[str, Json] = {}  # groups that were made by name: id -> {"dependencies": [...]}
        self.instances: dict[str, Instance] = {}
        self.deployments: dict[str, Deployment] = {}
        self.delays: dict[str, Delay] = {}
        self.failures: dict[str, TaskFailure] = {}
        self.waiting_since: dict[str, float] = {}
        self.history: dict[str, Json] = {}  # version -> what changed by it: see history.py
        self.readiness: dict[str, dict[str, Json]] = {}  # instance -> check's name -> its last result; not stored
        self.last_version: str | None = None
        # Ids that the scheduler has to look at: apps with something new, instances that are not simply running, and those whose
        # health checks may begin or end. With them a turn costs as much as changed, not as much as there is.
        self.open: dict[str, None] = {}
        self.attention: dict[str, None] = {}
        self.stirred: dict[str, None] = {}
        self.memo: dict[
            str, tuple[AppSpec, Any]
        ] = {}  # what scaling.change said of an app, until something of it changes
        self.texts: dict[str, tuple[Instance, str]] = {}  # see rendering.py
        self._specs: dict[tuple[str, str], AppSpec] = {}
        self._by_app: dict[str, dict[str, None]] = {}
        self._changed: dict[tuple[str, str], None] = {}

    # -- reading

    def of_app(self, app_id: str) -> list[Instance]:
        return [self.instances[i] for i in self._by_app.get(app_id, ())]

    def app_ids_with_instances(self) -> Iterator[str]:
        return (a for a, ids in self._by_app.items() if ids)

    def locking(self, app_ids: Iterable[str]) -> list[Deployment]:
        """The deployments that have one of these apps in hand."""
        wanted = set(app_ids)
        return [d for d in self.deployments.values() if not wanted.isdisjoint(d.target)]

    def spec_of(self, instance: Instance) -> AppSpec | None:
        """The definition that an instance was launched from, or the app's present one when that is gone."""
        raw = self.versions.get(instance.app_id, {}).get(instance.version)
        return self.apps.get(instance.app_id) if raw is None else self.parsed(raw)

    def parsed(self, raw: Json) -> AppSpec:
        """The definition `raw` as the scheduler sees it; read once."""
        key = (raw["id"], raw["version"])
        known = self._specs.get(key)
        if known is None or (known.raw is not raw and known.raw != raw):
            known = self._specs[key] = AppSpec.from_json(raw)
        return known

    def restless(self) -> list[Instance]:
        """Instances of which time alone may make something due."""
        return [self.instances[i] for i in self.attention]

    # -- changing

    def touch(self, app_id: str) -> None:
        """Something that decides on this app's instances is new."""
        self.open[app_id] = None
        self.memo.pop(app_id, None)

    def put_app(self, spec: AppSpec, keep: int = 50) -> None:
        self.apps[spec.id] = spec
        self.touch(spec.id)
        versions = self.versions.setdefault(spec.id, {})
        versions[spec.version] = spec.raw
        self.last_version = max(self.last_version or "", spec.version)
        used = {i.version for i in self.of_app(spec.id)}
        for old in sorted(versions)[: max(0, len(versions) - keep)]:
            if old not in used:
                del versions[old]
                self._specs.pop((spec.id, old), None)
                self._note("version", f"{spec.id}@{old}")
        self._note("version", f"{spec.id}@{spec.version}")
        self._note("app", spec.id)

    def drop_app(self, app_id: str) -> None:
        self.apps.pop(app_id, None)
        self._note("app", app_id)  # first: an app without its version would be damage
        for version in self.versions.pop(app_id, {}):
            self._specs.pop((app_id, version), None)
            self._note("version", f"{app_id}@{version}")
        self.touch(app_id)
        for table in (self.delays, self.failures, self.waiting_since):
            table.pop(app_id, None)

    def put_instance(self, instance: Instance) -> None:
        before = self.instances.get(instance.id)
        self.instances[instance.id] = instance
        self._by_app.setdefault(instance.app_id, {})[instance.id] = None
        self.touch(instance.app_id)
        if instance.restless:
            self.attention[instance.id] = None
        else:
            self.attention.pop(instance.id, None)
        if before is None or before.checkable != instance.checkable:
            self.stirred[instance.id] = None
        if before != instance:  # health is not compared: it is not stored
            self._note("instance", instance.id)

    def drop_instance(self, instance_id: str) -> None:
        gone = self.instances.pop(instance_id, None)
        self.readiness.pop(instance_id, None)
        if gone is not None:
            ids = self._by_app[gone.app_id]
            del ids[instance_id]
            if not ids:
                del self._by_app[gone.app_id]
            self.attention.pop(instance_id, None)
            self.texts.pop(instance_id, None)
            self.stirred[instance_id] = None
            self.touch(gone.app_id)
            self._note("instance", instance_id)

    def put_deployment(self, deployment: Deployment) -> None:
        self.deployments[deployment.id] = deployment
        for app_id in deployment.target:
            self.touch(app_id)
        self.last_version = max(self.last_version or "", deployment.version)
        self._note("deployment", deployment.id)

    def drop_deployment(self, deployment_id: str) -> None:
        if (gone := self.deployments.pop(deployment_id, None)) is not None:
            for app_id in gone.target:
                self.touch(app_id)
            self._note("deployment", deployment_id)

    def put_group(self, group_id: str, meta: Json | None) -> None:
        if meta is None:
            self.groups.pop(group_id, None)
        else:
            self.groups[group_id] = meta
        self._note("group", group_id)

    def put_history(self, version: str, record: Json | None) -> None:
        if record is None:
            self.history.pop(version, None)
        else:
            self.history[version] = record
        self._note("history", version)

    def _note(self, kind: str, key: str) -> None:
        self._changed[kind, key] = None

    def take_changes(self) -> list[tuple[str, str, Json | None]]:
        """(kind, key, value or None when it is gone) of all that changed since the last call, and forget it."""
        changed, self._changed = self._changed, {}
        return [(kind, key, self._stored(kind, key)) for kind, key in changed]

    def _stored(self, kind: str, key: str) -> Json | None:
        value: Any = None
        match kind:
            case "app":
                value = self.apps.get(key)
                return {"version": value.version} if value else None
            case "version":
                app_id, _, version = key.rpartition("@")
                return self.versions.get(app_id, {}).get(version)
            case "instance":
                value = self.instances.get(key)
            case "deployment":
                value = self.deployments.get(key)
            case "group":
                return self.groups.get(key)
            case "history":
                return self.history.get(key)
        return value.to_json() if value is not None else None

    @classmethod
    def load(cls, stored: Iterable[tuple[str, str, Json]]) -> State:
        """From what `take_changes` gave.  Raises Damaged."""
        state, apps = cls(), {}
        for kind, key, value in stored:
            try:
                match kind:
                    case "app":
                        apps[key] = str(value["version"])
                    case "version":
                        app_id, _, version = key.rpartition("@")
                        state.versions.setdefault(app_id, {})[version] = value
                        state.parsed(value)
                    case "instance":
                        state.put_instance(Instance.from_json(value))
                    case "deployment":
                        state.put_deployment(Deployment.from_json(value))
                    case "group":
                        state.groups[key] = value
                    case "history":
                        state.history[key] = value
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as e:
                raise Damaged(kind, key, f"is not complete ({type(e).__name__}: {e})") from e
        state._changed.clear()
        for app_id, version in apps.items():
            raw = state.versions.get(app_id, {}).get(version)
            if raw is None:
                # Versions are written before what names them, so this is no write that was cut short.
                raise Damaged(
                    "version", f"{app_id}@{version}", f"is missing: it holds the present definition of {app_id}"
                )
            state.apps[app_id] = state.parsed(raw)
            state.touch(app_id)
            state.last_version = max(state.last_version or "", version)
        for app_id in [a for a in state.versions if a not in apps and a not in state._by_app]:
            for version in state.versions.pop(app_id):  # the rest of an app whose deletion was cut short
                state._specs.pop((app_id, version), None)
                state._note("version", f"{app_id}@{version}")
        return state
