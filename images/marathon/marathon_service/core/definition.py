"""App definitions: from what a client sends, in today's or an older form, to one normal form with every default."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from . import paths
from .legacy import migrate, modes
from .ports import assign as assign_ports
from .ports import network, service_ports
from .schema import READ_ONLY
from .spec import AppSpec, Json
from .validation import SINGLE_INSTANCE, Invalid, sense, shape

__all__ = ["Rules", "config_of", "merge", "migrate", "normalise", "service_ports", "stamped"]
DEFAULTS: Json = {
    "cmd": None,
    "args": None,
    "user": None,
    "env": {},
    "instances": 1,
    "cpus": 1,
    "mem": 128,
    "disk": 0,
    "gpus": 0,
    "executor": "",
    "constraints": [],
    "fetch": [],
    "requirePorts": False,
    "backoffSeconds": 1,
    "backoffFactor": 1.15,
    "maxLaunchDelaySeconds": 300,
    "container": None,
    "healthChecks": [],
    "readinessChecks": [],
    "dependencies": [],
    "labels": {},
    "acceptedResourceRoles": None,
    "killSelection": "YOUNGEST_FIRST",
    "taskKillGracePeriodSeconds": None,
}
_KEPT_NULL = frozenset({"cmd", "args", "user", "container", "acceptedResourceRoles"})
_EMPTY = frozenset({"secrets", "residency"})  # may be given with nothing in them
_HEALTH_CHECK = {
    "protocol": "HTTP",
    "gracePeriodSeconds": 300,
    "intervalSeconds": 60,
    "timeoutSeconds": 20,
    "maxConsecutiveFailures": 3,
    "delaySeconds": 15,
    "ipProtocol": "IPv4",
}
_CHECK = {"intervalSeconds": 60, "timeoutSeconds": 20, "delaySeconds": 15}
_READINESS = {
    "name": "readinessCheck",
    "protocol": "HTTP",
    "path": "/",
    "portName": "http-api",
    "intervalSeconds": 30,
    "timeoutSeconds": 10,
    "httpStatusCodesForReady": [200],
    "preserveLastResponse": False,
}


@dataclass(frozen=True)
class Rules:
    """What the service's configuration adds to a definition.  `accepted_roles` is "any", "unreserved" or "reserved" where an app says
    nothing; `max_apps` and `max_deployments` are bounds of the whole service."""

    role: str = "*"
    default_network: str | None = None
    service_ports: tuple[int, int] = (10000, 20000)
    bridge: str = "mesos-bridge"
    accepted_roles: str = "any"
    drop_wrong_roles: bool = False
    ignore_unknown: bool = False
    max_apps: int | None = None
    max_deployments: int = 100
    max_versions: int = 50


def merge(before: Json, update: Json) -> Json:
    """A partial update: the fields of `update` (already migrated) over those of `before`; null leaves one as it is."""
    base = {k: v for k, v in before.items() if k not in READ_ONLY}
    update = {k: v for k, v in update.items() if v is not None}
    if "cmd" in update:
        base.pop("args", None)
    if update.get("args"):
        base.pop("cmd", None)
    if "networks" in update or "container" in update:
        # Ports belong to the kind of network that they were written for.
        if modes(update.get("networks") or base.get("networks")) - {"host"}:
            base.pop("portDefinitions", None)
        elif "container" not in update and isinstance(base.get("container"), dict):
            base["container"] = {k: v for k, v in base["container"].items() if k != "portMappings"}
    return {**base, **update}


def normalise(app: Json, rules: Rules, used_ports: Iterable[int] = (), before: Json | None = None) -> Json:
    """The normal form of a migrated definition, without versions.  Raises Invalid with every problem.
    Service ports that the app had `before` are kept: else sending the same app again would restart it."""
    if problems := shape(app, rules.ignore_unknown):
        raise Invalid(problems)
    full = {**copy.deepcopy(DEFAULTS), **{k: v for k, v in app.items() if v is not None}}
    full["id"] = paths.absolute(full.get("id", ""))
    full.setdefault("role", rules.role)
    full["acceptedResourceRoles"] = _accepted(full["acceptedResourceRoles"], full["role"], rules)
    full["instances"] = int(full["instances"])
    full["constraints"] = [[c[0], c[1].upper(), *c[2:]] for c in full["constraints"]]
    full["dependencies"] = [paths.absolute(d, paths.parent(full["id"])) for d in full["dependencies"]]
    full["env"] = {k: _text(v) for k, v in full["env"].items() if v is not None}
    full["labels"] = {k: _text(v) for k, v in full["labels"].items() if v is not None}
    _strategies(full)
    full["healthChecks"] = [_health_check(c) for c in full["healthChecks"]]
    full["readinessChecks"] = [{**_READINESS, **_given(c)} for c in full["readinessChecks"]]
    if full.get("check") is not None:
        full["check"] = {**_CHECK, **_given(full["check"])}
    full["fetch"] = [{"extract": True, "executable": False, "cache": False, **_given(f)} for f in full["fetch"]]
    network(full, rules.default_network, before)
    assign_ports(full, rules.service_ports, used_ports, service_ports(before) if before else [])
    if problems := sense(full, rules.role):
        raise Invalid(problems)
    return {k: v for k, v in full.items() if (v is not None or k in _KEPT_NULL) and k not in _EMPTY}


def _given(raw: Json) -> Json:
    return {k: v for k, v in raw.items() if v is not None}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _accepted(given: list[str] | None, role: str, rules: Rules) -> list[str] | None:
    if given is None:
        return {"unreserved": ["*"], "reserved": [role]}.get(rules.accepted_roles)
    if rules.drop_wrong_roles and given:
        return [r for r in given if r in ("*", role)] or ["*"]
    return given


def _strategies(full: Json) -> None:
    most = 0 if full["labels"].get(SINGLE_INSTANCE) == "true" else 1
    full["upgradeStrategy"] = {
        "minimumHealthCapacity": most,
        "maximumOverCapacity": most,
        **_given(full.get("upgradeStrategy") or {}),
    }
    if full.get("unreachableStrategy") != "disabled":
        given = _given(full.get("unreachableStrategy") or {})
        inactive = given.get("inactiveAfterSeconds", 0)
        full["unreachableStrategy"] = {"inactiveAfterSeconds": inactive, "expungeAfterSeconds": inactive, **given}


def _health_check(raw: Json) -> Json:
    check = {**_HEALTH_CHECK, **_given(raw)}
    if check["protocol"] == "COMMAND":
        check.pop("portIndex", None)
        return check
    if check.get("port") == 0:
        del check["port"]
    if check.get("port") is None:
        check.setdefault("portIndex", 0)
    if "HTTP" in check["protocol"]:
        check.setdefault("path", "/")
        check.setdefault("ignoreHttp1xx", False)
    return check


def config_of(raw: Json) -> Json:
    """The part whose change restarts the instances."""
    loose = {
        "instances",
        "version",
        "versionInfo",
        "killSelection",
        "unreachableStrategy",
        "upgradeStrategy",
        "dependencies",
        "backoffSeconds",
        "backoffFactor",
        "maxLaunchDelaySeconds",
    }
    return {k: v for k, v in raw.items() if k not in loose}


def stamped(raw: Json, before: AppSpec | None, version: str, restart: bool = False) -> AppSpec:
    """A normal definition as a new version of its app."""
    if before is None or restart or config_of(raw) != config_of(before.raw):
        info = {"lastScalingAt": version, "lastConfigChangeAt": version}
    else:
        info = {
            "lastScalingAt": version if raw["instances"] != before.instances else before.scaling_version,
            "lastConfigChangeAt": before.config_version,
        }
    return AppSpec.from_json(
        {**{k: v for k, v in raw.items() if k not in READ_ONLY}, "version": version, "versionInfo": info}
    )
