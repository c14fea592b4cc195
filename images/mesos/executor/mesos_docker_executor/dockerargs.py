"""From a Mesos TaskInfo (its v1 JSON) to the arguments of `docker run`: what the Docker containerizer does."""

import json
import os.path
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .settings import Settings

Json = dict[str, Any]

_CFS_PERIOD = 100_000  # microseconds, Docker's default period
_LEAST_QUOTA = 1_000
_LEAST_SHARES = 2
_LEAST_MEMORY = 32  # MB; Mesos' own floor


@dataclass(frozen=True)
class Run:
    """A container to start: `docker run OPTIONS IMAGE COMMAND` with these variables."""

    options: list[str]
    variables: dict[str, str]
    image: str
    command: list[str]


def plan(task: Json, settings: Settings) -> Run:
    """How to run `task`; ValueError with the reason when it cannot be run."""
    container = task.get("container") or {}
    if "docker" not in container:
        raise ValueError("The task has no Docker container")
    docker, command, resources = container["docker"], task.get("command") or {}, task.get("resources") or []
    parameters = docker.get("parameters") or []
    options = ["--privileged"] if docker.get("privileged") else []
    options += _limits(task.get("limits") or {}, resources, settings.cfs)
    options += _volumes(container, docker, settings)
    options += _network(container, docker, resources)
    shell = command.get("shell", True)
    if shell and "value" not in command:
        raise ValueError("Shell specified but no command value provided")
    if shell:
        options += ["--entrypoint", "/bin/sh"]
    options += ["--name", settings.container]
    options += [f"--{p['key']}={p['value']}" for p in parameters if p["key"] != "env"]
    if shell:
        words = ["-c", command["value"]]
    else:
        words = ([command["value"]] if "value" in command else []) + list(command.get("arguments") or [])
    variables = _variables(command, resources, settings)
    variables.update(p["value"].split("=", 1) for p in parameters if p["key"] == "env" and "=" in p["value"])
    return Run(options, variables, docker["image"], words)


def _total(resources: Iterable[Json], name: str) -> float:
    return float(sum(r["scalar"]["value"] for r in resources if r["name"] == name and "scalar" in r))


def _finite(value: object) -> float | None:
    """A limit in JSON is a number, or "Infinity" for none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and float("-inf") < value < float("inf"):
        return float(value)
    return None


def _limits(limits: Json, resources: list[Json], cfs: bool) -> list[str]:
    cpus, memory = _total(resources, "cpus"), _total(resources, "mem")
    options = ["--cpu-shares", str(max(int(1024 * cpus), _LEAST_SHARES))]
    cpu_limit = _finite(limits["cpus"]["value"]) if "cpus" in limits else cpus if cfs else None
    if cpu_limit is not None:
        options += ["--cpu-quota", str(max(int(cpu_limit * _CFS_PERIOD), _LEAST_QUOTA))]
    memory_limit = _finite(limits["mem"]["value"]) if "mem" in limits else memory
    if "mem" in limits:
        options += ["--memory-reservation", f"{max(int(memory), _LEAST_MEMORY)}m"]
    if memory_limit is not None:
        options += ["--memory", f"{max(int(memory_limit), _LEAST_MEMORY)}m"]
    return options


def _variables(command: Json, resources: list[Json], settings: Settings) -> dict[str, str]:
    variables: dict[str, str] = dict(json.loads(settings.task_environment))
    for v in (command.get("environment") or {}).get("variables") or []:
        variables.setdefault(v["name"], v.get("value", ""))
    variables |= {"MESOS_SANDBOX": settings.mapped, "MESOS_CONTAINER_NAME": settings.container}
    if resources:
        variables["MESOS_ALLOCATION_ROLE"] = (resources[0].get("allocation_info") or {}).get("role", "*")
    return variables


def _volumes(container: Json, docker: Json, settings: Settings) -> list[str]:
    driver, options = docker.get("volume_driver"), []
    for v in container.get("volumes") or []:
        source, target = v.get("host_path"), os.path.join(settings.mapped, v["container_path"])
        if source is None:
            if "docker_volume" not in (v.get("source") or {}):
                raise ValueError(f"Volume {v['container_path']} has neither a host path nor a Docker volume")
            volume = v["source"]["docker_volume"]
            source, driver = volume["name"], volume.get("driver", driver)
        elif not driver:
            source = os.path.join(settings.sandbox, source)
        options += ["-v", f"{source}:{target}:{v.get('mode', 'RW').lower()}"]
    options += ["-v", f"{settings.sandbox}:{settings.mapped}"]
    return options + ([f"--volume-driver={driver}"] if driver else [])


def _network(container: Json, docker: Json, resources: list[Json]) -> list[str]:
    network = docker.get("network", "HOST").lower()
    if network == "user":
        infos = container.get("network_infos") or []
        if not infos or not infos[0].get("name"):
            raise ValueError("Network USER needs the name of a Docker network in network_infos")
        network = infos[0]["name"]
    options = ["--net", network]
    if "hostname" in container:
        options += ["--hostname", container["hostname"]]
    given = [r for x in resources if x["name"] == "ports" for r in x["ranges"]["range"]]
    for p in docker.get("port_mappings") or []:
        if not any(int(r["begin"]) <= p["host_port"] <= int(r["end"]) for r in given):
            raise ValueError(f"Port [{p['host_port']}] not included in resources")
        options += ["-p", f"{p['host_port']}:{p['container_port']}/{p.get('protocol', 'tcp').lower()}"]
    return options
