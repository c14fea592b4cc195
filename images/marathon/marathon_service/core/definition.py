"""App definitions: from what a client sends, in today's or an older form, to one normal form with every default."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

from . import paths
from .spec import AppSpec, Json
from .validation import READ_ONLY, Invalid, sense, shape

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
_CHECK = {
    "protocol": "HTTP",
    "gracePeriodSeconds": 300,
    "intervalSeconds": 60,
    "timeoutSeconds": 20,
    "maxConsecutiveFailures": 3,
    "delaySeconds": 15,
    "ipProtocol": "IPv4",
}


@dataclass(frozen=True)
class Rules:
    """What the service's configuration adds to a definition."""

    role: str = "*"
    default_network: str | None = None
    service_ports: tuple[int, int] = (10000, 20000)


def migrate(app: Json) -> Json:
    """Older forms in today's words: uris, ports, ipAddress, container.docker.network and .portMappings.
    Read-only fields are dropped.  Raises Invalid where old and new contradict each other."""
    if not isinstance(app, dict):
        raise Invalid([("/", "must be an object")])
    app = {k: copy.deepcopy(v) for k, v in app.items() if k not in READ_ONLY}
    _uris(app)
    strategy = app.get("unreachableStrategy")
    if isinstance(strategy, dict):
        for new in ("inactiveAfterSeconds", "expungeAfterSeconds"):
            old = strategy.pop(f"unreachable{new[0].upper()}{new[1:]}", None)  # as 1.4 called it
            if old is not None:
                strategy.setdefault(new, old)
    docker = app["container"].get("docker") if isinstance(app.get("container"), dict) else None
    if isinstance(docker, dict):
        _docker(app, docker)
    if (address := app.pop("ipAddress", None)) is not None:
        if not isinstance(address, dict):
            raise Invalid([("/ipAddress", "must be an object")])
        if app.get("networks"):
            raise Invalid([("/ipAddress", "stands for networks: give one of them")])
        network: Json = {"mode": "container", "name": address.get("networkName")}
        if address.get("labels"):
            network["labels"] = address["labels"]
        app["networks"] = [{k: v for k, v in network.items() if v is not None}]
    ports = app.pop("ports", None)
    if ports and not app.get("portDefinitions"):
        if not isinstance(ports, list) or any(isinstance(p, bool) or not isinstance(p, int) for p in ports):
            raise Invalid([("/ports", "must be a list of numbers")])
        app["portDefinitions"] = [{"port": p, "protocol": "tcp"} for p in ports]
    return app


def _uris(app: Json) -> None:
    uris = app.pop("uris", None)
    if uris and not app.get("fetch"):
        if not isinstance(uris, list) or any(not isinstance(u, str) for u in uris):
            raise Invalid([("/uris", "must be a list of strings")])
        archives = (".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip")
        app["fetch"] = [{"uri": u, "extract": u.endswith(archives), "executable": False, "cache": False} for u in uris]


def _docker(app: Json, docker: Json) -> None:
    network, mappings = docker.pop("network", None), docker.pop("portMappings", None)
    if mappings and not app["container"].get("portMappings"):
        app["container"]["portMappings"] = mappings
    if network in (None, "NONE"):
        return
    modes = {"HOST": "host", "BRIDGE": "container/bridge", "USER": "container"}
    if network not in modes:
        raise Invalid([("/container/docker/network", f"must be one of {', '.join(modes)}")])
    if app.get("networks"):
        raise Invalid([("/container/docker/network", "stands for networks: give one of them")])
    if network == "USER":
        if app.get("ipAddress") is None:
            app["networks"] = [{"mode": "container"}]
    else:
        app.pop("ipAddress", None)
        app["networks"] = [{"mode": modes[network]}]


def merge(before: Json, update: Json) -> Json:
    """A partial update: the fields of `update` (already migrated) over those of `before`; null resets one."""
    base = {k: v for k, v in before.items() if k not in READ_ONLY}
    if update.get("cmd") is not None:
        base.pop("args", None)
    if update.get("args"):
        base.pop("cmd", None)
    if "networks" in update or "container" in update:
        # Ports belong to the kind of network that they were written for.
        modes = {n.get("mode") for n in update.get("networks") or base.get("networks") or ()}
        if modes - {"host"}:
            base.pop("portDefinitions", None)
        elif "container" not in update and isinstance(base.get("container"), dict):
            base["container"] = {k: v for k, v in base["container"].items() if k != "portMappings"}
    return {**base, **update}


def normalise(app: Json, rules: Rules, used_ports: Iterable[int] = (), before: Json | None = None) -> Json:
    """The normal form of a migrated definition, without versions.  Raises Invalid with every problem.
    Service ports that the app had `before` are kept: else sending the same app again would restart it."""
    if problems := shape(app):
        raise Invalid(problems)
    full = {**copy.deepcopy(DEFAULTS), **{k: v for k, v in app.items() if v is not None}}
    full["id"] = paths.absolute(full.get("id", ""))
    full.setdefault("role", rules.role)
    full["instances"] = int(full["instances"])
    upgrade = full.get("upgradeStrategy") or {}
    full["upgradeStrategy"] = {
        "minimumHealthCapacity": 1,
        "maximumOverCapacity": 1,
        **{k: v for k, v in upgrade.items() if v is not None},
    }
    if full.get("unreachableStrategy") != "disabled":
        given = {k: v for k, v in (full.get("unreachableStrategy") or {}).items() if v is not None}
        inactive = given.get("inactiveAfterSeconds", 0)
        full["unreachableStrategy"] = {
            "inactiveAfterSeconds": inactive,
            "expungeAfterSeconds": inactive,
            **given,
        }
    full["dependencies"] = [paths.absolute(d, paths.parent(full["id"])) for d in full["dependencies"]]
    full["env"] = {k: v if isinstance(v, dict) else _text(v) for k, v in full["env"].items()}
    full["labels"] = {k: _text(v) for k, v in full["labels"].items()}
    full["healthChecks"] = [_health_check(c) for c in full["healthChecks"]]
    full["fetch"] = [{"extract": True, "executable": False, "cache": False, **f} for f in full["fetch"]]
    _network(full, rules)
    _service_ports(full, rules, set(used_ports), service_ports(before) if before else [])
    if problems := sense(full, rules.role):
        raise Invalid(problems)
    return {k: v for k, v in full.items() if v is not None or k in _KEPT_NULL}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _health_check(raw: Json) -> Json:
    check = {**_CHECK, **{k: v for k, v in raw.items() if v is not None}}
    if check["protocol"] != "COMMAND":
        if check.get("port") is None:
            check.setdefault("portIndex", 0)
        if "HTTP" in check["protocol"]:
            check.setdefault("path", "/")
            check.setdefault("ignoreHttp1xx", False)
    else:
        check.pop("portIndex", None)
    return check


def _network(full: Json, rules: Rules) -> None:
    container = full.get("container")
    if isinstance(container, dict):
        container = full["container"] = {k: v for k, v in container.items() if v is not None}
        if container.get("docker"):
            container["docker"] = {
                "forcePullImage": False,
                "parameters": [],
                "privileged": False,
                **{k: v for k, v in container["docker"].items() if v is not None},
            }
        container.setdefault("type", "DOCKER" if container.get("docker") else "MESOS")
        container["volumes"] = [
            {"mode": "RW", **{k: v for k, v in volume.items() if v is not None}}
            for volume in container.get("volumes") or ()
        ]
        if not container.get("portMappings"):
            container.pop("portMappings", None)
    if not full.get("networks"):
        mapped = isinstance(container, dict) and container.get("portMappings")
        full["networks"] = [{"mode": "container" if mapped else "host"}]
    for network in full["networks"]:
        network.setdefault("mode", "container")
        if network["mode"] == "container" and not network.get("name") and rules.default_network:
            network["name"] = rules.default_network
    mode = full["networks"][0]["mode"]
    if mode == "host":
        if full.get("portDefinitions") is None:
            full["portDefinitions"] = [{"port": 0, "protocol": "tcp", "name": "default"}]
        return
    full.pop("portDefinitions", None)
    full.pop("requirePorts", None)
    if isinstance(container, dict):
        container["portMappings"] = [_mapping(m, mode) for m in container.get("portMappings") or ()]


def _mapping(raw: Json, mode: str) -> Json:
    mapping = {k: v for k, v in raw.items() if v is not None}
    mapping.setdefault("containerPort", 0)
    mapping.setdefault("protocol", "tcp")
    mapping.setdefault("servicePort", 0)
    mapping.setdefault("labels", {})
    if mode == "container/bridge":
        mapping.setdefault("hostPort", 0)
    return mapping


def _service_ports(full: Json, rules: Rules, used: set[int], kept: list[int]) -> None:
    """Ports 0 get a service port of their own, for load balancers; the port on the host is chosen at launch."""
    host = full["networks"][0]["mode"] == "host"
    ports = full["portDefinitions"] if host else (full.get("container") or {}).get("portMappings") or ()
    key = "port" if host else "servicePort"
    used |= {p.get(key) or 0 for p in ports}
    free = (p for p in range(*rules.service_ports) if p not in used)
    for n, port in enumerate(ports):
        if host:
            port.setdefault("port", 0)
            port.setdefault("protocol", "tcp")
            port.setdefault("labels", {})
            if full["requirePorts"]:
                continue
        if port[key] == 0:
            port[key] = kept[n] if n < len(kept) and kept[n] else next(free, 0)


def service_ports(raw: Json) -> list[int]:
    """The service ports that a normal definition holds."""
    mappings = (raw.get("container") or {}).get("portMappings") or ()
    return [p["port"] for p in raw.get("portDefinitions") or ()] + [m["servicePort"] for m in mappings]


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
