"""What is stored, in memory and as records: the framework's id, the tasks, the policy, and what the administrator said."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from . import policy as policies
from .core.model import Kind, Phase, Policy, Role, Size, Task

log = logging.getLogger(__name__)
Json = dict[str, Any]
Record = tuple[str, str, Json]
Change = tuple[str, str, Json | None]
KINDS = ("framework", "task", "policy", "settings")
_DIMENSIONS = ("cpus", "memory", "disk", "gpus")


class StateError(ValueError):
    """A record cannot be read: it is none of this version's."""


@dataclass(frozen=True)
class Settings:
    """`teardown`: the pool is being taken down. `gone`: it was, by the Marathon app of this version (MARATHON_APP_VERSION); so
    a restarted container does not begin anew, and one that was deployed anew does. None while it is not gone."""

    paused: bool = False
    drain_sites: frozenset[str] = frozenset()
    drain_tasks: frozenset[str] = frozenset()
    teardown: bool = False
    gone: str | None = None


@dataclass
class State:
    """Change it in memory, then store `take_changes()`: what differs from what was taken or loaded last."""

    framework_id: str | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    policy: Policy | None = None
    settings: Settings = Settings()
    _stored: State | None = field(default=None, repr=False)

    def remember(self) -> None:
        """What is there now counts as stored."""
        self._stored = State(self.framework_id, self.tasks.copy(), self.policy, self.settings)

    def take_changes(self) -> list[Change]:
        old = self._stored or State()
        changes: list[Change] = []
        if self.framework_id != old.framework_id:
            value: Json | None = {"value": self.framework_id} if self.framework_id else None
            changes.append(("framework", "id", value))
        if self.policy != old.policy:
            changes.append(("policy", "current", policies.to_json(self.policy) if self.policy else None))
        if self.settings != old.settings:
            changes.append(("settings", "current", _settings_record(self.settings)))
        changes += [("task", task_id, None) for task_id in old.tasks.keys() - self.tasks.keys()]
        for task_id, task in self.tasks.items():
            before = old.tasks.get(task_id)
            if before is task:
                continue
            if before is None or _stored_part(before) != _stored_part(task):
                changes.append(("task", task_id, task_record(task)))
        self.remember()
        return changes

    def forget_framework(self) -> None:
        """Mesos has ended everything that ran under our id."""
        self.framework_id, self.tasks = None, {}

    @classmethod
    def load(cls, records: Iterable[Record]) -> State:
        """Raises StateError."""
        state = cls()
        for kind, key, value in records:
            try:
                match kind:
                    case "framework":
                        state.framework_id = str(value["value"])
                    case "task":
                        state.tasks[key] = task_of(key, value)
                    case "policy":
                        state.policy = policies.parse(value)
                    case "settings":
                        state.settings = _settings_of(value)
            except (KeyError, TypeError, ValueError, policies.PolicyError) as e:
                raise StateError(f"the stored {kind} {key} cannot be read: {e!r}") from e
        state.remember()
        return state


def _stored_part(task: Task) -> Task:
    return replace(task, idle_since=0.0, seen=False)


def task_record(task: Task) -> Json:
    return {
        "role": task.role.value,
        "kind": task.kind.value,
        "name": task.name,
        "agent": task.agent,
        "hostname": task.hostname,
        "place": task.place,
        "size": {d: getattr(task.size, d) for d in _DIMENSIONS},
        "template": task.template,
        "phase": task.phase.value,
        "since": task.since,
        "launched": task.launched,
        "drain": task.drain,
        "drain_asked": task.drain_asked,
        "address": task.address,
        "healthy": task.healthy,
        "node": task.node,
    }


def task_of(task_id: str, record: Json) -> Task:
    """Raises KeyError, TypeError or ValueError for a record that is none of ours."""
    healthy = record["healthy"]
    return Task(
        id=task_id,
        role=Role(record["role"]),
        kind=Kind(record["kind"]),
        name=str(record["name"]),
        agent=str(record["agent"]),
        hostname=str(record["hostname"]),
        place=str(record["place"]),
        size=Size(*(float(record["size"][d]) for d in _DIMENSIONS)),
        template=str(record["template"]),
        phase=Phase(record["phase"]),
        since=float(record["since"]),
        launched=float(record["launched"]),
        drain=str(record["drain"]),
        drain_asked=float(record["drain_asked"]),
        address=str(record["address"]),
        healthy=None if healthy is None else bool(healthy),
        node=str(record.get("node", "")),
    )


def _settings_record(settings: Settings) -> Json:
    return {
        "paused": settings.paused,
        "drain_sites": sorted(settings.drain_sites),
        "drain_tasks": sorted(settings.drain_tasks),
        "teardown": settings.teardown,
        "gone": settings.gone,
    }


def _settings_of(record: Json) -> Settings:
    gone = record["gone"]
    return Settings(
        paused=bool(record["paused"]),
        drain_sites=frozenset(map(str, record["drain_sites"])),
        drain_tasks=frozenset(map(str, record["drain_tasks"])),
        teardown=bool(record["teardown"]),
        gone=None if gone is None else str(gone),
    )
