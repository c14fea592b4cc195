"""What BGP makes of the plan: by a simulation that is held against another one, and by checks that are shown to fail."""

from __future__ import annotations

import itertools
import json
import random
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.fabric.calico_objects import SHORTEST_BOUND
from components.fabric.topology import Topology, plan
from components.fabric.topology_counts import border_paths, prefixes
from tests.unit.bgp_by_message import ByMessage
from tests.unit.simulated import all_pairs, network, settled
from tests.unit.test_topology import TOPOLOGIES, federations, shapes
from tools.scaling import report
from tools.scaling.bgp import EBGP, Propagation
from tools.scaling.forwarding import Finding, check, check_borders, check_ways, settle
from tools.scaling.generate import Shape, federation
from tools.scaling.network import Network

# -- it is BGP: the same outcome as message by message, in any order


@given(federations(), st.sampled_from(TOPOLOGIES), st.data())
def test_the_outcome_is_that_of_single_messages_in_any_order(sites, topology, data) -> None:  # type: ignore[no-untyped-def]
    made = plan(sites, topology)
    net = Network(made)
    kind = data.draw(st.sampled_from(["whole", "lan", "block", "fixed"]))
    site = data.draw(st.integers(0, len(sites) - 1))
    routers = st.integers(0, len(net) - 1)
    if kind == "fixed":
        claims = data.draw(st.dictionaries(routers, st.integers(1, 9), min_size=1, max_size=3))
        prefix = net.fixed(claims)
    elif kind == "block":
        prefix = net.block(data.draw(routers))
    else:
        prefix = net.whole(site) if kind == "whole" else net.lan(site)
    dense = data.draw(st.sampled_from([None, True, False]))
    prop = Propagation(net, prefix, dense=dense)
    prop.run()
    claims_by_name = {net.names[i]: claim for i, claim in prefix.origins.items()}

    def compare(down: frozenset[str] = frozenset()) -> None:
        reference = ByMessage(made, kind, claims_by_name, data.draw(st.integers(0, 99)), down)
        for name, held in reference.best.items():
            best = prop.best[net.number[name]]
            mine = None if best is None else (best.source, best.route.path, best.route.next_hop, best.route.preference)
            theirs = None
            if held is not None:
                source = net.number[held.peer] if held.peer else -1
                theirs = (source, held.said.path, net.number[held.said.next_hop], held.said.preference)
            assert mine == theirs, name

    compare()
    before = list(prop.best)
    lost = data.draw(routers)
    net.down.add(lost)
    prop.fail([lost])
    prop.run()
    compare(frozenset({net.names[lost]}))
    net.mend()
    prop.back([lost])
    prop.run()
    assert prop.best == before


def test_what_cannot_be_reached_comes_after_what_can() -> None:
    """A node of a site that has lost its front-end hears of two claims by the mesh: the older one is in its own LAN."""
    made = plan(federation(Shape(2, nodes=3)), "full-mesh")
    net = Network(made)
    front_end, claimant, node, other_site = 0, 1, 2, 4
    prop = Propagation(net, net.fixed({claimant: 1, other_site: 2}))
    prop.run()
    net.down.add(front_end)
    prop.fail([front_end])
    prop.run()
    claims = {net.names[claimant]: 1, net.names[other_site]: 2}
    reference = ByMessage(made, "fixed", claims, 1, frozenset({net.names[front_end]}))
    best, held = prop.best[node], reference.best[net.names[node]]
    assert best is not None and held is not None
    assert best.source == net.number[held.peer] == claimant


def test_messages_are_those_that_are_sent_one_by_one() -> None:
    """With the sites in a line nothing can overtake, so that every order takes as many."""
    sites = federation(Shape(6, nodes=3))
    line = [replace(site, links=tuple(s.name for s in sites[i + 1 : i + 2])) for i, site in enumerate(sites)]
    made = plan(line, "route-reflectors")
    net = Network(made)
    for prefix in (net.whole(0), net.lan(3), net.block(1)):
        prop = Propagation(net, prefix)
        prop.run()
        names = {net.names[i]: 0 for i in prefix.origins}
        assert prop.messages == ByMessage(made, prefix.kind, names, 1).messages


@given(shapes(12), st.sampled_from(TOPOLOGIES))
def test_both_ways_of_looking_at_news_end_alike(shape: Shape, topology: Topology) -> None:
    net = network(shape, topology)
    for prefix in (net.whole(0), net.block(len(net) - 1), net.fixed({0: 3, len(net) - 1: 5})):
        runs = [Propagation(net, prefix, dense=dense) for dense in (True, False)]
        for run in runs:
            run.run()
        assert runs[0].best == runs[1].best
        assert (runs[0].rounds, runs[0].messages) == (runs[1].rounds, runs[1].messages)


@pytest.mark.parametrize("dense", [True, False])
def test_who_offers_a_longer_way_than_before_is_weighed_against_all(dense: bool) -> None:
    """s004 reaches s000 by s001 or s002; when s001 has to go round by s003, s002 is the nearer."""
    sites = federation(Shape(5, nodes=1))
    links = {0: (1, 2, 3), 1: (3,), 4: (1, 2)}
    net = Network(
        plan(
            [replace(s, links=tuple(sites[n].name for n in links.get(i, ()))) for i, s in enumerate(sites)],
            "route-reflectors",
        )
    )
    prop = Propagation(net, net.whole(0), dense=dense)
    prop.run()
    assert prop.best[4] is not None and prop.best[4].source == 1
    net.cut_tunnels([(0, 1)])
    prop.fail(tunnels=[(0, 1)])
    prop.run()
    assert prop.best[1] is not None and prop.best[1].source == 3
    assert prop.best[4] is not None and prop.best[4].source == 2


# -- what may stand for what in the large cases


@given(shapes())
def test_a_lan_goes_from_border_to_border_like_the_containers(shape: Shape) -> None:
    net = network(shape)
    whole, lan = Propagation(net, net.whole(0)), Propagation(net, net.lan(0))
    whole.run()
    lan.run()
    for router, reflects in enumerate(net.reflector):
        assert not reflects or whole.best[router] == lan.best[router]


@given(shapes())
def test_one_client_stands_for_all_of_its_site(shape: Shape) -> None:
    net, small = network(shape), network(shape, one_client=True)
    prop, less = Propagation(net, net.whole(0)), Propagation(small, small.whole(0))
    prop.run()
    less.run()
    for router, name in enumerate(net.names):
        stands = name if name in small.number else f"{net.site_names[net.site[router]]}-agent-1"
        one, other = prop.best[router], less.best[small.number[stands]]
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert (one.route.path, net.names[one.route.next_hop]) == (
                other.route.path,
                small.names[other.route.next_hop],
            )


# -- the planner counts what the simulation has


@given(shapes(6), st.sampled_from(TOPOLOGIES))
def test_prefixes_are_those_that_the_planner_counts(shape: Shape, topology: Topology) -> None:
    made = plan(federation(shape), topology)
    net = Network(made)
    tables = settle(net, blocks=range(len(net)))
    fixed = [Propagation(net, net.fixed({router: 1})) for router in (0, len(net) - 1)]
    for prop in fixed:
        prop.run()
    for router, name in enumerate(net.names):
        has = sum(prop.best[router] is not None for prop in [*tables.all, *fixed])
        assert has == prefixes(made, made.nodes[name], blocks=1, fixed=2).total


def test_paths_at_borders_are_as_many_as_the_planner_says_with_all_tunnels() -> None:
    made = plan(federation(Shape(8, nodes=2)), "route-reflectors")
    net = Network(made)
    tables = settle(net)
    for router in range(len(net)):
        if net.reflector[router]:
            kept = sum(prop.paths_from_borders(router) for prop in tables.all)
            assert kept == border_paths(made, made.nodes[net.names[router]]) == 2 * 7 * 7


# -- no path missing, no leak


@given(shapes(6), st.sampled_from(TOPOLOGIES))
def test_every_pair_of_nodes_has_a_way_without_a_loop(shape: Shape, topology: Topology) -> None:
    tables = settled(shape, topology)
    checked = check(tables, all_pairs(tables.net))
    assert checked.findings == ()
    nodes, sites = len(tables.net), shape.sites
    # Every router to every LAN, and to every other site's containers; within sites every block; and all pairs.
    assert checked.ways >= nodes * (sites - 1) * 2 + nodes * shape.nodes + nodes * (nodes - 1)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("tunnels", ["all", "random", "hubs"])
def test_the_loss_of_any_reflector_of_two_loses_nothing(tunnels, topology) -> None:  # type: ignore[no-untyped-def]
    tables = settled(Shape(7, nodes=3, reflectors=2, tunnels=tunnels, links=1), topology)
    net, before = tables.net, tables.state()
    pairs = all_pairs(net)
    for lost in (router for router in range(len(net)) if net.reflector[router]):
        tables.fail([lost])
        assert check(tables, pairs).findings == (), net.names[lost]
        tables.mend()
        assert tables.state() == before


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("reflectors", [1, 2])
def test_a_lost_link_of_a_triangle_goes_by_the_third_site_and_comes_back(topology, reflectors) -> None:  # type: ignore[no-untyped-def]
    tables = settled(Shape(3, nodes=3, reflectors=reflectors), topology)
    net, before = tables.net, tables.state()
    pairs = all_pairs(net)
    direct = {pair: tables.way(*pair) for pair in pairs}
    for a, b in itertools.combinations(range(3), 2):
        third = 3 - a - b
        tables.fail(tunnels=net.tunnels_between(a, b))
        assert check(tables, pairs).findings == ()
        for source, target in pairs:
            way = tables.way(source, target)
            assert not isinstance(way, Finding)
            sites = [net.site[router] for router in way]
            if {sites[0], sites[-1]} == {a, b}:
                assert third in sites
            else:
                assert way == direct[source, target]
        tables.mend()
        assert tables.state() == before
        assert {pair: tables.way(*pair) for pair in pairs} == direct


def test_a_site_whose_only_reflector_is_lost_is_lost_alone() -> None:
    tables = settled(Shape(4, nodes=3))
    net = tables.net
    tables.fail([net.reflectors_of[2][0]])
    elsewhere = [pair for pair in all_pairs(net) if 2 not in (net.site[pair[0]], net.site[pair[1]])]
    assert all(not isinstance(tables.way(*pair), Finding) for pair in elsewhere)
    alone = net.routers_of[2][1]
    assert tables.way(alone, 0) == Finding("no route", net.names[alone], f"a container on {net.names[0]}")
    assert tables.way(0, alone) == Finding("no route", net.names[0], f"a container on {net.names[alone]}")


# -- size, and the report


def test_a_hundred_sites_with_two_reflectors() -> None:
    """As in the long campaign, but for fewer losses."""
    start = time.process_time()
    net = network(Shape(100, nodes=5, reflectors=2), one_client=True)
    lot = random.Random(1)
    reflectors = [router for router in range(len(net)) if net.reflector[router]]
    for site in range(0, 100, 10):
        prop = Propagation(net, net.whole(site))
        prop.run()
        checked = check_ways(prop)
        assert checked.findings == () and check_borders(prop) == []
        assert checked.ways == 299 and checked.longest == 3
        assert prop.rounds == 2
        before = list(prop.best)
        for lost in lot.sample(reflectors, 10) + net.reflectors_of[site]:
            net.down.add(lost)
            prop.fail([lost])
            prop.run()
            assert check_ways(prop).findings == ()
            net.mend()
            prop.back([lost])
            prop.run()
            assert prop.best == before
    assert time.process_time() - start < 30


def test_ways_lead_over_tunnels_that_are_there() -> None:
    tables = settled(Shape(9, nodes=2, tunnels="hubs"))
    net = tables.net
    for source, target in all_pairs(net):
        way = tables.way(source, target)
        assert not isinstance(way, Finding)
        for a, b in itertools.pairwise(way):
            assert net.site[a] == net.site[b] or b in net.border_set[a]
        best = tables.wholes[net.site[target]].best[net.reflectors_of[net.site[source]][0]]
        if best is not None and best.how == EBGP:
            assert len({net.site[router] for router in way}) == len(best.route.path) + 1


def test_the_report_of_a_small_campaign(tmp_path: Path) -> None:
    report.write(
        report.campaign(sizes=(3, 6), hunts=(3, 6), losses=2, say=lambda text: None), tmp_path / "f.json", tmp_path
    )
    figures = json.loads((tmp_path / "f.json").read_text())
    assert report.BOUND == SHORTEST_BOUND
    assert {row["sites"] for row in figures["plans"]} == {3, 6}
    assert all(row["findings"] == 0 for row in figures["settled"] + figures["losses"])
    pictures = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert pictures == [f"scaling-{what}.svg" for what in ("hunt", "paths", "prefixes", "sessions")]
    for name in pictures:
        root = ElementTree.fromstring((tmp_path / name).read_text())
        assert root.find(".//{http://www.w3.org/2000/svg}polyline") is not None
    assert "| sites |" in report.tables(figures)
