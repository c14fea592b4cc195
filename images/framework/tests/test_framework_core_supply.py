"""Which idle jobs the executors that are there will take, and how many more executors the others need."""

from __future__ import annotations

import dataclasses

from framework_core_helpers import SITES, elastic, jobs
from htcondor_framework.core.demand import Demand, demands, taken
from htcondor_framework.core.model import Caps, JobGroup, Limit, Size, Usage
from htcondor_framework.core.scaling import executors_for, per_executor, scale
from htcondor_framework.core.supply import Free, Supplier, Supply
from hypothesis import given
from hypothesis import strategies as st

LARGEST = Size(8, 8192, 10_000, 2)


def supply(groups: list[JobGroup], executors: list[Free], caps: Caps | None = None) -> tuple[list[Demand], Supply]:
    found = demands(groups, Usage(), caps or Caps(), LARGEST)
    return found, Supplier(executors).fill(found)


def left(groups: list[JobGroup], executors: list[Free]) -> dict[str, int]:
    found, result = supply(groups, executors)
    return {d.group.key: n for d, n in zip(found, result.left, strict=True)}


def free(cpus: float, memory: float = 8192, place: str = "bari", name: str = "e", **more: bool) -> Free:
    return Free(name, place, Size(cpus, memory, 10_000), **more)


def test_free_room_is_taken_by_idle_jobs_first() -> None:
    assert left([jobs(5, 1, key="a")], [free(2, name="e1"), free(1, name="e2")]) == {"a": 2}


def test_small_jobs_come_first_and_large_ones_get_what_is_left() -> None:
    assert left([jobs(1, 4, key="large"), jobs(1, 1, key="small")], [free(4)]) == {"small": 0, "large": 1}
    assert left([jobs(1, 3, key="large"), jobs(1, 1, key="small")], [free(4)]) == {"small": 0, "large": 0}


def test_memory_and_disk_count_as_well_as_cores() -> None:
    assert left([jobs(4, 1, 4096, key="a")], [free(8, 8192)]) == {"a": 2}
    assert left([jobs(4, 1, 1, disk=6000, key="a")], [free(8)]) == {"a": 3}


def test_an_executor_of_another_site_is_no_room() -> None:
    assert left([jobs(2, places=["torino"], key="a")], [free(8, place="bari")]) == {"a": 2}


def test_jobs_that_can_run_nowhere_take_nothing() -> None:
    groups = [jobs(3, 1, places=[], key="none"), jobs(3, 1, key="sick", waits_for="no"), jobs(8, 1, key="well")]
    assert left(groups, [free(8)])["well"] == 0


def test_a_job_that_no_executor_could_ever_take_closes_none() -> None:
    groups = [jobs(1, 1, 8000, key="huge"), jobs(2, 2, 512, key="normal")]
    assert left(groups, [free(4, 2048)]) == {"huge": 1, "normal": 0}


def test_what_is_on_its_way_is_told_apart() -> None:
    _, result = supply([jobs(5, 1)], [free(2, name="there"), free(2, name="coming", coming=True)])
    assert (result.left, result.matched, result.coming) == ([1], [2], [2])
    assert result.used == {"there", "coming"}


def test_an_executor_that_no_job_needs_is_not_used() -> None:
    _, result = supply([jobs(2, 1)], [free(2, name="e1"), free(2, name="e2")])
    assert result.used == {"e1"}


def test_memory_is_cut_in_steps_as_htcondor_does_unless_just_that_does_not_fit() -> None:
    assert taken(Size(1, 100), LARGEST).memory == 128
    assert taken(Size(1, 129), LARGEST).memory == 256
    assert taken(Size(1, 4050), Size(4, 4060)).memory == 4050
    assert taken(Size(0.5, 1.5, 0.2), LARGEST) == Size(1, 128, 1)
    assert left([jobs(4, 1, 100, key="a")], [free(4, 400)]) == {"a": 1}


sizes = st.builds(
    Size,
    st.sampled_from([1.0, 1.0, 2.0, 3.0, 4.0, 9.0]),
    st.integers(1, 9000).map(float),
    st.integers(0, 12_000).map(float),
    st.sampled_from([0.0, 0.0, 0.0, 1.0]),
)
groups_of = st.lists(
    st.tuples(st.integers(0, 12), sizes, st.sets(st.sampled_from(SITES)), st.sampled_from(["alice", "bob"])),
    max_size=8,
).map(
    lambda found: [
        JobGroup(f"g{n}", count, size, frozenset(places), owner) for n, (count, size, places, owner) in enumerate(found)
    ]
)
executors_of = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 2.0, 4.0, 8.0]),
        st.integers(0, 9000).map(float),
        st.integers(0, 12_000).map(float),
        st.sampled_from([0.0, 1.0]),
        st.sampled_from(SITES),
        st.booleans(),
    ),
    max_size=8,
).map(lambda found: [Free(f"e{n}", p, Size(c, m, d, g), coming) for n, (c, m, d, g, p, coming) in enumerate(found)])


@given(groups_of, executors_of, st.data())
def test_more_jobs_of_one_group_never_leave_fewer_of_any(
    groups: list[JobGroup], executors: list[Free], data: st.DataObject
) -> None:
    if not groups:
        return
    n = data.draw(st.integers(0, len(groups) - 1))
    more = list(groups)
    more[n] = dataclasses.replace(more[n], count=more[n].count + data.draw(st.integers(1, 5)))
    before, after = left(groups, executors), left(more, executors)
    assert all(after[key] >= count for key, count in before.items())
    assert executors_wanted(more, executors) >= executors_wanted(groups, executors)


@given(groups_of, executors_of)
def test_nothing_is_counted_twice_and_no_executor_is_overfull(groups: list[JobGroup], executors: list[Free]) -> None:
    found, result = supply(groups, executors)
    for d, rest, matched, coming in zip(found, result.left, result.matched, result.coming, strict=True):
        assert rest + matched + coming == d.group.count
        assert min(rest, matched, coming) >= 0
    for place in SITES:
        room = sum(e.free.cpus for e in executors if e.place == place)
        only = [i for i, d in enumerate(found) if d.group.places == {place}]
        assert sum(found[i].cpus * (result.matched[i] + result.coming[i]) for i in only) <= room + 0.01
    total = sum(e.free.memory for e in executors)
    assert sum(d.memory * (m + c) for d, m, c in zip(found, result.matched, result.coming, strict=True)) <= total + 0.01


@given(groups_of, executors_of, st.data())
def test_fewer_executors_never_leave_fewer_jobs(
    groups: list[JobGroup], executors: list[Free], data: st.DataObject
) -> None:
    if not executors:
        return
    gone = data.draw(st.integers(0, len(executors) - 1))
    before, after = left(groups, executors), left(groups, executors[:gone] + executors[gone + 1 :])
    assert all(after[key] >= n for key, n in before.items())


# How many executors.


def executors_wanted(groups: list[JobGroup], executors: list[Free]) -> int:
    found, result = supply(groups, executors)
    per = [per_executor(d, elastic(largest=LARGEST), {}) for d in found]
    return executors_for(result.left, per)


def test_the_jobs_that_are_left_share_executors_of_the_largest_size() -> None:
    assert executors_wanted([jobs(17, 1, 128)], []) == 3
    assert executors_wanted([jobs(4, 1, 128), jobs(1, 4, 128)], []) == 1


def test_a_group_that_fits_in_no_executor_does_not_count() -> None:
    assert executors_wanted([jobs(17, 9, 128)], []) == 0
    assert executors_wanted([jobs(17, 1, 9000)], []) == 0


def test_the_largest_executor_is_cut_to_the_largest_machine_known_of_the_jobs_sites() -> None:
    d = demands([jobs(8, 1, 128, places=["bari"])], Usage(), Caps(), LARGEST)[0]
    assert per_executor(d, elastic(largest=LARGEST), {"bari": Size(2, 8192, 9), "torino": LARGEST}) == 2
    assert per_executor(d, elastic(largest=LARGEST), {"torino": Size(2, 8192, 9)}) == 8


def test_machines_that_are_full_do_not_make_a_job_impossible() -> None:
    """On a full cluster every offer seen was small; a pool that wants its share must be able to say so."""
    d = demands([jobs(1, 4, 128)], Usage(), Caps(), LARGEST)[0]
    assert per_executor(d, elastic(largest=LARGEST), {"bari": Size(1, 500)}) == 2


def test_scale_by_the_rule() -> None:
    e = elastic(total=Limit(10, 8), batch=5, max_idle=20)
    base = {"existing": 0, "ready": 0, "standing": 0, "cycles": 1}
    assert scale(3, e, **base).start == 3
    assert scale(9, e, **base).start == 5
    assert scale(9, e, **{**base, "existing": 7}).start == 3, "max"
    assert scale(9, e, **{**base, "existing": 8}).start == 2, "max again; the curb would allow 3"
    assert scale(9, dataclasses.replace(e, total=Limit(100, 8)), **{**base, "existing": 8}).start == 3, "curb"
    assert scale(9, e, **{**base, "existing": 12}).start == 0
    assert scale(9, e, **{**base, "ready": 18}).start == 2, "max_idle"
    assert scale(9, e, **{**base, "ready": 20}).enough
    assert scale(9, dataclasses.replace(e, wait_cycles=2), **{**base, "cycles": 2}).start == 0
    assert scale(9, dataclasses.replace(e, wait_cycles=2), **{**base, "cycles": 3}).start == 5
    assert scale(0, dataclasses.replace(e, min=2), **base).least == 2
    assert scale(0, dataclasses.replace(e, min=2), **{**base, "existing": 9}).least == 1
    assert scale(0, dataclasses.replace(e, min=2), **{**base, "standing": 2}).least == 0


@given(
    wanted=st.integers(0, 50),
    more=st.integers(0, 50),
    existing=st.integers(0, 30),
    ready=st.integers(0, 30),
    standing=st.integers(0, 30),
    cycles=st.integers(0, 4),
    rule=st.builds(
        elastic,
        min=st.integers(0, 5),
        total=st.builds(Limit, st.integers(0, 20), st.integers(0, 20)),
        batch=st.integers(1, 9),
        max_idle=st.integers(0, 9),
        wait_cycles=st.integers(0, 3),
    ),
)
def test_scale_is_monotone_and_within_its_limits(
    wanted: int, more: int, existing: int, ready: int, standing: int, cycles: int, rule: object
) -> None:
    now = {"existing": existing, "ready": ready, "standing": standing, "cycles": cycles}
    a, b = scale(wanted, rule, **now), scale(wanted + more, rule, **now)  # type: ignore[arg-type]
    assert 0 <= a.start <= b.start <= wanted + more
    for s in (a, b):
        assert s.least >= 0
        assert max(s.start, s.least) + existing <= max(existing, rule.total.max)  # type: ignore[attr-defined]
    room = rule.total.max > existing and rule.max_idle > ready and cycles > rule.wait_cycles  # type: ignore[attr-defined]
    assert not (wanted and room) or a.start >= 1


# Caps.


def test_a_cap_stops_the_jobs_beyond_it_and_says_which() -> None:
    groups = [jobs(5, 1, key="a"), jobs(5, 2, key="b"), jobs(2, 1, key="c", owner="bob")]
    caps = Caps(each_user=100, users={"alice": 16})
    found = demands(groups, Usage(8, {"alice": 8.0}), caps, LARGEST)
    assert {d.group.key: d.count for d in found} == {"a": 5, "b": 1, "c": 2}
    assert {d.group.key: d.capped for d in found if d.capped} == {"b": "cap of alice (16 cores) is reached"}


def test_a_groups_cap_holds_for_its_subgroups_together() -> None:
    groups = [
        jobs(3, 1, key="a", group="physics.atlas"),
        jobs(3, 1, 600, key="b", group="physics.cms", owner="bob"),
        jobs(3, 1, 700, key="c", group="other"),
    ]
    found = demands(groups, Usage(2, {}, {"physics": 2.0}), Caps(groups={"physics": 6, "physics.cms": 2}), LARGEST)
    assert {d.group.key: d.count for d in found} == {"a": 3, "b": 1, "c": 3}
    assert next(d.capped for d in found if d.group.key == "b") == "cap of group physics (6 cores) is reached"


def test_who_is_over_a_cap_already_gets_nothing_more() -> None:
    found = demands([jobs(3)], Usage(9, {"alice": 20.0}), Caps(each_user=16), LARGEST)
    assert found[0].count == 0


@given(groups_of, st.integers(0, 30), st.integers(0, 30))
def test_caps_are_never_exceeded(groups: list[JobGroup], cap: int, used: int) -> None:
    found = demands(groups, Usage(0, {"alice": float(used)}), Caps(users={"alice": cap}), LARGEST)
    for_alice = sum(d.count * d.cpus for d in found if d.group.owner == "alice" and d.group.places)
    assert for_alice <= max(0, cap - used)
    assert all(d.count == d.group.count for d in found if d.group.owner != "alice")
