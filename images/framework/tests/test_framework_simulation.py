"""Pools on a simulated cluster with faults (simulated_cluster.py). Of each kind a few are run always; the rest by
`make soak`, or AERIE_FRAMEWORK_SEEDS=1000 (a campaign of minutes)."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest
from simulated_cluster import SimulatedCluster, campaign


def seeds(few: Iterable[int], more: Iterable[int]) -> list[object]:
    return [*few, *(pytest.param(seed, marks=pytest.mark.soak) for seed in more)]


@pytest.mark.parametrize("seed", seeds([3], [0, 1, 2, 4, 5, 6, 7]))
def test_a_pool_with_faults(seed: int) -> None:
    cluster = SimulatedCluster(seed).run()
    assert sum(cluster.happened.values()) > 5
    assert cluster.shells[0].launched > 3


@pytest.mark.parametrize("seed", seeds([100], [101, 102]))
def test_two_pools_on_one_cluster_with_faults(seed: int) -> None:
    cluster = SimulatedCluster(seed, pools=2, jobs=150).run()
    assert all(shell.launched > 3 for shell in cluster.shells)


@pytest.mark.parametrize(
    "seed",
    seeds(
        [
            5049
        ],  # each claimed what was left of its share, which was too little for anything, and forbade the other all the rest
        [
            5045,  # each had taken the room of the other's submit node
            5079,
            5024,  # both had lost their central managers, and without a collector neither could drain
            5141,
        ],
    ),
)
def test_two_pools_that_waited_for_each_other_for_ever(seed: int) -> None:
    SimulatedCluster(seed, pools=2, jobs=250, maintenance=False).run()


@pytest.mark.skipif(
    "AERIE_FRAMEWORK_SEEDS" not in os.environ, reason="AERIE_FRAMEWORK_SEEDS is not set: no long campaign"
)
def test_campaign() -> None:
    report = campaign(range(1000, 1000 + int(os.environ["AERIE_FRAMEWORK_SEEDS"])))
    print(report)
    assert not report.failures, str(report)


@pytest.mark.parametrize("seed", seeds([5043], [5028]))
def test_a_submit_node_gets_its_machine_back_from_its_own_pools_executors(seed: int) -> None:
    """They had filled a machine that was made anew before it was known that the submit node was lost with it."""
    SimulatedCluster(seed).run()


def test_machines_go_when_everybody_agrees_and_nobody_works_there() -> None:
    report = campaign([32])
    assert not report.failures, report
    assert report.faults["drained"] > 0
