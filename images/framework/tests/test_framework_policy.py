"""The policy's JSON."""

from typing import Any

import pytest
from framework_helpers import SITES, raw_policy
from htcondor_framework.core.model import Limit, Placement, Policy, Share, Size
from htcondor_framework.policy import PolicyError, parse, to_json
from hypothesis import given
from hypothesis import strategies as st


def full() -> dict[str, Any]:
    return raw_policy(
        1,
        min=1,
        max=10,
        curb=8,
        placement="spread",
        site_preference=["bari"],
        sites={"torino": {"max": 4, "curb": 3}},
        caps={"each_user": 16, "users": {"alice": 64}, "groups": {"physics": 100}},
        largest={"cpus": 4, "memory": 4096, "disk": 20000, "gpus": 1},
    )


def problems_of(raw: Any) -> list[str]:
    with pytest.raises(PolicyError) as e:
        parse(raw, SITES)
    return e.value.problems


def test_all_of_it() -> None:
    policy = parse(full(), SITES)
    elastic = policy.elastic
    assert elastic is not None and policy.share == Share(8, 8192)
    assert elastic.total == Limit(10, 8) and elastic.largest == Size(4, 4096, 20000, 1)
    assert elastic.placement is Placement.SPREAD and elastic.site_preference == ("bari",)
    assert elastic.sites == {"torino": Limit(4, 3)}
    assert (elastic.caps.each_user, elastic.caps.users, elastic.caps.groups) == (16, {"alice": 64}, {"physics": 100})


def test_only_fixed_executors() -> None:
    assert parse(raw_policy(2)) == Policy(2, Share(8, 8192), None)


@pytest.mark.parametrize("raw", [full(), raw_policy(3), raw_policy(0, max=2)])
def test_json_and_back(raw: dict[str, Any]) -> None:
    policy = parse(raw)
    assert parse(to_json(policy), SITES) == policy


def test_every_problem_at_once() -> None:
    raw = full()
    raw["fixed"] = -1
    del raw["share"]["cpus"]
    e = raw["elastic"]
    e["min"] = 11
    e["batch"] = 0
    e["largest"]["cpus"] = 1.5
    e["placement"] = "pile"
    e["site_preference"] = ["bari", "paris"]
    e["sites"] = {"rome": {"max": 1}}
    e["caps"] = {"users": {"alice": "many"}, "teams": {}}
    e["idle_timout"] = 5
    assert {p.rpartition(": ")[0].partition(": ")[0] for p in problems_of(raw)} == {
        "fixed",
        "share.cpus",
        "elastic.min",
        "elastic.batch",
        "elastic.largest.cpus",
        "elastic.placement",
        "elastic.site_preference",
        "elastic.sites.rome.curb",
        "elastic.sites",
        "elastic.caps.users.alice",
        "elastic.caps.teams",
        "elastic.idle_timout",
    }


@pytest.mark.parametrize("value", [True, "1", None, 1.5, float("nan"), float("inf"), [], {}])
def test_a_count_is_a_whole_number(value: Any) -> None:
    assert any(p.startswith("fixed: ") for p in problems_of({**raw_policy(0), "fixed": value}))


@pytest.mark.parametrize("raw", [None, 3, [], "x", {}])
def test_what_is_no_policy(raw: Any) -> None:
    assert problems_of(raw)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(full()["elastic"])), _JSON)
def test_nothing_in_it_raises_anything_else(key: str, value: Any) -> None:
    raw = full()
    raw["elastic"][key] = value
    try:
        policy = parse(raw, SITES)
    except PolicyError as e:
        assert e.problems
    else:
        assert parse(to_json(policy), SITES) == policy
