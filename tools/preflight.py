"""What has to be true of this machine before any work starts, told in plain words and all at once."""

from __future__ import annotations

import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from components.host import host_networks, host_networks6
from components.iaas.docker import PUSH_REGISTRY
from components.spec.loader import read_federation, read_yaml, stack_values
from components.spec.model import Federation
from components.spec.problems import ConfigError, Problem, with_lines
from components.spec.rules import HostNetwork, HostNetwork6
from components.spec.validate import FEDERATION_STACK, plan, pool_files

DISK_GB = 10


@dataclass(frozen=True)
class Facts:
    """What the checks look at, so that they are functions of it."""

    docker: bool
    docker_says: str
    free_gb: float
    disk: str
    ports_taken: tuple[str, ...]


def machine_problems(facts: Facts) -> list[str]:
    """Each line says what is wrong with the machine and what to do about it."""
    out = []
    if not facts.docker:
        out.append(f"no Docker engine answers ({facts.docker_says}): run tools/setup.sh, or start it")
    if facts.free_gb < DISK_GB:
        out.append(
            f"{facts.free_gb:.1f} GB are free on {facts.disk}, {DISK_GB} GB are needed: make room, or move Docker's data"
        )
    out += [f"port {port} is taken by another program: end it, or change images.registry" for port in facts.ports_taken]
    return out


def _taken(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            return error.errno == 98  # EADDRINUSE; an address that is not there yet is free
    return False


def _running(name: str) -> bool:
    done = subprocess.run(["docker", "inspect", "-f", "{{.State.Running}}", name], capture_output=True, text=True)
    return done.stdout.strip() == "true"


def look(federation: Federation) -> Facts:
    """This machine as it is."""
    try:
        info = subprocess.run(
            ["docker", "info", "-f", "{{.DockerRootDir}}"], capture_output=True, text=True, timeout=20
        )
        docker, says, disk = info.returncode == 0, info.stderr.strip().splitlines()[-1:] or [""], info.stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        docker, says, disk = False, [str(error)], ""
    disk = disk if disk and Path(disk).exists() else "/"
    wanted = [(PUSH_REGISTRY, "aerie-registry"), (federation.images.registry, f"{federation.name}-registry-mirror")]
    taken = [address for address, owner in wanted if _taken(address) and not (docker and _running(owner))]
    return Facts(docker, says[0], shutil.disk_usage(disk).free / 1e9, disk, tuple(taken))


def configuration(root: Path) -> Federation:
    """The federation, if the configuration of every stack is good; else ConfigError with all problems of all stacks."""
    federation, problems = read_federation(root)
    if federation is None:
        raise ConfigError(with_lines(problems, root))
    host: list[HostNetwork | HostNetwork6] = []
    if federation.embedded:
        host += host_networks(federation.name)
        host += host_networks6(federation.name) if federation.network.ipv6 else []
    found: set[Problem] = set()
    for stack in [FEDERATION_STACK, *federation.sites, *pool_files(root, federation)]:
        data, missing = read_yaml(root / f"Pulumi.{stack}.yaml")
        found |= set(missing)
        if not missing:
            try:
                plan(root, stack, stack_values(data), host)
            except ConfigError as refused:
                found |= set(refused.problems)
    if found:
        raise ConfigError(sorted(found))
    return federation
