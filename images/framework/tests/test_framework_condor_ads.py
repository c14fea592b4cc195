"""Ads as real daemons (23.9.6) sent them, to the values that decisions are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from htcondor_framework.condor import values
from htcondor_framework.condor.ads import GroupAd, Sighting, ancestors, queue, startds
from htcondor_framework.condor.hearing import Hearing
from htcondor_framework.core.model import Pool, Size, SlotState, StartdAd

MACHINE = "10-65-0-7.demo.aerie"
CUT = Size(1, 128, 101, 0)


def slot(name: str = "slot1", **more: Any) -> dict[str, Any]:
    return {
        "Name": f"{name}@{MACHINE}", "Machine": MACHINE, "MyAddress": "<10.65.0.7:9618?addrs=10.65.0.7-9618&noUDP&sock=startd_26_698d>",
        "AerieSite": "bari", "AerieTask": "demo.executor.1", "LastHeardFrom": 1000, "UpdateSequenceNumber": 3,
        "State": "Unclaimed", "Activity": "Idle",
    } | more  # fmt: skip


def partitionable(**more: Any) -> dict[str, Any]:
    size = {
        "TotalSlotCpus": 2,
        "TotalSlotMemory": 900,
        "TotalSlotDisk": 2048000.0,
        "Cpus": 2,
        "Memory": 900,
        "Disk": 2048000,
    }
    return slot(**({"PartitionableSlot": True, "SlotType": "Partitionable", "NumDynamicSlots": 0} | size | more))


def dynamic(**more: Any) -> dict[str, Any]:
    size = {
        "TotalSlotCpus": 1,
        "TotalSlotMemory": 128,
        "TotalSlotDisk": 11264.0,
        "Cpus": 1,
        "Memory": 128,
        "Disk": 11264,
    }
    return slot("slot1_1", **({"DynamicSlot": True, "State": "Claimed", "Activity": "Busy"} | size | more))


def fixed(number: int, **more: Any) -> dict[str, Any]:
    size = {
        "TotalSlotCpus": 1,
        "TotalSlotMemory": 450,
        "TotalSlotDisk": 1024000.0,
        "Cpus": 1,
        "Memory": 450,
        "Disk": 1024000,
    }
    return slot(f"slot{number}", **({"SlotType": "Static"} | size | more))


def one(*slots: dict[str, Any]) -> StartdAd:
    (found,) = startds(slots)
    return found.ad


class TestStartd:
    def test_a_free_one(self) -> None:
        size = Size(2, 900, 2000, 0)
        assert one(partitionable()) == StartdAd(
            MACHINE, "10.65.0.7", "demo.executor.1", "bari", SlotState.FREE, size, size, 0, 1000
        )

    def test_a_claim_takes_its_room(self) -> None:
        found = one(partitionable(Cpus=1, Memory=772, Disk=2036736, NumDynamicSlots=1), dynamic())
        assert (found.state, found.claims, found.free) == (SlotState.CLAIMED, 1, Size(1, 772, 1989, 0))
        assert found.total == Size(2, 900, 2000, 0)

    @pytest.mark.parametrize("slots", [[partitionable(NumDynamicSlots=1)], [partitionable(), dynamic()]])
    def test_either_ad_is_enough_for_a_claim(self, slots: list[dict[str, Any]]) -> None:
        """Ads of one startd come and go one by one."""
        assert (one(*slots).state, one(*slots).claims) == (SlotState.CLAIMED, 1)

    def test_a_partitionable_slot_says_drained_while_jobs_run(self) -> None:
        """As seen after condor_drain -graceful with a running job, a second before its end and after it."""
        told = {"State": "Drained", "Activity": "Retiring", "Draining": True}
        busy = one(partitionable(NumDynamicSlots=1, **told), dynamic(Activity="Retiring", Draining=True))
        assert busy.state is SlotState.DRAINING
        # For some seconds after it: a cancel just then is remembered badly, and nobody is told that it is over.
        assert one(partitionable(NumDynamicSlots=0, **told)).state is SlotState.DRAINING
        assert one(partitionable(NumDynamicSlots=0, **(told | {"Activity": "Idle"}))).state is SlotState.DRAINED

    def test_told_but_not_yet_drained(self) -> None:
        assert one(partitionable(Draining=True)).state is SlotState.DRAINING

    def test_after_a_cancel(self) -> None:
        assert one(partitionable(LastDrainStopTime=999)).state is SlotState.FREE

    def test_fixed_slots(self) -> None:
        half = one(fixed(1, State="Claimed"), fixed(2))
        assert (half.state, half.claims) == (SlotState.CLAIMED, 1)
        assert (half.total, half.free) == (Size(2, 900, 2000, 0), Size(1, 450, 1000, 0))

    def test_fixed_slots_are_drained_when_all_are(self) -> None:
        drained = {"State": "Drained", "Draining": True}
        assert (
            one(fixed(1, State="Claimed", Activity="Retiring", Draining=True), fixed(2, **drained)).state
            is SlotState.DRAINING
        )
        found = one(fixed(1, **drained), fixed(2, **drained))
        assert (found.state, found.claims, found.free) == (SlotState.DRAINED, 0, Size())

    def test_a_match_is_as_good_as_a_claim(self) -> None:
        assert one(fixed(1, State="Matched")).claims == 1

    def test_its_owner_does_not_lend_it(self) -> None:
        found = one(fixed(1, State="Owner"))
        assert (found.state, found.free) == (SlotState.FREE, Size())

    def test_overdrawn_disk_is_none(self) -> None:
        """A job that wants all of the disk is given 1 MiB more: the rest is -1023 KiB."""
        assert one(partitionable(Disk=-1023, NumDynamicSlots=1)).free.disk == 0

    def test_a_job_whose_slot_lost_its_parent(self) -> None:
        found = one(dynamic())
        assert (found.state, found.claims, found.free, found.total.cpus) == (SlotState.CLAIMED, 1, Size(), 1)

    def test_one_for_each_machine(self) -> None:
        other = {"Machine": "10-65-0-8.demo.aerie", "MyAddress": "<[fd00::1]:9618>", "AerieTask": None}
        found = startds([partitionable(**other), partitionable(), dynamic(), {"Name": "no machine"}])
        assert [(s.ad.name, s.ad.address, s.ad.task) for s in found] == [
            (MACHINE, "10.65.0.7", "demo.executor.1"),
            ("10-65-0-8.demo.aerie", "", ""),
        ]


class TestHearing:
    """The collector's seconds are whole, and its clock may be another than ours."""

    @staticmethod
    def sighting(heard: float, number: int = 1) -> Sighting:
        ad = StartdAd("a", "", "", "", SlotState.FREE, Size(), Size(), 0, heard)
        return Sighting(ad, f"{heard}:{number}")

    def heard(self, *polls: tuple[float, Sighting]) -> list[float]:
        hearing = Hearing()
        return [hearing.update([s], at, at + 0.1)[0].heard for at, s in polls]

    def test_the_end_of_its_second(self) -> None:
        assert self.heard((100.0, self.sighting(90)), (105.5, self.sighting(102))) == [91, 103]

    def test_never_after_the_answer(self) -> None:
        assert self.heard((100.0, self.sighting(90)), (105.5, self.sighting(105))) == [91, 105.6]

    def test_the_same_ad_grows_older(self) -> None:
        assert self.heard((100.0, self.sighting(90)), (150.0, self.sighting(90))) == [91, 91]

    @pytest.mark.parametrize("wrong", [-3600, 3600])
    def test_a_clock_that_is_wrong(self, wrong: float) -> None:
        """A new ad came between the two questions, whatever the collector's clock says."""
        first, second = self.heard((100.0, self.sighting(90 + wrong)), (105.0, self.sighting(104 + wrong)))
        assert first <= 100.1
        assert 100 <= second <= 105.1

    def test_two_ads_in_one_second(self) -> None:
        assert self.heard((100.2, self.sighting(100, 1)), (100.6, self.sighting(100, 2))) == pytest.approx(
            [100.3, 100.7]
        )


def group(status: int = 1, count: int = 1, universe: int = 5, **more: Any) -> GroupAd:
    plain = GroupAd(count, "2.0 ... 2.2", status, universe, "alice", "", CUT, "true", frozenset({"bari"}))
    return replace(plain, **more)


class TestQueue:
    def test_idle_running_and_held(self) -> None:
        found = queue([group(1, 3), group(2, 2), group(6), group(7), group(5, 4), group(3, 9), group(4, 9)], 7.0)
        assert found.seen == 7.0
        assert [(g.count, g.request, g.places, g.owner, g.jobs) for g in found.idle] == [
            (3, CUT, frozenset({"bari"}), "alice", "2.0 ... 2.2")
        ]
        assert (found.usage.running, found.held) == (4, 4)
        assert found.usage.by_owner == {"alice": 4}

    def test_universes_that_need_no_slot(self) -> None:
        found = queue([group(s, 2, u) for s in (1, 2) for u in (7, 9, 12)], 7.0)
        assert (found.idle, found.usage.running, found.usage.by_owner) == ((), 0, {})

    def test_parallel_jobs_are_told_that_they_wait_for_ever(self) -> None:
        (found,) = queue([group(1, 1, 11)], 7.0).idle
        assert found.places == frozenset()
        assert "parallel" in found.waits_for

    def test_cores_of_groups_count_in_their_ancestors(self) -> None:
        two = Size(2, 128, 101, 0)
        found = queue(
            [
                group(2, 2, group="physics.cms", request=two),
                group(2, 1, group="physics", owner="bob"),
                group(2, 1, group="physics.cms", owner="bob", universe=12),
            ],
            7.0,
        ).usage
        assert found.by_owner == {"alice": 4, "bob": 1}
        assert found.by_group == {"physics": 5, "physics.cms": 4}
        assert ancestors("") == []

    def test_what_comes_to_the_same_is_one_group(self) -> None:
        found = queue([group(count=2, ids="1.0"), group(count=3, ids="2.0"), group(request=Size(2, 128, 101, 0))], 7.0)
        assert sorted((g.count, g.request.cpus, g.jobs) for g in found.idle) == [
            (1, 2, "2.0 ... 2.2"),
            (5, 1, "1.0, 2.0"),
        ]

    def test_keys_and_order_do_not_depend_on_the_schedds(self) -> None:
        groups = [group(owner="bob"), group(), group(group="physics"), group(requirements='AerieSite == "x"')]
        assert [g.key for g in queue(groups, 1.0).idle] == [g.key for g in queue(groups[::-1], 2.0).idle]
        assert len({g.key for g in queue(groups, 1.0).idle}) == 4

    def test_long_lists_of_ids_are_cut(self) -> None:
        (found,) = queue([group(ids=", ".join(f"{n}.0" for n in range(100, 200)))], 1.0).idle
        assert found.jobs.startswith("100.0, 101.0") and found.jobs.endswith(".0 ...") and len(found.jobs) <= 60


def test_there_and_back() -> None:
    found = queue([group(), group(2, group="a.b"), group(5)], 7.0)
    assert values.queue_from_json(values.queue_to_json(found)) == found
    pool = Pool(7.0, (one(partitionable(NumDynamicSlots=1)),), True, False)
    assert values.pool_from_json(values.pool_to_json(pool)) == pool
