"""What the machine that runs `pulumi` has already: the networks that a federation must keep clear of."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from .iaas.docker import LABEL
from .spec.rules import HostNetwork, HostNetwork6


def networks_of(
    federation: str, routes: Iterable[dict[str, Any]], docker: Iterable[dict[str, Any]]
) -> list[HostNetwork]:
    """The networks of `ip -j route` and of `docker network inspect` that are not the federation's own."""
    out: list[HostNetwork] = []
    own: set[IPv4Network] = set()
    for network in docker:
        configs = (network.get("IPAM") or {}).get("Config") or []
        subnets = {IPv4Network(c["Subnet"]) for c in configs if ":" not in c.get("Subnet", ":")}
        if (network.get("Labels") or {}).get(LABEL) == federation:
            own |= subnets
        else:
            out += [HostNetwork(s, f"Docker network {network['Name']}") for s in sorted(subnets)]
    known = own | {n.network for n in out}
    for route in routes:
        if route.get("dst", "default") != "default":
            there = IPv4Network(route["dst"], strict=False)
            if there not in known and there.prefixlen < 32:
                out.append(HostNetwork(there, f"interface {route.get('dev', '?')}"))
    return out


def networks6_of(
    federation: str, routes: Iterable[dict[str, Any]], docker: Iterable[dict[str, Any]]
) -> list[HostNetwork6]:
    """The same of IPv6, from `ip -6 -j route`; what every interface has for itself (fe80::, ff00::) is nobody's."""
    out: list[HostNetwork6] = []
    own: set[IPv6Network] = set()
    for network in docker:
        configs = (network.get("IPAM") or {}).get("Config") or []
        subnets = {IPv6Network(c["Subnet"]) for c in configs if ":" in c.get("Subnet", "")}
        if (network.get("Labels") or {}).get(LABEL) == federation:
            own |= subnets
        else:
            out += [HostNetwork6(s, f"Docker network {network['Name']}") for s in sorted(subnets)]
    known = own | {n.network for n in out}
    for route in routes:
        if ":" in route.get("dst", "default"):
            there = IPv6Network(route["dst"], strict=False)
            if there not in known and there.prefixlen < 128 and not (there.is_link_local or there.is_multicast):
                out.append(HostNetwork6(there, f"interface {route.get('dev', '?')}"))
    return out


def _json(*command: str) -> list[dict[str, Any]]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=15)
    if done.returncode:
        return []
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found


def host_networks(federation: str) -> list[HostNetwork]:
    """The networks of this machine, less the federation's own. Without `ip` or Docker there are none to tell."""
    return networks_of(federation, _routes("-4"), _docker_networks())


def host_networks6(federation: str) -> list[HostNetwork6]:
    """The same of IPv6."""
    return networks6_of(federation, _routes("-6"), _docker_networks())


def _docker_networks() -> list[dict[str, Any]]:
    try:
        ids = subprocess.run(
            ["docker", "network", "ls", "-q"], capture_output=True, text=True, timeout=15
        ).stdout.split()
        return _json("docker", "network", "inspect", *ids) if ids else []
    except (OSError, subprocess.TimeoutExpired):
        return []


def _routes(family: str) -> list[dict[str, Any]]:
    try:
        return _json("ip", "-j", family, "route")
    except (OSError, subprocess.TimeoutExpired):
        return []
