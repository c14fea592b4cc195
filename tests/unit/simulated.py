"""Simulated federations for tests."""

from __future__ import annotations

import itertools

from components.fabric.topology import Topology, plan
from tools.scaling.forwarding import Checked, Tables, settle
from tools.scaling.generate import Shape, federation
from tools.scaling.network import Network, Policy


def network(shape: Shape, topology: Topology = "route-reflectors", one_client: bool = False) -> Network:
    return Network(plan(federation(shape), topology), one_client)


def all_pairs(net: Network) -> list[tuple[int, int]]:
    return list(itertools.permutations(range(len(net)), 2))


def settled(shape: Shape, topology: Topology = "route-reflectors", policy: Policy = Policy()) -> Tables:  # noqa: B008
    net = network(shape, topology)
    return settle(net, policy, range(len(net)))


def faults(checked: Checked) -> set[str]:
    return {finding.fault for finding in checked.findings}
