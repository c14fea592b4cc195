"""Older forms of an app's definition in today's words: uris, ports, ipAddress, container.docker.network and .portMappings."""

from __future__ import annotations

import copy
from typing import Any

from .checks import Check, Invalid, anything, list_of, map_of, name, number, one_of, record, scalar_text, text
from .schema import READ_ONLY
from .spec import Json

_ARCHIVES = (".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip")
_MODES = {"HOST": "host", "BRIDGE": "container/bridge", "USER": "container"}
_ADDRESS = record(
    {
        "discovery": record(
            {
                "ports": list_of(
                    record(
                        {
                            "number": number(0, 65535, True),
                            "name": name,
                            "protocol": one_of("tcp", "udp", "udp,tcp"),
                            "labels": map_of(scalar_text),
                        },
                        ("name",),
                    )
                )
            }
        ),
        "groups": anything,  # without effect, also in the original
        "labels": map_of(scalar_text),
        "networkName": text,
        "name": text,
    }
)


def migrate(app: Any, bridge: str = "mesos-bridge") -> Json:
    """A copy of `app` without older forms and read-only fields.  `bridge` is the name of the network that stands for mode container/bridge.
    Raises Invalid where old and new contradict each other."""
    if not isinstance(app, dict):
        raise Invalid([("/", "must be an object")])
    found: Json = {k: copy.deepcopy(v) for k, v in app.items() if k not in READ_ONLY}
    _uris(found)
    _unreachable(found.get("unreachableStrategy"))
    container = found.get("container")
    address = _own(found, "ipAddress", _ADDRESS)
    docker = container.get("docker") if isinstance(container, dict) else None
    network = docker.pop("network", None) if isinstance(docker, dict) else None
    if isinstance(container, dict) and isinstance(docker, dict):
        _mappings(container, docker.pop("portMappings", None))
    _networks(found, address, network, bridge)
    if address is not None:
        _discovery(found, address)
    _ports(found)
    return found


def _own(holder: Json, key: str, check: Check) -> Any:
    value = holder.pop(key, None)
    if value is not None and (problems := list(check(value, f"/{key}"))):
        raise Invalid(problems)
    return value


def _uris(app: Json) -> None:
    uris = _own(app, "uris", list_of(text))
    if not uris:
        return
    fetch = app.get("fetch")
    if not fetch:
        app["fetch"] = [{"uri": u, "extract": u.endswith(_ARCHIVES), "executable": False, "cache": False} for u in uris]
    elif not isinstance(fetch, list) or [f.get("uri") if isinstance(f, dict) else f for f in fetch] != uris:
        # Marathon before 1.5 showed an app with both, saying the same.
        raise Invalid([("/uris", "stands for fetch: give one of them")])


def _unreachable(strategy: Any) -> None:
    if isinstance(strategy, dict):
        for new in ("inactiveAfterSeconds", "expungeAfterSeconds"):
            old = strategy.pop(f"unreachable{new[0].upper()}{new[1:]}", None)  # as 1.4 called it
            if old is not None:
                strategy.setdefault(new, old)


def _mappings(container: Json, old: Any) -> None:
    if old is None:
        return
    if not container.get("portMappings"):
        container["portMappings"] = old
    elif old and old != container["portMappings"]:
        raise Invalid([("/container/docker/portMappings", "stands for container/portMappings: give one of them")])


def _networks(app: Json, address: Json | None, docker: Any, bridge: str) -> None:
    if docker is None and address is None:
        return
    given = "/ipAddress" if docker is None else "/container/docker/network"
    if docker is not None and (not isinstance(docker, str) or docker not in _MODES):
        raise Invalid([(given, f"must be one of {', '.join(_MODES)}")])
    networks = app.get("networks")
    if networks:
        # What one mode says twice is no contradiction.
        same = docker is not None and isinstance(networks, list) and modes(networks) == {_MODES[docker]}
        if address is not None or not same:
            raise Invalid([(given, "stands for networks: give one of them")])
        return
    mode = _MODES[docker] if docker is not None else "container"
    address = address or {}
    named = address.get("networkName") or address.get("name")
    if mode == "container" and named == bridge:
        mode, named = "container/bridge", None
    network: Json = {"mode": mode}
    if mode == "container" and named:
        network["name"] = named
    if mode != "host" and address.get("labels"):
        network["labels"] = address["labels"]
    app["networks"] = [network]


def modes(networks: Any) -> set[str]:
    """The kinds of networks that an app asks for; nothing has been checked yet, and what is no kind is told of later."""
    listed = (
        [n.get("mode") or "container" for n in networks if isinstance(n, dict)] if isinstance(networks, list) else []
    )
    return {mode for mode in listed if isinstance(mode, str)}


def _discovery(app: Json, address: Json) -> None:
    if app.get("container") is None:
        app["container"] = {"type": "MESOS"}
    ports = (address.get("discovery") or {}).get("ports")
    container = app["container"]
    if not ports or not isinstance(container, dict):
        return
    if (container.get("type") or ("DOCKER" if container.get("docker") else "MESOS")) != "MESOS":
        raise Invalid([("/ipAddress/discovery", "is not for containers of type DOCKER: use container/portMappings")])
    if container.get("portMappings"):
        raise Invalid([("/ipAddress/discovery/ports", "stands for container/portMappings: give one of them")])
    container["portMappings"] = [
        {"containerPort": p.get("number", 0), **{k: p[k] for k in ("name", "protocol", "labels") if p.get(k)}}
        for p in ports
    ]


def _ports(app: Json) -> None:
    ports = _own(app, "ports", list_of(number(0, 65535, True)))
    if ports is None:
        return
    defined = app.get("portDefinitions")
    if defined is None:
        app["portDefinitions"] = [{"port": p, "protocol": "tcp"} for p in ports]
    elif ports and defined and [p.get("port", 0) if isinstance(p, dict) else p for p in defined] != ports:
        raise Invalid([("/ports", "stands for portDefinitions: give one of them")])
