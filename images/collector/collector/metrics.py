"""Every metric that there is: the one table that the code is checked against and docs/metrics.md is made from. Pure.

A name is what comes after `aerie.<federation>.<site>.`; a part in <> stands for any one part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

EVERYWHERE = "each site"
QUORUM = "sites with a quorum member"
LEADER = "the site of the leader only"
TUNNEL = "sites with a tunnel"
SUBMIT = "the site of the pool's submit node"
THERE = "the same, while there are such"
POOL = "sites where the pool has containers"
HISTORY = "each site, with `monitoring.history`"
LARGE = 1e15  # of bytes and counts: more is no plausible value
# Why an idle job waits, and what that says of it; each is under one of them (sources/waiting.py).
WAITING = {
    "new": "submitted less than two negotiation cycles ago",
    "no_slot": "the pool has no slot at all",
    "too_big": "asks for more than the largest slot has when it is empty, so it will never run",
    "slots_busy": "a slot could hold it, but has not so much free now",
    "requirements": "no slot's requirements and its own agree, however free the slots are, so it will never run",
    "not_matched": "a free slot suits it: the next negotiation, a limit, or the user's priority keeps it out",
}


@dataclass(frozen=True)
class Metric:
    """`where` it is sent from; values are plausible from `low` to `high`."""

    name: str
    unit: str
    text: str
    where: str = EVERYWHERE
    low: float = 0.0
    high: float = LARGE


def _flag(name: str, text: str, where: str = EVERYWHERE) -> Metric:
    return Metric(name, "0 or 1", text, where, 0.0, 1.0)


def _count(name: str, text: str, where: str = EVERYWHERE, high: float = 1e7) -> Metric:
    return Metric(name, "number", text, where, 0.0, high)


def _total(name: str, text: str, where: str = EVERYWHERE) -> Metric:
    return Metric(name, "number, since its start", text, where)


def _bytes(name: str, text: str, where: str = EVERYWHERE) -> Metric:
    return Metric(name, "bytes", text, where)


def _cores(name: str, text: str, where: str = EVERYWHERE) -> Metric:
    return Metric(name, "cores", text, where, 0.0, 1e6)


def _ms(name: str, text: str, where: str = EVERYWHERE) -> Metric:
    return Metric(name, "ms", text, where, 0.0, 1e5)


def _seconds(name: str, text: str, where: str = EVERYWHERE) -> Metric:
    return Metric(name, "s", text, where, 0.0, 1e9)


def _mb(name: str, text: str, where: str = EVERYWHERE) -> Metric:
    return Metric(name, "MB", text, where, 0.0, 1e9)


_CONTAINER_USE = (
    _cores("cpus.used", "in use, on the average since the last time"),
    _cores("cpus.limit", "that they may use"),
    _bytes("memory.used", "in use, without the files' cache"),
    _bytes("memory.limit", "that they may use"),
)


def _use(prefix: str, of: str, where: str) -> tuple[Metric, ...]:
    return tuple(Metric(f"{prefix}.{m.name}", m.unit, f"{of}: {m.text}", where, m.low, m.high) for m in _CONTAINER_USE)


# By the source that reads them; `collector.errors.<source>` has these names.
TABLE: dict[str, tuple[Metric, ...]] = {
    "collector": (
        _seconds("collector.seconds", "that the last round took, from the first question to the last answer"),
        _count("collector.points", "metrics in the last round"),
        _count("collector.errors.<source>", "questions that had no answer in time, or none that could be read, since its start"),
        _count("collector.buffer.points", "points that wait for Graphite"),
        _total("collector.buffer.dropped", "points that were thrown away, the oldest first, since the buffer was full"),
        _total("collector.sent", "points that were sent, those that were sent again among them"),
        _flag("collector.connected", "whether Graphite takes points in"),
        Metric("collector.cpus.used", "cores", "in use by the collector itself", EVERYWHERE, 0.0, 4.0),
        _bytes("collector.memory", "resident memory of the collector itself"),
        _flag("alerts.firing.<rule>", "whether an alert of the rule fires ([monitoring.md](monitoring.md#alerts))"),
        _count("alerts.waiting", "messages of alerts that wait for their receiver"),
        _total("alerts.sent_total", "messages of alerts that a receiver has taken"),
        _total("alerts.errors_total", "attempts to send one that came to nothing"),
        _total("alerts.dropped_total", "messages of alerts that were thrown away: the oldest of a full queue, and those that a receiver refused"),
    ),
    "history": (
        _total("history.exported_total", "finished jobs that were put into the index, those that came once more among them", HISTORY),
        _count("history.waiting", "finished jobs that are not in the index yet, as of the last look", HISTORY),
        _seconds("history.behind", "since jobs were last put into the index, or none waited for it; of the pool of which that is longest ago", HISTORY),
        _total("history.errors_total", "attempts to read or to send them that came to nothing, and jobs that could not be read", HISTORY),
        _total("history.refused_total", "jobs that the index would not take as they are, and has without what their user chose", HISTORY),
    ),
    "mesos_master": (
        _flag("mesos.master.elected", "whether this master leads", QUORUM),
        _seconds("mesos.master.uptime", "since the master's start", QUORUM),
        _count("mesos.master.members.total", "masters that there are to be", QUORUM),
        _count("mesos.master.members.active", "of these, by this one's knowledge, in the ensemble that keeps the registry", QUORUM),
        _cores("mesos.master.cpus.total", "that agents offer", LEADER),
        _cores("mesos.master.cpus.used", "that tasks have", LEADER),
        _mb("mesos.master.memory.total", "that agents offer", LEADER),
        _mb("mesos.master.memory.used", "that tasks have", LEADER),
        _mb("mesos.master.disk.total", "that agents offer", LEADER),
        _mb("mesos.master.disk.used", "that tasks have", LEADER),
        _count("mesos.master.agents.active", "agents that are registered and connected", LEADER),
        _count("mesos.master.agents.disconnected", "agents that are registered and not connected", LEADER),
        _count("mesos.master.agents.unreachable", "agents that were given up", LEADER),
        _count("mesos.master.frameworks.active", "frameworks that get offers", LEADER),
        _count("mesos.master.frameworks.disconnected", "frameworks that are gone and may come back", LEADER),
        _count("mesos.master.tasks.running", "tasks that run", LEADER),
        _count("mesos.master.tasks.staging", "tasks that are being started", LEADER),
        _count("mesos.master.tasks.unreachable", "tasks whose agent is unreachable", LEADER),
        _total("mesos.master.tasks.finished_total", "tasks that ended well", LEADER),
        _total("mesos.master.tasks.failed_total", "tasks that ended with a failure", LEADER),
        _total("mesos.master.tasks.killed_total", "tasks that were told to end", LEADER),
        _total("mesos.master.tasks.lost_total", "tasks that nobody knows of any more", LEADER),
        _count("mesos.master.offers.outstanding", "offers that nobody has answered yet", LEADER),
        _count("mesos.master.queue", "events that wait for the master's main loop", LEADER),
        _ms("mesos.master.registrar.store", "for the last write of the registry, by ZooKeeper's masters", LEADER),
    ),
    "mesos_agent": (
        _flag("machines.<machine>.registered", "whether the machine's Mesos agent is registered"),
        _seconds("machines.<machine>.uptime", "since the agent's start"),
        _cores("machines.<machine>.cpus.total", "that the agent offers"),
        _cores("machines.<machine>.cpus.used", "that tasks have"),
        _mb("machines.<machine>.memory.total", "that the agent offers"),
        _mb("machines.<machine>.memory.used", "that tasks have"),
        _mb("machines.<machine>.disk.total", "that the agent offers"),
        _mb("machines.<machine>.disk.used", "that tasks have"),
        _count("machines.<machine>.tasks.running", "tasks that run"),
        _total("machines.<machine>.tasks.failed_total", "tasks that ended with a failure"),
        Metric("machines.<machine>.load", "number", "processes that run or want to, by the minute; of the host on the embedded IaaS", EVERYWHERE, 0.0, 1e4),
        _bytes("machines.<machine>.system.memory.free", "of the whole machine; of the host on the embedded IaaS"),
        _bytes("machines.<machine>.system.memory.total", "of the whole machine; of the host on the embedded IaaS"),
        _count("pools.<pool>.<role>.containers", "containers of the pool's role on the site's machines", POOL),
        *_use("pools.<pool>.<role>", "the role's containers on the site's machines", POOL),
    ),
    "marathon": (
        _flag("marathon.leader", "whether this Marathon leads", QUORUM),
        _count("marathon.apps", "apps", LEADER),
        _count("marathon.instances", "instances that there should be", LEADER),
        _count("marathon.tasks.running", "instances that run", LEADER),
        _count("marathon.tasks.staged", "instances that are being started", LEADER),
        _count("marathon.tasks.healthy", "instances whose health checks pass", LEADER),
        _count("marathon.tasks.unhealthy", "instances whose health checks fail", LEADER),
        _count("marathon.deployments", "deployments that are under way", LEADER),
        _count("marathon.queue.apps", "apps with instances that found no place yet", LEADER),
        _count("marathon.queue.instances", "instances that found no place yet", LEADER),
        _count("marathon.queue.delayed", "apps that wait, since their instances failed", LEADER),
    ),
    "etcd": (
        _flag("etcd.health", "whether the member can serve, by its own judgement", QUORUM),
        _flag("etcd.has_leader", "whether the member knows a leader", QUORUM),
        _count("etcd.members.total", "members that there are to be", QUORUM),
        _count("etcd.members.active", "of these that this one has a connection with, itself among them", QUORUM),
        _flag("etcd.leader", "whether the member leads", QUORUM),
        _total("etcd.leader_changes_total", "changes of the leader that it saw", QUORUM),
        _total("etcd.proposals.committed_total", "writes that a majority has", QUORUM),
        _total("etcd.proposals.failed_total", "writes that no majority took", QUORUM),
        _count("etcd.proposals.pending", "writes that wait for a majority", QUORUM),
        _bytes("etcd.db.size", "of the database's file", QUORUM),
        _bytes("etcd.db.used", "of it in use", QUORUM),
        _count("etcd.keys", "keys", QUORUM),
        _count("etcd.watchers", "watches of clients", QUORUM),
        _ms("etcd.fsync", "for a write of the log to the disk, on the average of those since the last time, or the last ones before", QUORUM),
        _ms("etcd.commit", "for a write of the database to the disk, likewise", QUORUM),
        _ms("etcd.peer_rtt", "round trip to the other members, likewise, of all; absent with one member", QUORUM),
        _bytes("etcd.memory", "resident memory", QUORUM),
    ),
    "zookeeper": (
        _flag("zookeeper.serving", "whether the server serves (it does not without a majority)", QUORUM),
        _flag("zookeeper.leader", "whether the server leads", QUORUM),
        _count("zookeeper.members.total", "servers that there are to be", QUORUM),
        _count("zookeeper.members.active", "of these that answer the collector of this site, with a majority or without", QUORUM),
        _ms("zookeeper.latency.avg", "to answer a request, since its start", QUORUM),
        _ms("zookeeper.latency.max", "to answer a request, since its start", QUORUM),
        _total("zookeeper.received_total", "packets received", QUORUM),
        _total("zookeeper.sent_total", "packets sent", QUORUM),
        _count("zookeeper.connections", "clients, this question among them", QUORUM),
        _count("zookeeper.outstanding", "requests that wait", QUORUM),
        _count("zookeeper.nodes", "nodes", QUORUM),
    ),
    "bgp": (
        _count("bgp.sessions", "sessions that the site's front-end should have"),
        _count("bgp.established", "of these that are established"),
        _count("bgp.imported", "routes that they brought"),
        _count("bgp.exported", "routes that were told by them"),
        _flag("bgp.peers.<address>.up", "whether the session is established; dots and colons of the address are underscores"),
        _count("bgp.peers.<address>.imported", "routes that this session brought"),
    ),
    "vpn": (
        _flag("vpn.<peer>.up", "whether the site's end of the tunnel to <peer> hears the other, by the link watch", TUNNEL),
        _seconds("vpn.<peer>.handshake_age", "since the last handshake; absent before the first", TUNNEL),
        _ms("vpn.<peer>.rtt", "round trip, median of the last nine; absent while the link is down", TUNNEL),
        _bytes("vpn.<peer>.rx_bytes", "received since the tunnel's start", TUNNEL),
        _bytes("vpn.<peer>.tx_bytes", "sent since the tunnel's start", TUNNEL),
        _total("vpn.<peer>.lost", "probes without an answer", TUNNEL),
    ),
    "condor": (
        *(
            m
            for kind in ("schedds", "collectors", "negotiators")
            for m in (
                Metric(f"condor.<pool>.{kind}.<name>.DaemonCoreDutyCycle", "part of 1", "how busy the daemon is, since its start", SUBMIT, 0.0, 1.01),
                Metric(f"condor.<pool>.{kind}.<name>.RecentDaemonCoreDutyCycle", "part of 1", "the same, lately; above 0.95 it does not keep up", SUBMIT, 0.0, 1.01),
                Metric(f"condor.<pool>.{kind}.<name>.MonitorSelfCPUUsage", "% of a core", "in use", SUBMIT, 0.0, 1e4),
                Metric(f"condor.<pool>.{kind}.<name>.MonitorSelfResidentSetSize", "KB", "resident memory", SUBMIT),
            )
        ),
        _count("condor.<pool>.schedds.<name>.TotalIdleJobs", "idle jobs, by the schedd's ad", SUBMIT),
        _count("condor.<pool>.schedds.<name>.TotalRunningJobs", "running jobs", SUBMIT),
        _count("condor.<pool>.schedds.<name>.TotalHeldJobs", "held jobs", SUBMIT),
        _total("condor.<pool>.schedds.<name>.JobsStarted", "jobs started", SUBMIT),
        _total("condor.<pool>.schedds.<name>.JobsCompleted", "jobs that ended", SUBMIT),
        _count("condor.<pool>.schedds.<name>.ShadowsRunning", "shadows, one for each running job", SUBMIT),
        _seconds("condor.<pool>.negotiators.<name>.LastNegotiationCycleDuration0", "that the last negotiation took", SUBMIT),
        _seconds("condor.<pool>.negotiators.<name>.LastNegotiationCyclePeriod0", "from the end of the one before to its end", SUBMIT),
        _count("condor.<pool>.negotiators.<name>.LastNegotiationCycleMatches0", "matches that it made", SUBMIT),
        _count("condor.<pool>.negotiators.<name>.LastNegotiationCycleRejections0", "jobs that found no slot", SUBMIT),
        _count("condor.<pool>.negotiators.<name>.LastNegotiationCycleNumIdleJobs0", "idle jobs that it saw", SUBMIT),
        _count("condor.<pool>.negotiators.<name>.LastNegotiationCycleCandidateSlots0", "slots that it had to give", SUBMIT),
        *(
            m
            for state in ("idle", "running", "held")
            for m in (
                _count(f"condor.<pool>.jobs.totals.{state}.totals.count", f"{state} jobs", SUBMIT),
                _seconds(f"condor.<pool>.jobs.totals.{state}.totals.oldest", "that the oldest of them has been so; 0 if there is none", SUBMIT),
            )
        ),
        Metric("condor.<pool>.jobs.totals.running.totals.cpu_request", "cores", "that running jobs asked for", SUBMIT, 0.0, 1e6),
        _count("condor.<pool>.jobs.totals.<state>.totals.<count_age>", "idle, running, held jobs by how long they have been so: `count_recent` (less than 5 minutes), `count_one_hour`, `count_four_hours`, `count_eight_hours`, `count_one_day`, `count_two_days`, `count_one_week`, `count_longer`; of held ones `count_holdage_recent` and so on; `count` of `dag` and `unknown`", THERE),
        _count("condor.<pool>.jobs.users.<user>.<state>.totals.count", "jobs of the user", THERE),
        *(_count(f"condor.<pool>.waiting.{reason}", f"idle jobs of this kind: {means}", SUBMIT) for reason, means in WAITING.items()),
        *(_count(f"condor.<pool>.slots.<type>.totals.{what}", f"{text} of all slots of the type (Partitionable: what is left of them; Dynamic, Static)", SUBMIT, LARGE) for what, text in (("Cpus", "cores"), ("Memory", "MB"), ("Disk", "KB"))),
        *(_count(f"condor.<pool>.slots.Partitionable.totals.{what}", f"{text} of all partitionable slots, what jobs have of them too", THERE) for what, text in (("TotalSlotCpus", "cores"), ("TotalSlotMemory", "MB"))),
        *(_count(f"condor.<pool>.slots.<type>.<state>.{what}", f"{text} in such a state", SUBMIT, LARGE) for what, text in (("NumSlots", "slots"), ("Cpus", "cores of slots"), ("Memory", "MB of slots"), ("Disk", "KB of slots"))),
        *(_count(f"condor.<pool>.slots.<type>.Claimed.<group>.<user>.{what}", f"{text} that the user has", THERE, LARGE) for what, text in (("NumSlots", "slots"), ("Cpus", "cores"), ("Memory", "MB"), ("Disk", "KB"))),
        *(_count(f"condor.<pool>.priorities.<domain>.<group>.<user>.{what}", text, THERE, LARGE) for what, text in (("Priority", "the user's effective priority; the less the better"), ("PriorityFactor", "its factor"), ("ResourcesUsed", "slots in use"), ("WeightedResourcesUsed", "cores in use"), ("AccumulatedUsage", "seconds of slots since the first use"), ("WeightedAccumulatedUsage", "seconds of cores since the first use"))),
        _bytes("condor.<pool>.spool.size", "of the disk under the submit node's spool", SUBMIT),
        _bytes("condor.<pool>.spool.free", "of it that may be written yet", SUBMIT),
        Metric("condor.<pool>.spool.fill", "part of 1", "of it in use", SUBMIT, 0.0, 1.0),
        _count("condor.<pool>.executors.count", "machines with a slot", SUBMIT),
        _total("condor.<pool>.executors.joined_total", "executors that came since the collector's start", SUBMIT),
        _total("condor.<pool>.executors.left_total", "executors that went since the collector's start", SUBMIT),
    ),
    "containers": (
        _flag("containers.<service>.running", "whether the front-end's service runs"),
        *_use("containers.<service>", "the front-end's service", EVERYWHERE),
    ),
}  # fmt: skip


def table() -> Iterator[Metric]:
    """All of them."""
    for metrics in TABLE.values():
        yield from metrics


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<\w+>", "[^.]+", name.replace(".", r"\.")))


@cache
def known(name: str) -> Metric | None:
    """The metric that `name` (without the prefix) is one of, or None. Kept, since the same names come again every time."""
    return next((m for m in table() if _pattern(m.name).fullmatch(name)), None)


def missing(names: Iterable[str], where: Iterable[str]) -> list[str]:
    """Metrics of the table that no name is one of, among those that are sent from such places."""
    found = {m.name for name in names if (m := known(name))}
    places = set(where)
    return sorted(m.name for m in table() if m.where in places and m.name not in found)


def part(text: str) -> str:
    """As one part of a name: Graphite takes a dot for the end of a part, and blanks, slashes and brackets for its own signs."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text) or "_"
