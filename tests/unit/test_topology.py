"""The plan of BGP sessions: exact for a small federation, by its laws for any."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.fabric.links import linked_sites as tunnels_of_file
from components.fabric.topology import (
    Member,
    Plan,
    RoutedSite,
    Topology,
    from_federation,
    linked_sites,
    plan,
)
from components.fabric.topology_counts import (
    islands,
    longest_way,
    mesh_nodes,
    path_limit,
    prefixes,
    single_tunnels,
    sum_of_kinds,
    totals,
)
from components.spec.model import AgentGroup, Federation, Images, Site, SiteStack
from tools.scaling.generate import Shape, federation

TOPOLOGIES: tuple[Topology, ...] = ("full-mesh", "route-reflectors")


def shapes(most_sites: int = 9) -> st.SearchStrategy[Shape]:
    return st.builds(
        Shape,
        sites=st.integers(1, most_sites),
        nodes=st.integers(2, 4),
        reflectors=st.integers(1, 2),
        tunnels=st.sampled_from(["all", "random", "hubs"]),
        links=st.integers(0, 3),
        seed=st.integers(0, 1000),
    )


@st.composite
def federations(draw: st.DrawFn) -> list[RoutedSite]:
    """Of the generator, but with one or two reflectors by lot, and links by lot, so that some are cut off."""
    sites = federation(draw(shapes(7)))
    names = [site.name for site in sites]
    out = []
    for site in sites:
        if draw(st.booleans()):
            site = dataclasses.replace(site, reflectors=site.reflectors[:1])
        if draw(st.booleans()):
            others = [name for name in names if name != site.name]
            wanted = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
            site = dataclasses.replace(site, links=tuple(wanted))
        out.append(site)
    return out


def three_sites() -> Federation:
    return Federation(
        name="f",
        images=Images(registry="r:5000"),
        sites={
            name: Site(
                as_number=64513 + i,
                lan=IPv4Network(f"172.31.{i + 1}.0/24"),
                containers=IPv4Network(f"10.65.{64 * i}.0/18"),
                vpn_endpoint=f"172.30.0.{11 + i}:51820",
            )
            for i, name in enumerate(("torino", "cnaf", "bari"))
        },
    )


def stacks() -> dict[str, SiteStack]:
    gpus = {"gpu": AgentGroup(count=1, first=50)}
    return {
        "torino": SiteStack(iaas="docker", agents=2),
        "cnaf": SiteStack(iaas="docker", agents=0, agent_groups=gpus),
        "bari": SiteStack(iaas="docker", agents=0),
    }


def lines(made: Plan, name: str) -> list[str]:
    """A node's sessions as text, in order."""
    out = []
    for s in made.nodes[name].sessions():
        flags = [f for f in ("rr_client", "next_hop_self", "border") if getattr(s, f)]
        out.append(" ".join([s.kind, s.peer.name, str(s.peer.as_number), *flags]))
    return out


def test_the_sessions_of_a_federation_with_route_reflectors() -> None:
    made = plan(from_federation(three_sites(), stacks()), "route-reflectors")
    assert lines(made, "torino-front-end") == [
        "ibgp-client torino-agent-1 64513 rr_client next_hop_self",
        "ibgp-client torino-agent-2 64513 rr_client next_hop_self",
        "ebgp cnaf-front-end 64514 border",
        "ebgp bari-front-end 64515 border",
    ]
    assert lines(made, "torino-agent-2") == ["ibgp-client torino-front-end 64513"]
    assert lines(made, "cnaf-gpu-1") == ["ibgp-client cnaf-front-end 64514"]
    assert lines(made, "bari-front-end") == ["ebgp torino-front-end 64513 border", "ebgp cnaf-front-end 64514 border"]


def test_a_full_mesh_is_the_other_pairs_besides() -> None:
    made = plan(from_federation(three_sites(), stacks()), "full-mesh")
    assert lines(made, "torino-agent-1") == [
        "ibgp-client torino-front-end 64513",
        "mesh-ibgp torino-agent-2 64513",
        "mesh-ebgp cnaf-front-end 64514",
        "mesh-ebgp cnaf-gpu-1 64514",
        "mesh-ebgp bari-front-end 64515",
    ]
    assert lines(made, "torino-front-end")[2:] == [
        "ebgp cnaf-front-end 64514 border",
        "ebgp bari-front-end 64515 border",
        "mesh-ebgp cnaf-gpu-1 64514",
    ]


def test_who_each_node_is() -> None:
    made = plan(from_federation(three_sites(), stacks()), "route-reflectors")
    gpu, front_end = made.speaker("cnaf-gpu-1"), made.speaker("cnaf-front-end")
    assert (gpu.as_number, gpu.router_id, gpu.cluster_id) == (64514, IPv4Address("172.31.2.50"), None)
    assert front_end.router_id == front_end.cluster_id == IPv4Address("172.31.2.10")
    assert [n.reflector for n in made.nodes.values()] == [True, False, False, True, False, True]


def test_a_site_without_its_file_has_its_front_end() -> None:
    made = plan(from_federation(three_sites(), {}), "full-mesh")
    assert list(made.nodes) == ["torino-front-end", "cnaf-front-end", "bari-front-end"]


def test_two_reflectors_of_a_site_share_their_clients_and_the_tunnels() -> None:
    sites = federation(Shape(3, nodes=3, reflectors=2))
    sites[2] = dataclasses.replace(sites[2], reflectors=sites[2].reflectors[:1])
    made = plan(sites, "route-reflectors")
    assert lines(made, "s000-front-end-2") == [
        "ibgp-reflector s000-front-end 4200000000 next_hop_self",
        "ibgp-client s000-agent-1 4200000000 rr_client next_hop_self",
        "ebgp s001-front-end-2 4200000001 border",
        "ebgp s002-front-end 4200000002 border",
    ]
    assert lines(made, "s000-agent-1") == [
        "ibgp-client s000-front-end 4200000000",
        "ibgp-client s000-front-end-2 4200000000",
    ]
    ebgp = [s.peer.name for s in made.nodes["s002-front-end"].sessions() if s.border]
    assert ebgp == ["s000-front-end", "s000-front-end-2", "s001-front-end", "s001-front-end-2"]


# -- laws


@given(federations(), st.sampled_from(TOPOLOGIES))
def test_both_ends_agree_and_no_peer_comes_twice(sites: list[RoutedSite], topology: Topology) -> None:
    made = plan(sites, topology)
    ends = {}
    for name, node in made.nodes.items():
        for s in node.sessions():
            assert (name, s.peer.name) not in ends
            assert s.peer.name != name
            ends[name, s.peer.name] = s
    for (a, b), s in ends.items():
        other = ends[b, a]
        assert other.kind == s.kind
        assert other.border == s.border == (s.kind == "ebgp")
        assert (s.peer.as_number == made.speaker(a).as_number) == (
            s.kind in ("ibgp-client", "ibgp-reflector", "mesh-ibgp")
        )
        # Exactly one end of a client's session is the reflector's; nobody is a client in the mesh.
        assert s.rr_client + other.rr_client == (s.kind == "ibgp-client")
        assert s.rr_client == (s.kind == "ibgp-client" and made.nodes[a].reflector)
        assert s.next_hop_self == (made.nodes[a].reflector and s.kind in ("ibgp-client", "ibgp-reflector"))


@given(federations(), st.sampled_from(TOPOLOGIES))
def test_counts_are_those_of_the_sessions(sites: list[RoutedSite], topology: Topology) -> None:
    made = plan(sites, topology)
    for node in made.nodes.values():
        found = Counter(s.kind for s in node.sessions())
        counts = node.counts()
        assert counts.total == found.total()
        assert {k: n for k, n in sum_of_kinds([node]).items() if n} == dict(found)
    sums = totals(made)
    everybody = [list(node.sessions()) for node in made.nodes.values()]
    assert sums.sessions * 2 == sum(map(len, everybody))
    assert sums.most_sessions == max(map(len, everybody))
    assert sums.tunnels * 2 == sum(s.border for sessions in everybody for s in sessions)
    assert sums.nodes == len(everybody)


@given(federations())
def test_a_change_of_topology_resets_no_session(sites: list[RoutedSite]) -> None:
    reflected, meshed = plan(sites, "route-reflectors"), plan(sites, "full-mesh")
    for name, node in reflected.nodes.items():
        key = [(s.peer.name, s.kind, s.rr_client, s.next_hop_self) for s in node.sessions()]
        more = [(s.peer.name, s.kind, s.rr_client, s.next_hop_self) for s in meshed.nodes[name].sessions()]
        assert more[: len(key)] == key
        assert all(kind.startswith("mesh-") for _, kind, _, _ in more[len(key) :])


@given(federations())
def test_every_node_is_a_peer_in_a_full_mesh(sites: list[RoutedSite]) -> None:
    made = plan(sites, "full-mesh")
    for name, node in made.nodes.items():
        assert {s.peer.name for s in node.sessions()} == set(made.nodes) - {name}


@given(federations())
def test_the_loss_of_a_reflector_leaves_a_tunnel_between_two_sites_with_two(sites: list[RoutedSite]) -> None:
    made = plan(sites, "route-reflectors")
    for name, linked in made.tunnels.items():
        here = made.sites[name].reflectors
        for other in linked:
            there = made.sites[other].reflectors
            pairs = {(a, b) for a in here for b in there if b in made.nodes[a.name].borders}
            assert len(pairs) == max(len(here), len(there))
            if len(here) == 2:
                assert all(any(a is not lost for a, _ in pairs) for lost in here)


@given(federations())
def test_tunnels_are_by_the_wish_of_either_or_the_silence_of_both(sites: list[RoutedSite]) -> None:
    tunnels = linked_sites(sites)
    for a in sites:
        assert list(tunnels[a.name]) == sorted(tunnels[a.name])  # the order of the federation: names are numbered
        for b in sites:
            wanted = a.name in (b.links or ()) or b.name in (a.links or ()) or (a.links is None and b.links is None)
            assert (b.name in tunnels[a.name]) == (wanted and a is not b)


@given(st.lists(st.none() | st.lists(st.integers(0, 4), unique=True), min_size=5, max_size=5))
def test_tunnels_are_those_of_the_vpn(wanted: list[list[int] | None]) -> None:
    base = three_sites().sites["torino"]
    links = [None if w is None else [f"s{n}" for n in w if n != i] for i, w in enumerate(wanted)]
    whole = Federation(
        name="f",
        images=Images(registry="r:5000"),
        sites={f"s{i}": base.model_copy(update={"as_number": 64513 + i, "links": links[i]}) for i in range(5)},
    )
    tunnels = linked_sites(from_federation(whole, {}))
    assert tunnels == {name: tuple(tunnels_of_file(whole, name)) for name in whole.sites}
    given_apart = linked_sites(from_federation(whole, {}, {f"s{i}": own for i, own in enumerate(links)}))
    assert given_apart == tunnels


# -- what is wrong


def site(name: str, as_number: int, *reflectors: str, links: tuple[str, ...] | None = None) -> RoutedSite:
    members = tuple(Member(each, IPv4Address("172.31.1.10")) for each in reflectors)
    return RoutedSite(name, as_number, IPv4Network("172.31.1.0/24"), IPv4Network("10.65.0.0/18"), members, (), links)


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        ([site("a", 1)], "a has 0 reflectors, not 1 or 2"),
        ([site("a", 1, "x", "y", "z")], "a has 3 reflectors"),
        ([site("a", 1, "x"), site("b", 1, "y")], "b and a are the same AS, 1"),
        ([site("a", 1, "x"), site("b", 2, "x")], "two nodes are called x"),
        ([site("a", 1, "x"), site("a", 1, "y")], "two sites have the same name"),
        ([site("a", 1, "x", links=("b",))], "a has a link to b, which is no other site"),
        ([site("a", 1, "x", links=("a",))], "a has a link to a, which is no other site"),
    ],
)
def test_what_cannot_be_planned_is_refused(sites: list[RoutedSite], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        plan(sites, "route-reflectors")


# -- counts


def test_prefixes_of_the_nodes_of_a_federation() -> None:
    sites = federation(Shape(10, nodes=5))
    for topology, outside in (("route-reflectors", 0), ("full-mesh", 90)):
        made = plan(sites, topology)  # type: ignore[arg-type]
        agent = prefixes(made, made.nodes["s003-agent-1"], blocks=2, fixed=7)
        assert (agent.own, agent.inside, agent.wholes, agent.lans, agent.fixed) == (2, 8, 9, 0, 7)
        assert agent.outside == outside
        assert agent.total == 26 + outside
        front_end = prefixes(made, made.nodes["s003-front-end"], blocks=2, fixed=7)
        assert dataclasses.astuple(front_end) == (2, 8, 10, 10, 7, 0)


def test_how_large_a_mesh_is() -> None:
    sites = federation(Shape(3, nodes=4))
    assert mesh_nodes(plan(sites, "full-mesh")) == 12
    assert mesh_nodes(plan(sites, "route-reflectors")) == 0


def _brute_force(tunnels: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    whole = len(islands(tunnels))
    for a, linked in tunnels.items():
        for b in linked:
            if a < b:
                without = {x: tuple(y for y in ys if {x, y} != {a, b}) for x, ys in tunnels.items()}
                if len(islands(without)) > whole:
                    yield a, b


@given(federations())
def test_single_tunnels_are_those_whose_loss_makes_islands(sites: list[RoutedSite]) -> None:
    tunnels = linked_sites(sites)
    found = [tuple(sorted(pair)) for pair in single_tunnels(tunnels)]
    assert sorted(found) == sorted(_brute_force(tunnels))


def test_islands_are_in_the_order_of_the_federation() -> None:
    tunnels = {"a": ("c",), "b": ("d",), "c": ("a", "e"), "d": ("b",), "e": ("c",), "f": ()}
    assert islands(tunnels) == [["a", "c", "e"], ["b", "d"], ["f"]]
    assert [sorted(pair) for pair in single_tunnels(tunnels)] == [["c", "e"], ["a", "c"], ["b", "d"]]


def _steps(tunnels: dict[str, tuple[str, ...]], start: str) -> dict[str, int]:
    out, edge = {start: 0}, [start]
    for site in edge:
        for other in tunnels[site]:
            if other not in out:
                out[other] = out[site] + 1
                edge.append(other)
    return out


@given(federations())
def test_the_longest_way_and_what_the_loss_of_a_tunnel_makes_of_it(sites: list[RoutedSite]) -> None:
    tunnels = linked_sites(sites)
    assert longest_way(tunnels) == max(max(_steps(tunnels, name).values()) for name in tunnels)
    single = {frozenset(pair) for pair in single_tunnels(tunnels)}
    for a, linked in tunnels.items():
        for b in linked:
            if frozenset((a, b)) not in single:
                without = {x: tuple(y for y in ys if {x, y} != {a, b}) for x, ys in tunnels.items()}
                assert longest_way(without) <= path_limit(tunnels)


# -- size


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("reflectors", [1, 2])
def test_a_thousand_sites_are_planned_in_time(topology: Topology, reflectors: int) -> None:
    sites = federation(Shape(1000, nodes=5, reflectors=reflectors))
    start = time.process_time()
    made = plan(sites, topology)
    sums = totals(made)
    assert time.process_time() - start < 5
    assert sums.nodes == 5000
    assert sums.most_tunnels == 999
    assert sums.tunnels == 499500 * reflectors
    if topology == "full-mesh":
        assert sums.sessions == 5000 * 4999 // 2
    else:
        inside = 4 if reflectors == 1 else 2 * 3 + 1
        assert sums.sessions == sums.tunnels + 1000 * inside


def test_generated_federations_are_the_same_each_time_and_have_room() -> None:
    shape = Shape(100, tunnels="random", seed=7)
    assert federation(shape) == federation(shape)
    assert federation(shape) != federation(dataclasses.replace(shape, seed=8))
    sites = federation(Shape(1000, nodes=5))
    for nets in ([s.lan for s in sites], [s.containers for s in sites]):
        ordered = sorted(nets)
        assert all(a.broadcast_address < b.network_address for a, b in itertools.pairwise(ordered))
    members = [m for s in sites for m in s.reflectors + s.others]
    assert len({m.address for m in members}) == len({m.name for m in members}) == 5000
    assert all(m.address in s.lan for s in sites for m in s.reflectors + s.others)


@given(shapes())
def test_generated_tunnels_reach_every_site(shape: Shape) -> None:
    assert len(islands(linked_sites(federation(shape)))) == 1


@pytest.mark.parametrize("shape", [Shape(0), Shape(1025), Shape(3, nodes=1, reflectors=2), Shape(3, reflectors=3)])
def test_shapes_that_are_none(shape: Shape) -> None:
    with pytest.raises(ValueError):
        federation(shape)
