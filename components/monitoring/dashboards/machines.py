"""The sites' machines, and the services on their front-ends."""

from __future__ import annotations

from .model import Board, Panel, Section
from .names import SITE, Names, Series
from .overview import YES

OF = ("machine",)
SERVICE = ("site", "service")


def machines(federation: str) -> Board:
    """What each machine offers and what of it is used; what each service uses."""
    n = Names(federation)
    return Board(
        "machines",
        federation,
        f"{federation}: machines",
        "Each machine's agent, and the containers of the services on the front-ends.",
        (Section("Agents", _agents(n)), Section("Services of the front-ends", _containers(n))),
        sites=True,
    )


def _agents(n: Names) -> tuple[Panel, ...]:
    def of(name: str, label: str = "") -> Series:
        return n.each(f"machines.<machine>.{name}", OF, SITE, label=label)

    def both(what: str) -> tuple[Series, ...]:
        return of(f"{what}.used", "used"), of(f"{what}.total", "offered")

    return (
        Panel("Agents that are registered", (of("registered"),), "history", 12, limits=(1, 0.5), words=YES),
        Panel("Load", (of("load"),), width=6),
        Panel("Time since the agent's start", (of("uptime"),), width=6),
        Panel("Cores of each machine", both("cpus"), width=6),
        Panel("Memory of each machine", both("memory"), width=6),
        Panel("Disk of each machine", both("disk"), width=6),
        Panel("Tasks of each machine", (of("tasks.running"),), width=6, stacked=True),
        Panel("The whole machine's memory", (of("system.memory.free", "free"), of("system.memory.total", "all")), width=12),
        Panel("Failed tasks of each machine", (n.each("machines.<machine>.tasks.failed_total", OF, SITE, 60),), width=12, unit="cpm"),
    )  # fmt: skip


def _containers(n: Names) -> tuple[Panel, ...]:
    def of(name: str) -> tuple[Series, ...]:
        return (n.each(f"containers.<service>.{name}", SERVICE, SITE),)

    return (
        Panel("Services that run", of("running"), "history", 24, 12, limits=(1, 0.5), words=YES),
        Panel("Cores of each service", of("cpus.used"), width=12),
        Panel("Memory of each service", of("memory.used"), width=12),
        Panel("Cores that a service may use", of("cpus.limit"), "table", 12),
        Panel("Memory that a service may use", of("memory.limit"), "table", 12),
    )
