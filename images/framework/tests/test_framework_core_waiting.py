"""Why idle jobs wait, in the words that people read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from framework_core_helpers import ad, executor, jobs, offer, policy, pool, queue, view
from htcondor_framework.core.model import Caps, JobGroup, Kind, Limit, Policy, Share, Size, SlotState, Usage
from htcondor_framework.core.planning import plan
from htcondor_framework.core.view import Memory, View, Waiting


def one(group: JobGroup, v: View | None = None, **more: Any) -> Waiting:
    base: dict[str, Any] = {"policy": policy(), "pool": pool(), "queue": queue(group)}
    result = plan(v or view(**{**base, **more}))
    assert len(result.waiting) == 1
    return result.waiting[0]


def test_it_names_the_jobs() -> None:
    w = one(jobs(3, jobs="12.0 ... 12.2", owner="bob"))
    assert (w.jobs, w.count, w.owner, w.request) == ("12.0 ... 12.2", 3, "bob", Size(1, 512))


@pytest.mark.parametrize(
    "group, more, why, never",
    [
        (jobs(1, waits_for="their requirements name no site of this pool: napoli", places=[]), {},
         "their requirements name no site of this pool: napoli", True),
        (jobs(1, places=[]), {}, "their requirements fit no site of this pool", True),
        (jobs(3, 16), {}, "3 idle jobs want 16 cpus and 512 MiB; the largest executor has 4 cpus", True),
        (jobs(1, 1, 5000), {}, "1 idle job wants 1 cpu and 5000 MiB; the largest executor has 4096 MiB of memory", True),
        (jobs(3, 4), {"offers": (offer("o", room=Size(2, 9999, 9)),)},
         "3 idle jobs want 4 cpus and 512 MiB; the largest offer is 2 cpus", False),
        (jobs(1, places=["bari"]), {"offers": (offer("o", "torino"),)}, "no offer from bari", False),
        (jobs(1), {"paused": True}, "paused", False),
        (jobs(1), {"pool": pool(schedd=False), "roles": {}}, "the submit node is not up", False),
        (jobs(1), {"policy": policy(total=Limit(0, 0)), "offers": (offer("o"),)}, "the pool is at max (0 executors)", False),
        (jobs(1, places=["bari"]), {"policy": policy(sites={"bari": Limit(0, 0)}), "offers": (offer("o"),)},
         "bari is at its max (0 executors)", False),
        (jobs(9, 4), {"policy": policy(batch=1), "offers": (offer("o"),)}, "more are started in the next cycles", False),
        (jobs(1), {"policy": policy(wait_cycles=3), "offers": (offer("o"),)},
         "whether they go on waiting is looked at for some cycles (wait_cycles)", False),
        (jobs(1), {"offers": (offer("o"),)}, "executors for them are on their way", False),
        (jobs(1), {"policy": None}, None, False),
        (jobs(1), {"policy": Policy(0, Share(8, 8192))},
         "1 idle job wants 1 cpu and 512 MiB; no executor is so large, and the pool has no elastic ones", False),
    ],
)  # fmt: skip
def test_reasons(group: JobGroup, more: dict[str, Any], why: str | None, never: bool) -> None:
    if why is None:
        assert plan(view(**{"pool": pool(), "queue": queue(group), **more})).waiting == ()
        return
    w = one(group, **more)
    assert (w.why, w.never) == (why, never)


def test_a_machine_that_was_seen_once_is_remembered() -> None:
    v = view(
        policy=policy(), pool=pool(), queue=queue(jobs(1, 4)), memory=Memory(agents={"x": ("bari", Size(2, 9999, 9))})
    )
    assert plan(v).waiting[0].why.endswith("the largest offer is 2 cpus")
    roomy = dataclasses.replace(v, memory=Memory(agents={"x": ("bari", Size(8, 9999, 9))}))
    assert plan(roomy).waiting[0].why == (
        "1 idle job wants 4 cpus and 512 MiB; no offer from bari, cnaf or torino has so much room now"
    )


def test_a_cap_is_named() -> None:
    w = one(
        jobs(5),
        policy=policy(caps=Caps(users={"alice": 16})),
        queue=queue(jobs(5), usage=Usage(4, {"alice": 16.0})),
    )
    assert (w.why, w.never) == ("cap of alice (16 cores) is reached", False)


def test_jobs_too_large_for_new_executors_may_still_fit_on_one_that_is_there() -> None:
    fixed = executor("f", kind=Kind.FIXED, slots=Size(8, 8192, 9999))
    for rule in (policy(1), Policy(1, Share(8, 8192))):
        v = view(fixed, policy=rule, pool=pool(ad(fixed, SlotState.CLAIMED)), queue=queue(jobs(1, 8)))
        w = plan(v).waiting[0]
        assert "wait for room on" in w.why and not w.never


def test_what_is_enough_already_is_said() -> None:
    task = executor("x", "cnaf")
    v = view(
        task,
        policy=policy(max_idle=1),
        pool=pool(ad(task)),
        queue=queue(jobs(1, places=["bari"])),
        offers=(offer("o"),),
    )
    assert plan(v).waiting[0].why == "enough executors are free or on their way (max_idle is 1)"


def test_the_same_situation_is_said_in_the_same_words() -> None:
    v = view(policy=policy(), pool=pool(), queue=queue(jobs(3, 4), jobs(1, 16)), offers=())
    first = plan(v)
    second = plan(dataclasses.replace(v, now=v.now + 5, memory=first.memory))
    assert first.waiting == second.waiting and first.decisions == second.decisions
