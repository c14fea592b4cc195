"""Two central managers: both collectors know everything, one negotiator, and the other takes over with the users' priorities."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from htcondor_pool import Pool, pool_of, run, until

from components.batch.types import CentralManagerSpec, ExecutorsSpec, PoolSpec, SubmitNodeSpec

ADDRESSES = ("172.27.1.10", "172.27.1.12")
FACTOR = 37.0

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    spec = PoolSpec(
        name="demo",
        sites=("torino",),
        central_manager=CentralManagerSpec(ADDRESSES[0]),
        more_central_managers=(CentralManagerSpec(ADDRESSES[1]),),
        submit_node=SubmitNodeSpec("172.27.1.11", "torino", "front"),
        executors=ExecutorsSpec(count=1, cpus=2, memory=1024, grace=40),
        site_networks={"torino": "172.27.1.0/24"},
    )
    with pool_of("hc-ha", "172.27.1.0/24", tmp_path_factory.mktemp("pool"), spec) as pool:
        yield pool


def negotiators(pool: Pool, asked: int) -> list[str]:
    """Machines of the fresh negotiators' ads in one collector."""
    query = f"condor_status -pool {ADDRESSES[asked]} -negotiator -constraint 'time() - LastHeardFrom < 60' -af Machine"
    return pool.inside(pool.manager(asked), query, check=False).split()


def runs_negotiator(pool: Pool, index: int) -> bool:
    return bool(pool.inside(pool.manager(index), "pgrep condor_negotiat || true", check=False).strip())


def known(pool: Pool, index: int, kind: str) -> str:
    """The names that a central manager's own collector has of this kind."""
    return pool.inside(pool.manager(index), f"condor_status -pool {ADDRESSES[index]} {kind} -af Name").strip()


def test_one_negotiator_of_two(pool: Pool) -> None:
    start = time.monotonic()
    for index in (0, 1):
        pool.start_central_manager(index)
    pool.start_submit()
    pool.start_executor(1)
    until("schedd", lambda: "Total" in pool.ssh("condor_q", check=False))
    until("a negotiator", lambda: negotiators(pool, 0) or negotiators(pool, 1))
    print(f"docker run to first negotiator: {time.monotonic() - start:.1f} s")
    pool.submit("first", "echo done")
    pool.wait("first")
    print(f"docker run to first finished job: {time.monotonic() - start:.1f} s")
    # Each starts one if it has not heard of the other yet; then they agree.
    until("one of the two", lambda: sum(runs_negotiator(pool, index) for index in (0, 1)) == 1, 90)
    for index in (0, 1):
        until("everybody in each collector", lambda index=index: len(negotiators(pool, index)) == 1)  # type: ignore[misc]
        for kind in ("-startd", "-schedd"):
            until(f"{kind} there", lambda index=index, kind=kind: known(pool, index, kind))  # type: ignore[misc]
    for name in (pool.manager(0), pool.manager(1), "hc-ha-submit", "hc-ha-exec1"):
        until(f"health of {name}", lambda name=name: pool.healthy(name), 30)  # type: ignore[misc]


def test_the_other_takes_over(pool: Pool) -> None:
    leader = 0 if runs_negotiator(pool, 0) else 1
    other = 1 - leader
    pool.submit("through", "sleep 100; echo whole")
    until("running", lambda: pool.events("through", "001") == 1)
    pool.inside(pool.manager(leader), f"condor_userprio -setfactor alice@demo.aerie {FACTOR}")
    log = "cat /var/lib/condor/spool/Accountantnew.log"
    until(
        "priorities replicated",
        lambda: f"PriorityFactor {FACTOR}" in pool.inside(pool.manager(other), log, check=False),
        90,
    )

    start = time.monotonic()
    run("docker", "kill", pool.manager(leader))
    pool.submit("new", "echo more")
    for name in ("hc-ha-submit", "hc-ha-exec1"):
        assert pool.healthy(name), name
    until("negotiator", lambda: runs_negotiator(pool, other), 60)
    print(f"negotiator on the other after {time.monotonic() - start:.1f} s")
    until("started", lambda: pool.events("new", "001") == 1, 60)
    print(f"new job started {time.monotonic() - start:.1f} s after the leader was killed")
    pool.wait("new")
    # At first a tool, and the check of health, may find the dead negotiator's ad, which the collector believes for 40 s.
    until("health", lambda: pool.healthy(pool.manager(other)), 90)
    asked = "condor_userprio -all -allusers"
    until("factor kept", lambda: f"{FACTOR:.2f}" in pool.inside(pool.manager(other), asked, check=False), 60)
    for name in ("hc-ha-submit", "hc-ha-exec1"):
        assert pool.healthy(name), name

    # The one that comes back is the second now, and learns the priorities.
    run("docker", "rm", "-f", pool.manager(leader))
    pool.start_central_manager(leader)
    until("health", lambda: pool.healthy(pool.manager(leader)), 60)
    until("priorities", lambda: f"PriorityFactor {FACTOR}" in pool.inside(pool.manager(leader), log, check=False), 90)
    assert runs_negotiator(pool, other)
    assert not runs_negotiator(pool, leader)
    pool.wait("through", 120)
    assert pool.events("through", "001") == 1
    assert pool.ssh("cat through.0.out").strip() == "whole"
