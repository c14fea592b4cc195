"""What of an offer an app may use: kinds of attributes, regions, roles, ports, GPUs; and how many tasks at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marathon_core_helpers import T0, offer, operations, spec
from marathon_service.core.constraints import Place, Tally, allowed, problem
from marathon_service.core.matching import Match, Pool
from marathon_service.core.placing import Placer, Rejections
from marathon_service.core.planning import Settings, plan
from marathon_service.core.spec import Constraint
from marathon_service.core.tokens import Tokens
from mesos_client.messages import attribute_text


@pytest.mark.parametrize(
    ("raw", "constraint"),
    [
        ({"text": {"value": "rack-1"}}, ("a", "IS", "rack-1")),
        ({"scalar": {"value": 0.8}}, ("a", "IS", "0.8")),
        ({"scalar": {"value": 0.8}}, ("a", "IS", "0.80")),
        ({"scalar": {"value": 0.80004}}, ("a", "IS", "0.8")),
        ({"scalar": {"value": 0.8}}, ("a", "IS", "0.80004")),
        ({"scalar": {"value": 10}}, ("a", "LIKE", "1[0-9]")),
        ({"scalar": {"value": 0.8004}}, ("a", "LIKE", "0.8")),
        ({"ranges": {"range": [{"begin": 100, "end": 200}]}}, ("a", "LIKE", r"\[100-200\]")),
        ({"set": {"item": ["a", "b", "c"]}}, ("a", "CLUSTER", "{a,b,c}")),
    ],
)
def test_attributes_of_every_kind(raw: dict, constraint: tuple) -> None:
    here = Place("n", {"a": attribute_text(raw)})
    assert allowed([Constraint(*constraint)], here, [])
    assert not allowed([Constraint("a", "IS", "0.9")], here, [])


def test_numbers_are_compared_to_the_thousandth_text_as_it_is() -> None:
    assert not allowed([Constraint("a", "IS", "0.802")], Place("n", {"a": "0.8"}), [])
    assert not allowed([Constraint("a", "IS", "v1.0")], Place("n", {"a": "v1"}), [])
    assert problem(["a", "IS", "[1-2]"]) and not problem(["a", "IS", "rack_1/x.y-z"])


def test_an_additional_group_is_welcome() -> None:
    two = [Place("n1"), Place("n2")]
    assert allowed([Constraint("@hostname", "GROUP_BY", "2")], Place("n3"), two)


OPERATORS = [
    ("UNIQUE", None),
    ("CLUSTER", None),
    ("CLUSTER", "a"),
    ("GROUP_BY", None),
    ("GROUP_BY", "2"),
    ("GROUP_BY", "4"),
    ("LIKE", "[ab]"),
    ("UNLIKE", "b"),
    ("MAX_PER", "2"),
    ("IS", "a"),
]
PLACES = st.builds(
    lambda host, rack, region, zone: Place(host, {"rack": rack} if rack else {}, region, zone),
    st.sampled_from("abc"),
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["a", "b", None]),
)
CONSTRAINTS = st.lists(
    st.builds(
        lambda name, op: Constraint(name, *op),
        st.sampled_from(["@hostname", "rack", "@region", "@zone"]),
        st.sampled_from(OPERATORS),
    ),
    max_size=3,
)


@given(CONSTRAINTS, st.lists(PLACES, max_size=6), PLACES, st.lists(PLACES, max_size=3))
def test_counting_gives_what_looking_at_every_instance_gives(
    constraints: list[Constraint], placed: list[Place], place: Place, later: list[Place]
) -> None:
    tally = Tally(constraints)
    for each in placed:
        tally.add(each)
    before = tally.allows(place)
    assert (before == Tally.YES) is allowed(constraints, place, placed)
    for each in later:
        tally.add(each)
    if before == Tally.NEVER:
        assert tally.allows(place) == Tally.NEVER


def test_other_regions_are_for_those_who_ask_for_them() -> None:
    away = Pool.of(offer("n1", region="r2"))
    assert away.bars(spec(), T0, "r1") == "UnfulfilledConstraint"
    assert away.bars(spec(), T0, "r2") is None and away.bars(spec(), T0, None) is None
    assert away.bars(spec(constraints=[["@region", "LIKE", ".*"]]), T0, "r1") is None
    ops = operations()
    ops.create({"id": "/app", "cmd": "x", "instances": 2})
    result = plan(
        ops.state, [offer("n1", region="r2"), offer("n2", region="r1")], T0, ids(), Settings(home_region="r1")
    )
    assert list(result.launches) == ["O-n2"]


def ids():
    numbers = iter(range(10**6))
    return lambda app: f"{app}.{next(numbers)}"


def test_gpus_are_for_those_who_ask_for_them() -> None:
    pool = Pool.of(offer("n1", gpus=2))
    assert pool.match(spec(), [], T0, 0) == ["DeclinedScarceResources"]
    fit = pool.match(spec(gpus=1, container={"type": "MESOS", "docker": {"image": "i"}}), [], T0, 0)
    assert isinstance(fit, Match) and any(r["name"] == "gpus" for r in fit.resources)
    assert "InsufficientGpus" in Pool.of(offer("n1")).fit(
        spec(gpus=1, container={"type": "MESOS", "docker": {"image": "i"}}), 0
    )


def test_accepted_roles() -> None:
    plain, kept = Pool.of(offer("n1")), Pool.of(offer("n2", reserved="*"))
    assert isinstance(plain.match(spec(acceptedResourceRoles=["*"]), [], T0, 0), Match)
    assert isinstance(kept.match(spec(), [], T0, 0), Match)


def test_required_ports_are_those_or_none() -> None:
    app = spec(requirePorts=True, portDefinitions=[{"port": 31005}, {"port": 31007}])
    match = Pool.of(offer("n1")).match(app, [], T0, 0)
    assert isinstance(match, Match) and match.ports == (31005, 31007)
    assert Pool.of(offer("n1", ports=(31006, 31099))).match(app, [], T0, 0) == ["InsufficientPorts"]


def test_one_port_is_given_once() -> None:
    app = spec(requirePorts=True, portDefinitions=[{"port": 31005}], instances=2)
    placer = Placer(app, [Pool.of(offer("n1"))], [], (), T0, Rejections())
    assert placer.take() is not None and placer.take() is None


def test_the_emptiest_group_and_machine_come_first() -> None:
    app = spec(constraints=[["site", "GROUP_BY"]])
    pools = [Pool.of(offer(f"n{n}", cpus=8 - n, site=f"s{n % 2}")) for n in range(4)]
    placer = Placer(app, pools, [Place("n0", {"site": "s0"})], app.constraints, T0, Rejections())
    hosts = [taken[0].offer.hostname for _ in range(5) if (taken := placer.take())]
    assert hosts == ["n1", "n2", "n3", "n0", "n1"]


def test_launch_tokens() -> None:
    tokens = Tokens(3, 30)
    assert tokens.left(T0) == 3
    tokens.used(2)
    assert tokens.left(T0 + 1) == 1 and tokens.wake_at() is None
    tokens.used(1)
    assert tokens.left(T0 + 2) == 0 and tokens.wake_at() == T0 + 30
    tokens.returned()
    assert tokens.left(T0 + 3) == 1 and tokens.fillings == 1
    assert tokens.left(T0 + 31) == 3


def test_no_more_is_launched_than_there_are_tokens_for_and_apps_share_them() -> None:
    ops = operations()
    for name in ("a", "b"):
        ops.create({"id": f"/{name}", "cmd": "x", "cpus": 0.1, "mem": 1, "instances": 5})
    result = plan(ops.state, [offer("n1")], T0, ids(), most=4)
    launched = [x.spec.id for x in result.launches["O-n1"]]
    assert sorted(launched) == ["/a", "/a", "/b", "/b"] and result.wants_offers
    assert result.unplaced == {"/a": 3, "/b": 3}
    assert not plan(ops.state, [offer("n1")], T0, ids(), most=0).launches
