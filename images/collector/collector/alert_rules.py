"""Every alert that there is. docs/monitoring.md has the same table. Pure: from a round's values by the metrics' names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .alerts import Labels, Rule, Values

RECENT = 120.0  # seconds: a source that failed within them counts as failing; pools are asked once a minute
FAILED = "failed."  # before a source's name: its failures within RECENT; no metric
REFUSED = "history.refused"  # the same of jobs that the index of finished jobs would not take as they are


@dataclass(frozen=True)
class Failures:
    """The counters of failures of the last RECENT seconds. `past`: (time, counter by source), the oldest first."""

    past: tuple[tuple[float, Mapping[str, float]], ...] = field(default=())

    def after(self, values: Values, now: float) -> Failures:
        at = "collector.errors."
        counters = {name.removeprefix(at): n for name, n in values.items() if name.startswith(at)}
        if (refused := values.get(f"{REFUSED}_total")) is not None:
            counters[REFUSED] = refused
        return Failures((*((t, c) for t, c in self.past if 0 <= now - t <= RECENT), (now, counters)))

    def recent(self) -> dict[str, float]:
        """How many there were, by source."""
        first = self.past[0][1] if self.past else {}
        return {s: n - first.get(s, n) for s, n in (self.past[-1][1] if self.past else {}).items()}


def with_failures(values: Values, failures: Failures) -> dict[str, float]:
    return {**values, **{FAILED + source: n for source, n in failures.recent().items()}}


def _each(values: Values, pattern: str) -> Iterator[tuple[Labels, float]]:
    """The metrics of a name with <parts>, which become labels."""
    expression = re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^.]+)", pattern.replace(".", r"\.")))
    for name, value in values.items():
        if found := expression.fullmatch(name):
            yield tuple(sorted(found.groupdict().items())), value


def spare(total: float, active: float) -> float:
    """Members that may be lost before what is left of `total` is no majority; below zero: it is none already."""
    return active - (total // 2 + 1)


def _quorum(at: str) -> Callable[[Values], dict[Labels, float]]:
    """One member alone is at its edge for good, which nobody needs to be told."""

    def read(values: Values) -> dict[Labels, float]:
        total, active = values.get(f"{at}.members.total"), values.get(f"{at}.members.active")
        return {} if total is None or active is None or total <= 1 else {(): spare(total, active)}

    return read


def _duty(values: Values) -> dict[Labels, float]:
    return dict(_each(values, "condor.<pool>.<kind>.<daemon>.RecentDaemonCoreDutyCycle"))


def _bgp(values: Values) -> dict[Labels, float]:
    return dict(_each(values, "bgp.peers.<peer>.up"))


def _handshake(values: Values) -> dict[Labels, float]:
    """A tunnel that never had one is as old as can be."""
    return {labels: values.get(f"vpn.{dict(labels)['peer']}.handshake_age", math.inf) for labels, _ in _each(values, "vpn.<peer>.up")}  # fmt: skip


def _spool(values: Values) -> dict[Labels, float]:
    return dict(_each(values, "condor.<pool>.spool.fill"))


def _idle(values: Values) -> dict[Labels, float]:
    """How long the oldest idle job has been so, while a slot is free; 0 while none is."""
    out: dict[Labels, float] = {}
    for labels, oldest in _each(values, "condor.<pool>.jobs.totals.idle.totals.oldest"):
        at = f"condor.{dict(labels)['pool']}.slots"
        free = sum(values.get(f"{at}.{kind}.Unclaimed.Cpus", 0.0) for kind in ("Partitionable", "Static"))
        out[labels] = oldest if free >= 1 else 0.0
    return out


def _failing(values: Values) -> dict[Labels, float]:
    return dict(_each(values, f"{FAILED}<source>"))


def _graphite(values: Values) -> dict[Labels, float]:
    return {(): values["collector.connected"]} if "collector.connected" in values else {}


def _behind(values: Values) -> dict[Labels, float]:
    return {(): values["history.behind"]} if "history.behind" in values else {}


def _refused(values: Values) -> dict[Labels, float]:
    at = FAILED + REFUSED
    return {(): values[at]} if at in values else {}


QUORUM = tuple(
    Rule(
        f"quorum_at_its_edge_{name}", source, "members", 1, 60, 60,
        _quorum(at),
        f"{called} has just a majority of its members, or none: one more loss stops it, and with it {stops}",
        "see which member is away: make status; bring its site back before you take down, update or drain another",
        below=True, shared=True,
    )
    for name, at, source, called, stops in (
        ("etcd", "etcd", "etcd", "etcd", "every change of addresses and policies"),
        ("zookeeper", "zookeeper", "zookeeper", "ZooKeeper", "Mesos' and Marathon's elections"),
        ("mesos", "mesos.master", "mesos_master", "the ensemble of Mesos' masters", "every new container"),
    )
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *QUORUM,
    Rule(
        "daemon_overloaded", "condor", "part of 1", 0.95, 300, 120, _duty,
        "a daemon of the pool is busy all the time, and answers late",
        "a schedd: fewer jobs in the queue, or another pool; a collector or negotiator: more cpus for the central manager (central_manager.cpus)",
    ),
    Rule(
        "bgp_session_down", "bgp", "0 or 1", 1, 60, 30, _bgp,
        "the front-end has no BGP session with the peer: containers behind it are not reached on that way",
        "another site's front-end: see that site and the tunnel; a machine of this site: is it up, does its container calico run (make status)",
        below=True,
    ),
    Rule(
        "handshake_old", "vpn", "s", 180, 20, 20, _handshake,
        "the tunnel to the other site is dead: nothing that was sent through it for so long was answered",
        "see whether that site is up and lets UDP through to its vpn_endpoint; docker logs vpn on the front-end",
    ),
    Rule(
        "spool_nearly_full", "condor", "part of 1", 0.9, 120, 120, _spool,
        "the disk under the submit node's spool is nearly full: when it is full no job can be submitted, and none end well",
        "remove what is not needed (condor_rm, docker system df on the front-end), or give it a larger volume (openstack.spool_volume)",
    ),
    Rule(
        "jobs_idle", "condor", "s", 300, 300, 60, _idle,
        "a job has been idle for ten minutes though slots are free",
        "ask why: aerie explain, or condor_q -better-analyze on the submit node; what it asks for may fit no slot",
    ),
    Rule(
        "source_failing", "collector", "failures in 120 s", 0, 300, 60, _failing,
        "the collector has no answer, or not all: metrics are absent, and alerts that need them neither fire nor end",
        "docker logs collector on the front-end says what is wrong; then see that service (make status)",
    ),
    Rule(
        "graphite_unreachable", "collector", "0 or 1", 1, 120, 60, _graphite,
        "points wait at the collector, and are lost after some forty minutes",
        "see the front-end of monitoring.site: docker ps, docker logs graphite; and the tunnel to it",
        below=True,
    ),
    # Their source is the collector, which answers always: with `monitoring.history` taken away they end as gone.
    Rule(
        "history_not_delivered", "collector", "s", 900, 20, 20, _behind,
        "finished jobs cannot be put into the index: they wait in HTCondor's own files, and are lost once HTCondor rotates these away",
        "docker logs collector on the front-end says why (lines with history); aerie doctor; docker logs opensearch at monitoring.history.site: is it up, has its disk room",
    ),
    Rule(
        "history_refused", "collector", "jobs in 120 s", 0, 0, 1800, _refused,
        "the index refused finished jobs as they are: they are in it without what their users chose, or not at all",
        "docker logs collector on the front-end names each job and the attribute; ask its user to call that otherwise, or to give it another value",
    ),
)  # fmt: skip
