"""Where executors are launched, and how large."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter

import pytest
from framework_core_helpers import (
    EXECUTOR,
    LARGEST,
    NOW,
    OVERHEAD,
    SITES,
    ad,
    elastic,
    executor,
    jobs,
    offer,
    policy,
    pool,
    queue,
    view,
)
from htcondor_framework.core.model import (
    Caps,
    JobGroup,
    Kind,
    Limit,
    Offer,
    Phase,
    Placement,
    Policy,
    Share,
    Size,
    SlotState,
)
from htcondor_framework.core.placing import PATIENCE
from htcondor_framework.core.planning import plan
from htcondor_framework.core.view import FRESH, Launch, Memory, Plan, View
from hypothesis import given
from hypothesis import strategies as st


def slots(launch: Launch) -> Size:
    return OVERHEAD.slots(launch.task.size)


def burst(*groups: JobGroup, offers: tuple[Offer, ...], fixed: int = 0, **rules: object) -> Plan:
    return plan(view(policy=policy(fixed, **rules), offers=offers, queue=queue(*groups), pool=pool()))  # type: ignore[arg-type]


def places(result: Plan) -> list[str]:
    return [x.task.place for x in result.launches]


def test_an_executor_is_exactly_as_large_as_the_jobs_it_is_made_for() -> None:
    result = burst(jobs(2, 1, 512, disk=100), jobs(1, 1, 1000, disk=50, key="b"), offers=(offer("o1"),))
    assert [slots(x) for x in result.launches] == [Size(3, 512 * 2 + 1024, 250)]
    assert result.launches[0].task.size.memory == 2048 + 72 + 3 * 12
    assert result.decisions == ("1 elastic executor is started for 3 idle jobs: 1 on bari",)


def test_an_executor_is_never_larger_than_largest() -> None:
    result = burst(jobs(10, 1, 256), offers=(offer("o1", room=Size(32, 64_000, 100_000)),))
    assert [slots(x).cpus for x in result.launches] == [4, 4, 2]


def test_an_executor_is_never_larger_than_its_offer_the_overhead_included() -> None:
    result = burst(jobs(10, 1, 1024), offers=(offer("o1", room=Size(4, 3000, 100_000)),))
    assert [slots(x) for x in result.launches] == [Size(2, 2048)]


def test_no_offer_is_used_that_is_too_small_for_a_single_job() -> None:
    result = burst(
        jobs(3, 2, 512), offers=(offer("o1", room=Size(1, 9000, 9000)), offer("o2", room=Size(4, 500, 9000)))
    )
    assert result.launches == ()
    assert result.wants_offers
    assert result.decisions == ("2 elastic executors are wanted and wait for an offer with room",)


def test_several_executors_on_one_offer_fit_together() -> None:
    result = burst(jobs(40, 1, 128), offers=(offer("o1", room=Size(10, 2000, 0)),), batch=9, max_idle=9)
    assert {x.offer for x in result.launches} == {"o1"}
    assert [slots(x).cpus for x in result.launches] == [4, 4, 2]
    assert len({x.task.id for x in result.launches}) == 3


def test_pack_uses_the_offer_with_the_least_room_that_holds_it_all() -> None:
    offers = (
        offer("large", room=Size(32, 64_000, 0)),
        offer("snug", room=Size(5, 3000, 0)),
        offer("small", room=Size(2, 3000, 0)),
    )
    result = burst(jobs(8, 1, 128), offers=offers)
    assert [(x.offer, slots(x).cpus) for x in result.launches] == [("snug", 4), ("large", 4)]


def test_pack_makes_smaller_ones_where_nothing_holds_a_whole_one() -> None:
    offers = (offer("a", room=Size(1, 3000, 0)), offer("b", room=Size(2, 3000, 0)))
    result = burst(jobs(4, 1, 128), offers=offers)
    assert [(x.offer, slots(x).cpus) for x in result.launches] == [("b", 2), ("a", 1)]


def test_pack_follows_the_preference_of_sites() -> None:
    offers = (offer("a", "bari"), offer("b", "torino"), offer("c", "cnaf", Size(4, 4096, 0)))
    result = burst(jobs(12, 1, 128), offers=offers, site_preference=("cnaf", "torino"))
    assert places(result) == ["cnaf", "torino", "torino"]


def test_spread_goes_to_the_site_and_then_the_agent_with_the_fewest() -> None:
    offers = (offer("a1", "bari"), offer("a2", "bari"), offer("b1", "torino"), offer("b2", "torino"))
    tasks = [executor("x", "bari", agent="a1"), executor("y", "cnaf")]
    ads = [ad(t, SlotState.CLAIMED) for t in tasks]
    v = view(
        *tasks,
        policy=policy(placement=Placement.SPREAD, batch=3),
        offers=offers,
        queue=queue(jobs(12, 1, 128)),
        pool=pool(*ads),
    )
    found = [(x.task.place, x.task.agent) for x in plan(v).launches]
    assert [p for p, _ in found] == ["torino", "bari", "torino"]
    assert found[1][1] == "a2"
    assert {found[0][1], found[2][1]} == {"b1", "b2"}


def test_preference_breaks_ties_of_spread() -> None:
    offers = (offer("a", "bari"), offer("b", "torino"))
    result = burst(jobs(4, 1, 128), offers=offers, placement=Placement.SPREAD, site_preference=("torino", "bari"))
    assert places(result) == ["torino"]


def test_jobs_that_may_run_on_one_site_only_get_their_executor_there() -> None:
    offers = (offer("a", "bari"), offer("b", "torino"))
    result = burst(jobs(2, places=["torino"]), offers=offers, site_preference=("bari",))
    assert places(result) == ["torino"]


def test_a_site_stays_under_its_own_max_and_curb() -> None:
    offers = (offer("a", "bari", Size(99, 99_000, 0)),)
    rules = {"batch": 6, "max_idle": 20, "total": Limit(20, 20)}
    assert len(burst(jobs(99, 4, 128), offers=offers, sites={"bari": Limit(2, 2)}, **rules).launches) == 2
    tasks = [executor(f"x{n}") for n in range(3)]
    v = view(
        *tasks,
        policy=policy(sites={"bari": Limit(9, 3)}, **rules),
        offers=offers,
        queue=queue(jobs(99, 4, 128)),
        pool=pool(*(ad(t, SlotState.CLAIMED) for t in tasks)),
    )
    assert len(plan(v).launches) == 3, "half of the batch"


def test_gpus_are_for_jobs_that_want_them() -> None:
    offers = (offer("gpu", room=Size(4, 9000, 0, 2)), offer("plain", room=Size(8, 9000, 0)))
    assert [x.offer for x in burst(jobs(1), offers=offers).launches] == ["plain"]
    wants = dataclasses.replace(jobs(1), request=Size(1, 512, 0, 1))
    result = burst(wants, offers=offers, largest=Size(4, 4096, 0, 1))
    assert [(x.offer, slots(x).gpus) for x in result.launches] == [("gpu", 1)]


@pytest.mark.parametrize("what", ["constraint", "maintenance", "drained site", "failures"])
def test_offers_that_are_not_used(what: str) -> None:
    v = view(policy=policy(), offers=(offer("a"),), queue=queue(jobs(1)), pool=pool())
    assert len(plan(v).launches) == 1
    if what == "constraint":
        v = dataclasses.replace(v, executor=dataclasses.replace(EXECUTOR, constraints={"site": frozenset({"torino"})}))
    elif what == "maintenance":
        v = dataclasses.replace(v, offers=(offer("a", unavailable_from=NOW + 3600),))
    elif what == "drained site":
        v = dataclasses.replace(v, drain_sites=frozenset({"bari"}))
    else:
        v = dataclasses.replace(v, memory=Memory(failures={"a": (1, NOW + 5)}))
        assert plan(v).wake_at == NOW + 5
    assert plan(v).launches == ()


def test_fixed_executors_are_spread_over_sites_then_agents() -> None:
    offers = tuple(offer(f"{p}-{n}", p) for p in SITES for n in (1, 2))
    result = plan(view(policy=policy(5), offers=offers, queue=queue(), pool=pool()))
    assert sorted(Counter(places(result)).values()) == [1, 2, 2]
    assert max(Counter(x.task.agent for x in result.launches).values()) == 1
    assert {x.task.kind for x in result.launches} == {Kind.FIXED}
    assert {slots(x) for x in result.launches} == {EXECUTOR.fixed}


def test_fixed_executors_wait_a_moment_for_the_offers_of_other_sites() -> None:
    """Those were declined while the submit node started, whose machine alone is offered again at once."""
    known = {f"{p}-1": (p, LARGEST) for p in SITES} | {"tiny": ("tiny", Size(1, 100, 10))}
    v = view(policy=policy(3), offers=(offer("a", "bari"),), queue=queue(), pool=pool(), memory=Memory(agents=known))
    first = plan(v)
    assert places(first) == ["bari"] and first.wants_offers
    assert "2 fixed executors wait a moment for offers of cnaf and torino" in first.decisions
    assert first.wake_at is not None and first.wake_at <= NOW + PATIENCE
    # Their offers come: each has its own.
    rest = tuple(offer(p, p) for p in ("torino", "cnaf"))
    second = plan(dataclasses.replace(v, now=NOW + 1, offers=rest, tasks=first.tasks, memory=first.memory))
    assert sorted(places(second)) == ["cnaf", "torino"]
    # They do not: no longer than that.
    late = dataclasses.replace(v, now=NOW + PATIENCE, tasks=first.tasks, memory=first.memory)
    assert places(plan(late)) == ["bari", "bari"]


def test_a_fixed_executor_waits_for_an_offer_that_is_large_enough() -> None:
    result = plan(view(policy=policy(1), offers=(offer("a", room=Size(2, 1024, 9999)),), pool=pool(), queue=queue()))
    assert result.launches == () and result.wants_offers
    assert "1 fixed executor waits for an offer that is large enough" in result.decisions


def test_what_is_on_its_way_is_not_launched_again() -> None:
    v = view(policy=policy(), offers=(offer("a"),), queue=queue(jobs(4)), pool=pool())
    first = plan(v)
    assert len(first.launches) == 1
    later = dataclasses.replace(v, tasks=first.tasks, memory=first.memory, offers=(offer("b"),))
    assert plan(later).launches == () and not plan(later).wants_offers
    assert [w.why for w in plan(later).waiting] == ["executors for them are on their way"]


def test_the_room_of_executors_that_are_there_is_used_first() -> None:
    task = executor("x")
    v = view(task, policy=policy(), offers=(offer("a"),), queue=queue(jobs(4)), pool=pool(ad(task)))
    result = plan(v)
    assert result.launches == ()
    assert [w.why for w in result.waiting] == ["negotiation: there is room, HTCondor will match them"]


def test_an_executor_whose_ad_is_not_there_just_now_is_not_replaced() -> None:
    """The collector was restarted: what runs is seen again soon."""
    task = executor("x", seen=True)
    v = view(task, policy=policy(), offers=(offer("a"),), queue=queue(jobs(4)), pool=pool(negotiator=False))
    result = plan(v)
    assert result.launches == () and result.kills == () and result.drains == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"queue": None},
        {"pool": None},
        {"queue": queue(jobs(4), seen=NOW - FRESH - 1)},
        {"pool": pool(seen=NOW - FRESH - 1)},
    ],
)
def test_without_data_nothing_is_started_by_the_queue(changes: dict[str, object]) -> None:
    base = {"queue": queue(jobs(4)), "pool": pool()}
    v = view(policy=policy(), offers=(offer("a"),), **{**base, **changes})  # type: ignore[arg-type]
    result = plan(v)
    assert result.launches == () and result.waiting == ()
    assert any("told nothing lately: executors stay as they are" in d for d in result.decisions)


def test_without_data_fixed_and_min_are_still_there() -> None:
    v = view(executor("x"), policy=policy(1, min=2), offers=(offer("a"),))
    assert Counter(x.task.kind for x in plan(v).launches) == {Kind.FIXED: 1, Kind.ELASTIC: 1}


def test_min_is_started_without_any_job_and_does_not_wait() -> None:
    result = burst(offers=(offer("a", room=Size(16, 16_000, 50_000)),), min=2, wait_cycles=5)
    assert [slots(x) for x in result.launches] == [LARGEST] * 2
    small = burst(offers=(offer("a", room=Size(3, 3000, 50_000)),), min=2)
    assert [slots(x) for x in small.launches] == [EXECUTOR.fixed]


def test_jobs_count_for_min_too() -> None:
    result = burst(jobs(4, 1, 128), offers=(offer("a", room=Size(16, 16_000, 50_000)),), min=2)
    assert [slots(x).cpus for x in result.launches] == [4, 4]


def test_wait_cycles_count_new_data_only() -> None:
    v = view(policy=policy(wait_cycles=2), offers=(offer("a"),), queue=queue(jobs(1)), pool=pool())
    result = plan(v)
    assert result.launches == () and result.wants_offers and result.memory.wanting == 1
    again = dataclasses.replace(v, memory=result.memory)
    assert plan(again).memory.wanting == 1, "the same data is no new cycle"
    for n in (2, 3):
        v = dataclasses.replace(v, now=NOW + n, queue=queue(jobs(1), seen=NOW + n), memory=result.memory)
        result = plan(v)
        assert result.memory.wanting == n
        assert len(result.launches) == (n == 3)
    v = dataclasses.replace(v, now=NOW + 9, queue=queue(seen=NOW + 9), memory=result.memory)
    assert plan(v).memory.wanting == 0


def test_max_counts_draining_and_ending_ones() -> None:
    draining, ending = (
        executor("d", drain="administrator", drain_asked=NOW - 1),
        executor("k", phase=Phase.KILLING, since=NOW),
    )
    v = view(
        draining,
        ending,
        policy=policy(total=Limit(2, 2)),
        offers=(offer("a"),),
        queue=queue(jobs(9)),
        pool=pool(ad(draining, SlotState.DRAINING)),
        drain_tasks=frozenset({draining.id}),
    )
    result = plan(v)
    assert result.launches == () and not result.wants_offers
    assert [w.why for w in result.waiting] == ["the pool is at max (2 executors)"]


def test_an_unreachable_executor_counts_until_it_is_replaced() -> None:
    for ago, count in ((29, 0), (31, 1)):
        away = executor("x", phase=Phase.UNREACHABLE, since=NOW - ago)
        v = view(away, policy=policy(total=Limit(1, 1)), offers=(offer("a"),), queue=queue(jobs(1)), pool=pool())
        assert len(plan(v).launches) == count


def test_max_idle_counts_what_is_free_or_on_its_way_but_not_what_min_keeps_in_vain() -> None:
    task = executor("x", "cnaf")
    for least, count in ((0, 0), (1, 1)):
        v = view(
            task,
            policy=policy(max_idle=1, min=least),
            offers=(offer("a"),),
            queue=queue(jobs(1, places=["bari"])),
            pool=pool(ad(task)),
        )
        result = plan(v)
        assert len(result.launches) == count
        assert not result.wants_offers


def test_room_that_htcondor_does_not_use_does_not_stop_the_pool_for_good() -> None:
    task = executor("x", "cnaf")
    groups = queue(jobs(1, places=["cnaf"]), jobs(1, 2, places=["bari"]))
    for idle, count in ((10, 0), (400, 1)):
        v = view(
            task,
            policy=policy(max_idle=1),
            offers=(offer("a"),),
            queue=groups,
            pool=pool(ad(task)),
            idle_for={"x": idle},
        )
        assert len(plan(v).launches) == count


def test_a_cap_is_kept_also_by_what_is_on_its_way() -> None:
    v = view(policy=policy(caps=Caps(each_user=6), batch=9), offers=(offer("a", room=Size(64, 64_000)),))
    v = dataclasses.replace(v, queue=queue(jobs(50, 1, 128)), pool=pool())
    first = plan(v)
    assert sum(slots(x).cpus for x in first.launches) == 6
    second = plan(dataclasses.replace(v, tasks=first.tasks, memory=first.memory))
    assert second.launches == ()


def test_paused_starts_no_executor() -> None:
    v = view(policy=policy(2, min=1), offers=(offer("a"),), queue=queue(jobs(9)), pool=pool(), paused=True)
    result = plan(v)
    assert result.launches == () and [w.why for w in result.waiting] == ["paused"]


def test_the_same_view_gives_the_same_plan_and_is_not_changed() -> None:
    tasks = [executor("x"), executor("y", "cnaf")]
    v = view(
        *tasks,
        policy=policy(1, min=1),
        offers=tuple(offer(f"o{n}", p) for n, p in enumerate(SITES)),
        queue=queue(jobs(9), jobs(3, 2, key="b")),
        pool=pool(*map(ad, tasks)),
        idle_for={"x": 300, "y": 5},
    )
    before = copy.deepcopy(v)
    first, second = plan(v), plan(v)
    assert first == second
    assert v == before


rooms = st.builds(
    Size,
    st.floats(0, 12).map(lambda x: round(x, 3)),
    st.floats(0, 20_000).map(lambda x: round(x, 3)),
    st.floats(0, 50_000).map(lambda x: round(x, 3)),
    st.sampled_from([0.0, 0.0, 1.0]),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    groups = [
        dataclasses.replace(
            jobs(
                draw(st.integers(0, 30)),
                draw(st.sampled_from([0.5, 1, 1, 2, 3, 5])),
                draw(st.integers(0, 5000)),
                places=draw(st.sets(st.sampled_from(SITES))),
                key=f"g{n}",
                owner=draw(st.sampled_from(["alice", "bob"])),
            )
        )
        for n in range(draw(st.integers(0, 5)))
    ]
    tasks = [executor(f"e{n}", draw(st.sampled_from(SITES))) for n in range(draw(st.integers(0, 4)))]
    ads = [ad(t, free=draw(rooms).least(LARGEST)) for t in tasks if draw(st.booleans())]
    rule = elastic(
        min=draw(st.integers(0, 3)),
        total=Limit(draw(st.integers(0, 12)), draw(st.integers(0, 12))),
        batch=draw(st.integers(1, 8)),
        max_idle=draw(st.integers(0, 8)),
        largest=draw(st.sampled_from([LARGEST, Size(2, 1000, 9000), Size(8, 9000, 9000, 1)])),
        placement=draw(st.sampled_from(list(Placement))),
        sites={"bari": Limit(draw(st.integers(0, 4)), draw(st.integers(0, 4)))},
        caps=Caps(each_user=draw(st.sampled_from([None, 3, 10]))),
    )
    return view(
        *tasks,
        policy=Policy(draw(st.integers(0, 3)), Share(8, 8192), rule),
        offers=tuple(
            offer(f"o{n}", draw(st.sampled_from([*SITES, "elsewhere"])), draw(rooms))
            for n in range(draw(st.integers(0, 6)))
        ),
        queue=queue(*groups),
        pool=pool(*ads),
        drain_sites=frozenset(draw(st.sets(st.sampled_from(SITES), max_size=1))),
    )


@given(views())
def test_placing(v: View) -> None:
    result = plan(v)
    assert v.policy is not None and v.policy.elastic is not None
    rule = v.policy.elastic
    offers = {o.id: o for o in v.offers}
    by_offer: dict[str, Size] = {}
    for x in result.launches:
        by_offer[x.offer] = by_offer.get(x.offer, Size()) + x.task.size
        place = offers[x.offer].place
        assert place in SITES and place not in v.drain_sites
        assert slots(x).cpus == int(slots(x).cpus) >= 1
        if x.task.kind is Kind.ELASTIC:
            assert slots(x).fits_in(rule.largest)
    for name, size in by_offer.items():
        assert size.fits_in(offers[name].room)
    new = [x.task for x in result.launches if x.task.kind is Kind.ELASTIC]
    existing = [t for t in v.tasks.values() if t.kind is Kind.ELASTIC]
    assert not new or len(new) + len(existing) <= rule.total.max
    at_bari = sum(t.place == "bari" for t in [*new, *existing])
    assert at_bari <= rule.sites["bari"].max or not any(t.place == "bari" for t in new)
    assert len(new) <= max(rule.batch, rule.min)
    assert sum(x.task.kind is Kind.FIXED for x in result.launches) <= v.policy.fixed
    assert set(result.tasks) == set(v.tasks) | {x.task.id for x in result.launches}
    cap = rule.caps.each_user
    if cap is not None and not rule.min:
        assert sum(OVERHEAD.slots(t.size).cpus for t in new) <= 2 * cap
