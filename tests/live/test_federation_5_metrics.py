"""After `make up` every metric of docs/metrics.md is in Graphite, from each site that it is to come from, with plausible values."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from collector import metrics
from federation import NAME, Farm, machines, wait_for
from graphite_api import SITES, Graphite, graphite_of

pytestmark = pytest.mark.live

OWN = {metrics.EVERYWHERE, metrics.QUORUM, metrics.TUNNEL}  # from each of them


@pytest.fixture(scope="module")
def graphite(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graphite]:
    yield from graphite_of(farm, tmp_path_factory.mktemp("ca"))


def test_every_documented_metric_is_there_and_no_other(graphite: Graphite) -> None:
    def missing() -> dict[str, list[str]]:
        names = {site: graphite.names(site) for site in SITES}
        out = {site: metrics.missing(names[site], OWN) for site in SITES}
        out["somewhere"] = metrics.missing(
            [n for all_ in names.values() for n in all_], {metrics.LEADER, metrics.POOL, metrics.SUBMIT}
        )
        return {site: found for site, found in out.items() if found}

    def all_there() -> bool:
        found = missing()
        assert not found, f"missing: {found}"
        return True

    # A daemon does not know its own use of CPU for its first four minutes.
    wait_for("every metric has come", all_there, 360, every=2)
    assert [n for site in SITES for n in graphite.names(site) if not metrics.known(n)] == []


def test_values_are_plausible(graphite: Graphite) -> None:
    for site in SITES:
        wrong = {}
        for depth in range(2, 9):
            for name, values in graphite.values(f"{site}{'.*' * depth}").items():
                metric = metrics.known(name.removeprefix(f"{site}."))
                assert metric is not None, name
                if not all(metric.low <= value <= metric.high for value in values):
                    wrong[name] = values
        assert wrong == {}


def test_what_is_known_otherwise_agrees(graphite: Graphite) -> None:
    there = machines()
    leaders = graphite.last("*.mesos.master.elected")
    assert set(leaders) == {f"{s}.mesos.master.elected" for s in SITES} and sum(leaders.values()) == 1
    assert sum(graphite.last("*.marathon.leader").values()) == 1
    assert sum(graphite.last("*.etcd.leader").values()) == sum(graphite.last("*.zookeeper.leader").values()) == 1
    assert [*graphite.last("*.mesos.master.agents.active").values()][-1] == len(there)
    registered = graphite.last("*.machines.*.registered")
    assert {name.split(".")[2] for name, value in registered.items() if value == 1} == set(there)
    links = graphite.last("*.vpn.*.up")
    assert links == {f"{a}.vpn.{b}.up": 1.0 for a in SITES for b in SITES if a != b}
    assert graphite.last("*.bgp.established") == {
        name.replace("sessions", "established"): n for name, n in graphite.last("*.bgp.sessions").items()
    }
    executors = graphite.last("*.pools.demo.executor.containers")
    assert sum(executors.values()) == 3
    assert graphite.last("*.condor.demo.executors.count") == {"torino.condor.demo.executors.count": 3}


def test_nothing_is_lost_nor_in_error_and_it_is_cheap(graphite: Graphite) -> None:
    assert set(graphite.last("*.collector.connected").values()) == {1.0}
    assert set(graphite.last("*.collector.buffer.dropped").values()) == {0.0}

    def all_answer() -> bool:
        """While services started, and machines were drained by the tests before, some did not; now all do."""
        errors = {name: values for name, values in graphite.values("*.collector.errors.*", 1).items() if values}
        assert errors and {name for name, values in errors.items() if values[-1] > values[0]} == set()
        return True

    wait_for("a minute without an error", all_answer, 150, every=5)
    used = {name: max(values[-4:]) for name, values in graphite.values("*.collector.memory").items()}
    assert len(used) == len(SITES) and max(used.values()) < 100e6, used

    def cheap() -> bool:
        """At rest: to ask a collector for its alerts, as the tests before did, is a process in its container."""
        used = graphite.values("*.containers.{collector,graphite,page}.cpus.used", 1)
        cores = {name: sum(values) / len(values) for name, values in used.items() if values}
        assert len(cores) == len(SITES) + 2 and sum(cores.values()) < 0.1, cores
        print(f"monitoring takes {sum(cores.values()):.3f} of a core")
        return True

    wait_for("it is cheap", cheap, 150, every=5)


def test_points_are_of_now(graphite: Graphite) -> None:
    series = graphite.ask("/render", target=f"aerie.{NAME}.*.collector.points", format="json", **{"from": "-3min"})
    newest = {each["target"]: max(at for value, at in each["datapoints"] if value is not None) for each in series}
    assert len(newest) == len(SITES) and min(newest.values()) > time.time() - 60, newest
