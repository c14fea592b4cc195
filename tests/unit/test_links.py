"""Which sites have a tunnel to each other, and the rules of it."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from components.fabric.links import linked, linked_sites
from components.spec.link_rules import _tunnels, link_problems
from components.spec.model import Federation
from tests.unit.conftest import Checkout

NAMES = ("a", "b", "c", "d", "e")


def federation(links: dict[str, list[str] | None], quorum: tuple[str, ...] = ()) -> Federation:
    """A federation with these sites, in this order."""
    sites = {
        name: {
            "as_number": 64513 + i,
            "lan": f"172.31.{i}.0/24",
            "containers": f"10.65.{i}.0/24",
            "vpn_endpoint": f"172.30.0.{11 + i}:51820",
            "quorum": name in quorum,
            "links": own,
        }
        for i, (name, own) in enumerate(links.items())
    }
    return Federation.model_validate({"name": "f", "images": {"registry": "r:5000"}, "sites": sites})


@st.composite
def any_links(draw: st.DrawFn) -> Federation:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    one = {n: st.lists(st.sampled_from([m for m in names if m != n] or [""]), unique=True) for n in names}
    return federation({n: draw(st.none() | (one[n] if len(names) > 1 else st.just([]))) for n in names})


def test_every_pair_if_nobody_says_otherwise() -> None:
    net = federation(dict.fromkeys(NAMES))
    assert all(linked_sites(net, n) == [m for m in NAMES if m != n] for n in NAMES)


def test_a_link_that_either_end_names_is_there() -> None:
    # d and e have no list: they are linked to each other, and to who names them.
    net = federation({"a": ["b"], "b": [], "c": ["d"], "d": None, "e": None})
    assert {n: linked_sites(net, n) for n in NAMES} == {
        "a": ["b"],
        "b": ["a"],
        "c": ["d"],
        "d": ["c", "e"],
        "e": ["d"],
    }


@given(any_links())
def test_both_ends_agree_and_nobody_is_linked_to_itself(net: Federation) -> None:
    for a, b in permutations(net.sites, 2):
        assert (b in linked_sites(net, a)) == (a in linked_sites(net, b)) == linked(net, a, b)
    assert not [n for n in net.sites if n in linked_sites(net, n)]


@given(any_links())
def test_the_rules_see_the_same_tunnels(net: Federation) -> None:
    assert _tunnels(net) == {n: set(linked_sites(net, n)) for n in net.sites}


@given(any_links())
def test_a_federation_that_falls_apart_is_refused_and_no_other(net: Federation) -> None:
    """Against the definition: there are two parts without a tunnel between them."""
    sites = list(net.sites)
    parts = [set(part) for size in range(1, len(sites)) for part in combinations(sites, size)]
    apart = any(all(not linked(net, a, b) for a in part for b in sites if b not in part) for part in parts)
    assert bool(link_problems(net)) == apart


def test_a_quorum_member_has_two_links_where_there_are_three_sites() -> None:
    assert link_problems(federation({"a": ["b"], "b": None}, ("a",))) == []
    assert link_problems(federation({"a": ["b", "c"], "b": [], "c": []}, ("a",))) == []
    (problem,) = link_problems(federation({"a": ["b", "c"], "b": [], "c": []}, ("b",)))
    assert problem.place == "sites.b.links" and "whose loss would cut it off; add c" in str(problem)


def test_a_site_has_a_vpn_peer_for_each_link(checkout: Checkout) -> None:
    def change(data: Any) -> None:
        data["sites"]["torino"]["links"] = ["cnaf"]
        data["sites"]["bari"] |= {"links": ["cnaf"], "quorum": False}
        data["sites"]["torino"]["quorum"] = False

    checkout.change("federation.yaml", change)
    peers = {
        site: {r.name for r in checkout.graph(site).resources if r.name.startswith(f"{site}-vpn-")}
        for site in ("torino", "cnaf", "bari")
    }
    assert peers == {
        "torino": {"torino-vpn-cnaf"},
        "cnaf": {"cnaf-vpn-torino", "cnaf-vpn-bari"},
        "bari": {"bari-vpn-cnaf"},
    }
