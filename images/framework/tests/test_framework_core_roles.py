"""Central managers and the submit node: in which order they come, and what happens when one is lost."""

from __future__ import annotations

import dataclasses

import pytest
from framework_core_helpers import (
    MANAGER,
    NOW,
    ROLES,
    SITES,
    SUBMIT,
    executor,
    offer,
    policy,
    pool,
    queue,
    role,
    view,
)
from htcondor_framework.core.model import Offer, Phase, Size, Task
from htcondor_framework.core.planning import plan
from htcondor_framework.core.view import LAUNCH_WITHIN, REPLACE_AFTER, Memory, Plan, View

PIN = offer("pin", "torino", agent="torino-1")
ANY = offer("any", "bari")
SECOND = dataclasses.replace(MANAGER, name="central-manager-2", template="cm2")


def names(result: Plan) -> list[str]:
    return [x.task.name if not x.task.is_executor else "executor" for x in result.launches]


def pool_of(
    *tasks: Task, offers: tuple[Offer, ...] = (PIN, ANY), templates: object = (MANAGER, SUBMIT), **more: object
) -> View:
    return view(
        roles={"tasks": tasks, "templates": templates},
        offers=offers,
        **{"policy": policy(1), "queue": None, "pool": None, "memory": Memory(), **more},  # type: ignore[arg-type]
    )


def test_a_new_pool_starts_in_order() -> None:
    v = pool_of()
    first = plan(v)
    assert names(first) == ["central-manager"] and first.wants_offers is False
    assert first.launches[0].task.phase is Phase.LAUNCHING
    assert "submit-node waits for a central manager: the collector has no ad of a negotiator yet" in first.decisions
    v = dataclasses.replace(v, tasks=first.tasks, memory=first.memory, pool=pool(negotiator=False, schedd=False))
    assert names(plan(v)) == []
    v = dataclasses.replace(v, pool=pool(schedd=False))
    second = plan(v)
    assert names(second) == ["submit-node"]
    assert second.launches[0].task.agent == "torino-1"
    v = dataclasses.replace(v, tasks=second.tasks, memory=second.memory)
    assert names(plan(v)) == []
    assert names(plan(dataclasses.replace(v, pool=pool()))) == ["executor"]


def test_roles_come_without_a_policy_executors_do_not() -> None:
    assert names(plan(pool_of(policy=None))) == ["central-manager"]
    assert names(plan(pool_of(*ROLES, policy=None, pool=pool(), queue=queue()))) == []


def test_a_lost_role_is_started_at_once_whatever_the_others_do() -> None:
    manager, submit = ROLES
    assert names(plan(pool_of(submit, policy=policy(0)))) == ["central-manager"]
    up = plan(pool_of(manager, submit)).memory
    assert names(plan(pool_of(memory=up, policy=policy(0)))) == ["central-manager", "submit-node"]
    both = plan(pool_of(executor("x"), policy=policy(0)))
    assert names(both) == ["central-manager", "submit-node"], "there is an executor, so the pool was up"


def test_a_lost_role_is_started_also_while_paused() -> None:
    up = plan(pool_of(*ROLES)).memory
    assert names(plan(pool_of(memory=up, paused=True))) == ["central-manager", "submit-node"]
    assert names(plan(pool_of(paused=True))) == []


def test_fixed_executors_are_replaced_though_htcondor_is_silent() -> None:
    up = plan(pool_of(*ROLES, pool=pool())).memory
    assert names(plan(pool_of(*ROLES, memory=up))) == ["executor"]
    unhealthy = dataclasses.replace(role(SUBMIT), healthy=None)
    assert names(plan(pool_of(ROLES[0], unhealthy))) == []


def test_a_role_waits_for_an_offer_that_fits() -> None:
    result = plan(pool_of(offers=(offer("o", room=Size(0.1, 9999)), offer("p", "napoli"))))
    assert names(result) == [] and result.wants_offers
    assert "central-manager waits for an offer that it fits in" in result.decisions


def test_a_pinned_role_takes_no_other_machine() -> None:
    assert names(plan(pool_of(ROLES[0], offers=(ANY,), pool=pool(), policy=policy(0)))) == []


def test_two_central_managers_are_not_on_one_site_if_that_can_be_avoided() -> None:
    offers = (offer("a", "bari", Size(1, 2000)), offer("b", "bari", Size(1, 2000)), offer("c", "torino"))
    result = plan(pool_of(offers=offers, templates=(MANAGER, SECOND)))
    assert {x.task.place for x in result.launches} == {"bari", "torino"}
    result = plan(pool_of(offers=offers[:2], templates=(MANAGER, SECOND)))
    assert {x.task.agent for x in result.launches} == {"a", "b"}
    result = plan(pool_of(offers=offers[:1], templates=(MANAGER, SECOND)))
    assert len(result.launches) == 2


def test_no_machine_that_leaves_is_taken_and_a_site_being_emptied_is_the_last_choice() -> None:
    offers = (offer("a", "bari", Size(1, 2000), unavailable_from=NOW + 9), offer("b", "torino"))
    assert plan(pool_of(offers=offers)).launches[0].task.agent == "b"
    assert not plan(pool_of(offers=offers[:1])).launches
    v = pool_of(offers=(offer("a", "bari", Size(1, 2000)), offer("b", "torino")), drain_sites=frozenset({"bari"}))
    assert plan(v).launches[0].task.agent == "b"


def test_a_central_manager_whose_agent_is_away_is_replaced_after_a_while() -> None:
    for ago, count in ((REPLACE_AFTER - 1, 0), (REPLACE_AFTER, 1)):
        away = role(MANAGER, "cnaf-1", phase=Phase.UNREACHABLE, since=NOW - ago)
        result = plan(pool_of(away, ROLES[1], policy=policy(0)))
        assert len(result.launches) == count
        assert away.id in result.tasks
        assert count or result.wake_at == NOW + 1


def test_the_submit_node_is_not_replaced_while_its_agent_is_away() -> None:
    away = role(SUBMIT, phase=Phase.UNREACHABLE, since=NOW - 9999)
    result = plan(pool_of(ROLES[0], away, policy=policy(0), offers=(PIN, ANY)))
    assert names(result) == [] and result.wants_offers
    assert "submit-node is on an agent that is away; it can run nowhere else" in result.decisions


def test_but_if_its_machine_is_back_as_another_agent_the_old_one_will_never_be() -> None:
    away = role(SUBMIT, phase=Phase.UNREACHABLE, since=NOW - 9, agent="old-id", hostname="torino-1")
    back = Offer("o", "new-id", "torino-1", "torino", {"site": "torino", "node": "torino-1"}, Size(8, 8192, 9))
    assert names(plan(pool_of(ROLES[0], away, policy=policy(0), offers=(back,)))) == ["submit-node"]


@pytest.mark.parametrize("index", [0, 1])
def test_a_role_that_is_out_of_date_is_ended_and_then_started_anew(index: int) -> None:
    tasks = list(ROLES)
    tasks[index] = dataclasses.replace(tasks[index], template="old")
    v = pool_of(*tasks, pool=pool(), policy=policy(0))
    result = plan(v)
    assert [k.task for k in result.kills] == [tasks[index].id] and not result.launches
    assert result.tasks[tasks[index].id].phase is Phase.KILLING
    assert plan(dataclasses.replace(v, tasks=result.tasks)).launches == (), "two of it must not run"
    gone = {k: t for k, t in result.tasks.items() if k != tasks[index].id}
    # A lost one is started at once though its own ad is gone with it.
    after = plan(dataclasses.replace(v, tasks=gone, memory=result.memory, pool=None))
    assert names(after) == [tasks[index].name]
    assert plan(dataclasses.replace(v, paused=True)).kills == ()


def test_a_role_that_was_taken_over_counts_as_up_to_date() -> None:
    stranger = dataclasses.replace(ROLES[0], template="")
    result = plan(pool_of(stranger, ROLES[1], policy=policy(0)))
    assert not result.kills and result.tasks[stranger.id].template == MANAGER.template


def test_a_role_that_the_pool_has_no_more_is_ended() -> None:
    second = role(SECOND, "bari-1")
    result = plan(pool_of(*ROLES, second, policy=policy(0)))
    assert [k.task for k in result.kills] == [second.id]


def test_of_two_of_one_role_the_one_that_runs_stays() -> None:
    twin = role(MANAGER, "bari-1", id="demo.central-manager.2", phase=Phase.LAUNCHING, launched=NOW - 9)
    result = plan(pool_of(*ROLES, twin, policy=policy(0)))
    assert [k.task for k in result.kills] == [twin.id]


def test_a_role_whose_launch_comes_to_nothing_is_tried_again_later() -> None:
    stuck = role(MANAGER, phase=Phase.LAUNCHING, launched=NOW - LAUNCH_WITHIN)
    result = plan(pool_of(stuck, ROLES[1], policy=policy(0)))
    assert [k.task for k in result.kills] == [stuck.id] and "central-manager" in result.memory.failures


def test_while_a_role_waits_for_its_next_try_no_executor_takes_its_room() -> None:
    memory = Memory(failures={"submit-node": (2, NOW + 10)}, started=frozenset({"submit-node", "executor"}))
    tight = offer("pin", "torino", Size(2, 1300, 9000), agent="torino-1")
    result = plan(pool_of(ROLES[0], memory=memory, offers=(tight,), pool=pool(), queue=queue()))
    assert names(result) == [] and result.wants_offers and result.wake_at == NOW + 10
    free = plan(pool_of(*ROLES, memory=memory, offers=(tight,), pool=pool(), queue=queue()))
    assert names(free) == ["executor"]


def test_ids_name_the_pool_and_the_role_and_are_never_the_same() -> None:
    result = plan(pool_of(templates=(MANAGER, SECOND)))
    first, second = (x.task.id for x in result.launches)
    assert first.startswith("demo.central-manager.") and second.startswith("demo.central-manager-2.")
    again = plan(dataclasses.replace(pool_of(templates=(MANAGER, SECOND)), now=NOW + 1))
    assert first not in {x.task.id for x in again.launches}
    assert len(SITES) == 3
