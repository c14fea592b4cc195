"""Which executors are taken away, and when one is killed."""

from __future__ import annotations

import dataclasses

import pytest
from framework_core_helpers import (
    EXECUTOR,
    LARGEST,
    NOW,
    SITES,
    ad,
    again,
    elastic,
    executor,
    jobs,
    neighbour,
    offer,
    policy,
    pool,
    queue,
    view,
)
from htcondor_framework.core.draining import ASK_AGAIN
from htcondor_framework.core.model import Kind, Phase, Policy, Share, Size, SlotState, Task
from htcondor_framework.core.planning import TELL_AFTER, plan
from htcondor_framework.core.view import FRESH, LAUNCH_WITHIN, REGISTER_WITHIN, Memory, Plan, View
from hypothesis import given
from hypothesis import strategies as st

FREE, CLAIMED, DRAINING, DRAINED = SlotState.FREE, SlotState.CLAIMED, SlotState.DRAINING, SlotState.DRAINED


def drains(result: Plan) -> list[str]:
    return [d.task.rpartition(".")[2] for d in result.drains if not d.cancel]


def cancels(result: Plan) -> list[str]:
    return [d.task.rpartition(".")[2] for d in result.drains if d.cancel]


def kills(result: Plan) -> list[str]:
    return [k.task.rpartition(".")[2] for k in result.kills]


def record(result: Plan, name: str) -> Task:
    return result.tasks[f"demo.executor.{name}"]


def idle_view(*tasks: Task, idle_for: dict[str, float] | None = None, **changes: object) -> View:
    rules = changes.pop("rules", {})
    base = {"policy": policy(**rules), "queue": queue(), "pool": pool(*map(ad, tasks))}  # type: ignore[arg-type]
    return view(*tasks, idle_for=idle_for, **{**base, **changes})  # type: ignore[arg-type]


# Idle ones.


def test_an_executor_without_work_is_drained_after_idle_timeout() -> None:
    result = plan(idle_view(executor("a"), idle_for={"a": 119}))
    assert drains(result) == [] and result.wake_at == NOW + 1
    result = plan(idle_view(executor("a"), idle_for={"a": 120}))
    assert drains(result) == ["a"] and kills(result) == []
    assert (record(result, "a").drain, record(result, "a").drain_asked) == ("idle", NOW)
    assert result.decisions == ("executor demo.executor.a on bari-1 is drained: it has had nothing to do",)


def test_the_time_without_work_begins_when_it_is_first_seen_free() -> None:
    result = plan(idle_view(executor("a")))
    assert result.memory.idle_since == {executor("a").id: NOW} and record(result, "a").idle_since == NOW
    busy = plan(again(idle_view(executor("a")), result, pool=pool(ad(executor("a"), CLAIMED))))
    assert busy.memory.idle_since == {} and record(busy, "a").idle_since == 0


def test_a_claimed_executor_is_never_drained_for_want_of_work() -> None:
    v = idle_view(executor("a"), idle_for={"a": 9999}, pool=pool(ad(executor("a"), CLAIMED)))
    assert drains(plan(v)) == []


def test_min_stay() -> None:
    v = idle_view(executor("a"), executor("b"), idle_for={"a": 500, "b": 600}, rules={"min": 1})
    assert drains(plan(v)) == ["b"]


def test_one_that_jobs_which_wait_could_use_stays() -> None:
    task = executor("a")
    assert drains(plan(idle_view(task, idle_for={"a": 999}, queue=queue(jobs(1))))) == []
    elsewhere = queue(jobs(1, places=["torino"]))
    assert drains(plan(idle_view(task, idle_for={"a": 999}, queue=elsewhere))) == ["a"]
    too_large = queue(jobs(1, 4, 4096, disk=30_000))
    assert drains(plan(idle_view(task, idle_for={"a": 999}, queue=too_large))) == ["a"]


def test_of_two_the_jobs_keep_the_one_that_would_be_drained_last() -> None:
    v = idle_view(executor("a"), executor("b"), idle_for={"a": 300, "b": 200}, queue=queue(jobs(1)))
    assert drains(plan(v)) == ["a"]


def test_the_order_of_victims() -> None:
    tasks = [
        executor("long", "bari"),
        executor("preferred", "bari"),
        executor("far-old", "cnaf", launched=NOW - 900),
        executor("far-new", "cnaf", launched=NOW - 500),
    ]
    idle = {"long": 900, "preferred": 500, "far-old": 500, "far-new": 500}
    order = []
    for least in (3, 2, 1, 0):
        v = idle_view(*tasks, idle_for=idle, rules={"min": least, "site_preference": ("bari", "cnaf")})
        order.append((set(drains(plan(v))) - set(order)).pop())
    assert order == ["long", "far-new", "far-old", "preferred"]


@pytest.mark.parametrize(
    "changes",
    [
        {"queue": None},
        {"pool": None},
        {"queue": queue(seen=NOW - FRESH - 1)},
        {"pool": pool(ad(executor("a")), seen=NOW - FRESH - 1)},
        {"pool": pool(ad(executor("b")))},
        {"paused": True},
    ],
    ids=["no queue", "no pool", "old queue", "old pool", "its ad is not there", "paused"],
)
def test_nothing_is_drained_without_data_or_while_paused(changes: dict[str, object]) -> None:
    assert drains(plan(idle_view(executor("a"), idle_for={"a": 9999}, **changes))) == []  # type: ignore[arg-type]


def test_idle_timers_stand_still_without_data() -> None:
    v = idle_view(executor("a"), idle_for={"a": 100})
    v = dataclasses.replace(v, memory=dataclasses.replace(v.memory, pool_seen=NOW))
    silent = plan(dataclasses.replace(v, now=NOW + 500, pool=None))
    assert silent.memory.idle_since == v.memory.idle_since
    back = plan(
        again(v, silent, now=NOW + 500, queue=queue(seen=NOW + 500), pool=pool(ad(executor("a")), seen=NOW + 500))
    )
    assert drains(back) == []
    assert NOW + 500 - back.memory.idle_since[executor("a").id] == 100


# A drain's life.


def draining(
    state: SlotState | None, *, reason: str = "idle", heard: float = NOW, asked: float = NOW - 5, **more: object
) -> View:
    task = executor("a", drain=reason, drain_asked=asked)
    ads = [] if state is None else [ad(task, state, heard=heard)]
    base = {"policy": policy(), "queue": queue(), "pool": pool(*ads)}
    return view(task, **{**base, **more})  # type: ignore[arg-type]


def test_it_is_killed_when_its_ad_says_that_it_is_drained() -> None:
    result = plan(draining(DRAINED))
    assert kills(result) == ["a"] and drains(result) == []
    assert record(result, "a").phase is Phase.KILLING
    assert "is killed: it is drained (it has had nothing to do)" in result.decisions[0]


@pytest.mark.parametrize(
    "v",
    [
        draining(DRAINING),
        draining(CLAIMED),
        draining(FREE),
        draining(None),
        draining(DRAINED, heard=NOW - 6),
        draining(DRAINED, asked=NOW, heard=NOW + 1),
        draining(DRAINED, pool=pool(ad(executor("a"), DRAINED, claims=1))),
        draining(DRAINED, pool=pool(ad(executor("a"), DRAINED), seen=NOW - FRESH - 1)),
        draining(DRAINED, paused=True),
    ],
    ids=[
        "jobs are left",
        "not told yet, claimed",
        "not told yet, free",
        "its ad is gone",
        "its ad is older than the drain",
        "the data is older than the drain",
        "a claim is left",
        "the data is old",
        "paused",
    ],
)
def test_until_then_it_is_not(v: View) -> None:
    assert kills(plan(v)) == []


def test_the_drain_is_asked_again_until_the_ad_says_it() -> None:
    for state, count in ((FREE, 1), (CLAIMED, 1), (None, 1), (DRAINING, 0), (DRAINED, 0)):
        asked = NOW - ASK_AGAIN
        result = plan(draining(state, asked=asked, reason="administrator", drain_tasks=frozenset({executor("a").id})))
        assert len(drains(result)) == count, state
        result = plan(draining(state, reason="administrator", drain_tasks=frozenset({executor("a").id})))
        assert drains(result) == []


def test_a_drain_that_was_never_sent_is_asked_even_if_somebody_else_has_drained_it() -> None:
    task = executor("a")
    v = view(task, policy=policy(), queue=queue(), pool=pool(ad(task, DRAINED)), drain_tasks=frozenset({task.id}))
    result = plan(v)
    assert drains(result) == ["a"] and kills(result) == []
    later = again(v, result, now=NOW + 9, pool=pool(ad(task, DRAINED, heard=NOW + 8), seen=NOW + 9))
    assert kills(plan(later)) == ["a"]


def test_one_that_was_drained_by_hand_is_left_alone_and_is_no_room() -> None:
    task = executor("a")
    v = view(
        task,
        policy=policy(),
        queue=queue(jobs(1)),
        pool=pool(ad(task, DRAINED)),
        offers=(offer("o"),),
        idle_for={"a": 999},
    )
    result = plan(v)
    assert not result.drains and not result.kills and len(result.launches) == 1


def test_jobs_that_come_take_the_drain_back_before_anything_is_started() -> None:
    for state in (FREE, DRAINING, DRAINED):
        v = draining(state, queue=queue(jobs(1)), offers=(offer("o"),))
        if state is DRAINING:
            v = dataclasses.replace(v, pool=pool(ad(executor("a"), state, free=Size(1, 512))))
        result = plan(v)
        assert cancels(result) == ["a"] and not result.launches and not result.kills
        assert (record(result, "a").drain, record(result, "a").drain_asked) == ("", NOW)


def test_it_is_not_taken_back_for_jobs_that_do_not_fit() -> None:
    result = plan(draining(DRAINED, queue=queue(jobs(1, places=["torino"]))))
    assert cancels(result) == [] and kills(result) == ["a"]


def test_a_cancel_is_repeated_until_the_ad_says_it_and_then_forgotten() -> None:
    task = executor("a", drain_asked=NOW - ASK_AGAIN)
    base = {"policy": policy(), "queue": queue()}
    result = plan(view(task, pool=pool(ad(task, DRAINED)), **base))  # type: ignore[arg-type]
    assert cancels(result) == ["a"] and kills(result) == []
    result = plan(view(task, pool=pool(ad(task, FREE)), **base))  # type: ignore[arg-type]
    assert cancels(result) == [] and record(result, "a").drain_asked == 0


def test_no_new_drain_overtakes_a_cancel() -> None:
    task = executor("a", drain_asked=NOW - 1)
    v = view(
        task,
        policy=policy(),
        queue=queue(),
        pool=pool(ad(task, FREE, heard=NOW - 2)),
        idle_for={"a": 999},
        drain_tasks=frozenset({task.id}),
    )
    assert drains(plan(v)) == []


def test_an_unreachable_executor_is_neither_drained_nor_killed() -> None:
    task = executor("a", phase=Phase.UNREACHABLE, drain="idle", drain_asked=NOW - 99, since=NOW - 9)
    result = plan(view(task, policy=policy(), queue=queue(), pool=pool(ad(task, DRAINED))))
    assert not result.drains and not result.kills


# By the administrator.


def test_the_administrator_drains_one_though_it_is_busy_and_though_the_pool_is_paused() -> None:
    for paused in (False, True):
        v = idle_view(
            executor("a"),
            pool=pool(ad(executor("a"), CLAIMED)),
            drain_tasks=frozenset({executor("a").id}),
            paused=paused,
        )
        result = plan(v)
        assert drains(result) == ["a"] and record(result, "a").drain == "administrator"
        later = again(v, result, now=NOW + 9, pool=pool(ad(executor("a"), DRAINED, heard=NOW + 8), seen=NOW + 9))
        assert kills(plan(later)) == ["a"]


def test_demand_does_not_take_that_back_but_the_administrator_does() -> None:
    v = draining(DRAINED, reason="administrator", queue=queue(jobs(9)), drain_tasks=frozenset({executor("a").id}))
    assert cancels(plan(v)) == []
    assert cancels(plan(dataclasses.replace(v, drain_tasks=frozenset()))) == ["a"]


def test_a_site_is_emptied_and_nothing_is_started_there() -> None:
    tasks = [executor("a", "bari"), executor("b", "cnaf")]
    v = idle_view(
        *tasks,
        pool=pool(*(ad(t, CLAIMED) for t in tasks)),
        drain_sites=frozenset({"bari"}),
        queue=queue(jobs(9, places=["bari"])),
        offers=(offer("o", "bari"),),
    )
    result = plan(v)
    assert drains(result) == ["a"] and not result.launches
    assert [w.why for w in result.waiting] == ["bari is being emptied by the administrator"]
    back = plan(again(v, result, drain_sites=frozenset(), now=NOW + 1))
    assert cancels(back) == ["a"]


def test_a_weak_reason_becomes_the_administrators() -> None:
    result = plan(draining(DRAINING, drain_tasks=frozenset({executor("a").id}), queue=queue(jobs(1))))
    assert record(result, "a").drain == "administrator" and not result.drains


# By the policy.


def test_surplus_fixed_executors_are_drained_idle_first() -> None:
    tasks = [executor(n, kind=Kind.FIXED) for n in "abc"]
    ads = [ad(tasks[0], CLAIMED, claims=2), ad(tasks[1], CLAIMED, claims=1), ad(tasks[2])]
    base = {"queue": queue(), "pool": pool(*ads)}
    assert drains(plan(view(*tasks, policy=policy(3), **base))) == []  # type: ignore[arg-type]
    assert drains(plan(view(*tasks, policy=policy(2), **base))) == ["c"]  # type: ignore[arg-type]
    assert drains(plan(view(*tasks, policy=policy(1), **base))) == ["c", "b"]  # type: ignore[arg-type]


def test_they_are_taken_back_if_the_policy_wants_them_again() -> None:
    tasks = [executor(n, kind=Kind.FIXED, drain="surplus", drain_asked=NOW - 5) for n in "ab"]
    v = view(*tasks, policy=policy(1), queue=queue(), pool=pool(*(ad(t, DRAINING) for t in tasks)))
    result = plan(v)
    assert len(cancels(result)) == 1 and not result.launches


def test_a_fixed_executor_never_goes_for_want_of_work() -> None:
    task = executor("a", kind=Kind.FIXED)
    assert drains(plan(view(task, policy=policy(1), queue=queue(), pool=pool(ad(task)), idle_for={"a": 9999}))) == []


def test_without_elastic_in_the_policy_all_elastic_ones_go() -> None:
    tasks = [executor("a"), executor("b")]
    v = view(*tasks, policy=Policy(0, Share(8, 8192)), queue=queue(), pool=pool(ad(tasks[0], CLAIMED), ad(tasks[1])))
    result = plan(v)
    assert sorted(drains(result)) == ["a", "b"]
    assert len(cancels(plan(again(v, result, policy=policy(), now=NOW + 1)))) == 2


def test_changing_max_or_min_takes_nothing_away() -> None:
    tasks = [executor(n) for n in "abc"]
    v = view(*tasks, policy=policy(), queue=queue(), pool=pool(*(ad(t, CLAIMED) for t in tasks)))
    for changed in (
        policy(),
        policy(total=dataclasses.replace(elastic().total, max=1)),
        policy(batch=1, largest=Size(1, 1)),
    ):
        result = plan(dataclasses.replace(v, policy=changed))
        assert not result.drains and not result.kills and not result.launches


def test_out_of_date_executors_are_drained_a_quarter_at_a_time_busy_ones_too() -> None:
    tasks = [executor(f"{n}", kind=Kind.FIXED) for n in range(9)]
    v = view(
        *tasks,
        policy=policy(9),
        queue=queue(),
        pool=pool(*(ad(t, CLAIMED) for t in tasks)),
        executor=dataclasses.replace(EXECUTOR, template="t2"),
    )
    result = plan(v)
    assert len(drains(result)) == 2
    assert drains(plan(again(v, result))) == [], "not more before these are gone"
    one = plan(dataclasses.replace(v, tasks={tasks[0].id: tasks[0]}, policy=policy(1)))
    assert len(drains(one)) == 1


def test_a_template_that_is_changed_back_takes_the_drain_back() -> None:
    result = plan(draining(DRAINING, reason="update", executor=EXECUTOR))
    assert cancels(result) == ["a"]


# For other pools.


def pressed(*tasks: Task, ads: list[SlotState], wants: float = 8, share: float = 8, **more: object) -> View:
    return view(
        *tasks,
        policy=policy(share=Share(share, 100_000)),
        pool=pool(*(ad(t, s) for t, s in zip(tasks, ads, strict=True))),
        neighbours=(neighbour("rival", (8, 100_000), (0, 0), (wants, 0)),),
        **{"queue": queue(), **more},  # type: ignore[arg-type]
    )


def test_what_is_beyond_the_share_is_given_back_idle_first_fixed_last() -> None:
    tasks = [executor("busy"), executor("idle"), executor("fixed", kind=Kind.FIXED), executor("busier")]
    v = pressed(*tasks, ads=[CLAIMED, FREE, FREE, CLAIMED], wants=4)
    v = dataclasses.replace(v, policy=policy(1, share=Share(8, 100_000)))
    result = plan(v)
    assert drains(result) == ["idle"]
    assert record(result, "idle").drain == "share"
    assert "4 cores to be given back: rival wants what is its share" in result.decisions
    v = dataclasses.replace(
        v, policy=policy(1, share=Share(2, 100_000)), neighbours=(neighbour("rival", (20, 0), (0, 0), (20, 0)),)
    )
    assert drains(plan(v)) == ["idle", "busier", "busy", "fixed"]


def test_it_is_not_given_twice() -> None:
    tasks = [executor(n) for n in "abcd"]
    v = pressed(*tasks, ads=[CLAIMED] * 4, wants=4)
    result = plan(v)
    assert len(drains(result)) == 1
    after = plan(again(v, result, now=NOW + 1))
    assert drains(after) == []
    ended = dict(after.tasks)
    del ended[next(t.id for t in after.tasks.values() if t.drain)]
    v = dataclasses.replace(v, tasks=ended, memory=after.memory, now=NOW + 2)
    assert drains(plan(v)) == [], "what has just ended has not been taken up yet"
    v = dataclasses.replace(v, now=NOW + 60, pool=pool(*(ad(t, CLAIMED) for t in tasks), seen=NOW + 60))
    assert len(drains(plan(v))) == 1


def test_demand_does_not_take_it_back_while_others_want_it() -> None:
    task, more = executor("a", drain="share", drain_asked=NOW - 5), executor("b")
    v = pressed(task, more, ads=[DRAINING, CLAIMED], share=4, queue=queue(jobs(5, 1, 128)))
    v = dataclasses.replace(
        v, pool=pool(ad(task, DRAINING, free=Size(2, 2000)), ad(more, CLAIMED)), offers=(offer("o"),)
    )
    result = plan(v)
    assert not cancels(result) and not result.launches and not result.wants_offers
    assert "nothing is started beyond this pool's share: other pools want what is theirs" in result.decisions
    assert result.waiting[0].why == "other pools want what is their share, and this one has its own"
    calm = plan(dataclasses.replace(v, neighbours=()))
    assert cancels(calm) == ["a"]


def test_within_the_share_executors_are_started_though_others_want_theirs() -> None:
    v = pressed(ads=[], queue=queue(jobs(9, 4, 128)), offers=(offer("o", room=Size(64, 64_000)),), share=9)
    assert len(plan(v).launches) == 2


def test_a_fixed_executor_that_nobody_wants_any_more_stays() -> None:
    task = executor("a", kind=Kind.FIXED, drain="share", drain_asked=NOW - 5)
    v = view(task, policy=policy(1), queue=queue(), pool=pool(ad(task, DRAINED)))
    result = plan(v)
    assert cancels(result) == ["a"] and not result.kills


def test_if_all_that_is_beyond_the_shares_is_too_little_it_is_said() -> None:
    v = pressed(executor("a"), executor("b"), executor("c"), ads=[CLAIMED] * 3, wants=8, share=8)
    result = plan(v)
    assert len(drains(result)) == 1
    assert "all that pools have beyond their shares does not cover what the others are due" in result.decisions


def test_what_we_hold_and_want_is_told() -> None:
    tasks = [executor("a"), executor("d", drain="administrator", drain_asked=NOW)]
    v = view(
        *tasks,
        policy=policy(),
        queue=queue(jobs(6, 1, 1024)),
        pool=pool(*(ad(t, CLAIMED) for t in tasks)),
        drain_tasks=frozenset({tasks[1].id}),
    )
    us = plan(v).us
    assert us is not None and (us.pool, us.share) == ("demo", Share(8, 8192))
    assert us.holds == tasks[0].size and us.giving == tasks[1].size
    assert us.wants == Size(), "not before offers had time to come"
    patient = dataclasses.replace(v, memory=Memory(wanting=TELL_AFTER + 1, queue_seen=NOW - 1))
    us = plan(patient).us
    assert us is not None and us.wants.cpus == 3, "of six as many as fit in what is left of the share"
    assert us.wants.memory == 3 * (1024 + 72 + 12)
    roomy = dataclasses.replace(patient, policy=policy(share=Share(100, 100_000)))
    us = plan(roomy).us
    assert us is not None and us.wants.cpus == 6
    assert us.wants.memory <= 6 * (1024 + 72 + 12)


def test_what_is_left_of_the_share_and_is_too_little_is_not_claimed() -> None:
    """Two pools, each with a core of its share left and jobs of two cores, would forbid each other everything beyond their shares."""
    mine = executor("a", slots=Size(7, 4096, 20_000))
    v = view(mine, policy=policy(), queue=queue(jobs(5, 2, 512)), pool=pool(ad(mine, CLAIMED)))
    patient = dataclasses.replace(v, memory=Memory(wanting=TELL_AFTER + 1, queue_seen=NOW - 1))
    us = plan(patient).us
    assert us is not None and us.holds.cpus == 7 and us.wants == Size()
    fixed = dataclasses.replace(v, policy=policy(fixed=3))
    us = plan(fixed).us
    assert us is not None and us.wants == Size()


# Launches that come to nothing.


def test_a_launch_of_which_nothing_is_heard_is_ended() -> None:
    for ago, count in ((LAUNCH_WITHIN - 1, 0), (LAUNCH_WITHIN, 1)):
        task = executor("a", phase=Phase.LAUNCHING, launched=NOW - ago, seen=False, healthy=None)
        result = plan(view(task, policy=policy(), queue=queue(), pool=pool()))
        assert len(result.kills) == count
        assert (task.agent in result.memory.failures) == bool(count)


def test_one_that_runs_and_never_registers_is_ended() -> None:
    task = executor("a", seen=False, healthy=None)
    v = view(task, policy=policy(), queue=queue(), pool=pool())
    first = plan(v)
    assert first.memory.unseen_since == {task.id: NOW} and not first.kills
    for seconds, count in ((REGISTER_WITHIN - 1, 0), (REGISTER_WITHIN, 1)):
        memory = dataclasses.replace(first.memory, pool_seen=NOW + seconds - 1)
        later = NOW + seconds
        v2 = dataclasses.replace(v, memory=memory, now=later, pool=pool(seen=later), queue=queue(seen=later))
        assert len(plan(v2).kills) == count


@pytest.mark.parametrize(
    "what", ["was seen", "is healthy", "collector is new", "no data", "has an ad", "away", "paused"]
)
def test_one_that_runs_is_not_ended_for_that_if(what: str) -> None:
    task = executor("a", seen=False, healthy=None)
    memory = Memory(unseen_since={task.id: NOW - 999}, pool_seen=NOW - 5)
    v = view(task, policy=policy(), queue=queue(), pool=pool(), memory=memory)
    assert len(plan(v).kills) == 1
    if what == "was seen":
        v = dataclasses.replace(v, tasks={task.id: dataclasses.replace(task, seen=True)})
    elif what == "is healthy":
        v = dataclasses.replace(v, tasks={task.id: dataclasses.replace(task, healthy=True)})
    elif what == "collector is new":
        v = dataclasses.replace(v, pool=pool(negotiator=False))
    elif what == "no data":
        v = dataclasses.replace(v, pool=None)
    elif what == "has an ad":
        v = dataclasses.replace(v, pool=pool(ad(task, CLAIMED)))
    elif what == "away":
        v = dataclasses.replace(v, tasks={task.id: dataclasses.replace(task, phase=Phase.UNREACHABLE, since=NOW)})
    else:
        v = dataclasses.replace(v, paused=True)
    assert plan(v).kills == ()


def test_a_new_scheduler_gives_a_running_executor_time_again() -> None:
    """What was stored does not tell whether it was ever seen."""
    task = executor("a", seen=False, healthy=None, since=NOW - 99_999)
    assert plan(view(task, policy=policy(), queue=queue(), pool=pool(), memory=Memory())).kills == ()


def test_an_ad_without_a_task_is_found_by_its_address() -> None:
    task = executor("a", seen=False, address="10.65.0.7")
    found = dataclasses.replace(ad(task), task="", address="10.65.0.7")
    assert record(plan(view(task, policy=policy(), queue=queue(), pool=pool(found))), "a").seen


def test_a_kill_that_is_not_heard_is_sent_again() -> None:
    for ago, count in ((70, 0), (75, 1)):
        task = executor("a", phase=Phase.KILLING, since=NOW - ago)
        assert len(plan(view(task, policy=policy(), queue=queue(), pool=pool())).kills) == count


def test_a_kill_is_insisted_on_also_while_paused() -> None:
    task = executor("a", phase=Phase.KILLING, since=NOW - 80)
    assert len(plan(view(task, policy=policy(), queue=queue(), pool=pool(), paused=True)).kills) == 1


def test_one_that_was_to_be_killed_and_has_a_job_since_is_spared() -> None:
    task = executor("a", phase=Phase.KILLING, since=NOW - 80)
    result = plan(view(task, policy=policy(), queue=queue(), pool=pool(ad(task, CLAIMED))))
    assert result.kills == () and record(result, "a").phase is Phase.RUNNING


def test_an_executor_that_was_taken_over_gets_its_size_and_kind() -> None:
    stranger = executor("s", place="", size=Size(), template="", slots=LARGEST)
    found = dataclasses.replace(ad(executor("s")), site="cnaf")
    for fixed, kind in ((1, Kind.FIXED), (0, Kind.ELASTIC)):
        result = plan(view(stranger, policy=policy(fixed), queue=queue(), pool=pool(found)))
        after = record(result, "s")
        assert (after.kind, after.place, after.template) == (kind, "cnaf", EXECUTOR.template)
        assert after.size == executor("s").size and not result.launches and not result.drains


@given(st.data())
def test_no_executor_with_a_claim_is_ever_killed(data: st.DataObject) -> None:
    """Whatever the records, the ads, the policy and the administrator say."""
    tasks, ads = [], []
    for n in range(data.draw(st.integers(1, 5))):
        asked = data.draw(st.sampled_from([0.0, NOW - 100, NOW - 5]))
        task = executor(
            f"e{n}",
            data.draw(st.sampled_from(SITES)),
            kind=data.draw(st.sampled_from([Kind.FIXED, Kind.ELASTIC])),
            drain=data.draw(st.sampled_from(["", "idle", "share", "surplus", "update", "site", "administrator"])),
            drain_asked=asked,
            phase=data.draw(st.sampled_from(list(Phase))),
            since=data.draw(st.sampled_from([NOW - 1000, NOW - 10])),
            template=data.draw(st.sampled_from(["t1", "old"])),
            seen=data.draw(st.booleans()),
        )
        tasks.append(task)
        if data.draw(st.booleans()):
            state = data.draw(st.sampled_from(list(SlotState)))
            ads.append(ad(task, state, heard=data.draw(st.sampled_from([NOW - 200, NOW - 50, NOW - 2]))))
    v = view(
        *tasks,
        policy=data.draw(st.sampled_from([None, policy(0), policy(2), Policy(0, Share(1, 1))])),
        queue=data.draw(st.sampled_from([None, queue(), queue(jobs(3))])),
        pool=data.draw(st.sampled_from([pool(*ads), pool(*ads, seen=NOW - 99)])),
        paused=data.draw(st.booleans()),
        drain_sites=frozenset(data.draw(st.sets(st.sampled_from(SITES)))),
        drain_tasks=frozenset(t.id for t in tasks if data.draw(st.booleans())),
        neighbours=data.draw(st.sampled_from([(), (neighbour("rival", (9, 9), (0, 0), (9, 9)),)])),
        memory=Memory(unseen_since={t.id: NOW - 999 for t in tasks}, pool_seen=NOW - 1),
    )
    result = plan(v)
    told = {a.task: a for a in ads} if v.pool is not None and v.pool.seen == NOW else {}
    for kill in result.kills:
        before = v.tasks[kill.task]
        if before.phase in (Phase.KILLING, Phase.LAUNCHING):
            continue  # again, or overdue
        known = told[kill.task]
        assert known.state is DRAINED and known.claims == 0
        assert before.drain and known.heard > before.drain_asked > 0
    assert not {d.task for d in result.drains if not d.cancel} & {k.task for k in result.kills}
