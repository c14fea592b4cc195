"""The federation on one screen."""

from __future__ import annotations

from .model import LEADS_OR_NOT, PER_MINUTE, Board, Panel, Section
from .names import Names, Series

YES = {"0": "no", "1": "yes"}
LEADS = {"0": "follows", "1": "leads"}
FIRES = {"0": "quiet", "1": "fires"}
M = "mesos.master"


def overview(federation: str) -> Board:
    """What the cluster offers and what of it is used, by site; and whether the quorums stand."""
    n = Names(federation)
    return Board(
        "overview",
        federation,
        f"{federation}: overview",
        "Agents, tasks, cores and memory of the federation and of its sites, and the quorums.",
        (
            Section("Now", _now(n)),
            Section("Alerts", _alerts(n)),
            Section("By site", _by_site(n)),
            Section("The cluster", _cluster(n)),
            Section("Quorums", _quorums(n)),
        ),
    )


def _leader(n: Names, *rows: tuple[str, str], rate: float = 0) -> tuple[Series, ...]:
    """(metric of the leading master, what it is called)."""
    return tuple(n.one(f"{M}.{name}", label, "max", rate=rate) for name, label in rows)


def _now(n: Names) -> tuple[Panel, ...]:
    missing = (n.one(f"{M}.agents.disconnected", "disconnected", "max"), n.one(f"{M}.agents.unreachable", "unreachable", "max"))  # fmt: skip
    stats: tuple[tuple[str, tuple[Series, ...], tuple[float, float] | None], ...] = (
        ("Active agents", _leader(n, ("agents.active", "agents")), None),
        ("Agents that are away", missing, (0.5, 1)),
        ("Tasks running", _leader(n, ("tasks.running", "tasks")), None),
        ("Cores in use", (n.share(f"{M}.cpus.used", f"{M}.cpus.total", "cores"),), (0.9, 0.98)),
        ("Memory in use", (n.share(f"{M}.memory.used", f"{M}.memory.total", "memory"),), (0.9, 0.98)),
        ("Disk in use", (n.share(f"{M}.disk.used", f"{M}.disk.total", "disk"),), (0.9, 0.98)),
    )
    return tuple(
        Panel(title, series, "stat", 4, 4, "percentunit" if "in use" in title else "", limits=limits)
        for title, series, limits in stats
    )


def _alerts(n: Names) -> tuple[Panel, ...]:
    firing = n.each("alerts.firing.<rule>", ("site", "rule"))
    return (Panel("Alerts that fire", (firing,), "history", 24, 10, limits=(0.5, 1), words=FIRES),)


def _by_site(n: Names) -> tuple[Panel, ...]:
    def used_and_offered(title: str, what: str) -> Panel:
        used, total = (f"machines.<machine>.{what}.{each}" for each in ("used", "total"))
        return Panel(title, (n.sums(used, label="used"), n.sums(total, label="offered")))

    return (
        Panel("Agents by site", (n.sums("machines.<machine>.registered"),), stacked=True),
        Panel("Tasks by site", (n.sums("machines.<machine>.tasks.running"),), stacked=True),
        Panel("Failed tasks by site", (n.sums("machines.<machine>.tasks.failed_total", rate=60),), unit=PER_MINUTE),
        used_and_offered("Cores by site", "cpus"),
        used_and_offered("Memory by site", "memory"),
        used_and_offered("Disk by site", "disk"),
    )


def _cluster(n: Names) -> tuple[Panel, ...]:
    ended = [(f"tasks.{how}_total", how) for how in ("finished", "failed", "killed", "lost")]
    return (
        Panel("Agents", _leader(n, *((f"agents.{s}", s) for s in ("active", "disconnected", "unreachable")))),
        Panel("Tasks", _leader(n, *((f"tasks.{s}", s) for s in ("running", "staging", "unreachable")))),
        Panel("Tasks that ended", _leader(n, *ended, rate=60), unit=PER_MINUTE),
        Panel("Cores", _leader(n, ("cpus.used", "used"), ("cpus.total", "offered"))),
        Panel("Memory", _leader(n, ("memory.used", "used"), ("memory.total", "offered"))),
        Panel("Disk", _leader(n, ("disk.used", "used"), ("disk.total", "offered"))),
    )


def _quorums(n: Names) -> tuple[Panel, ...]:
    def history(title: str, name: str) -> Panel:
        return Panel(title, (n.each(name),), "history", 6, 6, limits=(1, 0.5), words=YES)

    def leaders(title: str, name: str) -> Panel:
        return Panel(title, (n.each(name),), "history", 6, 6, words=LEADS, limits=(1, 0.5), colours=LEADS_OR_NOT)

    return (
        history("etcd: healthy", "etcd.health"),
        history("etcd: knows a leader", "etcd.has_leader"),
        history("ZooKeeper: serves", "zookeeper.serving"),
        history("Graphite takes points of", "collector.connected"),
        leaders("etcd: leads", "etcd.leader"),
        leaders("ZooKeeper: leads", "zookeeper.leader"),
        leaders("Mesos: leads", f"{M}.elected"),
        leaders("Marathon: leads", "marathon.leader"),
    )
