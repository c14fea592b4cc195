"""Constraints, offers, scaling, health, updates."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marathon_core_helpers import T0, offer, operations, spec
from marathon_service.core import constraints, health, updates
from marathon_service.core.constraints import Place
from marathon_service.core.matching import Match, Pool
from marathon_service.core.model import Instance, State
from marathon_service.core.planning import plan
from marathon_service.core.scaling import change
from marathon_service.core.spec import Constraint, HealthCheck
from marathon_service.core.taskinfo import task_info
from mesos_client import TaskStatus


def instance(n: int = 0, state: str = "TASK_RUNNING", version: str = "2023-01-01T00:00:00.000Z", **more) -> Instance:
    return Instance(
        id=f"t{n}",
        app_id="/app",
        version=version,
        agent_id=f"A{n}",
        hostname=f"n{n}",
        staged_at=T0 + n,
        state=state,
        started_at=T0 if state == "TASK_RUNNING" else None,
        **more,
    )


# -- constraints and matching


@pytest.mark.parametrize(
    ("constraint", "place", "placed", "result"),
    [
        (("hostname", "UNIQUE"), "n1", ["n2"], True),
        (("hostname", "UNIQUE"), "n1", ["n1"], False),
        (("@hostname", "LIKE", "n[12]"), "n1", [], True),
        (("hostname", "LIKE", "n"), "n1", [], False),
        (("hostname", "UNLIKE", "n1"), "n1", [], False),
        (("rack", "UNLIKE", "1"), "n1", [], True),
        (("rack", "LIKE", ".*"), "n1", [], False),
        (("hostname", "IS", "n1"), "n1", [], True),
        (("hostname", "CLUSTER"), "n1", ["n1"], True),
        (("hostname", "CLUSTER"), "n2", ["n1"], False),
        (("hostname", "CLUSTER", "n2"), "n1", [], False),
        (("hostname", "MAX_PER", "2"), "n1", ["n1"], True),
        (("hostname", "MAX_PER", "2"), "n1", ["n1", "n1"], False),
        (("hostname", "GROUP_BY", "3"), "n1", ["n1", "n2"], False),
        (("hostname", "GROUP_BY", "3"), "n3", ["n1"], True),
        (("hostname", "GROUP_BY", "2"), "n1", ["n1", "n2"], True),
        (("hostname", "GROUP_BY"), "n1", ["n1"], True),
        (("hostname", "GROUP_BY"), "n1", ["n1", "n1", "n2"], False),
    ],
)
def test_constraints(constraint: tuple, place: str, placed: list[str], result: bool) -> None:
    assert constraints.allows(Constraint(*constraint), Place(place), [Place(p) for p in placed]) is result


def test_reasons_of_refusal() -> None:
    pool = Pool.of(offer("n1", cpus=0.5, mem=10, disk=0))
    assert pool.match(spec(disk=1), [], T0, 0) == ["InsufficientCpus", "InsufficientMemory", "InsufficientDisk"]
    assert pool.match(spec(constraints=[["site", "IS", "x"]]), [], T0, 0) == ["UnfulfilledConstraint"]
    other = Pool.of(offer("n1", role="other"))
    assert other.match(spec(), [], T0, 0) == ["UnfulfilledRole"]


def test_reserved_resources_and_accepted_roles() -> None:
    pool = Pool.of(offer("n1", role="*", reserved="gpu"))
    assert pool.match(spec(), [], T0, 0) == ["InsufficientCpus", "InsufficientMemory"]


def test_fixed_and_dynamic_ports() -> None:
    app = spec(
        networks=[{"mode": "container/bridge"}],
        container={
            "docker": {"image": "i"},
            "portMappings": [
                {"containerPort": 80, "hostPort": 31005},
                {"containerPort": 81},
                {"containerPort": 0, "hostPort": 0},
            ],
        },
    )
    match = Pool.of(offer("n1", ports=(31004, 31006))).match(app, [], T0, 12345)
    assert isinstance(match, Match) and match.ports[0] == 31005
    assert sorted(match.ports) == [31004, 31005, 31006]
    assert Pool.of(offer("n1", ports=(31006, 31009))).match(app, [], T0, 0) == ["InsufficientPorts"]


APPS = st.builds(
    lambda cpus, mem, n, ports, c: {
        "cpus": cpus,
        "mem": mem,
        "instances": n,
        "constraints": c,
        "portDefinitions": [{"port": 0}] * ports,
    },
    st.sampled_from([0.1, 0.3, 1, 2.5]),
    st.sampled_from([16, 100, 1000]),
    st.integers(0, 6),
    st.integers(0, 3),
    st.lists(
        st.sampled_from(
            [
                ["hostname", "UNIQUE"],
                ["site", "GROUP_BY", "3"],
                ["site", "LIKE", "s[01]"],
                ["hostname", "MAX_PER", "2"],
                ["site", "CLUSTER"],
                ["site", "UNLIKE", "s2"],
            ]
        ),
        max_size=2,
    ),
)
OFFERS = st.lists(
    st.tuples(st.sampled_from([0.2, 1, 3]), st.sampled_from([50, 500, 4000]), st.integers(0, 4)), max_size=6
)


@given(st.lists(APPS, min_size=1, max_size=4), OFFERS)
def test_never_over_an_offer_and_never_against_a_constraint(apps: list[dict], offered: list[tuple]) -> None:
    ops = operations()
    for n, app in enumerate(apps):
        ops.create({"id": f"/a{n}", "cmd": "x", "container": {"docker": {"image": "i"}}, **app})
    offers = [
        offer(f"n{n}", cpus, mem, (31000, 31000 + ports), site=f"s{n % 3}")
        for n, (cpus, mem, ports) in enumerate(offered)
    ]
    numbers = itertools.count()
    result = plan(ops.state, offers, T0, lambda a: f"{a}.{next(numbers)}")
    by_id = {o.id: o for o in offers}
    for offer_id, launches in result.launches.items():
        have = {r.name: r for r in by_id[offer_id].resources}
        for name in ("cpus", "mem", "disk"):
            used = sum(r["scalar"]["value"] for x in launches for r in x.resources if r["name"] == name)
            assert used <= have[name].scalar + 1e-6
        ports = [p for x in launches for p in x.instance.host_ports]
        low, high = have["ports"].ranges[0]
        assert len(set(ports)) == len(ports) and all(low <= p <= high for p in ports)
        for x in launches:
            assert len(x.instance.ports) == len(x.spec.ports)
            infos = task_info(x.spec, x.instance, x.resources)
            assert infos["task_id"]["value"] == x.instance.id
    for app in ops.state.apps.values():
        placed: list[Place] = []
        mine = ops.state.of_app(app.id)
        assert len(mine) <= app.instances
        for i in mine:  # in the order of their launch
            place = Place(i.hostname, i.attributes)
            assert constraints.allowed(app.constraints, place, placed)
            placed.append(place)
    assert set(result.declined) | set(result.launches) == set(by_id)
    assert not set(result.declined) & set(result.launches)


# -- scaling and rolling changes


def test_scale_up_and_down_prefers_those_that_serve_nobody() -> None:
    app = spec(instances=2)
    assert change(app, [instance(1)]).launch == 1
    todo = change(app, [instance(1), instance(2, "TASK_STAGING"), instance(3)])
    assert [i.id for i in todo.kill] == ["t2"]
    assert [i.id for i in change(spec(instances=1), [instance(1), instance(2)]).kill] == ["t2"]
    old = spec(instances=1, killSelection="OLDEST_FIRST")
    assert [i.id for i in change(old, [instance(1), instance(2)]).kill] == ["t1"]


def test_one_that_returns_after_it_was_replaced_goes() -> None:
    returned = instance(1, inactive=True)
    assert change(spec(), [returned, instance(2)]).kill == (returned,)
    assert change(spec(), [returned, instance(2, "TASK_STAGING")]).kill[0].id == "t2"


NEW = "2024-01-01T00:00:00.000Z"


@given(
    st.integers(1, 6),
    st.integers(0, 6),
    st.sampled_from([0, 0.25, 0.5, 0.8, 1]),
    st.sampled_from([0, 0.5, 1]),
    st.lists(st.integers(0, 9), min_size=0, max_size=60),
)
def test_a_rolling_change_keeps_its_bounds_and_ends(
    n: int, before: int, low: float, over: float, luck: list[int]
) -> None:
    app = spec(NEW, instances=n, upgradeStrategy={"minimumHealthCapacity": low, "maximumOverCapacity": over})
    here = {i.id: i for i in (instance(k) for k in range(before))}
    numbers, chance = itertools.count(100), iter(luck)
    for _ in range(200):
        todo = change(app, list(here.values()))
        ready = sum(i.ready(app) for i in here.values())
        killed = sum(i.ready(app) for i in todo.kill)
        if any(i.version < NEW for i in here.values()) and killed:
            assert ready - killed >= min(app.min_healthy, ready)
            assert ready - killed >= app.min_healthy
        if todo.launch and any(i.version < NEW for i in here.values()):
            assert len(here) + todo.launch <= max(app.max_total, before)
        if todo.complete:
            break
        for i in todo.kill:
            here[i.id] = dataclasses.replace(i, kill_reason="surplus")
        for _k in range(todo.launch):
            i = instance(next(numbers), "TASK_STAGING", NEW)
            here[i.id] = i
        # Something happens: tasks end or start, in an order that hypothesis chooses, then all of them do.
        moves = [i for i in here.values() if i.kill_reason or i.state == "TASK_STAGING"]
        pick = next(chance, None)
        for i in moves if pick is None else [moves[pick % len(moves)]] if moves else []:
            if i.kill_reason:
                del here[i.id]
            else:
                here[i.id] = dataclasses.replace(i, state="TASK_RUNNING", started_at=T0)
    else:
        raise AssertionError(f"never ends: {here}")
    assert len(here) == n and all(i.version == NEW for i in here.values())


# -- health and updates


def test_failures_count_after_the_grace_or_the_first_success() -> None:
    check = HealthCheck("HTTP", grace=10, max_failures=2)
    i, kill = health.observe(instance(), 0, check, False, "no", T0 + 5)
    assert not kill and i.health[0].alive is None
    i, kill = health.observe(i, 0, check, False, "no", T0 + 11)
    assert not kill and i.health[0].alive is False
    _, kill = health.observe(i, 0, check, False, "no", T0 + 12)
    assert kill
    i, _ = health.observe(i, 0, check, True, None, T0 + 13)
    assert i.health[0].consecutive_failures == 0 and i.health[0].first_success == T0 + 13
    i, _ = health.observe(instance(), 0, dataclasses.replace(check, max_failures=0), False, "no", T0 + 99)
    assert i.health[0].alive is False


def deployed_app(**fields) -> tuple[State, Instance]:
    ops = operations()
    ops.create({"id": "/app", "cmd": "x", **fields})
    plan(ops.state, [offer("n1")], T0, lambda _a: "t1")
    updates.apply(ops.state, TaskStatus("t1", "TASK_RUNNING", "A-n1", healthy=None), T0 + 1)
    plan(ops.state, [], T0 + 1, lambda _a: "no")
    assert not ops.state.deployments
    return ops.state, ops.state.instances["t1"]


def test_a_task_that_fails_waits_longer_each_time() -> None:
    state, _ = deployed_app(backoffSeconds=2, backoffFactor=3, maxLaunchDelaySeconds=10)
    waits, now = [], T0 + 10
    for n in range(4):
        for i in list(state.instances):
            updates.apply(state, TaskStatus(i, "TASK_FAILED", "A"), now)
        until = state.delays["/app"].until
        waits.append(until - now)
        assert not plan(state, [offer("n1")], until - 0.1, lambda _a, n=n: f"f{n}").launches
        assert plan(state, [offer("n1")], until, lambda _a, n=n: f"f{n}").launches
        now = until + 1
    assert waits == [2, 6, 10, 10] and state.failures["/app"].state == "TASK_FAILED"


def test_unreachable_is_replaced_then_killed_when_it_returns() -> None:
    state, _ = deployed_app(unreachableStrategy={"inactiveAfterSeconds": 5, "expungeAfterSeconds": 60})
    updates.apply(state, TaskStatus("t1", "TASK_UNREACHABLE"), T0 + 10)
    early = plan(state, [offer("n2")], T0 + 14, lambda _a: "t2")
    assert not early.launches and early.wake_at == T0 + 15
    assert plan(state, [offer("n2")], T0 + 15, lambda _a: "t2").launches
    updates.apply(state, TaskStatus("t2", "TASK_RUNNING"), T0 + 16)
    updates.apply(state, TaskStatus("t1", "TASK_RUNNING", "A-n1"), T0 + 20)
    assert [k[0] for k in plan(state, [], T0 + 20, lambda _a: "no").kills] == ["t1"]


def test_unreachable_is_forgotten_and_a_stranger_when_it_returns() -> None:
    state, _ = deployed_app()
    updates.apply(state, TaskStatus("t1", "TASK_UNREACHABLE"), T0 + 10)
    assert plan(state, [offer("n2")], T0 + 10, lambda _a: "t2").launches
    assert list(state.instances) == ["t2"]
    assert updates.apply(state, TaskStatus("t1", "TASK_RUNNING", "A-n1"), T0 + 20).kill_strangers == [("t1", "A-n1")]


def test_disabled_unreachable_strategy_waits_for_ever() -> None:
    state, _ = deployed_app(unreachableStrategy="disabled")
    updates.apply(state, TaskStatus("t1", "TASK_UNREACHABLE"), T0 + 10)
    result = plan(state, [offer("n2")], T0 + 1e6, lambda _a: "t2")
    assert not result.launches and result.wake_at is None and "t1" in state.instances


def test_a_launch_that_hangs_is_killed_and_kills_are_repeated() -> None:
    ops = operations()
    ops.create({"id": "/app", "cmd": "x", "taskKillGracePeriodSeconds": 7})
    plan(ops.state, [offer("n1")], T0, lambda _a: "t1")
    first = plan(ops.state, [], T0 + 300, lambda _a: "no")
    assert first.kills == [("t1", "A-n1", 7)] and ops.state.instances["t1"].kill_reason == "overdue"
    assert not plan(ops.state, [], T0 + 301, lambda _a: "no").kills
    assert plan(ops.state, [], T0 + 318, lambda _a: "no").kills
