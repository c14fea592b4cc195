"""Room for a submit node that can run on one machine only, where another pool's executors are."""

from __future__ import annotations

import dataclasses

from framework_core_helpers import (
    MANAGER,
    NOW,
    SUBMIT,
    ad,
    again,
    executor,
    jobs,
    neighbour,
    offer,
    policy,
    pool,
    queue,
    role,
    view,
)
from htcondor_framework.core.draining import ROOM
from htcondor_framework.core.homes import LOOKS_FOR, TAKEN_UP_WITHIN
from htcondor_framework.core.model import Homeless, Neighbour, Phase, Size, SlotState, Task
from htcondor_framework.core.planning import plan
from htcondor_framework.core.view import Plan, View

HOME = Homeless("torino-1", SUBMIT.container)


def without_submit_node(**changes: object) -> View:
    base = {
        "policy": policy(),
        "queue": queue(),
        "pool": pool(),
        "offers": (offer("torino-1", "torino", Size(0.1, 64)),),
    }
    return view(roles={"tasks": [role(MANAGER)]}, **{**base, **changes})  # type: ignore[arg-type]


def told(result: Plan) -> Homeless | None:
    assert result.us is not None
    return result.us.homeless


def asking(node: str = "torino-1") -> Neighbour:
    return dataclasses.replace(neighbour("other", (4, 4096), (0, 0)), homeless=Homeless(node, SUBMIT.container))


def here(*tasks: Task, **changes: object) -> View:
    base = {"policy": policy(), "queue": queue(), "pool": pool(*map(ad, tasks)), "neighbours": (asking(),)}
    return view(*tasks, **{**base, **changes})  # type: ignore[arg-type]


def drained(result: Plan) -> list[str]:
    return [d.task.rpartition(".")[2] for d in result.drains if not d.cancel]


def test_the_others_are_asked_after_a_while() -> None:
    first = without_submit_node()
    after = plan(first)
    assert told(after) is None
    assert after.wake_at is not None and after.wake_at <= NOW + LOOKS_FOR
    assert told(plan(again(first, after, now=NOW + LOOKS_FOR - 1))) is None
    assert told(plan(again(first, after, now=NOW + LOOKS_FOR))) == HOME


def test_it_is_not_said_of_what_has_room_or_may_run_elsewhere() -> None:
    first = without_submit_node()
    after = plan(first)
    there_is_room = again(first, after, now=NOW + LOOKS_FOR, offers=(offer("torino-1", "torino"),))
    placed = plan(there_is_room)
    assert [x.task.name for x in placed.launches] == ["submit-node"]
    assert told(placed) is None and placed.memory.homeless_since == 0
    anywhere = dataclasses.replace(SUBMIT, pinned=False, constraints={})
    free = without_submit_node(offers=(offer("torino-1", "torino", Size(0.1, 64)), offer("bari-1")))
    free = dataclasses.replace(free, roles=(MANAGER, anywhere))
    assert [x.task.agent for x in plan(free).launches] == ["bari-1"]


def test_just_enough_is_drained_there_and_nothing_elsewhere() -> None:
    busy, idle = executor("busy", "torino", node="torino-1"), executor("idle", "torino", node="torino-1")
    other = executor("other", "torino", node="torino-2", agent="torino-2")
    seen = here(busy, idle, other, pool=pool(ad(busy, SlotState.CLAIMED), ad(idle), ad(other)))
    after = plan(seen)
    assert drained(after) == ["idle"]
    assert after.tasks[idle.id].drain == ROOM
    assert not after.kills


def test_an_executor_with_a_job_is_drained_too_but_not_killed() -> None:
    busy = executor("busy", "torino", node="torino-1")
    after = plan(here(busy, pool=pool(ad(busy, SlotState.CLAIMED))))
    assert drained(after) == ["busy"]
    later = plan(
        again(
            here(busy, pool=pool(ad(busy, SlotState.DRAINING, claims=1, heard=NOW + 5), seen=NOW + 5)),
            after,
            now=NOW + 5,
        )
    )
    assert not later.kills


def test_no_more_is_drained_until_the_other_had_time_to_take_it_up() -> None:
    one, two = executor("one", "torino", node="torino-1"), executor("two", "torino", node="torino-1")
    first = here(one, two)
    after = plan(first)
    assert len(drained(after)) == 1
    left = {k: t for k, t in after.tasks.items() if not t.drain}
    rest = [t for t in (one, two) if t.id in left]
    gone = dataclasses.replace(after, tasks=left)
    soon = again(first, gone, now=NOW + 20, pool=pool(*map(ad, rest), seen=NOW + 20), queue=queue(seen=NOW + 20))
    assert drained(plan(soon)) == []
    late = NOW + TAKEN_UP_WITHIN + 1
    assert len(drained(plan(dataclasses.replace(soon, now=late, pool=pool(*map(ad, rest), seen=late))))) == 1


def test_it_is_taken_back_when_nobody_asks_any_more() -> None:
    one = executor("one", "torino", node="torino-1")
    first = here(one)
    after = plan(first)
    draining = pool(ad(one, SlotState.DRAINING, heard=NOW + 3), seen=NOW + 3)
    later = plan(again(first, after, now=NOW + 3, neighbours=(), pool=draining))
    assert [d.cancel for d in later.drains] == [True]
    assert later.tasks[one.id].drain == ""


def test_the_room_is_left_to_the_other() -> None:
    small = Size(2.2, 1400, 100_000)
    waiting = queue(jobs(3, cpus=2, memory=512))
    seen = here(queue=waiting, offers=(offer("torino-1", "torino", small),), policy=policy(wait_cycles=0))
    assert not plan(seen).launches
    assert plan(dataclasses.replace(seen, neighbours=())).launches
    assert plan(dataclasses.replace(seen, neighbours=(asking("bari-1"),))).launches


def test_our_own_submit_node_does_not_wait_for_another_pools() -> None:
    seen = without_submit_node(neighbours=(asking(),), offers=(offer("torino-1", "torino", SUBMIT.container),))
    assert [x.task.name for x in plan(seen).launches] == ["submit-node"]


def test_what_is_launched_knows_its_node() -> None:
    seen = without_submit_node(offers=(offer("torino-1", "torino"),))
    (launched,) = plan(seen).launches
    assert (launched.task.node, launched.task.phase) == ("torino-1", Phase.LAUNCHING)


def test_a_paused_pool_drains_nothing() -> None:
    one = executor("one", "torino", node="torino-1")
    assert not plan(here(one, paused=True)).drains
