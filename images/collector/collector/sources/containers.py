"""What the front-end's services use, by its Docker engine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..docker import LABEL, Docker
from ..metrics import part
from ..rates import Rates


def memory(stats: Mapping[str, Any]) -> float:
    """Bytes in use, without what the kernel would give back at once; control groups of version 1 and 2."""
    found = stats.get("memory_stats", {})
    details = found.get("stats", {})
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return float(max(0, found.get("usage", 0) - cache))


def use(service: str, container: str, stats: Mapping[str, Any], rates: Rates, now: float) -> dict[str, float]:
    """From one answer about a service's container that runs; `container` is its id."""
    at = f"containers.{part(service)}"
    cpu = stats.get("cpu_stats", {})
    out = {
        f"{at}.memory.used": memory(stats),
        f"{at}.memory.limit": float(stats.get("memory_stats", {}).get("limit", 0)),
    }
    cores = cpu.get("online_cpus")
    if cores:
        out[f"{at}.cpus.limit"] = float(cores)
    used = rates.rate(container, cpu.get("cpu_usage", {}).get("total_usage", 0) / 1e9, now)
    if used is not None:
        out[f"{at}.cpus.used"] = used
    return out


class Containers:
    name = "containers"

    def __init__(self, docker: Docker) -> None:
        self._docker, self._rates = docker, Rates()

    def read(self) -> dict[str, float]:
        out: dict[str, float] = {}
        there = self._docker.services()
        self._rates.keep(container["Id"] for container in there)
        for container in there:
            service = container["Labels"][LABEL]
            runs = container["State"] == "running"
            out[f"containers.{part(service)}.running"] = float(runs)
            if runs:
                out |= use(service, container["Id"], self._docker.stats(container["Id"]), self._rates, time.monotonic())
        return out
