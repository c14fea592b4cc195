"""Mesos by /metrics/snapshot and /monitor/statistics: never by /state, which costs a master more the larger the cluster is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ..http import Web
from ..metrics import part
from ..rates import Rates
from . import Partly

AT_ONCE = 200  # machines that are asked in one round: a second of it, half of that on the CPU
SIZES = {"cpus": "cpus", "mem": "memory", "disk": "disk"}
_MASTER = {
    "slaves_active": "agents.active",
    "slaves_disconnected": "agents.disconnected",
    "slaves_unreachable": "agents.unreachable",
    "frameworks_active": "frameworks.active",
    "frameworks_disconnected": "frameworks.disconnected",
    "tasks_running": "tasks.running",
    "tasks_staging": "tasks.staging",
    "tasks_unreachable": "tasks.unreachable",
    "tasks_finished": "tasks.finished_total",
    "tasks_failed": "tasks.failed_total",
    "tasks_killed": "tasks.killed_total",
    "tasks_lost": "tasks.lost_total",
    "outstanding_offers": "offers.outstanding",
    "event_queue_dispatches": "queue",
}
_MASTER |= {f"{size}_{what}": f"{name}.{what}" for size, name in SIZES.items() for what in ("total", "used")}
_AGENT = {
    "slave/registered": "registered",
    "slave/uptime_secs": "uptime",
    "slave/tasks_running": "tasks.running",
    "slave/tasks_failed": "tasks.failed_total",
    "system/load_1min": "load",
    "system/mem_free_bytes": "system.memory.free",
    "system/mem_total_bytes": "system.memory.total",
}
_AGENT |= {f"slave/{size}_{what}": f"{name}.{what}" for size, name in SIZES.items() for what in ("total", "used")}


def master(snapshot: Mapping[str, float], members: int = 1) -> dict[str, float]:
    """From a master's snapshot. Only the leader knows of agents and tasks: the others say nothing of them. `members` are to be
    there; those of the registry's log are the masters that ZooKeeper knows to be alive."""
    out = {
        "mesos.master.elected": snapshot["master/elected"],
        "mesos.master.uptime": snapshot["master/uptime_secs"],
        "mesos.master.members.total": float(members),
    }
    if "registrar/log/ensemble_size" in snapshot:
        out["mesos.master.members.active"] = snapshot["registrar/log/ensemble_size"]
    if snapshot["master/elected"]:
        out |= {f"mesos.master.{name}": snapshot[f"master/{key}"] for key, name in _MASTER.items()}
        if "registrar/state_store_ms" in snapshot:
            out["mesos.master.registrar.store"] = snapshot["registrar/state_store_ms"]
    return out


def agent(machine: str, snapshot: Mapping[str, float]) -> dict[str, float]:
    """From an agent's snapshot. What Mesos cannot tell (a load, on some kernels) is left out."""
    at = f"machines.{part(machine)}"
    return {f"{at}.{name}": snapshot[key] for key, name in _AGENT.items() if key in snapshot}


# Marathon's apps and the framework's tasks call the same by two names.
_ROLES = {"executors": "executor", "submit-node": "submit"}


def pool_and_role(executor: str) -> tuple[str, str] | None:
    """Whose container a task is, by its executor's id: Marathon's POOL_ROLE.instance-..., or POOL.ROLE.... of a pool's framework;
    None for what is neither."""
    head, _, rest = executor.partition(".")
    pool, _, role = head.partition("_")
    if not role:
        role = rest.partition(".")[0]
    return None if not role or role.startswith("instance-") else (pool, _ROLES.get(role, role))


def statistics(rates: Rates, answers: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, float]:
    """What the pools' containers use, from the machines' /monitor/statistics, together."""
    out: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        out[name] = out.get(name, 0.0) + value

    for machine, containers in answers.items():
        for container in containers:
            whose = pool_and_role(str(container["executor_id"]))
            found = container.get("statistics") or {}
            if whose is None or "timestamp" not in found:
                continue
            at = f"pools.{part(whose[0])}.{part(whose[1])}"
            add(f"{at}.containers", 1)
            key = (machine, container["executor_id"])
            used = rates.rate(
                key, found.get("cpus_user_time_secs", 0.0) + found.get("cpus_system_time_secs", 0.0), found["timestamp"]
            )
            add(f"{at}.cpus.used", used or 0.0)
            add(f"{at}.cpus.limit", found.get("cpus_limit", 0.0))
            add(f"{at}.memory.used", found.get("mem_rss_bytes", 0.0))
            add(f"{at}.memory.limit", found.get("mem_limit_bytes", 0.0))
    return out


class Master:
    name = "mesos_master"

    def __init__(self, web: Web, members: int = 1) -> None:
        self._web, self._members = web, members

    def read(self) -> dict[str, float]:
        return master(self._web.json("/metrics/snapshot"), self._members)


def turn(addresses: Sequence[str], number: int) -> list[str]:
    """Whom to ask in this round: everybody, or of a large site the next part, so that a round stays short."""
    parts = max(1, math.ceil(len(addresses) / AT_ONCE))
    return [address for at, address in enumerate(addresses) if at % parts == number % parts]


@dataclass(frozen=True)
class Told:
    """What one machine said last: of itself, and what the pools' containers on it use."""

    own: Mapping[str, float]
    pools: Mapping[str, float]


def together(told: Iterable[Told]) -> dict[str, float]:
    """The site's values: machines by themselves, the pools' added up."""
    out: dict[str, float] = {}
    for each in told:
        out |= each.own
        for name, value in each.pools.items():
            out[name] = out.get(name, 0.0) + value
    return out


class Agents:
    """All agents of the site: the machines are those that the front-end's BIRD is to have sessions with, so that a new machine needs
    no other collector. Each says once what it is called.

    Of more than AT_ONCE machines a part is asked each round, and of the others it is told what they said last."""

    name = "mesos_agent"

    def __init__(self, machines: Callable[[], Iterable[str]], web: Callable[[str], Web]) -> None:
        self._machines, self._make = machines, web
        self._webs: dict[str, Web] = {}
        self._names: dict[str, str] = {}
        self._rates: dict[str, Rates] = {}
        self._told: dict[str, Told] = {}
        self._round = 0
        self._pool = ThreadPoolExecutor(8, "agents")

    def read(self) -> dict[str, float]:
        addresses = sorted(self._machines())
        for known in (self._webs, self._names, self._rates, self._told):
            for gone in known.keys() - set(addresses):
                del known[gone]
        asked = turn(addresses, self._round)
        self._round += 1
        troubles = []
        for address, answer in [(a, self._pool.submit(self._one, a)) for a in asked]:
            self._told.pop(address, None)  # of one that does not answer nothing is told
            try:
                own, containers = answer.result()
                rates = self._rates.setdefault(address, Rates())
                self._told[address] = Told(own, statistics(rates, {address: containers}))
                rates.keep((address, container["executor_id"]) for container in containers)
            except Exception as error:  # of one machine; the others are told
                troubles.append(f"{address}: {type(error).__name__}: {error}"[:200])
        values = together(self._told.values())
        if troubles:
            raise Partly(values, len(troubles), "; ".join(troubles))
        return values

    def _one(self, address: str) -> tuple[dict[str, float], Any]:
        web = self._webs.setdefault(address, self._make(address))
        if address not in self._names:
            self._names[address] = node(web.json("/flags"))
        return agent(self._names[address], web.json("/metrics/snapshot")), web.json("/monitor/statistics")


def node(flags: Mapping[str, Any]) -> str:
    """The machine's name, by its agent's attributes."""
    attributes = dict(each.partition(":")[::2] for each in str(flags["flags"].get("attributes", "")).split(";"))
    return attributes["node"]
