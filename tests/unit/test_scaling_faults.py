"""Each check of the simulation can fail: a rule is switched off, and it is found. What each rule is good for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.fabric.topology import Topology, plan
from components.fabric.topology_counts import path_limit, single_tunnels
from tests.unit.simulated import all_pairs, faults, network, settled
from tests.unit.test_topology import TOPOLOGIES, shapes
from tools.scaling.bgp import NotConverged, Propagation
from tools.scaling.forwarding import check, check_borders, check_ways, settle
from tools.scaling.generate import Shape, federation
from tools.scaling.network import Network, Policy, Prefix


def test_without_the_filters_at_borders_parts_leak() -> None:
    shape = Shape(4, nodes=3)
    both_off = Policy(border_export=False, border_import=False)
    for topology in TOPOLOGIES:
        assert "leak" in faults(check(settled(shape, topology, both_off)))
        # Either end alone holds.
        assert check(settled(shape, topology, Policy(border_export=False))).findings == ()
        assert check(settled(shape, topology, Policy(border_import=False))).findings == ()


def test_a_site_that_says_too_much_is_not_believed() -> None:
    for guarded in (True, False):
        policy = Policy(liars=frozenset({1}), border_import=guarded)
        found = check(settled(Shape(4, nodes=3), policy=policy)).findings
        leaks = {(f.where.split("-")[0], f.what) for f in found}
        expected = set() if guarded else {(f"s{i:03}", "block of s001") for i in (0, 2, 3)}
        assert leaks == expected


@pytest.mark.parametrize("kind", ["whole", "lan"])
@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_a_site_that_announces_what_is_anothers_gets_nothing(kind, topology) -> None:  # type: ignore[no-untyped-def]
    net = network(Shape(8, nodes=3, tunnels="random", links=0), topology)  # a ring: some are nearer to the thief
    thief = net.reflectors_of[4][0]
    for guarded in (True, False):
        prefix = Prefix(kind, 0, {**net.whole(0).origins, thief: 0})
        prop = Propagation(net, prefix, Policy(origin_check=guarded))
        prop.run()
        found = check_borders(prop)
        ends = check_ways(prop, [r for r in range(len(net)) if net.site[r] != 4 and net.reflector[r]]).findings
        if guarded:
            assert found == []
            assert ends == ()
        else:
            assert {f.fault for f in found} == {"wrong origin"}
            assert {f.fault for f in ends} == {"wrong site"}
            assert any(f.where == "s003-front-end" for f in found)


def test_without_next_hop_self_the_front_ends_route_alone_carries_nodes() -> None:
    shape = Shape(3, nodes=3)
    bare = Policy(next_hop_self=False, static_lans=False)
    found = check(settled(shape, policy=bare)).findings
    assert {f.where for f in found if f.what.startswith("whole")} == {
        f"s00{i}-agent-{n}" for i in range(3) for n in (1, 2)
    }
    assert {f.fault for f in found if f.what.startswith("whole")} == {"unreachable"}
    # With next hop self containers need no route to LANs at all; and the other way round.
    pairs = [(1, 4), (4, 1), (1, 8)]
    for policy, alive in ((Policy(static_lans=False), True), (Policy(next_hop_self=False), True), (bare, False)):
        tables = settled(shape, policy=policy)
        assert all(isinstance(tables.way(*pair), list) == alive for pair in pairs)


def test_two_reflectors_have_to_tell_each_other_the_lans() -> None:
    tables = settled(Shape(4, nodes=3, reflectors=2), policy=Policy(lans_between_reflectors=False))
    assert check(tables).findings == ()
    tables.fail([tables.net.reflectors_of[1][0]])
    found = check(tables).findings
    assert {f.what for f in found} == {"lan of s001"}
    assert "s000-front-end" in {f.where for f in found}


def test_a_tunnels_own_route_into_a_lan_keeps_it_from_a_third_site() -> None:
    """BIRD passes on only what it prefers itself, and a route that it found in the kernel is not from BGP."""
    for by_bgp in (True, False):
        tables = settled(Shape(3, nodes=3), policy=Policy(lans_by_bgp=by_bgp))
        assert check(tables).findings == ()
        tables.fail(tunnels=tables.net.tunnels_between(0, 1))
        found = check(tables, all_pairs(tables.net)).findings
        assert {f.what for f in found} == (set() if by_bgp else {"lan of s000", "lan of s001"})


def test_a_reflector_that_takes_what_the_mesh_tells_is_blind_without_its_tunnel() -> None:
    """BIRD resolves no next hop by a route that has itself to be resolved, and would put "unreachable" into the kernel."""
    shape = Shape(3, nodes=3)
    for policy, fine in (
        (Policy(), True),
        (Policy(unreachable_kept=True), True),
        (Policy(reflectors_take_mesh=True), True),
        (Policy(reflectors_take_mesh=True, unreachable_kept=True), False),
    ):
        tables = settled(shape, "full-mesh", policy)
        pairs = all_pairs(tables.net)
        assert check(tables, pairs).findings == ()
        tables.fail(tunnels=tables.net.tunnels_between(0, 1))
        found = check(tables, pairs).findings
        assert (found == ()) == fine
        assert {f.fault for f in found} <= {"unreachable"}
        assert {f.where for f in found} <= {"s000-front-end", "s001-front-end"}


def test_a_loop_is_found() -> None:
    net = network(Shape(3, nodes=2))
    prop = Propagation(net, net.whole(0))
    prop.run()
    one, two = net.reflectors_of[1][0], net.reflectors_of[2][0]
    for here, there in ((one, two), (two, one)):
        best = prop.best[here]
        assert best is not None
        prop.best[here] = best._replace(route=best.route._replace(next_hop=there), source=there)
    found = check_ways(prop).findings
    assert {(f.fault, f.where) for f in found} == {
        ("loop", name) for name in ("s001-front-end", "s001-agent-1", "s002-front-end", "s002-agent-1")
    }


def test_what_never_settles_is_told() -> None:
    """Three sites around a fourth, each of which likes the way by its neighbour better than its own."""
    sites = federation(Shape(4, nodes=1))
    net = Network(plan(sites, "route-reflectors"))
    likes = {(1, 2): 200, (2, 3): 200, (3, 1): 200}
    with pytest.raises(NotConverged, match="whole of site 0 still changes after 32 rounds"):
        Propagation(net, net.whole(0), Policy(preference=likes)).run()
    Propagation(net, net.whole(0), Policy(preference={(1, 2): 200})).run()


def test_as_loops_are_what_ends_a_lost_sites_routes() -> None:
    net = network(Shape(4, nodes=1))
    for checked in (True, False):
        prop = Propagation(net, net.whole(0), Policy(as_loops=checked))
        prop.run()
        net.down.add(0)
        prop.fail([0])
        if checked:
            prop.run()
            assert prop.best == [None] * 4
        else:
            with pytest.raises(NotConverged):
                prop.run()
        net.mend()


# -- fixed addresses, limits


@given(shapes(6), st.sampled_from(TOPOLOGIES), st.data())
def test_the_newest_claim_wins_everywhere(shape: Shape, topology: Topology, data: st.DataObject) -> None:
    net = network(shape, topology)
    # A front-end with an older claim would hide the newer one from its borders until its driver gives up: that is tried live.
    newest = data.draw(st.integers(0, len(net) - 1))
    agents = [router for router in range(len(net)) if not net.reflector[router] and router != newest]
    older = data.draw(st.lists(st.sampled_from(agents), unique=True, max_size=3)) if agents else []
    routers = [*older, newest]
    claims = {router: time for time, router in enumerate(routers, start=1)}
    prop = Propagation(net, net.fixed(claims))
    prop.run()
    for router in set(range(len(net))) - set(claims):
        best = prop.best[router]
        assert best is not None
        assert best.route.preference == len(routers)
        at, seen = router, {router}
        while at not in claims:
            best = prop.best[at]
            assert best is not None
            hop = net.way_to(at, best.route.next_hop, True)
            assert hop is not None and hop not in seen
            at = hop
            seen.add(at)
        assert at == routers[-1]


def test_a_claim_follows_its_container() -> None:
    net = network(Shape(5, nodes=3))
    old, new = net.number["s001-agent-1"], net.number["s003-agent-2"]
    prop = Propagation(net, net.fixed({old: 1}))
    prop.run()
    prop.reset_counts()
    prop.move(old, new, 2)
    prop.run()
    moved = Propagation(net, net.fixed({new: 2}))
    moved.run()
    assert prop.best == moved.best
    assert 0 < prop.rounds <= 5


@pytest.mark.parametrize("longest", [None, 2])
def test_a_lost_site_is_hunted_for_through_every_other_one_unless_paths_are_bounded(longest: int | None) -> None:
    net = network(Shape(12, nodes=1))
    prop = Propagation(net, net.whole(0), Policy(longest_path=longest))
    prop.run()
    prop.reset_counts()
    net.down.add(0)
    prop.fail([0])
    prop.run()
    assert prop.best == [None] * 12
    assert prop.rounds == (12 if longest is None else 3)


@given(shapes(8), st.data())
def test_a_bound_on_paths_loses_nothing_with_a_tunnel(shape: Shape, data: st.DataObject) -> None:
    made = plan(federation(shape), "route-reflectors")
    net = Network(made)
    pairs = [(a, b) for a in range(shape.sites) for b in range(a) if net.tunnels_between(a, b)]
    tables = settle(net, Policy(longest_path=path_limit(made.tunnels)))
    assert check(tables).findings == ()
    single = [{net.site_names.index(name) for name in pair} for pair in single_tunnels(made.tunnels)]
    both = [pair for pair in pairs if set(pair) not in single]
    if both:
        tables.fail(tunnels=net.tunnels_between(*data.draw(st.sampled_from(both))))
        assert check(tables).findings == ()
