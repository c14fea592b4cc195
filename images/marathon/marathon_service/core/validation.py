"""Is this a valid app?  Every problem at once, each with its path in the JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from . import constraints, paths
from .spec import Json

Problem = tuple[str, str]  # path in the JSON ("/healthChecks(0)/port"), what is wrong
Check = Callable[[Any, str], Iterator[Problem]]

READ_ONLY = frozenset(
    {
        "version",
        "versionInfo",
        "deployments",
        "tasks",
        "tasksStaged",
        "tasksRunning",
        "tasksHealthy",
        "tasksUnhealthy",
        "taskStats",
        "lastTaskFailure",
        "readinessCheckResults",
        "storeUrls",
        "taskRateLimit",
    }
)
LEGACY = frozenset({"uris", "ports", "ipAddress"})
PROTOCOLS = ("HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP")
PORT_PROTOCOLS = ("tcp", "udp", "udp,tcp", "tcp,udp")
_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")


class Invalid(Exception):
    """An app (or another body) is not valid.  `problems` are (path, message)."""

    def __init__(self, problems: list[Problem], status: int = 422) -> None:
        super().__init__("; ".join(f"{p}: {m}" for p, m in problems))
        self.problems, self.status = problems, status


def number(low: float = 0.0, high: float = 1e12, whole: bool = False, above: bool = False) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            yield path, "must be a number"
        elif whole and (isinstance(value, float) and not value.is_integer()):
            yield path, "must be a whole number"
        elif value < low or value > high or (above and value <= low):
            yield (
                path,
                f"must be {'above' if above else 'at least'} {low:g}" if value <= low else f"must be at most {high:g}",
            )

    return check


def text(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield path, "must be a string"


def name(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str) or not _NAME.match(value):
        yield path, "must be a name of lower case letters, digits and '-'"


def flag(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield path, "must be true or false"


def one_of(*choices: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if value not in choices:
            yield path, f"must be one of {', '.join(choices)}"

    return check


def list_of(item: Check) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield path, "must be a list"
            return
        for n, entry in enumerate(value):
            yield from item(entry, f"{path}({n})")

    return check


def map_of(item: Check) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path, "must be an object"
            return
        for key, entry in value.items():
            yield from item(entry, f"{path}/{key}")

    return check


def record(fields: dict[str, Check], required: tuple[str, ...] = ()) -> Check:
    """An object with these fields; null stands for a field that is not given."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path or "/", "must be an object"
            return
        for key, entry in value.items():
            if key not in fields:
                yield f"{path}/{key}", "unknown field"
            elif entry is not None:
                yield from fields[key](entry, f"{path}/{key}")
        for key in required:
            if value.get(key) is None:
                yield f"{path}/{key}", "is required"

    return check


def anything(_value: Any, _path: str) -> Iterator[Problem]:
    return iter(())


def refused(why: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if value:
            yield path, why

    return check


def scalar_text(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, str | int | float | bool):
        yield path, "must be a string"


def constraint(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        yield path, "must be a list of strings"
    elif wrong := constraints.problem(value):
        yield path, wrong


def unreachable(value: Any, path: str) -> Iterator[Problem]:
    if value == "disabled":
        return
    yield from record({"inactiveAfterSeconds": number(), "expungeAfterSeconds": number()})(value, path)


_PORT = record(
    {
        "containerPort": number(0, 65535, True),
        "hostPort": number(0, 65535, True),
        "servicePort": number(0, 65535, True),
        "protocol": one_of(*PORT_PROTOCOLS),
        "name": name,
        "labels": map_of(scalar_text),
        "networkNames": list_of(text),
    }
)
_VOLUME = record(
    {
        "containerPath": text,
        "hostPath": text,
        "mode": one_of("RW", "RO"),
        "external": record(
            {
                "name": text,
                "provider": text,
                "options": map_of(scalar_text),
                "size": number(),
                "shared": flag,
            },
            ("name",),
        ),
        "persistent": refused("persistent volumes are not built"),
        "secret": refused("secrets are not built"),
    },
    ("containerPath",),
)
_DOCKER = record(
    {
        "image": text,
        "privileged": flag,
        "forcePullImage": flag,
        "parameters": list_of(record({"key": text, "value": text}, ("key", "value"))),
        "credential": anything,
        "pullConfig": refused("secrets are not built"),
    },
    ("image",),
)
_HEALTH = record(
    {
        "protocol": one_of(*PROTOCOLS),
        "path": text,
        "port": number(1, 65535, True),
        "portIndex": number(0, 1000, True),
        "command": record({"value": text}, ("value",)),
        "gracePeriodSeconds": number(),
        "intervalSeconds": number(0, above=True),
        "timeoutSeconds": number(0, above=True),
        "delaySeconds": number(),
        "maxConsecutiveFailures": number(0, whole=True),
        "ignoreHttp1xx": flag,
        "ipProtocol": one_of("IPv4", "IPv6"),
    }
)
_READINESS = record(
    {
        "name": text,
        "protocol": one_of("HTTP", "HTTPS"),
        "path": text,
        "portName": text,
        "intervalSeconds": number(),
        "timeoutSeconds": number(),
        "httpStatusCodesForReady": list_of(number(100, 999, True)),
        "preserveLastResponse": flag,
    }
)
_APP = record(
    {
        "id": text,
        "cmd": text,
        "args": list_of(text),
        "user": text,
        "env": map_of(anything),
        "instances": number(0, 1e6, True),
        "cpus": number(),
        "mem": number(),
        "disk": number(),
        "gpus": number(0, whole=True),
        "executor": text,
        "constraints": list_of(constraint),
        "fetch": list_of(
            record({"uri": text, "executable": flag, "extract": flag, "cache": flag, "destPath": text}, ("uri",))
        ),
        "portDefinitions": list_of(
            record(
                {
                    "port": number(0, 65535, True),
                    "protocol": one_of(*PORT_PROTOCOLS),
                    "name": name,
                    "labels": map_of(scalar_text),
                }
            )
        ),
        "requirePorts": flag,
        "backoffSeconds": number(),
        "backoffFactor": number(1),
        "maxLaunchDelaySeconds": number(),
        "container": record(
            {
                "type": one_of("DOCKER", "MESOS"),
                "docker": _DOCKER,
                "volumes": list_of(_VOLUME),
                "portMappings": list_of(_PORT),
                "linuxInfo": anything,
            }
        ),
        "networks": list_of(
            record(
                {
                    "mode": one_of("host", "container", "container/bridge"),
                    "name": text,
                    "labels": map_of(scalar_text),
                }
            )
        ),
        "healthChecks": list_of(_HEALTH),
        "check": anything,
        "readinessChecks": list_of(_READINESS),
        "dependencies": list_of(text),
        "upgradeStrategy": record({"minimumHealthCapacity": number(0, 1), "maximumOverCapacity": number(0, 1)}),
        "labels": map_of(scalar_text),
        "acceptedResourceRoles": list_of(text),
        "role": text,
        "killSelection": one_of("YOUNGEST_FIRST", "OLDEST_FIRST"),
        "unreachableStrategy": unreachable,
        "taskKillGracePeriodSeconds": number(),
        "tty": flag,
        "executorResources": anything,
        "residency": refused("resident tasks are not built"),
        "secrets": refused("secrets are not built"),
    }
)


def shape(app: Json) -> list[Problem]:
    """Problems of types and of single values."""
    return list(_APP(app, ""))


def sense(app: Json, default_role: str) -> list[Problem]:
    """Problems of a normalised app as a whole."""
    return list(_sense(app, default_role))


def _sense(app: Json, default_role: str) -> Iterator[Problem]:
    if wrong := paths.problem(app["id"]):
        yield "/id", wrong
    docker = (app.get("container") or {}).get("docker")
    cmd, args = app.get("cmd"), app.get("args")
    if cmd is not None and args:
        yield "/", "must have cmd or args, not both"
    if not cmd and not args and docker is None:
        yield "/", "must have cmd or args, or a container with an image"
    if app["role"] not in (default_role, app["id"].strip("/").split("/")[0]):
        yield "/role", f"must be {default_role} or the name of the app's first group"
    for key, value in app["env"].items():
        if isinstance(value, dict):
            yield f"/env/{key}", "secrets are not built"
    modes = {n.get("mode") for n in app["networks"]}
    if len(modes) > 1 or (modes != {"container"} and len(app["networks"]) > 1):
        yield "/networks", "host and bridge networks stand alone"
    for n, network in enumerate(app["networks"]):
        if network["mode"] == "container" and not network.get("name"):
            yield f"/networks({n})/name", "is required: there is no default network"
        if network["mode"] != "container" and network.get("name"):
            yield f"/networks({n})/name", "is only for mode container"
    if modes != {"host"} and docker is None:
        yield "/container", "container networks need a container with an image"
    if modes == {"host"} and (app.get("container") or {}).get("portMappings"):
        yield "/container/portMappings", "need a container network; the host network has portDefinitions"
    count = len(app.get("portDefinitions") or (app.get("container") or {}).get("portMappings") or ())
    yield from _names(app)
    mesos_checks = 0
    for n, check in enumerate(app["healthChecks"]):
        path = f"/healthChecks({n})"
        mesos_checks += check["protocol"] not in ("HTTP", "HTTPS", "TCP")
        if check["protocol"] == "COMMAND" and not check.get("command"):
            yield f"{path}/command", "is required"
        if check["protocol"] != "COMMAND" and check.get("port") is None and check["portIndex"] >= count:
            yield f"{path}/portIndex", f"there is no port number {check['portIndex']}"
        if check["protocol"] == "COMMAND" and check.get("port") is not None:
            yield f"{path}/port", "a command has no port"
    if mesos_checks > 1:
        yield "/healthChecks", "Mesos does one health check a task: at most one COMMAND or MESOS_ check"
    for n, volume in enumerate((app.get("container") or {}).get("volumes") or ()):
        if bool(volume.get("hostPath")) == bool(volume.get("external")):
            yield f"/container/volumes({n})", "needs hostPath or external (one of them)"
    strategy = app["unreachableStrategy"]
    if strategy != "disabled" and strategy["expungeAfterSeconds"] < strategy["inactiveAfterSeconds"]:
        yield "/unreachableStrategy/expungeAfterSeconds", "must not be less than inactiveAfterSeconds"


def _names(app: Json) -> Iterator[Problem]:
    for field, ports in (
        ("/portDefinitions", app.get("portDefinitions")),
        ("/container/portMappings", (app.get("container") or {}).get("portMappings")),
    ):
        seen: set[str] = set()
        for n, port in enumerate(ports or ()):
            if port.get("name") in seen:
                yield f"{field}({n})/name", "is used twice"
            if port.get("name"):
                seen.add(port["name"])
