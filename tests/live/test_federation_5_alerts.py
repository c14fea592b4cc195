"""Alerts of a whole federation: each fault that is made fires its alert, and its end ends it. `make test` makes two faults at the
same time; those that take many minutes are in `make soak`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from collector import metrics
from federation import Farm, wait_for
from graphite_api import SITES, Graphite, graphite_of

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def graphite(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graphite]:
    yield from graphite_of(farm, tmp_path_factory.mktemp("ca"))


def firing(farm: Farm, site: str, rule: str = "") -> list[dict[str, Any]]:
    """What the site's collector prints, of one rule or of all; it ends with 1 if something fires."""
    shown = farm.on(f"{site}-front-end", "docker", "exec", "collector", "collector-alerts", "--json", check=False)
    return [a for a in json.loads(shown) if a["rule"] == rule or not rule]


def quiet(farm: Farm) -> bool:
    assert [a for site in SITES for a in firing(farm, site)] == []
    return True


def fires(farm: Farm, site: str, rule: str, labels: dict[str, str], seconds: float) -> Callable[[], bool]:
    """Waits for it; gives what is true once it has ended."""
    (alert,) = wait_for(f"{rule} fires", lambda: firing(farm, site, rule), seconds, every=2)
    assert alert["labels"] == labels and alert["site"] == site
    return lambda: firing(farm, site, rule) == []


def test_a_cut_session_and_a_lost_member_fire_and_their_return_ends_it(farm: Farm) -> None:
    """BGP (TCP 179) between torino's front-end and an agent is cut, which BIRD notices by its hold time; bari's etcd is stopped."""
    wait_for("nothing fires", lambda: quiet(farm), 240, every=2)
    address = farm.outputs("torino")["machines"]["torino-agent-1"]
    rules = [["-p", "tcp", "-s", address, port, "179", "-j", "DROP"] for port in ("--dport", "--sport")]
    try:
        farm.on("bari-front-end", "docker", "stop", "etcd")
        for rule in rules:
            farm.on("torino-front-end", "iptables", "-w", "-I", "INPUT", *rule)
        # After 15 s of hold time and 60 s of the rule.
        session = fires(farm, "torino", "bgp_session_down", {"peer": metrics.part(address)}, 180)
        edge = fires(farm, "cnaf", "quorum_at_its_edge_etcd", {}, 120)
    finally:
        for rule in rules:
            farm.on("torino-front-end", "iptables", "-w", "-D", "INPUT", *rule, check=False)
        farm.on("bari-front-end", "docker", "start", "etcd")
    wait_for("both alerts end", lambda: session() and edge(), 240, every=2)


@pytest.mark.soak
def test_two_minutes_without_graphite_lose_nothing(farm: Farm, graphite: Graphite) -> None:
    wait_for("nothing fires", lambda: quiet(farm), 240, every=2)
    before = time.time()
    try:
        farm.on("torino-front-end", "docker", "kill", "graphite")
        ended = [fires(farm, site, "graphite_unreachable", {}, 240) for site in SITES]
    finally:
        farm.on("torino-front-end", "docker", "start", "graphite")
    away = time.time() - before
    wait_for("the alerts end", lambda: all(e() for e in ended), 240, every=2)
    assert set(graphite.last("*.collector.buffer.dropped").values()) == {0.0}
    assert away > 120
    for name, gap in graphite.gaps("*.collector.memory", before - 60).items():
        assert gap <= 20, f"{name}: nothing for {gap} s"
    print(f"Graphite away for {away:.0f} s, no point missing")


@pytest.mark.soak
def test_a_dead_tunnel_and_jobs_that_nothing_takes(farm: Farm) -> None:
    """Two that take long by their nature: a handshake of three minutes ago, and a job that is idle for ten."""
    wait_for("nothing fires", lambda: quiet(farm), 240, every=2)
    rule = ["-p", "udp", "-s", "172.25.0.12", "-j", "DROP"]  # cnaf's on the wan
    text = "executable=/bin/sleep\\narguments=1\\nrequest_memory=999999\\nqueue\\n"
    cluster = farm.ssh(f"printf '{text}' > nowhere && condor_submit -terse nowhere").split(".")[0]
    farm.on("torino-front-end", "iptables", "-w", "-I", "INPUT", *rule)
    try:
        start = time.monotonic()
        tunnel = fires(farm, "torino", "handshake_old", {"peer": "cnaf"}, 420)
        print(f"handshake_old after {time.monotonic() - start:.0f} s")
        farm.on("torino-front-end", "iptables", "-w", "-D", "INPUT", *rule)
        jobs = fires(farm, "torino", "jobs_idle", {"pool": "demo"}, 780)
        print(f"jobs_idle after {time.monotonic() - start:.0f} s")
    finally:
        farm.on("torino-front-end", "iptables", "-w", "-D", "INPUT", *rule, check=False)
        farm.ssh(f"condor_rm {cluster}")
    wait_for("both alerts end", lambda: tunnel() and jobs(), 300, every=2)
