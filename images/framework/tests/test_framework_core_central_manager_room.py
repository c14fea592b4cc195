"""Room for a central manager that is lost while executors fill every machine; and drains without a collector, which it takes with it."""

from __future__ import annotations

import dataclasses

import pytest
from framework_core_helpers import (
    LARGEST,
    MANAGER,
    NOW,
    SUBMIT,
    ad,
    again,
    executor,
    neighbour,
    offer,
    policy,
    pool,
    queue,
    role,
    view,
)
from htcondor_framework.core.cycle import Cycle
from htcondor_framework.core.draining import IDLE, ROOM
from htcondor_framework.core.homes import ANSWERS_WITHIN, LOOKS_FOR
from htcondor_framework.core.machines import PATIENCE, RECENT, place_to_ask, shortage
from htcondor_framework.core.model import Homeless, Machine, Phase, Size, SlotState, Task
from htcondor_framework.core.planning import plan
from htcondor_framework.core.view import ALONE_AFTER, Memory, Plan, View
from hypothesis import given
from hypothesis import strategies as st

NODES = ("torino-1", "torino-2", "cnaf-1", "bari-1")
TOO_SMALL = Size(0.1, 200)


def machine(node: str, room: Size | None = None, offered: float = NOW - 10, **attributes: str) -> Machine:
    attributes = {"site": node.split("-")[0], "node": node, **attributes}
    return Machine(node, node, attributes, room or Size(), offered)


def without_manager(*tasks: Task, **changes: object) -> View:
    """It ended, and nobody has said anything for some time."""
    base = {"policy": policy(), "queue": None, "pool": None}
    return view(*tasks, roles={"tasks": [role(SUBMIT)]}, **{**base, **changes})  # type: ignore[arg-type]


def told(result: Plan) -> Homeless | None:
    assert result.us is not None
    return result.us.homeless


def memory(*machines: Machine, **changes: object) -> Memory:
    return Memory(machines={m.node: m for m in machines}, started=frozenset({"central-manager"}), **changes)  # type: ignore[arg-type]


def asked(seen: View) -> str:
    return place_to_ask(Cycle.of(seen), MANAGER)


def at(node: str, name: str, **changes: object) -> Task:
    return executor(name, node.split("-")[0], node=node, agent=node, address="10.65.0.9", **changes)  # type: ignore[arg-type]


# Which machine.


def test_room_is_asked_for_after_a_while_where_it_was_last() -> None:
    up = view(
        policy=policy(),
        pool=pool(),
        queue=queue(),
        roles={"tasks": [role(MANAGER, "cnaf-1", node="cnaf-1"), role(SUBMIT)]},
    )
    ran = plan(up)
    full = tuple(offer(node, node.split("-")[0], TOO_SMALL) for node in NODES)
    tasks = {t.id: t for t in ran.tasks.values() if t.name != "central-manager"}
    lost = dataclasses.replace(up, tasks=tasks, memory=ran.memory, offers=full, pool=None)
    first = plan(lost)
    assert told(first) is None
    assert first.wake_at is not None and first.wake_at <= NOW + LOOKS_FOR
    assert told(plan(again(lost, first, now=NOW + LOOKS_FOR - 1))) is None
    assert told(plan(again(lost, first, now=NOW + LOOKS_FOR))) == Homeless("cnaf-1", MANAGER.container)


def test_it_ends_when_there_is_room_somewhere() -> None:
    seen = without_manager(memory=memory(machine("bari-1"), homeless_since=NOW - 60, asked=("bari-1", NOW - 60)))
    assert told(plan(seen)) == Homeless("bari-1", MANAGER.container)
    result = plan(dataclasses.replace(seen, offers=(offer("torino-1", "torino", MANAGER.container),)))
    assert [x.task.name for x in result.launches] == ["central-manager"]
    assert (told(result), result.memory.homeless_since, result.memory.asked) == (None, 0.0, ("", 0.0))


def test_it_moves_on_if_the_machine_is_known_to_be_away_or_goes_into_maintenance() -> None:
    away = at("cnaf-1", "a", phase=Phase.UNREACHABLE)
    known = memory(*map(machine, NODES), ran_on={"central-manager": "cnaf-1"}, asked=("cnaf-1", NOW - 20))
    assert asked(without_manager(memory=known)) == "cnaf-1"
    assert asked(without_manager(away, memory=known)) == "bari-1"
    assert asked(without_manager(memory=known, leaving=frozenset({"cnaf-1"}))) == "bari-1"
    going = offer("cnaf-1", "cnaf", TOO_SMALL, unavailable_from=NOW + 60)
    assert asked(without_manager(memory=known, offers=(going,))) == "bari-1"


def test_it_does_not_go_back_to_the_machine_that_was_lost_with_it() -> None:
    lost = role(MANAGER, "cnaf-1", node="cnaf-1", phase=Phase.UNREACHABLE, since=NOW - 31)
    seen = view(
        roles={"tasks": [lost, role(SUBMIT)]},
        policy=policy(),
        memory=memory(*map(machine, NODES), ran_on={lost.name: "cnaf-1"}),
    )
    result = plan(seen)
    assert asked(seen) == "bari-1" and result.memory.asked == ("bari-1", NOW)
    forgotten = {k: t for k, t in result.tasks.items() if t.id != lost.id}
    assert "central-manager" not in plan(dataclasses.replace(seen, tasks=forgotten, memory=result.memory)).memory.ran_on


def test_else_where_room_is_nearest_to_enough() -> None:
    rooms = {"torino-1": Size(0.1, 128), "torino-2": Size(0.2, 200), "cnaf-1": Size(1, 32), "bari-1": Size()}
    known = [machine(node, room) for node, room in rooms.items()]
    assert asked(without_manager(memory=memory(*known))) == "torino-2"
    # What was offered long ago tells nothing of what is free; that torino-1 is there our submit node tells.
    old = [machine(node, room, offered=NOW - RECENT - 1) for node, room in rooms.items()]
    assert asked(without_manager(memory=memory(*old))) == "torino-1"


def test_it_waits_long_for_jobs_but_not_for_ever_for_a_machine_of_which_nothing_is_heard() -> None:
    silent = [machine(node, offered=NOW - 5000) for node in NODES]
    patient = memory(*silent, asked=("torino-2", NOW - PATIENCE + 1), homeless_since=NOW - PATIENCE)
    seen = without_manager(memory=patient)
    assert asked(seen) == "torino-2"
    later = dataclasses.replace(seen, now=NOW + 1)
    assert asked(later) == "torino-1"  # where the submit node is
    # An executor of ours says that the machine is there: jobs may take hours.
    assert asked(dataclasses.replace(later, tasks={"e": at("torino-2", "e")})) == "torino-2"


def test_nobody_is_asked_for_what_may_not_be_there() -> None:
    narrow = dataclasses.replace(MANAGER, constraints={"site": frozenset({"bari"}), "disk": frozenset({"fast"})})
    cycle = Cycle.of(
        without_manager(
            memory=memory(machine("bari-1"), machine("bari-2", disk="fast"), machine("cnaf-1", disk="fast"))
        )
    )
    assert place_to_ask(cycle, narrow) == "bari-2"
    assert (
        place_to_ask(Cycle.of(without_manager()), dataclasses.replace(narrow, constraints={"site": frozenset()})) == ""
    )


def test_not_beside_the_other_one() -> None:
    second = dataclasses.replace(MANAGER, name="central-manager-2")
    seen = view(
        policy=policy(), pool=pool(), queue=queue(), memory=memory(machine("cnaf-1"), machine("torino-2")),
        roles={"tasks": [role(MANAGER, "cnaf-1"), role(SUBMIT)], "templates": (MANAGER, second, SUBMIT)},
    )  # fmt: skip
    assert place_to_ask(Cycle.of(seen), second) == "torino-2"


known_machines = st.dictionaries(
    st.sampled_from(NODES),
    st.tuples(st.floats(0, 0.19), st.floats(0, 255), st.floats(0, 5000)),
    max_size=4,
)


@given(
    known_machines,
    st.sampled_from(("", *NODES)),
    st.sampled_from(("", *NODES)),
    st.sets(st.sampled_from(NODES)),
    st.floats(0, 1000),
)
def test_whatever_is_known_the_machine_is_one_that_may_be_there(
    known: dict[str, tuple[float, float, float]], last: str, before: str, gone: set[str], since: float
) -> None:
    machines = [machine(node, Size(cpus, mib), NOW - age) for node, (cpus, mib, age) in known.items()]
    ran = {"central-manager": last} if last else {}
    held = memory(*machines, ran_on=ran, asked=(before, NOW - since) if before else ("", 0.0))
    away = [at(node, node, phase=Phase.UNREACHABLE) for node in gone]
    seen = without_manager(*away, memory=held)
    found = asked(seen)
    possible = known.keys() - gone
    assert (found in possible) if possible else found == ""
    assert found == asked(seen)
    if last in possible and not before:
        assert found == last
    if before in possible and (since < PATIENCE or known[before][2] <= RECENT):
        assert found == before
    rooms = {m.node: shortage(MANAGER.container, m.room) for m in machines}
    if found and not before and last not in possible and all(age <= RECENT for _, _, age in known.values()):
        assert rooms[found] == min(rooms[node] for node in possible)


# Draining without a collector.


def test_our_own_executors_there_are_asked_and_an_idle_one_is_drained() -> None:
    busy, idle, elsewhere = at("cnaf-1", "busy"), at("cnaf-1", "idle"), at("bari-1", "elsewhere")
    held = memory(machine("cnaf-1"), ran_on={"central-manager": "cnaf-1"}, homeless_since=NOW - LOOKS_FOR)
    seen = without_manager(busy, idle, elsewhere, memory=held)
    first = plan(seen)
    assert not first.drains and set(first.asks) == {busy.id, idle.id}
    own = (ad(busy, SlotState.CLAIMED, heard=NOW + 2), ad(idle, heard=NOW + 2))
    second = plan(again(seen, first, now=NOW + ANSWERS_WITHIN, own_ads=own))
    assert [d.task for d in second.drains] == [idle.id]
    assert second.tasks[idle.id].drain == ROOM
    later = NOW + ANSWERS_WITHIN + 5
    drained = (ad(busy, SlotState.CLAIMED, heard=later), ad(idle, SlotState.DRAINED, heard=later))
    third = plan(again(seen, second, now=later, own_ads=drained))
    assert [k.task for k in third.kills] == [idle.id]


def test_if_nobody_answers_they_are_told_to_drain_all_the_same() -> None:
    silent = at("cnaf-1", "silent")
    held = memory(machine("cnaf-1"), ran_on={"central-manager": "cnaf-1"}, homeless_since=NOW - LOOKS_FOR)
    seen = without_manager(silent, memory=held)
    first = plan(seen)
    assert not first.drains
    second = plan(again(seen, first, now=NOW + ANSWERS_WITHIN))
    assert [d.task for d in second.drains] == [silent.id]
    much_later = again(seen, second, now=NOW + 10_000)
    assert not plan(much_later).kills


def test_it_makes_room_for_another_pool_too() -> None:
    one = at("bari-1", "one")
    other = dataclasses.replace(neighbour("other", (4, 4096), (0, 0)), homeless=Homeless("bari-1", MANAGER.container))
    seen = without_manager(
        one, memory=memory(machine("cnaf-1")), neighbours=(other,), own_ads=(ad(one, heard=NOW - 1),)
    )
    assert [d.task for d in plan(seen).drains] == [one.id]


def test_what_drained_before_the_collector_was_lost_goes_on() -> None:
    one = at("bari-1", "one", drain=IDLE, drain_asked=NOW - 50)
    seen = without_manager(one)
    assert plan(seen).asks == (one.id,)
    result = plan(dataclasses.replace(seen, own_ads=(ad(one, SlotState.DRAINED, heard=NOW - 1),)))
    assert [k.task for k in result.kills] == [one.id]


def test_nobody_is_asked_while_a_collector_answers() -> None:
    one = at("bari-1", "one", drain=IDLE, drain_asked=NOW - 50)
    seen = view(one, policy=policy(), pool=pool(ad(one, SlotState.DRAINING), seen=NOW - ALONE_AFTER), queue=queue())
    assert plan(seen).asks == ()
    assert plan(dataclasses.replace(seen, now=NOW + 1)).asks == (one.id,)


def test_the_newer_word_counts() -> None:
    one = at("bari-1", "one", drain=IDLE, drain_asked=NOW - 50)
    old = pool(ad(one, SlotState.DRAINING, claims=1, heard=NOW - 40), seen=NOW - 30)
    seen = view(one, policy=policy(), pool=old, queue=queue(), own_ads=(ad(one, SlotState.DRAINED, heard=NOW - 1),))
    assert [k.task for k in plan(seen).kills] == [one.id]
    claimed_since = dataclasses.replace(seen, own_ads=(ad(one, SlotState.DRAINED, heard=NOW - 45),))
    assert not plan(claimed_since).kills


STATES = st.sampled_from(list(SlotState))


@given(
    st.lists(
        st.tuples(STATES, st.integers(0, 2), st.floats(0, 200), st.floats(0, 200), st.booleans(), st.booleans()),
        max_size=5,
    )
)
def test_without_a_collector_only_what_says_itself_that_it_is_drained_is_killed(
    executors: list[tuple[SlotState, int, float, float, bool, bool]],
) -> None:
    tasks, ads = [], []
    for n, (state, claims, heard, told_at, drains, answers) in enumerate(executors):
        task = at("bari-1", f"e{n}", drain=ROOM if drains else "", drain_asked=NOW - told_at if drains else 0.0)
        tasks.append(task)
        if answers:
            ads.append(ad(task, state, claims=claims, heard=NOW - heard))
    held = memory(machine("bari-1"), homeless_since=NOW - 60, asked=("bari-1", NOW - 60), made_room={"bari-1": NOW - 1})
    result = plan(without_manager(*tasks, memory=held, own_ads=tuple(ads)))
    said = {a.task: a for a in ads}
    killed = {k.task for k in result.kills}
    for task in tasks:
        ad_ = said.get(task.id)
        sure = ad_ is not None and ad_.state is SlotState.DRAINED and ad_.claims == 0 and NOW - ad_.heard <= 60
        may = bool(task.drain) and sure and ad_ is not None and ad_.heard > task.drain_asked
        assert (task.id in killed) == may
    assert set(result.asks) == {t.id for t in tasks} - killed


def test_two_pools_without_collectors_and_full_machines_both_get_their_room() -> None:
    """Each waits for the other's executors and for its own; neither for the other's central manager."""
    for name, other in (("demo", "other"), ("other", "demo")):
        mine = at("bari-1", name, slots=LARGEST)
        theirs = dataclasses.replace(
            neighbour(other, (4, 4096), (4, 4096)), homeless=Homeless("bari-1", MANAGER.container)
        )
        held = memory(machine("bari-1"), homeless_since=NOW - 60, asked=("bari-1", NOW - 60))
        seen = without_manager(mine, memory=held, neighbours=(theirs,), own_ads=(ad(mine, heard=NOW - 1),))
        seen = dataclasses.replace(seen, name=name)
        assert [d.task for d in plan(seen).drains] == [mine.id]
        freed = dataclasses.replace(seen, tasks={}, offers=(offer("bari-1", room=MANAGER.container),), own_ads=())
        assert [x.task.name for x in plan(freed).launches][:1] == ["central-manager"]


@pytest.mark.parametrize("paused", [False, True])
def test_a_paused_pool_asks_for_room_too(paused: bool) -> None:
    held = memory(machine("bari-1"), homeless_since=NOW - 60, asked=("bari-1", NOW - 60))
    assert told(plan(without_manager(memory=held, paused=paused))) == Homeless("bari-1", MANAGER.container)


def test_what_answers_by_itself_may_still_be_unknown_to_the_collector() -> None:
    """One that never finds the collector is given up once that is back, though it was heard meanwhile."""
    mute = at("bari-1", "mute", drain=IDLE, drain_asked=NOW - 5, seen=False, healthy=None)
    asked_itself = plan(without_manager(mute, own_ads=(ad(mute, SlotState.DRAINING, heard=NOW - 1),)))
    assert not asked_itself.tasks[mute.id].seen
