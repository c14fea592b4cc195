"""Machines that go into maintenance: who leaves them, in which order, and what comes back when they stay after all."""

import dataclasses

import pytest
from framework_core_helpers import (
    EXECUTOR,
    MANAGER,
    NOW,
    SUBMIT,
    ad,
    again,
    executor,
    offer,
    policy,
    pool,
    queue,
    role,
    view,
)
from htcondor_framework.core import draining, homes
from htcondor_framework.core.model import Kind, Phase, Size, SlotState
from htcondor_framework.core.planning import busy_agents, plan
from htcondor_framework.core.roles import LAST_RESORT

LEAVING = frozenset({"bari-1"})
SECOND = dataclasses.replace(MANAGER, name="central-manager-2")


def drain_of(name: str = "a", **changes: object) -> str:
    e = executor(name)
    result = plan(
        view(e, policy=policy(), queue=queue(), pool=pool(ad(e, SlotState.CLAIMED)), leaving=LEAVING, **changes)
    )
    assert not result.kills
    return result.tasks[e.id].drain


def test_executors_are_drained_and_not_killed() -> None:
    here, there = executor("a"), executor("b", place="cnaf")
    ads = pool(ad(here, SlotState.CLAIMED), ad(there, SlotState.CLAIMED))
    result = plan(view(here, there, policy=policy(), queue=queue(), pool=ads, leaving=LEAVING))
    assert [(d.task, d.why, d.cancel) for d in result.drains] == [(here.id, "its machine goes into maintenance", False)]
    assert not result.kills
    assert f"executor {here.id} on bari-1 is drained: its machine goes into maintenance" in result.decisions


def test_one_that_is_drained_is_ended() -> None:
    e = executor("a", drain=draining.MAINTENANCE, drain_asked=NOW - 10)
    result = plan(view(e, policy=policy(), queue=queue(), pool=pool(ad(e, SlotState.DRAINED)), leaving=LEAVING))
    assert [k.task for k in result.kills] == [e.id]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, draining.MAINTENANCE),
        ({"paused": True}, draining.MAINTENANCE),
        ({"drain_sites": frozenset({"bari"})}, draining.SITE),
        ({"drain_tasks": frozenset({"demo.executor.a"})}, draining.ADMINISTRATOR),
    ],
)
def test_the_strongest_order_is_told(changes: dict[str, object], reason: str) -> None:
    assert drain_of(**changes) == reason


def test_what_was_drained_for_less_does_not_come_back() -> None:
    e = executor("a", drain=draining.IDLE, drain_asked=NOW - 5)
    result = plan(view(e, policy=policy(), queue=queue(), pool=pool(ad(e, SlotState.DRAINING)), leaving=LEAVING))
    assert result.tasks[e.id].drain == draining.MAINTENANCE
    by_site = executor("a", drain=draining.SITE, drain_asked=NOW - 5)
    result = plan(view(by_site, policy=policy(), queue=queue(), pool=pool(ad(e, SlotState.DRAINING)), leaving=LEAVING))
    assert result.tasks[e.id].drain == draining.MAINTENANCE, "the site was taken back, the machine goes all the same"
    assert not result.drains


def test_a_machine_that_stays_has_its_executors_back() -> None:
    e = executor("a", drain=draining.MAINTENANCE, drain_asked=NOW - 5)
    before = view(e, policy=policy(), queue=queue(), pool=pool(ad(e, SlotState.DRAINING)))
    result = plan(before)
    assert [(d.cancel, d.why) for d in result.drains] == [(True, "its machine stays")]
    assert result.tasks[e.id].drain == ""


def test_a_fixed_executor_is_replaced_elsewhere_at_once() -> None:
    e = executor("a", kind=Kind.FIXED)
    offers = (offer("bari-1", unavailable_from=NOW), offer("cnaf-2", place="cnaf"))
    result = plan(
        view(
            e,
            policy=policy(fixed=1),
            queue=queue(),
            pool=pool(ad(e, SlotState.CLAIMED)),
            offers=offers,
            leaving=LEAVING,
        )
    )
    assert [x.offer for x in result.launches] == ["cnaf-2"]
    # Were it to stay after all, there would be one too many, and one is drained.
    two = [executor("a", kind=Kind.FIXED), executor("b", kind=Kind.FIXED, place="cnaf")]
    result = plan(view(*two, policy=policy(fixed=1), queue=queue(), pool=pool(*(ad(t) for t in two))))
    assert len(result.drains) == 1 and not result.kills


def test_nothing_is_started_there_though_its_offer_does_not_say_so() -> None:
    result = plan(view(policy=policy(fixed=1), queue=queue(), pool=pool(), offers=(offer("bari-1"),), leaving=LEAVING))
    assert not result.launches and result.wants_offers


# -- the pool's roles


def managers(agent: str = "bari-1", **changes: object) -> dict[str, object]:
    return {"tasks": [role(MANAGER, agent, **changes), role(SUBMIT)]}


def test_the_central_manager_moves_when_there_is_room_elsewhere() -> None:
    before = view(roles=managers(), pool=pool(), offers=(offer("cnaf-1", place="cnaf"),), leaving=LEAVING)
    result = plan(before)
    assert [k.task for k in result.kills] == ["demo.central-manager.1"] and not result.launches
    gone = {k: t for k, t in result.tasks.items() if t.name != "central-manager"}
    offers = (offer("bari-1"), offer("cnaf-1", place="cnaf"))
    after = plan(again(before, dataclasses.replace(result, tasks=gone), offers=offers))
    assert [(x.task.name, x.offer) for x in after.launches] == [("central-manager", "cnaf-1")]


def test_it_stays_as_long_as_nobody_has_room_for_it() -> None:
    small = offer("cnaf-1", place="cnaf", room=Size(0.1, 64))
    for offers in ((), (small,), (offer("bari-1", unavailable_from=NOW),)):
        result = plan(view(roles=managers(), pool=pool(), offers=offers, leaving=LEAVING))
        assert not result.kills and not result.launches and result.wants_offers
        assert (
            "central-manager waits for an offer elsewhere: its machine bari-1 goes into maintenance" in result.decisions
        )


def test_the_room_that_it_is_to_have_is_not_given_away() -> None:
    room = EXECUTOR.overhead.container(EXECUTOR.fixed)
    offers = (offer("cnaf-1", place="cnaf", room=room),)
    result = plan(
        view(roles=managers(), policy=policy(fixed=1), queue=queue(), pool=pool(), offers=offers, leaving=LEAVING)
    )
    assert result.kills and not result.launches


def test_a_lost_central_manager_is_better_there_than_nowhere_unless_we_agreed() -> None:
    """Without a collector nothing could be drained."""
    roles = {"tasks": [role(SUBMIT)]}
    offers = (offer("bari-1", unavailable_from=NOW),)
    assert not plan(view(roles=roles, offers=offers, leaving=LEAVING)).launches
    before = view(roles=roles, offers=offers, leaving=LEAVING, kept=LEAVING)
    first = plan(before)
    assert not first.launches and first.wake_at == NOW + LAST_RESORT, "machines that stay have time to offer themselves"
    later = plan(again(before, first, now=NOW + LAST_RESORT))
    assert [x.task.name for x in later.launches] == ["central-manager"]


def test_the_submit_node_stays_with_its_spool() -> None:
    here = frozenset({"torino-1"})
    offers = (offer("cnaf-1", place="cnaf"), offer("torino-1", place="torino", unavailable_from=NOW))
    result = plan(view(pool=pool(), offers=offers, leaving=here))
    assert not result.kills
    lost = plan(view(roles={"tasks": [role(MANAGER, "cnaf-1")]}, pool=pool(), offers=offers, leaving=here))
    assert [(x.task.name, x.offer) for x in lost.launches] == [("submit-node", "torino-1")]


@pytest.mark.parametrize(("healthy", "moved"), [(True, "central-manager"), (None, SECOND.name), (False, SECOND.name)])
def test_of_several_central_managers_one_moves_after_the_other(healthy: bool | None, moved: str) -> None:
    first = role(MANAGER, "bari-1")
    second = role(SECOND, "cnaf-1", healthy=healthy)
    both = {"tasks": [first, second, role(SUBMIT)], "templates": (MANAGER, SECOND, SUBMIT)}
    offers = (offer("torino-2", place="torino"),)
    result = plan(view(roles=both, pool=pool(), offers=offers, leaving=LEAVING | {"cnaf-1"}))
    assert [k.task for k in result.kills] == [f"demo.{moved}.1"], "never both, and none while the other is not up"


# -- what is answered


def test_an_agent_may_go_when_only_what_is_pinned_is_there() -> None:
    tasks = {t.id: t for t in (role(MANAGER, "cnaf-1"), role(SUBMIT), executor("a"))}
    assert busy_agents(tasks, (MANAGER, SUBMIT)) == {"cnaf-1", "bari-1"}
    unreachable = {t.id: t for t in (executor("a", phase=Phase.UNREACHABLE),)}
    assert busy_agents(unreachable, (MANAGER, SUBMIT)) == {"bari-1"}, "its agent is back, it will be in a moment"


def test_own_executors_make_room_for_the_submit_node() -> None:
    """On a machine that was made anew they may have been quicker."""
    e = executor("a", place="torino", node="torino-1")
    before = view(e, roles={"tasks": [role(MANAGER, "cnaf-1")]}, policy=policy(), pool=pool(ad(e), schedd=False))
    first = plan(before)
    assert not first.drains, "its room may come by itself"
    later = NOW + homes.LOOKS_FOR
    result = plan(again(before, first, now=later, pool=pool(ad(e, heard=later), schedd=False, seen=later)))
    assert [(d.task, d.why) for d in result.drains] == [(e.id, "a central manager or a submit node waits for its room")]
