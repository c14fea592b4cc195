"""What the interface shows, from a term's data. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..config import Config
from ..core.model import Kind, Neighbour, Phase, Pool, Queue, Role, Share, Size, StartdAd, Task
from ..core.view import Memory, Plan, RoleTemplate
from ..history import Line
from ..state import State

Json = dict[str, Any]
DECISIONS = 50


def size(s: Size) -> Json:
    shown: Json = {"cpus": s.cpus, "memory": s.memory, "disk": s.disk}
    return {**shown, "gpus": s.gpus} if s.gpus else shown


def gone(config: Config) -> Json:
    return {"pool": config.pool, "gone": True}


def pool(
    config: Config,
    state: State,
    plan: Plan,
    neighbours: tuple[Neighbour, ...],
    queue: Queue | None,
    ads: Pool | None,
    lines: Iterable[Line],
    mesos: Json,
    now: float,
) -> Json:
    tasks = list(state.tasks.values())
    elastic = state.policy.elastic if state.policy else None
    return {
        "pool": config.pool,
        "gone": False,
        "teardown": state.settings.teardown,
        "paused": state.settings.paused,
        "mesos": mesos,
        "condor": {"queue_age": _age(queue, now), "pool_age": _age(ads, now)},
        "roles": [role(r, tasks, ads) for r in config.role_templates()],
        "executors": {
            "fixed": {
                "wanted": state.policy.fixed if state.policy else 0,
                **_counts([t for t in tasks if t.kind is Kind.FIXED]),
            },
            "elastic": {
                "min": elastic.min if elastic else 0,
                "max": elastic.total.max if elastic else 0,
                **_counts([t for t in tasks if t.kind is Kind.ELASTIC]),
            },
        },
        "jobs": {
            "idle": sum(g.count for g in queue.idle) if queue else None,
            "running": queue.usage.running if queue else None,
            "held": queue.held if queue else None,
        },
        "decisions": [{"when": line.when, "text": line.text} for line in lines],
        "waiting": [
            {
                "jobs": w.jobs,
                "count": w.count,
                "owner": w.owner,
                "request": size(w.request),
                "why": w.why,
                "never": w.never,
            }
            for w in plan.waiting
        ],
        "share": share(plan.us, neighbours),
        "drained_sites": sorted(state.settings.drain_sites),
    }


def _age(data: Queue | Pool | None, now: float) -> float | None:
    return round(max(0.0, now - data.seen), 1) if data else None


def _counts(tasks: list[Task]) -> Json:
    alive = [t for t in tasks if t.phase is not Phase.KILLING]
    return {
        "running": sum(t.phase is Phase.RUNNING and not t.drain for t in alive),
        "launching": sum(t.phase is Phase.LAUNCHING for t in alive),
        "draining": sum(bool(t.drain) and t.phase is Phase.RUNNING for t in alive),
        "unreachable": sum(t.phase is Phase.UNREACHABLE for t in alive),
        "ending": len(tasks) - len(alive),
    }


def role(template: RoleTemplate, tasks: list[Task], ads: Pool | None) -> Json:
    """`healthy` is what the collector says: the daemon's ad is there and fresh. `outdated`: it is about to be made anew, since
    what it is made from was changed."""
    own = [t for t in tasks if t.name == template.name and not t.is_executor]
    own.sort(key=lambda t: (t.phase is not Phase.RUNNING, t.phase is Phase.UNREACHABLE, -t.launched))
    if not own:
        return {"name": template.name, "phase": "waiting", "healthy": False, "host": None, "why": "there is none yet"}
    task = own[0]
    seen = ads is not None and (ads.schedd if template.role is Role.SUBMIT else ads.negotiator)
    healthy = task.phase is Phase.RUNNING and seen and task.healthy is not False
    match task.phase:
        case Phase.LAUNCHING:
            why = "it is starting"
        case Phase.UNREACHABLE:
            why = "its agent is away" + ("; it can run nowhere else" if template.pinned else "")
        case Phase.KILLING:
            why = "it is ending"
        case _ if task.healthy is False:
            why = "its health check fails"
        case _:
            why = "" if seen else "the collector has no fresh ad of it"
    return {
        "name": template.name,
        "phase": task.phase.value,
        "healthy": healthy,
        "host": task.hostname,
        "task": task.id,
        "site": task.place,
        "outdated": task.template != template.template,
        "why": why,
    }


def share(us: Neighbour | None, neighbours: tuple[Neighbour, ...]) -> Json | None:
    if us is None:
        return None

    def two(what: Share | Size) -> Json:
        return {"cpus": what.cpus, "memory": what.memory}

    def shown(n: Neighbour) -> Json:
        return {
            "pool": n.pool,
            "share": two(n.share),
            "holds": two(n.holds),
            "wants": two(n.wants),
            "giving": two(n.giving),
        }

    return {**shown(us), "neighbours": [shown(n) for n in neighbours]}


def executors(tasks: Mapping[str, Task], ads: Pool | None, memory: Memory, now: float) -> list[Json]:
    by_task = {ad.task: ad for ad in ads.startds if ad.task} if ads else {}
    by_address = {ad.address: ad for ad in ads.startds if not ad.task} if ads else {}
    found = [
        executor(t, by_task.get(t.id) or (by_address.get(t.address) if t.address else None), memory, now)
        for t in tasks.values()
        if t.is_executor
    ]
    return sorted(found, key=lambda e: (e["kind"], e["site"], e["task"]))


def executor(task: Task, ad: StartdAd | None, memory: Memory, now: float) -> Json:
    idle_since = memory.idle_since.get(task.id, 0.0)
    return {
        "task": task.id,
        "name": ad.name if ad else None,
        "site": task.place,
        "agent": task.hostname,
        "kind": task.kind.value,
        "phase": task.phase.value,
        "state": ad.state.value if ad else None,
        "cpus": task.size.cpus,
        "memory": task.size.memory,
        "claims": ad.claims if ad else None,
        "idle_for": round(max(0.0, now - idle_since), 1) if idle_since else None,
        "drain": task.drain or None,
        "launched": task.launched,
    }
