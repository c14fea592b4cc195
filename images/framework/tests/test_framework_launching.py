"""Offers as the core sees them, what tasks are paid with, TaskInfo, and when offers are asked for."""

import base64
import itertools
from dataclasses import replace

import pytest
from framework_helpers import raw_config
from htcondor_framework.condor.keys import executor_key
from htcondor_framework.config import parse
from htcondor_framework.core.model import Kind, Phase, Role, Size, Task
from htcondor_framework.demand import FIRST, MOST, SOON, Demand
from htcondor_framework.launching import DoesNotFit, Purse, offer_of, task_info
from hypothesis import given
from hypothesis import strategies as st
from mesos_client import Offer

CONFIG = parse(raw_config())


def scalar(name: str, value: float, **more: object) -> dict:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": "pool-1"}, **more}


def mesos_offer(*resources: dict) -> Offer:
    return Offer.from_json(
        {
            "id": {"value": "O1"},
            "agent_id": {"value": "A1"},
            "hostname": "n1",
            "allocation_info": {"role": "pool-1"},
            "resources": list(resources),
            "attributes": [
                {"name": "site", "type": "TEXT", "text": {"value": "bari"}},
                {"name": "node", "type": "TEXT", "text": {"value": "n1"}},
            ],
            "unavailability": {"start": {"nanoseconds": 5_000_000_000}},
        }
    )


RESERVED = {"reservations": [{"type": "STATIC", "role": "pool-1"}]}
OFFER = mesos_offer(
    scalar("cpus", 2),
    scalar("cpus", 1, **RESERVED),
    scalar("mem", 1024),
    scalar("disk", 5000),
    scalar("disk", 9000, disk={"persistence": {"id": "x"}}),
    scalar("cpus", 8, revocable={}) | {"revocable": {"x": 1}},
    {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 9}]}},
)


def task(role: Role, name: str, size: Size, kind: Kind = Kind.NONE) -> Task:
    return Task(f"demo.{name}.u", role, kind, name, "A1", "n1", "bari", size, "t", Phase.LAUNCHING, 0, 0)


def test_only_what_any_task_may_use_is_offered() -> None:
    offer = offer_of(OFFER)
    assert offer.room == Size(3, 1024, 5000)
    assert (offer.place, offer.agent, offer.hostname, offer.unavailable_from) == ("bari", "A1", "n1", 5.0)
    assert offer.attributes == {"site": "bari", "node": "n1"}


def test_tasks_are_paid_with_what_the_offer_holds_reserved_parts_first() -> None:
    purse = Purse(OFFER)
    paid = purse.pay(Size(1.5, 500))
    assert paid == [
        scalar("cpus", 1.0, **RESERVED),
        scalar("cpus", 0.5),
        scalar("mem", 500.0),
    ]
    with pytest.raises(DoesNotFit, match="cpus"):
        purse.pay(Size(1.6, 100))
    assert purse.pay(Size(1.5, 524, 5000))
    with pytest.raises(DoesNotFit, match="mem"):
        purse.pay(Size(0, 1))


def test_resources_without_an_allocation_get_that_of_the_offer() -> None:
    bare = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}
    assert Purse(mesos_offer(bare)).pay(Size(1))[0]["allocation_info"] == {"role": "pool-1"}


@given(st.lists(st.floats(0.1, 2), max_size=8))
def test_never_more_than_the_offer(cpus: list[float]) -> None:
    purse, sum_paid = Purse(OFFER), 0.0
    for wanted in cpus:
        try:
            parts = purse.pay(Size(wanted))
        except DoesNotFit:
            continue
        amount = sum(p["scalar"]["value"] for p in parts)
        assert amount == pytest.approx(wanted, abs=1e-5)
        sum_paid += amount
    assert sum_paid <= 3 + 1e-4


def variables(info: dict) -> dict[str, str]:
    return {v["name"]: v["value"] for v in info["command"]["environment"]["variables"]}


def test_each_executor_has_a_key_by_which_it_knows_the_framework() -> None:
    def key(role: Role, name: str, task_id: str) -> str | None:
        made = replace(task(role, name, Size(1, 500, 1000)), id=task_id)
        return variables(task_info(config, made, [])).get("AERIE_SIGNING_KEY")

    config = replace(CONFIG, condor=replace(CONFIG.condor, tokens=("own.token.x",)))
    one, two = (key(Role.EXECUTOR, "executor", f"demo.executor.{n}") for n in (1, 2))
    assert one and two and one != two
    assert base64.b64decode(one) == executor_key(("own.token.x",), "demo.executor.1")
    assert key(Role.CENTRAL_MANAGER, "central-manager", "demo.central-manager.1") is None


def test_a_daemons_task() -> None:
    info = task_info(CONFIG, task(Role.CENTRAL_MANAGER, "central-manager", Size(0.2, 256)), [])
    assert info["name"] == "central-manager.demo" and info["agent_id"] == {"value": "A1"}
    assert info["container"] == {
        "type": "DOCKER",
        "docker": {
            "image": "registry/htcondor:1",
            "network": "USER",
            "privileged": False,
            "force_pull_image": False,
            "parameters": [
                {"key": "ip", "value": "10.66.0.10"},
                {"key": "sysctl", "value": "a=1"},
                {"key": "sysctl", "value": "b=2"},
            ],
        },
        "network_infos": [{"name": "fixed"}],
    }
    assert info["kill_policy"] == {"grace_period": {"nanoseconds": 10_000_000_000}}
    assert info["health_check"]["command"] == {"shell": True, "value": "aerie-health"}
    check = info["health_check"]
    assert [check[k] for k in ("delay_seconds", "grace_period_seconds", "interval_seconds", "timeout_seconds")] == [
        1,
        60,
        20,
        15,
    ]
    assert check["consecutive_failures"] == 3
    labels = {x["key"]: x["value"] for x in info["labels"]["labels"]}
    assert labels == {"aerie.pool": "demo", "aerie.role": "central-manager"}
    env = variables(info)
    assert env["AERIE_TASK"] == "demo.central-manager.u" and env["HOST"] == "n1"
    assert env["AERIE_ROLE"] == "central-manager" and not [k for k in env if k.startswith("AERIE_SLOT")]


def test_an_executors_slots_are_what_its_container_leaves() -> None:
    container = CONFIG.overhead.container(Size(3, 1000.7, 2000.9))
    executor = task(Role.EXECUTOR, "demo.executor.u", container, Kind.ELASTIC)
    info = task_info(CONFIG, executor, [])
    env = variables(info)
    assert (env["AERIE_SLOT_CPUS"], env["AERIE_SLOT_MEMORY"], env["AERIE_SLOT_DISK"]) == ("3", "1000", "2000")
    assert env["AERIE_ELASTIC"] == "1" and info["name"] == "executor.demo"
    fixed = variables(task_info(CONFIG, replace(executor, kind=Kind.FIXED), []))
    assert "AERIE_ELASTIC" not in fixed


@given(st.integers(1, 64), st.integers(1, 100_000), st.integers(0, 1_000_000))
def test_rounding_takes_no_mebibyte(cpus: int, memory: int, disk: int) -> None:
    container = CONFIG.overhead.container(Size(cpus, memory, disk))
    env = variables(task_info(CONFIG, task(Role.EXECUTOR, "x", container), []))
    found = [int(env[f"AERIE_SLOT_{k}"]) for k in ("CPUS", "MEMORY", "DISK")]
    assert found == [cpus, memory, disk]


def test_a_role_that_the_pool_does_not_have() -> None:
    with pytest.raises(KeyError):
        task_info(CONFIG, task(Role.SUBMIT, "submit-node-2", Size(1, 1)), [])


def test_offers_are_asked_for_soon_then_ever_more_seldom() -> None:
    demand, now, times = Demand(), 1000.0, []
    for _ in range(7):
        while demand.decide(True, "x", now) != "revive":
            now = demand.due("x")
        times.append(now)
        demand.done("revive", "x", now)
    assert [b - a for a, b in itertools.pairwise(times)] == [FIRST, 4, 8, 16, MOST, MOST]
    assert demand.due("y") == times[-1] + SOON  # something else is wanted


def test_offers_are_turned_off_once() -> None:
    demand = Demand()
    assert demand.decide(False, None, 1.0) == "suppress"
    demand.done("suppress", None, 1.0)
    assert demand.decide(False, None, 2.0) == ""
    assert demand.decide(True, "x", 2.0) == "revive"
    demand.done("revive", "x", 2.0)
    assert demand.decide(True, "x", 2.1) == ""
    demand.subscribed()
    assert demand.decide(True, "x", 2.2) == "revive"
