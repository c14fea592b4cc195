"""An app as the scheduler sees it: the typed part of a normalised app definition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

MARATHON_PROTOCOLS = frozenset({"HTTP", "HTTPS", "TCP"})


@dataclass(frozen=True)
class Constraint:
    field: str
    operator: str
    value: str | None = None


@dataclass(frozen=True)
class Port:
    """A port that an instance asks for.  `host`: None for none, 0 for any, else that one.  `container`: 0 = as on the
    host, None where there is no container port (host network)."""

    name: str | None
    protocol: str
    host: int | None
    container: int | None
    service: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: tuple[str, ...] = ()  # those it is mapped for; none stands for all


@dataclass(frozen=True)
class HealthCheck:
    """Times in seconds.  `max_failures` 0 means: never kill."""

    protocol: str
    path: str = "/"
    port: int | None = None
    port_index: int | None = None
    command: str | None = None
    grace: float = 300.0
    interval: float = 60.0
    timeout: float = 20.0
    delay: float = 15.0
    max_failures: int = 3
    ignore_1xx: bool = False
    ip_protocol: str = "IPv4"

    @property
    def by_marathon(self) -> bool:
        """Whether Marathon does the check itself (else Mesos does, on the agent)."""
        return self.protocol in MARATHON_PROTOCOLS

    @classmethod
    def from_json(cls, raw: Json) -> HealthCheck:
        return cls(
            raw.get("protocol", "HTTP"),
            raw.get("path") or "/",
            raw.get("port"),
            raw.get("portIndex"),
            (raw.get("command") or {}).get("value"),
            raw["gracePeriodSeconds"],
            raw["intervalSeconds"],
            raw["timeoutSeconds"],
            raw["delaySeconds"],
            raw["maxConsecutiveFailures"],
            raw.get("ignoreHttp1xx", False),
            raw.get("ipProtocol", "IPv4"),
        )


@dataclass(frozen=True)
class ReadinessCheck:
    """Asked by the leader until the answer has one of the `codes`.  Times in seconds."""

    name: str = "readinessCheck"
    protocol: str = "HTTP"
    path: str = "/"
    port_name: str = "http-api"
    interval: float = 30.0
    timeout: float = 10.0
    codes: tuple[int, ...] = (200,)
    keep_response: bool = False

    @classmethod
    def from_json(cls, raw: Json) -> ReadinessCheck:
        return cls(
            raw.get("name", "readinessCheck"),
            raw.get("protocol", "HTTP"),
            raw.get("path") or "/",
            raw.get("portName", "http-api"),
            raw.get("intervalSeconds", 30),
            raw.get("timeoutSeconds", 10),
            tuple(raw.get("httpStatusCodesForReady") or (200,)),
            raw.get("preserveLastResponse", False),
        )


@dataclass(frozen=True)
class Unreachable:
    """Seconds until an unreachable instance is replaced, and until it is forgotten; None for both: wait for ever."""

    inactive_after: float | None = 0.0
    expunge_after: float | None = 0.0


@dataclass(frozen=True)
class AppSpec:
    """One version of an app.  `raw` is the whole definition in normal form (what the API shows)."""

    id: str
    version: str
    config_version: str
    scaling_version: str
    instances: int
    raw: Json = field(compare=False, hash=False, repr=False)
    cpus: float = 1.0
    mem: float = 128.0
    disk: float = 0.0
    gpus: float = 0.0
    ports: tuple[Port, ...] = ()
    require_ports: bool = False
    network: str = "host"
    network_names: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    role: str = "*"
    accepted_roles: frozenset[str] | None = None
    min_health_capacity: float = 1.0
    max_over_capacity: float = 1.0
    backoff: float = 1.0
    backoff_factor: float = 1.15
    max_launch_delay: float = 300.0
    health_checks: tuple[HealthCheck, ...] = ()
    readiness: tuple[ReadinessCheck, ...] = ()
    unreachable: Unreachable = Unreachable()
    kill_grace: float | None = None
    oldest_first: bool = False
    dependencies: tuple[str, ...] = ()

    @property
    def has_health_checks(self) -> bool:
        return bool(self.health_checks)

    @property
    def min_healthy(self) -> int:
        """The healthy instances that a rolling change must leave."""
        return min(self.instances, math.ceil(round(self.instances * self.min_health_capacity, 9)))

    @property
    def max_total(self) -> int:
        """The instances, old and new, that a rolling change may have at once; one more where it could not move."""
        most = self.instances + math.floor(round(self.instances * self.max_over_capacity, 9))
        return most + 1 if most == self.instances and self.min_healthy >= self.instances else most

    @classmethod
    def from_json(cls, raw: Json) -> AppSpec:
        """From a definition that `definition.normalise` made (every default is filled in)."""
        info = raw["versionInfo"]
        networks = raw.get("networks") or [{"mode": "host"}]
        mode = networks[0].get("mode", "container")
        upgrade = raw["upgradeStrategy"]
        unreachable = raw["unreachableStrategy"]
        accepted = raw.get("acceptedResourceRoles")
        return cls(
            id=raw["id"],
            version=raw["version"],
            config_version=info["lastConfigChangeAt"],
            scaling_version=info["lastScalingAt"],
            instances=raw["instances"],
            raw=raw,
            cpus=raw["cpus"],
            mem=raw["mem"],
            disk=raw["disk"],
            gpus=raw["gpus"],
            ports=ports_of(raw, mode),
            require_ports=raw.get("requirePorts", False),
            network=mode,
            network_names=tuple(n["name"] for n in networks if n.get("name")),
            constraints=tuple(Constraint(c[0], c[1], c[2] if len(c) > 2 else None) for c in raw["constraints"]),
            role=raw["role"],
            accepted_roles=frozenset(accepted) if accepted else None,
            min_health_capacity=upgrade["minimumHealthCapacity"],
            max_over_capacity=upgrade["maximumOverCapacity"],
            backoff=raw["backoffSeconds"],
            backoff_factor=raw["backoffFactor"],
            max_launch_delay=raw["maxLaunchDelaySeconds"],
            health_checks=tuple(HealthCheck.from_json(h) for h in raw["healthChecks"]),
            readiness=tuple(ReadinessCheck.from_json(r) for r in raw.get("readinessChecks") or ()),
            unreachable=(
                Unreachable(None, None)
                if unreachable == "disabled"
                else Unreachable(unreachable["inactiveAfterSeconds"], unreachable["expungeAfterSeconds"])
            ),
            kill_grace=raw.get("taskKillGracePeriodSeconds"),
            oldest_first=raw["killSelection"] == "OLDEST_FIRST",
            dependencies=tuple(raw["dependencies"]),
        )


def ports_of(raw: Json, mode: str) -> tuple[Port, ...]:
    if mode == "host":
        required = raw.get("requirePorts", False)
        return tuple(
            Port(
                p.get("name"),
                p.get("protocol", "tcp"),
                p["port"] if required else 0,
                None,
                p["port"],
                p.get("labels") or {},
            )
            for p in raw.get("portDefinitions") or ()
        )
    mappings = (raw.get("container") or {}).get("portMappings") or ()
    return tuple(
        Port(
            p.get("name"),
            p.get("protocol", "tcp"),
            p.get("hostPort"),
            p.get("containerPort", 0),
            p.get("servicePort", 0),
            p.get("labels") or {},
            tuple(p.get("networkNames") or ()),
        )
        for p in mappings
    )
