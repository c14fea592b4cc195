"""One task of an app, and what is known of its health.  Immutable: each step makes a new one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .spec import AppSpec, Json


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
    passed: bool = False  # its readiness checks have succeeded, once and for all
    check_status: Json | None = None  # what Mesos said last of `check`, in Mesos' form
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

    @property
    def restless(self) -> bool:
        """Whether time alone may make something of it due."""
        return (
            self.kill_reason is not None
            or self.unreachable_since is not None
            or self.moving
            or self.state in ("TASK_STAGING", "TASK_STARTING")
        )

    @property
    def checkable(self) -> bool:
        """Whether its health is to be checked."""
        return self.running and not self.being_killed

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
        # Of an older one the checks of `spec` say nothing.
        passed = self.passed or not spec.readiness or self.version < spec.config_version
        return self.running and self.active and passed and self.healthy(spec) is True

    def but(self, **changes: Any) -> Instance:
        """dataclasses.replace, in a fifth of the time: each task's every step makes a new Instance."""
        new = object.__new__(Instance)
        new.__dict__.update(self.__dict__)
        new.__dict__.update(changes)
        return new

    def to_json(self) -> Json:
        """What is stored: not its health, which whoever leads next checks anew."""
        return {k: v for k, v in self.__dict__.items() if v is not None and k not in ("health", "attributes")} | {
            "attributes": dict(self.attributes)
        }

    @classmethod
    def from_json(cls, raw: Json) -> Instance:
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in raw.items() if k in known}
        for name in ("ports", "ip_addresses"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)
