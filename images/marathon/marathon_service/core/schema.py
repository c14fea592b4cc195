"""The fields of an app's definition in today's form, and what each may hold by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from . import constraints
from .checks import (
    Problem,
    flag,
    list_of,
    map_of,
    name,
    network_name,
    number,
    one_of,
    record,
    refused,
    scalar_text,
    some_text,
    text,
)

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
        "tasksStats",
        "lastTaskFailure",
        "readinessCheckResults",
        # Of versions before 1.0, without effect since.
        "storeUrls",
        "taskRateLimit",
    }
)
PROTOCOLS = ("HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP")
PORT_PROTOCOLS = ("tcp", "udp", "udp,tcp", "tcp,udp")
SECRETS = "secrets are not built: give the value in env, or a file in a volume"
_MESOS_TEXT = re.compile(r"[a-zA-Z0-9_/.-]*")


def constraint(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        yield path, "must be a list of strings"
    elif wrong := constraints.problem([*value[:1], *(v.upper() for v in value[1:2]), *value[2:]]):
        yield path, wrong
    elif not value[0]:
        yield path, "the field must not be empty"
    elif value[1].upper() == "IS" and not _MESOS_TEXT.fullmatch(value[2]):
        yield path, "IS compares with a number, or a text of letters, digits, '_', '/', '.' and '-'"


def unreachable(value: Any, path: str) -> Iterator[Problem]:
    if value != "disabled":
        yield from record({"inactiveAfterSeconds": number(), "expungeAfterSeconds": number()})(value, path)


def _env_value(value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, dict) and set(value) == {"secret"}:
        yield path, SECRETS
    elif value is not None:
        yield from scalar_text(value, path)


def _env_key(key: str) -> str | None:
    return "is no name of a variable" if not key or "=" in key or "\0" in key else None


def _limit(value: Any, path: str) -> Iterator[Problem]:
    if value != "unlimited":
        if isinstance(value, str):
            yield path, "must be a number or 'unlimited'"
        else:
            yield from number()(value, path)


_any_port = number(0, 65535, True)
_labels = map_of(scalar_text)
_port = record(
    {
        "containerPort": _any_port,
        "hostPort": _any_port,
        "servicePort": _any_port,
        "protocol": one_of(*PORT_PROTOCOLS),
        "name": name,
        "labels": _labels,
        "networkNames": list_of(network_name),
    }
)
_volume = record(
    {
        "containerPath": some_text(),
        "hostPath": some_text(),
        "mode": one_of("RW", "RO"),
        "external": record(
            {
                "name": some_text(),
                "provider": text,
                "options": map_of(scalar_text),
                "size": number(0, whole=True),
                "shared": flag,
            },
            ("name",),
        ),
        "persistent": refused("persistent volumes are not built: use external or hostPath"),
        "secret": refused(SECRETS),
    },
    ("containerPath",),
)
_docker = record(
    {
        "image": some_text(),
        "privileged": flag,
        "forcePullImage": flag,
        "parameters": list_of(record({"key": some_text(), "value": scalar_text}, ("key", "value"))),
        "credential": refused("is of Marathon before 1.5: log the agents in to the registry (docker.tar.gz in fetch)"),
        "pullConfig": refused(SECRETS),
    },
    ("image",),
)
_linux = record(
    {
        "seccomp": record({"profileName": some_text(), "unconfined": flag}),
        "ipcInfo": record({"mode": one_of("PRIVATE", "SHARE_PARENT"), "shmSize": number(0, 1e6, True)}, ("mode",)),
    }
)
_health = record(
    {
        "protocol": one_of(*PROTOCOLS),
        "path": text,
        "port": _any_port,
        "portIndex": _any_port,
        "command": record({"value": some_text()}, ("value",)),
        "gracePeriodSeconds": number(),
        "intervalSeconds": number(0, above=True),
        "timeoutSeconds": number(0, above=True),
        "delaySeconds": number(),
        "maxConsecutiveFailures": number(0, 2**31 - 1, True),
        "ignoreHttp1xx": flag,
        "ipProtocol": one_of("IPv4", "IPv6"),
    }
)
_shell_or_argv = record({"shell": some_text(), "argv": list_of(text, 1)})
_to_port = {"portIndex": _any_port, "port": _any_port}
_check = record(
    {
        "http": record({**_to_port, "path": some_text(1024), "scheme": one_of("HTTP", "HTTPS")}),
        "tcp": record(_to_port),
        "exec": record({"command": _shell_or_argv}, ("command",)),
        "intervalSeconds": number(),
        "timeoutSeconds": number(),
        "delaySeconds": number(),
    }
)
_readiness = record(
    {
        "name": some_text(),
        "protocol": one_of("HTTP", "HTTPS"),
        "path": some_text(1024),
        "portName": name,
        "intervalSeconds": number(),
        "timeoutSeconds": number(0, above=True),
        "httpStatusCodesForReady": list_of(number(100, 999, True), 1),
        "preserveLastResponse": flag,
    }
)
_network = record(
    {"mode": one_of("host", "container", "container/bridge"), "name": network_name, "labels": _labels},
)
_fetch = record(
    {"uri": some_text(1024), "executable": flag, "extract": flag, "cache": flag, "destPath": some_text(1024)}, ("uri",)
)
APP = record(
    {
        "id": text,
        "cmd": some_text(),
        "args": list_of(text),
        "user": some_text(255),
        "env": map_of(_env_value, _env_key),
        "instances": number(0, 1e6, True),
        "cpus": number(0.001, 1e6),
        "mem": number(0, 1e9),
        "disk": number(0, 1e9),
        "gpus": number(0, 1e6, True),
        "executor": text,
        "constraints": list_of(constraint),
        "fetch": list_of(_fetch),
        "portDefinitions": list_of(
            record({"port": _any_port, "protocol": one_of(*PORT_PROTOCOLS), "name": name, "labels": _labels}), most=1000
        ),
        "requirePorts": flag,
        "backoffSeconds": number(0, 1e9),
        "backoffFactor": number(1, 1e6),
        "maxLaunchDelaySeconds": number(0, 1e9),
        "container": record(
            {
                "type": one_of("DOCKER", "MESOS"),
                "docker": _docker,
                "volumes": list_of(_volume),
                "portMappings": list_of(_port, most=1000),
                "linuxInfo": _linux,
            }
        ),
        "networks": list_of(_network),
        "healthChecks": list_of(_health, most=100),
        "check": _check,
        "readinessChecks": list_of(_readiness, most=1),
        "dependencies": list_of(some_text()),
        "upgradeStrategy": record({"minimumHealthCapacity": number(0, 1), "maximumOverCapacity": number(0, 1)}),
        "labels": _labels,
        "acceptedResourceRoles": list_of(some_text()),
        "role": some_text(255),
        "killSelection": one_of("YOUNGEST_FIRST", "OLDEST_FIRST"),
        "unreachableStrategy": unreachable,
        "taskKillGracePeriodSeconds": number(0, 1e9),
        "tty": flag,
        "executorResources": record({"cpus": number(0.1), "mem": number(32), "disk": number(10)}),
        "resourceLimits": record({"cpus": _limit, "mem": _limit}),
        "residency": refused("resident tasks are not built: use volumes with external or hostPath"),
        "secrets": refused(SECRETS),
    }
)
