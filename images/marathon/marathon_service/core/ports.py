"""Networks and ports of an app in normal form, and the service ports that the service chooses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .spec import Json


def network(full: Json, default_network: str | None, before: Json | None = None) -> None:
    """Fill in the defaults of container, networks and ports.  `before` is the app's former normal form."""
    _container(full)
    container = full.get("container")
    if not full.get("networks"):
        mapped = isinstance(container, dict) and container.get("portMappings")
        full["networks"] = [{"mode": "container" if mapped else "host"}]
    full["networks"] = [{k: v for k, v in n.items() if v is not None} for n in full["networks"]]
    for one in full["networks"]:
        one.setdefault("mode", "container")
        if one["mode"] == "container" and not one.get("name") and default_network:
            one["name"] = default_network
    mode = full["networks"][0]["mode"]
    if mode == "host":
        if container is not None and container.get("portMappings") == []:
            del container["portMappings"]
        defined = full.get("portDefinitions")
        given = [{"port": 0, "name": "default"}] if defined is None else defined
        full["portDefinitions"] = [{k: v for k, v in p.items() if v is not None} for p in given]
        return
    if container is None:
        container = full["container"] = {"type": "MESOS", "volumes": []}
    full.pop("requirePorts", None)
    mappings = container.get("portMappings")
    defined = full.pop("portDefinitions", None) or []
    if mappings is None:
        # A bridged app always had one port.  Where the container has an address of its own, nothing is mapped unless it is asked for.
        former = (before or {}).get("container") or {}
        unasked = former.get("portMappings", ()) == [] and not (before or {}).get("portDefinitions")
        mappings = [{"name": "default"}] if mode == "container/bridge" and not defined and not unasked else []
    mappings = [*mappings, *({} for _ in defined[len(mappings) :])]
    container["portMappings"] = [_mapping(m, mode) for m in mappings]


def _container(full: Json) -> None:
    container = full.get("container")
    if not isinstance(container, dict):
        return
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


def _mapping(raw: Json, mode: str) -> Json:
    mapping = {k: v for k, v in raw.items() if v is not None}
    mapping.setdefault("containerPort", 0)
    mapping.setdefault("protocol", "tcp")
    mapping.setdefault("servicePort", 0)
    mapping.setdefault("labels", {})
    if mode == "container/bridge":
        mapping.setdefault("hostPort", 0)
    return mapping


def assign(full: Json, service: tuple[int, int], taken: Iterable[int], kept: list[int]) -> None:
    """Ports 0 get a service port of their own, for load balancers; the port on the host is chosen at launch.  `taken` by other apps is
    looked at only if one is to be chosen; the ones that the app had before are `kept`."""
    host = full["networks"][0]["mode"] == "host"
    ports = full["portDefinitions"] if host else (full.get("container") or {}).get("portMappings") or ()
    key = "port" if host else "servicePort"
    used = {p.get(key) or 0 for p in ports}
    free: Iterator[int] | None = None
    for n, port in enumerate(ports):
        if host:
            if port.get("port") is None:
                port["port"] = 0
            port.setdefault("protocol", "tcp")
            port.setdefault("labels", {})
            if full["requirePorts"]:
                continue
        if port[key] != 0:
            continue
        if n < len(kept) and kept[n] and kept[n] not in used:
            port[key] = kept[n]
        else:
            if free is None:
                others = set(taken)
                free = (p for p in range(*service) if p not in others)
            port[key] = next((p for p in free if p not in used), 0)
        used.add(port[key])


def service_ports(raw: Json) -> list[int]:
    """The service ports that a normal definition holds."""
    mappings = (raw.get("container") or {}).get("portMappings") or ()
    return [p["port"] for p in raw.get("portDefinitions") or ()] + [m["servicePort"] for m in mappings]
