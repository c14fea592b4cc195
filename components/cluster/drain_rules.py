"""What a drain asks of Mesos and makes of its answers (operator API v1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ENDED = frozenset(
    f"TASK_{state}"
    for state in ("FINISHED", "FAILED", "KILLED", "ERROR", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR")
)


@dataclass(frozen=True)
class Agent:
    """`there`: it is registered at the leading master, which after an election may still wait for it. `deactivated`: nothing of it is
    offered."""

    id: str
    there: bool
    deactivated: bool = False


@dataclass(frozen=True)
class Task:
    """One that has not ended."""

    id: str
    framework: str


def machine_id(address: str) -> Json:
    """Our agents call themselves by their address."""
    return {"hostname": address, "ip": address}


def _is(machine: Mapping[str, Any], address: str) -> bool:
    return address in (machine.get("ip"), machine.get("hostname"))


def scheduled(schedule: Json, address: str) -> bool:
    return any(_is(m, address) for w in schedule.get("windows", []) for m in w.get("machine_ids", []))


def scheduled_addresses(schedule: Json) -> list[str]:
    """All machines that are in maintenance."""
    found = (m for w in schedule.get("windows", []) for m in w.get("machine_ids", []))
    return sorted(str(m.get("ip") or m.get("hostname")) for m in found)


def with_machine(schedule: Json, address: str, now: float) -> Json:
    """The schedule with a window of the machine's own, from now on and without an end."""
    window = {
        "machine_ids": [machine_id(address)],
        "unavailability": {"start": {"nanoseconds": int(now * 1e9)}},
    }
    return {"windows": [*without_machine(schedule, address).get("windows", []), window]}


def without_machine(schedule: Json, address: str) -> Json:
    """The schedule as if it had never named the machine; a window without machines is none."""
    windows = []
    for window in schedule.get("windows", []):
        machines = [m for m in window.get("machine_ids", []) if not _is(m, address)]
        if machines:
            windows.append({**window, "machine_ids": machines})
    return {"windows": windows}


def agent_of(agents: Json, address: str) -> Agent | None:
    """The machine's agent, by GET_AGENTS; None if no master knows one."""
    for there, found in ((True, agents.get("agents", [])), (False, agents.get("recovered_agents", []))):
        for each in found:
            info = each.get("agent_info", each)
            if info.get("hostname") == address:
                return Agent(str(info["id"]["value"]), there, bool(each.get("deactivated")))
    return None


def tasks_on(tasks: Json, agent: str | None) -> list[Task]:
    """Of GET_TASKS, what has not ended: on one agent, or (None) everywhere."""
    found = {}
    for kind in ("pending_tasks", "queued_tasks", "launched_tasks", "tasks", "unreachable_tasks"):
        for each in tasks.get(kind, []):
            if each.get("state") not in ENDED and agent in (None, each.get("agent_id", {}).get("value")):
                task = Task(str(each["task_id"]["value"]), str(each["framework_id"]["value"]))
                found[task.id] = task
    return sorted(found.values(), key=lambda t: t.id)


def draining(status: Json, address: str) -> bool:
    """Whether Mesos has the machine in maintenance, by GET_MAINTENANCE_STATUS."""
    return any(_is(m["id"], address) for m in status.get("draining_machines", []))


def waiting_for(tasks: Sequence[Task], status: Json, address: str) -> list[Task]:
    """The tasks of frameworks that have not agreed yet. One agrees once nothing of it is there but what can be nowhere else."""
    agreed = {
        s["framework_id"]["value"]
        for m in status.get("draining_machines", [])
        if _is(m["id"], address)
        for s in m.get("statuses", [])
        if s.get("status") == "ACCEPT"
    }
    return [t for t in tasks if t.framework not in agreed]


def count(tasks: Sequence[Task]) -> str:
    return f"{len(tasks)} task{'' if len(tasks) == 1 else 's'}"


def names(tasks: Iterable[Task]) -> str:
    return ", ".join(t.id for t in tasks)


def timed_out(machine: str, address: str, site: str, tasks: Sequence[Task], seconds: float) -> str:
    return (
        f"{machine} is not drained after {seconds:.0f} s: {names(tasks)} still there. Nothing was killed, and nothing new is started "
        f"there. The same `pulumi up -s {site}` goes on waiting. To give them up: aerie:drain_timeout: 0 in Pulumi.{site}.yaml, and "
        f"`pulumi up` again. To keep the machine: python -m tools.maintenance end {address}"
    )


def no_master(machine: str, site: str, tasks: Sequence[Task] | None) -> str:
    """`tasks`: what the machine's agent says that it has, None if it says nothing either."""
    there = "its agent does not answer either" if tasks is None else f"{names(tasks)} still there"
    return (
        f"no Mesos master answers, so nothing can be drained: {machine} was left as it is, {there}. Bring a quorum of sites up and run "
        f"the same command again, or give up what runs there: aerie:drain_timeout: 0 in Pulumi.{site}.yaml"
    )


def quorum_lost(machine: str, members: Mapping[str, str], needed: int, tasks: Sequence[Task]) -> str:
    """`members`: the other sites' to what is wrong with them, "" for nothing."""
    bad = [f"{site}'s member does not answer ({what})" for site, what in members.items() if what]
    why = "; ".join(bad) or "there are no other members"
    return (
        f"the quorum would be lost without {machine}: {why}, {needed} must be left. {count(tasks)} of the cluster would stay without a "
        "master, so nothing was changed. Mend that first (make status), or destroy the pools first"
    )
