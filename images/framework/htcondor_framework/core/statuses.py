"""What a status update of Mesos changes: every task state, for tasks that we know and for strangers.

The shell hands over each update (also those that answer a reconciliation), stores what changed, and sends the kills. A task
about which a new master is silent is handed over as TASK_UNREACHABLE.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mesos_client.messages import TERMINAL

from . import delays
from .model import Kind, Phase, Role, Size, Task
from .view import Kill, Memory, RoleTemplate

# Seconds.
CONFIRM_WITHIN = 60.0  # a launch may be on its way to Mesos for so long: until then "unknown" does not mean ended
RAN_WELL = 180.0  # a task that ran for so long was no failed launch, whatever ended it

STARTING = frozenset({"TASK_STAGING", "TASK_STARTING"})
RUNNING = frozenset({"TASK_RUNNING"})
KILLING = frozenset({"TASK_KILLING"})
AWAY = frozenset({"TASK_UNREACHABLE"})
ENDED = TERMINAL
UNKNOWN = frozenset({"TASK_UNKNOWN"})

# Nobody's fault: the machine is gone, or the launch never came to it.
_BLAMELESS_STATES = frozenset({"TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN"})
_BLAMELESS_REASONS = frozenset(
    {
        "REASON_INVALID_OFFERS",
        "REASON_MASTER_DISCONNECTED",
        "REASON_RECONCILIATION",
        "REASON_SLAVE_REMOVED",
        "REASON_SLAVE_REMOVED_BY_OPERATOR",
        "REASON_SLAVE_RESTARTED",
        "REASON_SLAVE_DISCONNECTED",
        "REASON_SLAVE_UNKNOWN",
        "REASON_AGENT_REMOVED",
    }
)


@dataclass(frozen=True)
class Update:
    """One status update. `state` and `reason` as Mesos names them ("TASK_RUNNING"). `agent`: the agent's id, "" if not told;
    `hostname`, `place`: that agent's, if the shell knows them ("" otherwise), for tasks that are not in the records.
    `address`: IPv4 of the container, "" if not told. `healthy`: what the health check says, None if nothing."""

    task: str
    state: str
    reason: str = ""
    message: str = ""
    agent: str = ""
    hostname: str = ""
    place: str = ""
    address: str = ""
    healthy: bool | None = None


@dataclass(frozen=True)
class Outcome:
    """`tasks`: all records afterwards (the same object if nothing changed). `changed`: they differ, so store them before the
    update is acknowledged. `memory`: with a failure counted. `failed`: it was one. `kills`: to be sent at once, to the update's
    agent. `text`: what happened, for people, "" if nothing worth telling."""

    tasks: Mapping[str, Task]
    memory: Memory
    changed: bool = False
    failed: bool = False
    kills: tuple[Kill, ...] = field(default=())
    text: str = ""


def apply_update(
    tasks: Mapping[str, Task],
    memory: Memory,
    update: Update,
    now: float,
    *,
    pool: str,
    roles: Iterable[RoleTemplate],
) -> Outcome:
    """The records after `update`. Changes nothing that it is given. `pool`: its name (View.name), by which strangers' ids are read;
    `roles`: the templates, whose names a stranger may have. A state of which we know nothing (Mesos may get new ones) changes nothing."""
    task = tasks.get(update.task)
    if task is None:
        return _stranger(tasks, memory, update, now, pool, roles)
    if update.state in ENDED:
        return _ended(tasks, memory, task, update, now)
    if update.state in UNKNOWN:
        if task.phase is Phase.LAUNCHING and now < task.launched + CONFIRM_WITHIN:
            return Outcome(tasks, memory)
        return _ended(tasks, memory, task, update, now)
    if update.state in AWAY:
        if task.phase is Phase.UNREACHABLE:
            return Outcome(tasks, memory)
        text = f"{task_words(task)} on {task.hostname} is unreachable"
        return _put(tasks, memory, dataclasses.replace(task, phase=Phase.UNREACHABLE, since=now), text)
    if update.state in STARTING | RUNNING | KILLING:
        return _alive(tasks, memory, task, update, now)
    return Outcome(tasks, memory)


def task_words(task: Task) -> str:
    """What a task is called in a line for people."""
    return f"executor {task.id}" if task.is_executor else task.name


def _put(tasks: Mapping[str, Task], memory: Memory, task: Task, text: str = "", kill: str = "") -> Outcome:
    kills = (Kill(task.id, kill),) if kill else ()
    return Outcome({**tasks, task.id: task}, memory, changed=True, kills=kills, text=text)


def _alive(tasks: Mapping[str, Task], memory: Memory, task: Task, update: Update, now: float) -> Outcome:
    after = dataclasses.replace(
        task,
        agent=update.agent or task.agent,
        address=update.address or task.address,
        healthy=task.healthy if update.healthy is None else update.healthy,
    )
    back = task.phase is Phase.UNREACHABLE
    if back and not task.is_executor and _another(tasks, task):
        why = f"{task.name} was replaced while its agent was away: two of it must not run"
        return _put(tasks, memory, dataclasses.replace(after, phase=Phase.KILLING, since=now), why, kill=why)
    # A reconciliation may tell an older state than what we have seen.
    if update.state in KILLING:
        phase = Phase.KILLING
    elif update.state in RUNNING:
        phase = Phase.RUNNING if task.phase is not Phase.KILLING else Phase.KILLING
    else:
        phase = Phase.LAUNCHING if back else task.phase
    if phase is not task.phase:
        after = dataclasses.replace(after, phase=phase, since=now)
    if after == task:
        return Outcome(tasks, memory)
    text = ""
    if back:
        text = f"{task_words(task)} on {task.hostname} is back"
    elif phase is Phase.RUNNING and task.phase is Phase.LAUNCHING:
        text = f"{task_words(task)} runs on {task.hostname}"
    return _put(tasks, memory, after, text)


def _another(tasks: Mapping[str, Task], task: Task) -> bool:
    """Whether another task of the same role is there or on its way."""
    return any(
        t.id != task.id and t.name == task.name and not t.is_executor and t.phase is not Phase.UNREACHABLE
        for t in tasks.values()
    )


def _ended(tasks: Mapping[str, Task], memory: Memory, task: Task, update: Update, now: float) -> Outcome:
    left = {k: t for k, t in tasks.items() if k != task.id}
    why = update.message or update.reason
    text = f"{task_words(task)} on {task.hostname} ended: {update.state}" + (f" ({why})" if why else "")
    if not _is_failure(task, update, now):
        return Outcome(left, memory, changed=True, text=text)
    key = task.agent if task.is_executor else task.name
    failures = delays.failed(memory.failures, key, now)
    return Outcome(left, dataclasses.replace(memory, failures=failures), changed=True, failed=True, text=text)


def _is_failure(task: Task, update: Update, now: float) -> bool:
    """Whether a launch has failed, so that the next one there should wait."""
    if task.phase is Phase.KILLING or update.state in _BLAMELESS_STATES or update.reason in _BLAMELESS_REASONS:
        return False
    if update.state == "TASK_FINISHED" and task.is_executor and (task.kind is Kind.ELASTIC or task.drain):
        return False  # its startd ended by itself
    return not (task.phase is Phase.RUNNING and now >= task.since + RAN_WELL)


def _stranger(
    tasks: Mapping[str, Task],
    memory: Memory,
    update: Update,
    now: float,
    pool: str,
    roles: Iterable[RoleTemplate],
) -> Outcome:
    """A task that Mesos has and we do not. Executors may have jobs, so they are taken over: their size and site are filled in from
    their ads. So is a role, if there is none. One that is ending, or away, can wait until it says more."""
    if update.state not in STARTING | RUNNING:
        return Outcome(tasks, memory)
    name = _name_of(update.task, pool)
    template = next((r for r in roles if r.name == name), None)
    if name != Role.EXECUTOR.value:
        taken = any(t.name == name and t.phase is not Phase.UNREACHABLE for t in tasks.values() if not t.is_executor)
        if template is None or taken:
            why = "this pool has no such task" if template is None else f"there is another {name}"
            text = f"unknown task {update.task} is killed: {why}"
            return Outcome(tasks, memory, kills=(Kill(update.task, why),), text=text)
    adopted = Task(
        id=update.task,
        role=template.role if template else Role.EXECUTOR,
        kind=Kind.NONE if template else Kind.ELASTIC,
        name=template.name if template else update.task,
        agent=update.agent,
        hostname=update.hostname,
        place=update.place,
        size=template.container if template else Size(),
        template="",
        phase=Phase.RUNNING if update.state in RUNNING else Phase.LAUNCHING,
        since=now,
        launched=now,
        address=update.address,
        healthy=update.healthy,
    )
    return _put(tasks, memory, adopted, f"unknown task {update.task} is taken over")


def _name_of(task_id: str, pool: str) -> str:
    """The middle of `<pool>.<name>.<uuid>`; "" if it is no such id."""
    head, _, tail = task_id.rpartition(".")
    prefix = pool + "."
    return head.removeprefix(prefix) if tail and head.startswith(prefix) else ""
