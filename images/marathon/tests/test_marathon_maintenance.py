"""Instances leave machines that go into maintenance, within upgradeStrategy; what is tied to its machine stays."""

import dataclasses
import itertools

import pytest
from fake_mesos_master import FakeMaster
from marathon_helpers import T0, TestService, offer, operations, with_service
from marathon_service.core import moving, updates
from marathon_service.core.constraints import Place, pinned
from marathon_service.core.model import Instance, State
from marathon_service.core.planning import Plan, plan
from marathon_service.core.spec import Constraint
from mesos_client import Offer, TaskStatus

SINGLE = {"upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}}


@pytest.mark.parametrize(
    ("constraint", "result"),
    [
        (("node", "LIKE", "torino-front-end"), True),
        (("node", "LIKE", "torino\\-front\\-end"), True),
        (("hostname", "IS", "h1"), True),
        (("hostname", "CLUSTER", "h1"), True),
        (("node", "LIKE", "torino-front-end|bari-front-end"), False),
        (("node", "LIKE", "torino-.*"), False),
        (("node", "LIKE", "torino\\Wfront\\Wend"), False),
        (("node", "LIKE", "another"), False),
        (("site", "LIKE", "torino"), False),
        (("hostname", "UNIQUE"), False),
        (("node", "UNLIKE", "torino-front-end"), False),
    ],
)
def test_what_names_a_machine_is_tied_to_it(constraint: tuple, result: bool) -> None:
    place = Place("h1", {"node": "torino-front-end", "site": "torino"})
    assert pinned([Constraint(*constraint)], place) is result


class App:
    """One app and time that passes: `turn` plans, and tells what Mesos would."""

    def __init__(self, instances: int, first: list[Offer], **fields: object) -> None:
        self.ops = operations()
        self.ops.create({"id": "/app", "cmd": "x", "instances": instances, "cpus": 1, **fields})
        self.now, self.numbers = T0, itertools.count(1)
        for _ in range(3):
            self.turn(first)
        assert len(self.on()) == instances and not self.state.deployments

    @property
    def state(self) -> State:
        return self.ops.state

    def plan(self, offers: list[Offer], leaving: set[str] = frozenset()) -> Plan:
        self.now += 1
        return plan(self.state, offers, self.now, lambda _: f"t{next(self.numbers)}", leaving=leaving)

    def turn(self, offers: list[Offer], leaving: set[str] = frozenset()) -> Plan:
        result = self.plan(offers, leaving)
        for task_id, *_ in result.kills:
            updates.apply(self.state, TaskStatus(task_id, "TASK_KILLED"), self.now)
        for i in list(self.state.instances.values()):
            updates.apply(self.state, TaskStatus(i.id, "TASK_RUNNING", i.agent_id), self.now)
        return result

    def on(self) -> list[str]:
        return sorted(i.hostname for i in self.state.instances.values())


def test_the_new_one_comes_first_where_the_strategy_lets_it() -> None:
    app = App(1, [offer("n1")])
    first = app.turn([offer("n2")], {"A-n1"})
    assert [x.instance.hostname for v in first.launches.values() for x in v] == ["n2"] and not first.kills
    second = app.turn([], {"A-n1"})
    assert [k[0] for k in second.kills] == ["t1"]
    assert app.on() == ["n2"]


def test_one_that_must_not_run_twice_ends_first_and_only_if_there_is_room() -> None:
    """Such as what has a fixed address."""
    app = App(1, [offer("n1")], **SINGLE)
    for offers in ([], [offer("n1")], [offer("n2", cpus=0.5)]):
        waits = app.turn(offers, {"A-n1"})
        assert not waits.kills and not waits.launches and waits.wants_offers
        assert waits.unplaced == {"/app": 1}
    moved = app.plan([offer("n2")], {"A-n1"})
    assert [k[0] for k in moved.kills] == ["t1"] and not moved.launches
    assert not app.plan([offer("n2")], {"A-n1"}).launches, "two of it must not run"
    updates.apply(app.state, TaskStatus("t1", "TASK_KILLED"), app.now)
    after = app.turn([offer("n2")], {"A-n1"})
    assert [x.instance.hostname for v in after.launches.values() for x in v] == ["n2"]


def test_not_more_at_once_than_the_strategy_lets_go() -> None:
    app = App(
        4,
        [offer("n1", cpus=4)],
        upgradeStrategy={"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0},
        taskKillGracePeriodSeconds=60,
    )
    result = app.plan([offer("n2"), offer("n3")], {"A-n1"})
    assert len(result.kills) == 2
    assert {grace for *_, grace in result.kills} == {60}, "an executor's jobs have its grace"
    for task_id, *_ in result.kills:
        updates.apply(app.state, TaskStatus(task_id, "TASK_KILLED"), app.now)
    for _ in range(8):
        app.turn([offer("n2"), offer("n3")], {"A-n1"})
    assert len(app.on()) == 4 and "n1" not in app.on()


def test_what_is_tied_to_its_machine_stays_and_comes_back_there() -> None:
    app = App(1, [offer("n1", node="n1")], constraints=[["node", "LIKE", "n1"]], **SINGLE)
    for _ in range(3):
        result = app.turn([offer("n2", node="n2")], {"A-n1"})
        assert not result.kills and not result.launches
    assert moving.busy_agents(app.state) == set()
    updates.apply(app.state, TaskStatus("t1", "TASK_FAILED"), app.now)
    app.now += 60
    app.turn([offer("n1", node="n1")], {"A-n1"})
    assert app.on() == ["n1"]


def test_nothing_else_is_started_there() -> None:
    app = App(1, [offer("n1")])
    app.ops.update("/app", {"instances": 2})
    unavailable = dataclasses.replace(offer("n3"), unavailable_from=app.now - 10)
    result = app.plan([unavailable, offer("n2")], {"A-n2"})
    assert not result.launches
    assert {r for seen in result.rejections.values() for r in seen.reasons} == {"AgentMaintenance"}


def test_one_that_stays_after_all_is_not_moved() -> None:
    app = App(1, [offer("n1")], **SINGLE)
    app.turn([], {"A-n1"})
    assert app.state.instances["t1"].moving
    result = app.turn([offer("n2")])
    assert not result.kills and not result.launches and not app.state.instances["t1"].moving


def test_evenness_gives_way_when_a_whole_site_goes() -> None:
    offers = [offer("n1", site="a"), offer("n2", site="b")]
    app = App(2, offers, constraints=[["site", "GROUP_BY", "2"]])
    result = app.turn([offer("n3", site="b")], {"A-n1"})
    assert not result.launches and not result.kills and result.wake_at is not None
    app.now += moving.RELAX_AFTER
    for _ in range(3):
        app.turn([offer("n3", site="b")], {"A-n1"})
    assert app.on() == ["n2", "n3"]
    assert [c.operator for c in moving.constraints(app.state.apps["/app"], frozenset(), 1e6)] == ["GROUP_BY"]


def test_a_deployment_does_not_wait_for_what_only_has_to_move() -> None:
    app = App(1, [offer("n1")], **SINGLE)
    app.ops.update("/app", {"instances": 2})
    app.turn([offer("n1")], {"A-n2"})
    assert app.on() == ["n1", "n1"]
    for _ in range(3):
        app.turn([], {"A-n1"})
    assert all(i.moving for i in app.state.instances.values()) and not app.state.deployments
    app.ops.restart("/app")
    for _ in range(8):
        app.turn([offer("n2"), offer("n3")], {"A-n1"})
    assert not app.state.deployments and "n1" not in app.on()


def test_who_leads_next_remembers_what_moves() -> None:
    app = App(1, [offer("n1")], **SINGLE)
    app.turn([], {"A-n1"})
    stored = [(k, key, v) for k, key, v in app.state.take_changes() if v is not None]
    again = State.load(stored)
    assert moving.remembered(again) == {"A-n1"}
    assert (
        Instance.from_json({k: v for k, v in again.instances["t1"].to_json().items() if k != "moving"}).moving is False
    )


def test_with_the_master() -> None:
    app = {
        "id": "/demo/app",
        "cmd": "x",
        "cpus": 0.5,
        "mem": 64,
        "instances": 2,
        "container": {"docker": {"image": "x"}},
    }
    fixed = {**app, "id": "/demo/fixed", "instances": 1, **SINGLE}
    tied = {**fixed, "id": "/demo/tied", "constraints": [["node", "LIKE", "n0"]]}

    async def test(s: TestService, m: FakeMaster) -> None:
        for body in (app, fixed, tied):
            await s.call("POST", "/v2/apps", body, 201)
        await s.deployed()
        await s.until(lambda: m.suppressed)

        def here() -> list[str]:
            return sorted(t.id.split(".")[0] for t in m.tasks.values() if t.agent.id == "A0")

        m.maintain("A0")
        await s.until(lambda: here() == ["demo_tied"])
        await s.until(lambda: m.maintenance.answers.get("A0") == "ACCEPT")
        await s.until(lambda: len(m.running("demo_app")) == 2 and len(m.running("demo_fixed")) == 1)
        await s.until(lambda: m.suppressed)
        assert here() == ["demo_tied"]
        m.maintain("A1")
        await s.until(lambda: {t.agent.id for t in m.tasks.values()} == {"A0", "A2"})

    with_service(test)
