"""Who gives back how much."""

from __future__ import annotations

import dataclasses

from framework_core_helpers import neighbour
from htcondor_framework.core.arbitration import give_back, needs, not_covered, over
from htcondor_framework.core.model import Neighbour, Share, Size
from hypothesis import given
from hypothesis import strategies as st


def test_what_one_has_beyond_its_share_goes_to_who_is_below_and_wants() -> None:
    pools = [neighbour("grid", (8, 8192), (20, 4000)), neighbour("rival", (8, 8192), (2, 1000), (4, 2000))]
    assert give_back(pools) == {"grid": Size(4, 0)}


def test_nobody_gets_more_than_its_share_by_this() -> None:
    pools = [neighbour("grid", (8, 8192), (20, 4000)), neighbour("rival", (8, 8192), (6, 1000), (40, 0))]
    assert give_back(pools) == {"grid": Size(2, 0)}


def test_nobody_wants_anything_so_nobody_gives() -> None:
    assert give_back([neighbour("grid", (8, 8192), (20, 40_000)), neighbour("rival", (8, 8192), (0, 0))]) == {}


def test_several_give_in_proportion_and_in_whole_cores() -> None:
    pools = [
        neighbour("a", (0, 9999), (9, 0)),
        neighbour("b", (0, 9999), (3, 0)),
        neighbour("c", (8, 9999), (0, 0), (5, 0)),
    ]
    assert give_back(pools) == {"a": Size(4, 0), "b": Size(2, 0)}


def test_memory_is_given_back_likewise() -> None:
    pools = [neighbour("grid", (8, 1000), (4, 5000)), neighbour("rival", (8, 4000), (0, 500), (1, 2000))]
    assert give_back(pools) == {"grid": Size(0, 2000)}


def test_what_is_being_given_already_is_not_given_again() -> None:
    grid = neighbour("grid", (8, 8192), (20, 4000))
    rival = neighbour("rival", (8, 8192), (2, 1000), (4, 0))
    assert give_back([dataclasses.replace(grid, giving=Size(3)), rival]) == {"grid": Size(1, 0)}
    assert give_back([dataclasses.replace(grid, giving=Size(4)), rival]) == {}


def test_it_is_known_when_all_that_is_beyond_does_not_cover_it() -> None:
    pools = [neighbour("grid", (8, 8192), (10, 0)), neighbour("rival", (8, 8192), (2, 0), (6, 0))]
    assert not_covered(pools).cpus == 4
    assert give_back(pools) == {"grid": Size(2, 0)}


numbers = st.integers(0, 40).map(float)
pools_of = st.lists(st.tuples(*[numbers] * 6), min_size=1, max_size=6).map(
    lambda found: [
        Neighbour(f"p{n}", Share(a, b * 512), Size(c, d * 512), Size(e, f * 512))
        for n, (a, b, c, d, e, f) in enumerate(found)
    ]
)


@given(pools_of, st.randoms(use_true_random=False))
def test_arbitration(pools: list[Neighbour], rng: object) -> None:
    given_back = give_back(pools)
    shuffled = list(pools)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert give_back(shuffled) == given_back, "the same whoever computes it"
    need_cpus = sum(needs(p).cpus for p in pools)
    need_memory = sum(needs(p).memory for p in pools)
    for p in pools:
        what = given_back.get(p.pool, Size())
        assert what.cpus <= over(p).cpus and what.memory <= over(p).memory, "never below the share"
    total = sum(w.cpus for w in given_back.values())
    assert total <= need_cpus + len(pools)
    assert total >= min(need_cpus, sum(over(p).cpus for p in pools)) - 1e-6, "all that is there for it"
    assert sum(w.memory for w in given_back.values()) <= need_memory + len(pools)
    if not need_cpus and not need_memory:
        assert not given_back
