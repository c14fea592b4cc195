"""The services that the federation stands on, and the monitoring itself."""

from __future__ import annotations

from .model import PER_MINUTE, Board, Panel, Section
from .names import SITE, Names
from .overview import YES


def services(federation: str) -> Board:
    """etcd, ZooKeeper, Mesos, Marathon, and the way of the metrics."""
    n = Names(federation)
    return Board(
        "services",
        federation,
        f"{federation}: services",
        "etcd, ZooKeeper, Mesos' masters, Marathon; the collectors and Graphite.",
        (
            Section("etcd", _etcd(n)),
            Section("ZooKeeper", _zookeeper(n)),
            Section("Mesos", _mesos(n)),
            Section("Marathon", _marathon(n)),
            Section("Collectors and Graphite", _monitoring(n)),
            Section("History of jobs", _history(n)),
        ),
        sites=True,
    )


def _plain(n: Names, title: str, *names: str, rate: bool = False, width: int = 6) -> Panel:
    """A curve for each site and metric, called SITE or WHAT SITE."""
    several = len(names) > 1
    series = tuple(
        n.each(
            name, site=SITE, rate=60 if rate else 0, label=_last(name) if several else ""
        )
        for name in names
    )  # fmt: skip
    return Panel(title, series, width=width, unit=PER_MINUTE if rate else "")


def _last(name: str) -> str:
    return name.rpartition(".")[2].removesuffix("_total")


def _etcd(n: Names) -> tuple[Panel, ...]:
    return (
        _plain(n, "etcd: writes to the disk", "etcd.fsync", "etcd.commit"),
        _plain(n, "etcd: writes that a majority has", "etcd.proposals.committed_total", rate=True),
        _plain(n, "etcd: writes that no majority took", "etcd.proposals.failed_total", rate=True),
        _plain(n, "etcd: writes that wait", "etcd.proposals.pending"),
        _plain(n, "etcd: changes of the leader", "etcd.leader_changes_total"),
        _plain(n, "etcd: database", "etcd.db.size", "etcd.db.used"),
        _plain(n, "etcd: keys and watches", "etcd.keys", "etcd.watchers"),
        _plain(n, "etcd: memory", "etcd.memory"),
        _plain(n, "etcd: members", "etcd.members.active", "etcd.members.total"),
    )


def _zookeeper(n: Names) -> tuple[Panel, ...]:
    return (
        _plain(n, "ZooKeeper: latency", "zookeeper.latency.avg", "zookeeper.latency.max"),
        _plain(n, "ZooKeeper: packets", "zookeeper.received_total", "zookeeper.sent_total", rate=True),
        _plain(n, "ZooKeeper: clients and requests that wait", "zookeeper.connections", "zookeeper.outstanding"),
        _plain(n, "ZooKeeper: nodes", "zookeeper.nodes"),
        _plain(n, "ZooKeeper: members", "zookeeper.members.active", "zookeeper.members.total"),
    )


def _mesos(n: Names) -> tuple[Panel, ...]:
    m = "mesos.master"
    return (
        _plain(n, "Mesos: frameworks", f"{m}.frameworks.active", f"{m}.frameworks.disconnected"),
        _plain(n, "Mesos: offers and events that wait", f"{m}.offers.outstanding", f"{m}.queue"),
        _plain(n, "Mesos: last write of the registry", f"{m}.registrar.store"),
        _plain(n, "Mesos: time since the master's start", f"{m}.uptime"),
        _plain(n, "Mesos: members of the ensemble", f"{m}.members.active", f"{m}.members.total"),
    )


def _marathon(n: Names) -> tuple[Panel, ...]:
    m, t = "marathon", "marathon.tasks"
    return (
        _plain(n, "Marathon: instances", f"{m}.instances", f"{t}.running", f"{t}.staged", width=8),
        _plain(n, "Marathon: health", f"{t}.healthy", f"{t}.unhealthy", width=8),
        _plain(n, "Marathon: queue", *(f"{m}.queue.{what}" for what in ("apps", "instances", "delayed")), width=8),
        _plain(n, "Marathon: apps", f"{m}.apps", width=12),
        _plain(n, "Marathon: deployments", f"{m}.deployments", width=12),
    )


def _history(n: Names) -> tuple[Panel, ...]:
    h = "history"
    return (
        _plain(n, "History: jobs sent", f"{h}.exported_total", rate=True),
        _plain(n, "History: jobs that wait", f"{h}.waiting"),
        _plain(n, "History: time since the last delivery", f"{h}.behind"),
        _plain(n, "History: failures", f"{h}.errors_total", rate=True),
        _plain(n, "History: jobs that the index would not have whole", f"{h}.refused_total", rate=True),
    )


def _monitoring(n: Names) -> tuple[Panel, ...]:
    c = "collector"
    wrong = (n.each(f"{c}.errors.<source>", ("site", "source"), SITE, 60),)
    return (
        Panel("Collectors: connected", (n.each(f"{c}.connected", site=SITE),), "history", 6, limits=(1, 0.5), words=YES),
        Panel("Collectors: questions without an answer", wrong, width=6, unit=PER_MINUTE),
        _plain(n, "Collectors: length of a round", f"{c}.seconds"),
        _plain(n, "Collectors: metrics in a round", f"{c}.points"),
        _plain(n, "Collectors: points that wait", f"{c}.buffer.points"),
        _plain(n, "Collectors: points thrown away", f"{c}.buffer.dropped", rate=True),
        _plain(n, "Collectors: points sent", f"{c}.sent", rate=True),
        _plain(n, "Collectors: cores", f"{c}.cpus.used"),
        _plain(n, "Collectors: memory", f"{c}.memory"),
        _plain(n, "Alerts: messages that wait", "alerts.waiting"),
        _plain(n, "Alerts: messages", *(f"alerts.{what}_total" for what in ("sent", "errors", "dropped")), rate=True),
        Panel("Graphite: runs", (n.each("containers.<service>.running", service="graphite"),), "stat", 6, limits=(1, 0.5), words=YES),
        Panel("Graphite: cores", (n.each("containers.<service>.cpus.used", service="graphite"),), width=6),
        Panel(
            "Graphite: memory",
            (
                n.each("containers.<service>.memory.used", label="used", service="graphite"),
                n.each("containers.<service>.memory.limit", label="limit", service="graphite"),
            ),
            width=6,
        ),
    )  # fmt: skip
