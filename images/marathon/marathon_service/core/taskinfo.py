"""The Mesos TaskInfo of one instance."""

from __future__ import annotations

import json
import re
from typing import Any

from . import taskchecks
from .model import Instance
from .spec import AppSpec, HealthCheck, Json

BRIDGE = "mesos-bridge"  # the network of mode container/bridge for containers of type MESOS
_UNSAFE = re.compile(r"[^A-Z0-9_]")


def task_info(
    spec: AppSpec,
    instance: Instance,
    resources: tuple[Json, ...],
    *,
    user: str | None = None,
    prefix: str = "",
) -> Json:
    """`user` is the one that tasks run as when the app names none; `prefix` goes before the ports' variables."""
    raw = spec.raw
    name = ".".join(reversed(spec.id.strip("/").split("/")))
    command: Json = {
        "environment": {"variables": [{"name": k, "value": v} for k, v in environment(spec, instance, prefix).items()]}
    }
    if run_as := raw.get("user") or user:
        command["user"] = run_as
    if raw.get("cmd") is not None:
        command |= {"shell": True, "value": raw["cmd"]}
    else:
        args = [str(a) for a in raw.get("args") or ()]
        containerizer = (raw.get("container") or {}).get("type", "MESOS")
        command |= {"shell": False, "arguments": args}
        if args and containerizer == "MESOS":
            command["value"] = args[0]
    if fetch := raw.get("fetch"):
        command["uris"] = [_uri(f) for f in fetch]
    info: Json = {
        "name": name,
        "task_id": {"value": instance.id},
        "agent_id": {"value": instance.agent_id},
        "resources": list(resources),
        "command": command,
        "labels": {"labels": [{"key": k, "value": str(v)} for k, v in raw.get("labels", {}).items()]},
    }
    if container_info := container(spec, instance):
        info["container"] = container_info
    if spec.kill_grace is not None:
        info["kill_policy"] = {"grace_period": {"nanoseconds": int(spec.kill_grace * 1e9)}}
    for check in spec.health_checks:
        if not check.by_marathon:
            info["health_check"] = health_check(check, spec, instance)
            break
    if check_info := taskchecks.check_info(spec, instance):
        info["check"] = check_info
    if limits := taskchecks.limits(spec):
        info["limits"] = limits
    if spec.ports:
        info["discovery"] = {
            "visibility": "FRAMEWORK",
            "name": name,
            "ports": {
                "ports": [
                    {
                        "number": n,
                        "protocol": p.protocol.split(",")[0],
                        **({"name": p.name} if p.name else {}),
                    }
                    for p, n in zip(spec.ports, service_ports(spec, instance), strict=True)
                    if n
                ]
            },
        }
    return info


def _uri(fetch: Json) -> Json:
    uri: Json = {
        "value": fetch["uri"],
        "extract": fetch.get("extract", True),
        "executable": fetch.get("executable", False),
        "cache": fetch.get("cache", False),
    }
    if fetch.get("destPath"):
        uri["output_file"] = fetch["destPath"]
    return uri


def service_ports(spec: AppSpec, instance: Instance) -> list[int]:
    """Where the instance listens: the host's port where it has one, else that of the container."""
    return [host or (port.container or 0) for port, host in zip(spec.ports, instance.ports, strict=True)]


def container_port(spec: AppSpec, instance: Instance, index: int) -> int:
    """The port inside the container of the app's port number `index`."""
    port, host = spec.ports[index], instance.ports[index]
    return (port.container or host or 0) if port.container is not None else (host or 0)


def environment(spec: AppSpec, instance: Instance, prefix: str = "") -> dict[str, str]:
    raw = spec.raw
    env = {
        "MARATHON_APP_ID": spec.id,
        "MARATHON_APP_VERSION": spec.version,
        "MESOS_TASK_ID": instance.id,
        "HOST": instance.hostname,
        "MARATHON_APP_RESOURCE_CPUS": str(spec.cpus),
        "MARATHON_APP_RESOURCE_MEM": str(spec.mem),
        "MARATHON_APP_RESOURCE_DISK": str(spec.disk),
        "MARATHON_APP_RESOURCE_GPUS": str(int(spec.gpus)),
    }
    if image := ((raw.get("container") or {}).get("docker") or {}).get("image"):
        env["MARATHON_APP_DOCKER_IMAGE"] = image
    labels = {_UNSAFE.sub("_", k.upper()): str(v) for k, v in raw.get("labels", {}).items()}
    if labels:
        env["MARATHON_APP_LABELS"] = " ".join(labels)
        env.update({f"MARATHON_APP_LABEL_{k}": v for k, v in labels.items() if len(v) <= 512})
    numbers = service_ports(spec, instance)
    ports = {f"PORT{n}": str(number) for n, number in enumerate(numbers)}
    for port, number in zip(spec.ports, numbers, strict=True):
        if port.container is not None or spec.require_ports:
            ports[f"PORT_{port.container or number}"] = str(number)
        if port.name:
            ports[f"PORT_{_UNSAFE.sub('_', port.name.upper())}"] = str(number)
    if numbers:
        ports["PORT"] = str(numbers[0])
        ports["PORTS"] = ",".join(str(n) for n in numbers)
    env.update({prefix + k: v for k, v in ports.items()})
    env.update({k: str(v) for k, v in raw.get("env", {}).items() if not isinstance(v, dict)})
    return env


def container(spec: AppSpec, instance: Instance) -> Json | None:
    raw = spec.raw.get("container")
    if not raw:
        return None
    docker: Json = dict(raw.get("docker") or {})
    volumes = [_volume(v) for v in raw.get("volumes") or ()]
    if raw["type"] == "MESOS":
        return _mesos_container(spec, instance, docker, volumes)
    parameters = [{"key": p["key"], "value": p["value"]} for p in docker.get("parameters") or ()]
    if spec.raw.get("tty"):
        parameters.append({"key": "tty", "value": "true"})
    info: Json = {
        "type": "DOCKER",
        "docker": {
            "image": docker["image"],
            "privileged": docker.get("privileged", False),
            "force_pull_image": docker.get("forcePullImage", False),
            "parameters": parameters,
        },
    }
    match spec.network:
        case "host":
            info["docker"]["network"] = "HOST"
        case "container/bridge":
            info["docker"]["network"] = "BRIDGE"
        case _:
            info["docker"]["network"] = "USER"
            info["network_infos"] = [_network_info(n) for n in spec.raw["networks"]]
    mappings = []
    for n, (port, host) in enumerate(zip(spec.ports, instance.ports, strict=True)):
        if port.container is not None and host is not None:
            mappings += [
                {"host_port": host, "container_port": container_port(spec, instance, n), "protocol": proto}
                for proto in port.protocol.split(",")
            ]
    if mappings:
        info["docker"]["port_mappings"] = mappings
    if volumes:
        info["volumes"] = volumes
    return info


def _mesos_container(spec: AppSpec, instance: Instance, docker: Json, volumes: list[Json]) -> Json:
    """For agents with the Mesos containerizer."""
    info: Json = {"type": "MESOS", "mesos": {}, "volumes": volumes}
    if docker.get("image"):
        info["mesos"]["image"] = {
            "type": "DOCKER",
            "docker": {"name": docker["image"]},
            "cached": not docker.get("forcePullImage", False),
        }
    if spec.raw.get("tty"):
        info["tty_info"] = {}
    if linux := taskchecks.linux_info(spec):
        info["linux_info"] = linux
    if spec.network != "host":
        info["network_infos"] = [_with_mappings(_network_info(n), spec, instance) for n in spec.raw["networks"]]
    return info


def _with_mappings(info: Json, spec: AppSpec, instance: Instance) -> Json:
    """A network of a container of type MESOS: its plug-in maps the ports."""
    mappings = [
        {"host_port": host, "container_port": container_port(spec, instance, n), "protocol": proto}
        for n, (port, host) in enumerate(zip(spec.ports, instance.ports, strict=True))
        if host is not None and (not port.networks or info["name"] in port.networks)
        for proto in port.protocol.split(",")
    ]
    return {**info, "port_mappings": mappings} if mappings else info


def _network_info(network: Json) -> Json:
    info: Json = {"name": network.get("name") or BRIDGE}
    if labels := network.get("labels"):
        info["labels"] = {"labels": [{"key": k, "value": str(v)} for k, v in labels.items()]}
    return info


def _volume(raw: Json) -> Json:
    volume: Json = {"container_path": raw["containerPath"], "mode": raw.get("mode", "RW")}
    if external := raw.get("external"):
        options = external.get("options") or {}
        driver = options.get("dvdi/driver")
        given = [{"key": k.removeprefix("dvdi/"), "value": str(v)} for k, v in options.items() if k != "dvdi/driver"]
        source: Json = {"name": external["name"]}
        if driver and driver != "local":
            source["driver"] = driver
        if given:
            source["driver_options"] = {"parameter": given}
        volume["source"] = {"type": "DOCKER_VOLUME", "docker_volume": source}
    else:
        volume["host_path"] = raw["hostPath"]
    return volume


def health_check(check: HealthCheck, spec: AppSpec, instance: Instance) -> Json:
    """The check as Mesos does it, from the agent."""
    info: Json = {
        "delay_seconds": check.delay,
        "interval_seconds": check.interval,
        "timeout_seconds": check.timeout,
        "consecutive_failures": check.max_failures or 2_000_000_000,
        "grace_period_seconds": check.grace,
    }
    if check.protocol == "COMMAND":
        return {**info, "type": "COMMAND", "command": {"shell": True, "value": check.command or "true"}}
    port = check.port or (container_port(spec, instance, check.port_index or 0) if spec.ports else 0)
    if check.protocol == "MESOS_TCP":
        return {**info, "type": "TCP", "tcp": {"port": port}}
    scheme = "https" if check.protocol == "MESOS_HTTPS" else "http"
    return {
        **info,
        "type": "HTTP",
        "http": {"scheme": scheme, "port": port, "path": check.path, "protocol": check.ip_protocol},
    }


def check_target(spec: AppSpec, instance: Instance, check: HealthCheck) -> tuple[str, int] | None:
    """Address and port for a check that Marathon does itself; None while they are not known."""
    index = check.port_index or 0
    if spec.network == "container":
        port = check.port or (container_port(spec, instance, index) if index < len(spec.ports) else 0)
        wanted_v6 = check.ip_protocol == "IPv6"
        address = next((a for a in instance.ip_addresses if (":" in a) == wanted_v6), None)
        return (address, port) if address and port else None
    port = check.port or (instance.ports[index] if index < len(instance.ports) else None) or 0
    return (instance.hostname, port) if port else None


def size(value: Any) -> int:
    """Bytes of the JSON text, to refuse what ZooKeeper would not take."""
    return len(json.dumps(value, separators=(",", ":")).encode())
