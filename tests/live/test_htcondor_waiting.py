"""Why jobs wait, as the collector counts it, from the answers of a real pool to the collector's own command."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from collector.sources import condor
from htcondor_pool import Pool, pool_of, until

from components.batch.types import CentralManagerSpec, ExecutorsSpec, PoolSpec, SubmitNodeSpec

pytestmark = pytest.mark.live

CENTRAL, SUBMIT = "172.27.9.10", "172.27.9.11"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    spec = PoolSpec(
        name="demo",
        sites=("torino",),
        central_manager=CentralManagerSpec(CENTRAL),
        submit_node=SubmitNodeSpec(SUBMIT, "torino", "front"),
        executors=ExecutorsSpec(count=1, cpus=2, memory=1024, grace=40),
        site_networks={"torino": "172.27.9.21/32"},
    )
    with pool_of("hw", "172.27.9.0/24", tmp_path_factory.mktemp("pool"), spec) as pool:
        pool.start_central_manager()
        pool.start_submit()
        until("schedd", lambda: "Total" in pool.ssh("condor_q", check=False))
        yield pool


def answer(pool: Pool) -> str:
    return pool.inside("hw-submit", condor.COMMAND)


def waits(pool: Pool) -> dict[str, float]:
    """Those reasons that there are."""
    found, _ = condor.pool("demo", answer(pool))
    at = "condor.demo.waiting."
    return {name.removeprefix(at): n for name, n in found.items() if name.startswith(at) and n}


def becomes(pool: Pool, wanted: dict[str, float]) -> None:
    seen: list[dict[str, float]] = []

    def so() -> bool:
        seen.append(waits(pool))
        return seen[-1] == wanted

    try:
        until(f"jobs wait for {wanted}", so, 90)
    except AssertionError as error:
        raise AssertionError(f"{error}; last {seen[-1]}\n{answer(pool)[-3000:]}") from None


def test_each_reason_is_the_one_that_it_is(pool: Pool) -> None:
    pool.submit("first", "sleep 600")
    assert waits(pool) == {"new": 1}
    becomes(pool, {"no_slot": 1})
    pool.start_executor(1)
    until("it runs", lambda: condor.pool("demo", answer(pool))[0]["condor.demo.jobs.totals.running.totals.count"] == 1)
    pool.submit("wide", "sleep 600", 2, "request_cpus = 2")  # one core is free, of two
    pool.submit("big", "sleep 600", 3, "request_cpus = 5")
    pool.submit("much", "sleep 600", 1, "request_memory = 100GB")
    pool.submit("picky", "sleep 600", 4, 'requirements = (Machine == "nowhere")')
    becomes(pool, {"slots_busy": 2, "too_big": 4, "not_matched": 4})


def test_the_whole_answer_is_read(pool: Pool) -> None:
    before = time.monotonic()
    text = answer(pool)
    took = time.monotonic() - before
    found, there = condor.pool("demo", text)
    print(f"the command took {took:.2f} s")
    assert len(there) == 1 and took < 20
    assert found["condor.demo.jobs.totals.running.totals.cpu_request"] == 1
    assert found["condor.demo.jobs.users.alice.idle.totals.count"] == 10
    assert found["condor.demo.jobs.totals.idle.totals.oldest"] > 0
