"""The metrics in Prometheus' text format. Pure; `Counters` is what the loop counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .core.model import Kind, Pool, Queue, SlotState, Task
from .core.view import Plan
from .telling import Told

_PREFIX = "htcondor_framework"


@dataclass
class Counters:
    """Since this term began. Times in seconds."""

    cycles: int = 0
    cycle_seconds: float = 0.0
    last_cycle: float = 0.0
    launched: int = 0
    killed: int = 0
    declined: int = 0

    def cycle(self, seconds: float) -> None:
        self.cycles += 1
        self.cycle_seconds += seconds
        self.last_cycle = seconds

    def told(self, told: Told) -> None:
        self.launched += told.launched
        self.killed += told.killed
        self.declined += told.declined


@dataclass(frozen=True)
class Sample:
    name: str
    help: str
    kind: str  # gauge or counter
    values: tuple[tuple[Mapping[str, str], float], ...]


def samples(
    *,
    now: float,
    connected: bool,
    paused: bool,
    tasks: Iterable[Task],
    plan: Plan,
    queue: Queue | None,
    pool: Pool | None,
    counters: Counters,
    drains: tuple[int, int],
    failures: int,
) -> list[Sample]:
    """`drains`: told, and failed."""
    tasks = list(tasks)

    def gauge(name: str, text: str, value: float, **labels: str) -> Sample:
        return Sample(name, text, "gauge", ((labels, value),))

    def counter(name: str, text: str, value: float) -> Sample:
        return Sample(name, text, "counter", (({}, value),))

    executors = Counter((t.kind.value, t.place, t.phase.value) for t in tasks if t.is_executor)
    found = [
        gauge("mesos_connected", "Whether the framework is subscribed at Mesos.", connected),
        gauge("paused", "Whether the administrator has paused the pool.", paused),
        Sample(
            "executors",
            "Executors by kind, site and phase.",
            "gauge",
            tuple(({"kind": k, "site": s, "phase": p}, n) for (k, s, p), n in sorted(executors.items())),
        ),
        gauge("executors_draining", "Executors that are being drained.", sum(bool(t.drain) for t in tasks)),
        gauge(
            "executor_cores",
            "Cores of all elastic and fixed executors.",
            sum(t.size.cpus for t in tasks if t.kind is not Kind.NONE),
        ),
        gauge("wants_offers", "Whether offers are wanted.", plan.wants_offers),
    ]
    if queue is not None:
        found += [
            gauge("queue_age_seconds", "Age of the last answer of the schedd.", max(0.0, now - queue.seen)),
            Sample(
                "jobs",
                "Jobs by state.",
                "gauge",
                (
                    ({"state": "idle"}, sum(g.count for g in queue.idle)),
                    ({"state": "running"}, queue.usage.running),
                    ({"state": "held"}, queue.held),
                ),
            ),
        ]
    if pool is not None:
        slots = Counter(ad.state.value for ad in pool.startds)
        found += [
            gauge("pool_age_seconds", "Age of the last answer of the collector.", max(0.0, now - pool.seen)),
            Sample(
                "startds",
                "Executors in the collector by state.",
                "gauge",
                tuple(({"state": s.value}, slots.get(s.value, 0)) for s in SlotState),
            ),
        ]
    if plan.us is not None:
        sizes: list[tuple[str, Any]] = [("share", plan.us.share), ("holds", plan.us.holds), ("wants", plan.us.wants)]
        found += [
            Sample(
                "cores",
                "Cores of the guaranteed share, held, wanted.",
                "gauge",
                tuple(({"of": n}, s.cpus) for n, s in sizes),
            ),
            Sample(
                "memory_mib",
                "Memory of the guaranteed share, held, wanted.",
                "gauge",
                tuple(({"of": n}, s.memory) for n, s in sizes),
            ),
        ]
    return [
        *found,
        counter("cycles_total", "Decisions made.", counters.cycles),
        counter("cycle_seconds_total", "Time that they took.", counters.cycle_seconds),
        gauge("last_cycle_seconds", "Time that the last one took.", counters.last_cycle),
        counter("launches_total", "Tasks launched.", counters.launched),
        counter("kills_total", "Tasks told to end.", counters.killed),
        counter("declines_total", "Offers declined.", counters.declined),
        counter("launch_failures_total", "Tasks that failed soon.", failures),
        counter("drains_total", "Executors told to drain, or to take jobs again.", drains[0]),
        counter("drain_failures_total", "Of these, failed.", drains[1]),
    ]


def render(pool: str, found: Iterable[Sample]) -> str:
    lines = []
    for s in found:
        name = f"{_PREFIX}_{s.name}"
        lines += [f"# HELP {name} {s.help}", f"# TYPE {name} {s.kind}"]
        for labels, value in s.values:
            text = ",".join(f'{k}="{_escape(v)}"' for k, v in {"pool": pool, **labels}.items())
            lines.append(f"{name}{{{text}}} {float(value):.10g}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
