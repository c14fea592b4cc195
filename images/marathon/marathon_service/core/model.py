"""The state: apps with their versions, instances, deployments.  Records are immutable; State holds the current ones
and notes what changed, so that a shell can store exactly that."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .spec import AppSpec, Json

LIVE = frozenset({"TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"})


@dataclass(frozen=True)
class Health:
    """What is known of one health check of one instance.  `alive` None: nothing yet."""

    alive: bool | None = None
    consecutive_failures: int = 0
    first_success: float | None = None
    last_success: float | None = None
    last_failure: float | None = None
    last_failure_cause: str | None = None


@dataclass(frozen=True)
class Instance:
    """One task of an app.  `version` is that of the app it was launched from."""

    id: str
    app_id: str
    version: str
    agent_id: str
    hostname: str
    staged_at: float
    state: str = "TASK_STAGING"
    role: str = "*"
    ports: tuple[int | None, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    region: str | None = None
    zone: str | None = None
    started_at: float | None = None
    ip_addresses: tuple[str, ...] = ()
    unreachable_since: float | None = None
    inactive: bool = False  # unreachable for so long that it was replaced
    killed_at: float | None = None  # when we last asked Mesos to kill it
    kill_reason: str | None = None
    moving: bool = False  # its agent goes into maintenance, and it may run elsewhere
    mesos_healthy: bool | None = None
    health: tuple[Health, ...] = field(default=(), compare=False)

    @property
    def host_ports(self) -> list[int]:
        return [p for p in self.ports if p is not None]

    @property
    def being_killed(self) -> bool:
        return self.kill_reason is not None or self.state == "TASK_KILLING"

    @property
    def active(self) -> bool:
        """Counts as one of the app's instances (or will in a moment)."""
        return not self.being_killed and not (self.unreachable_since is not None and self.inactive)

    @property
    def running(self) -> bool:
        return self.state == "TASK_RUNNING"

    def healthy(self, spec: AppSpec) -> bool | None:
        """By all checks of `spec`; None while one has said nothing.  True for a running instance without checks."""
        if not self.running:
            return False if self.unreachable_since is not None else None
        seen: list[bool | None] = []
        for n, check in enumerate(spec.health_checks):
            if check.by_marathon:
                seen.append(self.health[n].alive if n < len(self.health) else None)
            else:
                seen.append(self.mesos_healthy)
        if False in seen:
            return False
        return None if None in seen else True

    def ready(self, spec: AppSpec) -> bool:
        return self.running and self.active and self.healthy(spec) is True

    def to_json(self) -> Json:
        raw = dataclasses.asdict(dataclasses.replace(self, health=()))
        del raw["health"]  # checked anew by whoever leads next
        return {k: v for k, v in raw.items() if v is not None}

    @classmethod
    def from_json(cls, raw: Json) -> Instance:
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in raw.items() if k in known}
        for name in ("ports", "ip_addresses"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


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
        self.last_version: str | None = None
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
        return [d for d in self.deployments.values() if wanted & set(d.target)]

    def spec_of(self, instance: Instance) -> AppSpec | None:
        """The definition that an instance was launched from, or the app's present one when that is gone."""
        raw = self.versions.get(instance.app_id, {}).get(instance.version)
        if raw is not None:
            return AppSpec.from_json(raw)
        return self.apps.get(instance.app_id)

    # -- changing

    def put_app(self, spec: AppSpec, keep: int = 50) -> None:
        self.apps[spec.id] = spec
        versions = self.versions.setdefault(spec.id, {})
        versions[spec.version] = spec.raw
        self.last_version = max(self.last_version or "", spec.version)
        used = {i.version for i in self.of_app(spec.id)}
        for old in sorted(versions)[: max(0, len(versions) - keep)]:
            if old not in used:
                del versions[old]
                self._note("version", f"{spec.id}@{old}")
        self._note("version", f"{spec.id}@{spec.version}")
        self._note("app", spec.id)

    def drop_app(self, app_id: str) -> None:
        self.apps.pop(app_id, None)
        for version in self.versions.pop(app_id, {}):
            self._note("version", f"{app_id}@{version}")
        for table in (self.delays, self.failures, self.waiting_since):
            table.pop(app_id, None)
        self._note("app", app_id)

    def put_instance(self, instance: Instance) -> None:
        before = self.instances.get(instance.id)
        self.instances[instance.id] = instance
        self._by_app.setdefault(instance.app_id, {})[instance.id] = None
        if before != instance:  # health is not compared: it is not stored
            self._note("instance", instance.id)

    def drop_instance(self, instance_id: str) -> None:
        gone = self.instances.pop(instance_id, None)
        if gone is not None:
            ids = self._by_app[gone.app_id]
            del ids[instance_id]
            if not ids:
                del self._by_app[gone.app_id]
            self._note("instance", instance_id)

    def put_deployment(self, deployment: Deployment) -> None:
        self.deployments[deployment.id] = deployment
        self.last_version = max(self.last_version or "", deployment.version)
        self._note("deployment", deployment.id)

    def drop_deployment(self, deployment_id: str) -> None:
        if self.deployments.pop(deployment_id, None) is not None:
            self._note("deployment", deployment_id)

    def put_group(self, group_id: str, meta: Json | None) -> None:
        if meta is None:
            self.groups.pop(group_id, None)
        else:
            self.groups[group_id] = meta
        self._note("group", group_id)

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
        return value.to_json() if value is not None else None

    @classmethod
    def load(cls, stored: Iterable[tuple[str, str, Json]]) -> State:
        """From what `take_changes` gave.  An app whose version is missing is left out (its write was cut short)."""
        state, apps = cls(), {}
        for kind, key, value in stored:
            match kind:
                case "app":
                    apps[key] = value["version"]
                case "version":
                    app_id, _, version = key.rpartition("@")
                    state.versions.setdefault(app_id, {})[version] = value
                case "instance":
                    state.put_instance(Instance.from_json(value))
                case "deployment":
                    state.put_deployment(Deployment.from_json(value))
                case "group":
                    state.groups[key] = value
        for app_id, version in apps.items():
            raw = state.versions.get(app_id, {}).get(version)
            if raw is not None:
                state.apps[app_id] = AppSpec.from_json(raw)
                state.last_version = max(state.last_version or "", version)
        state._changed.clear()
        return state
