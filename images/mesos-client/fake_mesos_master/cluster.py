"""Agents and tasks of the fake cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class FakeAgent:
    id: str
    hostname: str
    cpus: float = 4.0
    mem: float = 4096.0
    disk: float = 10000.0
    gpus: float = 0.0
    ports: tuple[int, int] = (31000, 31999)
    attributes: dict[str, str] = field(default_factory=dict)
    alive: bool = True
    known: bool = True  # to the master that leads now
    used_ports: set[int] = field(default_factory=set)
    offered: str | None = None
    refused_until: float = 0.0
    fresh: bool = True
    unavailable_from: float | None = None  # it goes into maintenance
    region: str | None = None
    zone: str | None = None

    def free(self) -> Json:
        ports, start = [], self.ports[0]
        for p in [*sorted(self.used_ports), self.ports[1] + 1]:
            if p > start:
                ports.append({"begin": start, "end": p - 1})
            start = p + 1
        return {"cpus": self.cpus, "mem": self.mem, "disk": self.disk, "gpus": self.gpus, "ports": ports}


@dataclass
class FakeTask:
    info: Json
    agent: FakeAgent
    state: str = "TASK_STAGING"
    healthy: bool | None = None
    address: str | None = None
    unacknowledged: dict[str, Json] = field(default_factory=dict)
    resources: dict[str, float] = field(default_factory=dict)
    ports: set[int] = field(default_factory=set)

    @property
    def id(self) -> str:
        return str(self.info["task_id"]["value"])


def demand(info: Json) -> tuple[dict[str, float], set[int]]:
    scalars: dict[str, float] = {}
    ports: set[int] = set()
    for r in info.get("resources", ()):
        if "scalar" in r:
            scalars[r["name"]] = scalars.get(r["name"], 0.0) + float(r["scalar"]["value"])
        for span in r.get("ranges", {}).get("range", ()):
            ports |= set(range(int(span["begin"]), int(span["end"]) + 1))
    return scalars, ports


def status_json(task: FakeTask, **more: str) -> Json:
    status: Json = {
        "task_id": {"value": task.id},
        "agent_id": {"value": task.agent.id},
        "state": task.state,
        "timestamp": time.time(),
        **{k: v for k, v in more.items() if v},
    }
    if task.healthy is not None:
        status["healthy"] = task.healthy
    if task.address:
        status["container_status"] = {
            "network_infos": [{"ip_addresses": [{"ip_address": task.address, "protocol": "IPv4"}]}]
        }
    return status


def unavailability(agent: FakeAgent) -> Json:
    """As offers and inverse offers carry it; nothing for an agent that stays."""
    if agent.unavailable_from is None:
        return {}
    return {"unavailability": {"start": {"nanoseconds": int(agent.unavailable_from * 1e9)}}}


def domain(region: str | None, zone: str | None) -> Json:
    """The fault domain of a master or an agent."""
    if region is None:
        return {}
    return {"domain": {"fault_domain": {"region": {"name": region}, "zone": {"name": zone or region}}}}


def offer_json(agent: FakeAgent, framework_id: str | None, framework: Json) -> Json:
    free = agent.free()
    role = (framework.get("roles") or ["*"])[0]
    allocated = {"allocation_info": {"role": role}}
    resources: list[Json] = [
        {"name": n, "type": "SCALAR", "scalar": {"value": free[n]}, **allocated}
        for n in ("cpus", "mem", "disk", "gpus")
        if free[n] > 0
    ]
    resources.append({"name": "ports", "type": "RANGES", "ranges": {"range": free["ports"]}, **allocated})
    attributes = [{"name": k, "type": "TEXT", "text": {"value": v}} for k, v in agent.attributes.items()]
    return {
        "id": {"value": agent.offered},
        "framework_id": {"value": framework_id},
        "agent_id": {"value": agent.id},
        "hostname": agent.hostname,
        "resources": resources,
        **allocated,
        "attributes": attributes,
        **unavailability(agent),
        **domain(agent.region, agent.zone),
    }
