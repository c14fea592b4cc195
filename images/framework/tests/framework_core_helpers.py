"""Makes the values that decisions are made of, with what does not matter filled in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from htcondor_framework.core.model import (
    Elastic,
    JobGroup,
    Kind,
    Limit,
    Neighbour,
    Offer,
    Phase,
    Policy,
    Pool,
    Queue,
    Role,
    Share,
    Size,
    SlotState,
    StartdAd,
    Task,
    Usage,
)
from htcondor_framework.core.view import ExecutorTemplate, Memory, Overhead, Plan, RoleTemplate, View

NOW = 10_000.0
SITES = ("torino", "cnaf", "bari")
OVERHEAD = Overhead(base=72, per_core=12)
TEMPLATE = "t1"
EXECUTOR = ExecutorTemplate(
    fixed=Size(2, 1024, 2000), constraints={"site": frozenset(SITES)}, template=TEMPLATE, overhead=OVERHEAD
)
MANAGER = RoleTemplate(
    "central-manager", Role.CENTRAL_MANAGER, Size(0.2, 256), {"site": frozenset(SITES)}, "cm1", pinned=False
)
SUBMIT = RoleTemplate("submit-node", Role.SUBMIT, Size(0.5, 512), {"node": frozenset({"torino-1"})}, "s1", pinned=True)
LARGEST = Size(4, 4096, 20000)


def elastic(**changes: Any) -> Elastic:
    base = Elastic(
        min=0,
        total=Limit(10, 8),
        batch=4,
        wait_cycles=0,
        idle_timeout=120,
        max_idle=4,
        largest=LARGEST,
    )
    return dataclasses.replace(base, **changes)


def policy(fixed: int = 0, share: Share | None = None, **changes: Any) -> Policy:
    return Policy(fixed, share or Share(8, 8192), elastic(**changes))


def jobs(
    count: int,
    cpus: float = 1,
    memory: float = 512,
    *,
    places: Iterable[str] = SITES,
    key: str = "",
    disk: float = 0,
    **more: Any,
) -> JobGroup:
    more.setdefault("owner", "alice")
    key = key or f"{cpus}/{memory}/{more['owner']}"
    more.setdefault("jobs", key)
    return JobGroup(key, count, Size(cpus, memory, disk), frozenset(places), **more)


def queue(*groups: JobGroup, seen: float = NOW, usage: Usage | None = None) -> Queue:
    return Queue(seen, tuple(groups), usage or Usage())


def pool(*ads: StartdAd, seen: float = NOW, negotiator: bool = True, schedd: bool = True) -> Pool:
    return Pool(seen, tuple(ads), negotiator, schedd)


def offer(name: str, place: str = "bari", room: Size | None = None, **more: Any) -> Offer:
    agent = more.pop("agent", name)
    return Offer(name, agent, agent, place, {"site": place, "node": agent}, room or Size(8, 8192, 100_000), **more)


def role(template: RoleTemplate, agent: str = "torino-1", **changes: Any) -> Task:
    task = Task(
        id=f"demo.{template.name}.1",
        role=template.role,
        kind=Kind.NONE,
        name=template.name,
        agent=agent,
        hostname=agent,
        place=agent.split("-")[0],
        size=template.container,
        template=template.template,
        phase=Phase.RUNNING,
        since=NOW - 1000,
        launched=NOW - 1010,
        healthy=True,
    )
    return dataclasses.replace(task, **changes)


ROLES = (role(MANAGER, "cnaf-1"), role(SUBMIT))


def executor(name: str, place: str = "bari", slots: Size = LARGEST, kind: Kind = Kind.ELASTIC, **changes: Any) -> Task:
    task = Task(
        id=f"demo.executor.{name}",
        role=Role.EXECUTOR,
        kind=kind,
        name=f"demo.executor.{name}",
        agent=f"{place}-1",
        hostname=f"{place}-1",
        place=place,
        size=OVERHEAD.container(slots),
        template=TEMPLATE,
        phase=Phase.RUNNING,
        since=NOW - 1000,
        launched=NOW - 1010,
        healthy=True,
        seen=True,
    )
    return dataclasses.replace(task, **changes)


def ad(
    task: Task,
    state: SlotState = SlotState.FREE,
    free: Size | None = None,
    claims: int | None = None,
    heard: float = NOW,
) -> StartdAd:
    total = OVERHEAD.slots(task.size)
    busy = state in (SlotState.CLAIMED, SlotState.DRAINING)
    if free is None:
        free = Size() if busy else total
    return StartdAd(
        name=f"{task.id}.startd",
        address="",
        task=task.id,
        site=task.place,
        state=state,
        total=total,
        free=free,
        claims=(1 if busy else 0) if claims is None else claims,
        heard=heard,
    )


def view(
    *tasks: Task,
    policy: Policy | None = None,
    roles: Mapping[str, Any] | None = None,
    idle_for: Mapping[str, float] | None = None,
    **changes: Any,
) -> View:
    """A pool whose roles are up, unless `roles` are given."""
    all_tasks = [*(ROLES if roles is None else roles.get("tasks", ())), *tasks]
    memory = changes.pop("memory", Memory(queue_seen=NOW - 5, pool_seen=NOW - 5))
    if idle_for is not None:
        memory = dataclasses.replace(
            memory, idle_since={f"demo.executor.{n}": NOW - seconds for n, seconds in idle_for.items()}
        )
    return View(
        now=changes.pop("now", NOW),
        policy=policy,
        roles=(MANAGER, SUBMIT) if roles is None else roles.get("templates", (MANAGER, SUBMIT)),
        executor=changes.pop("executor", EXECUTOR),
        tasks={t.id: t for t in all_tasks},
        memory=memory,
        name="demo",
        **changes,
    )


def again(before: View, after: Plan, **changes: Any) -> View:
    """The next view: what the plan left, and what changed."""
    return dataclasses.replace(before, tasks=after.tasks, memory=after.memory, **changes)


def neighbour(
    name: str, share: tuple[float, float], holds: tuple[float, float], wants: tuple[float, float] = (0, 0)
) -> Neighbour:
    return Neighbour(name, Share(*share), Size(*holds), Size(*wants))
