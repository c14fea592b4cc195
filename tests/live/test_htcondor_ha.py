"""Three central managers: all collectors know everything, one negotiator, and another takes over with the users' priorities; then, with
two of them gone, the last."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from htcondor_pool import Pool, pool_of, run, until

from components.batch.types import CentralManagerSpec, ExecutorsSpec, PoolSpec, SubmitNodeSpec

ADDRESSES = ("172.27.1.10", "172.27.1.12", "172.27.1.13")
ALL = range(len(ADDRESSES))
FACTOR = 37.0

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    spec = PoolSpec(
        name="demo",
        sites=("torino",),
        central_manager=CentralManagerSpec(ADDRESSES[0]),
        more_central_managers=tuple(CentralManagerSpec(address) for address in ADDRESSES[1:]),
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
    """Not where the container is not there, of which Docker tells."""
    said = pool.inside(pool.manager(index), "pgrep condor_negotiat || true", check=False).split()
    return bool(said) and all(word.isdigit() for word in said)


def leaders(pool: Pool) -> list[int]:
    """The central managers on which a negotiator runs."""
    return [index for index in ALL if runs_negotiator(pool, index)]


def known(pool: Pool, index: int, kind: str) -> str:
    """The names that a central manager's own collector has of this kind."""
    return pool.inside(pool.manager(index), f"condor_status -pool {ADDRESSES[index]} {kind} -af Name").strip()


def test_one_negotiator_of_three(pool: Pool) -> None:
    start = time.monotonic()
    for index in ALL:
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
    until("one of the three", lambda: len(leaders(pool)) == 1, 90)
    for index in ALL:
        until("everybody in each collector", lambda index=index: len(negotiators(pool, index)) == 1)  # type: ignore[misc]
        for kind in ("-startd", "-schedd"):
            until(f"{kind} there", lambda index=index, kind=kind: known(pool, index, kind))  # type: ignore[misc]
    for name in (*map(pool.manager, ALL), "hc-ha-submit", "hc-ha-exec1"):
        until(f"health of {name}", lambda name=name: pool.healthy(name), 30)  # type: ignore[misc]


def keeps_the_factor(pool: Pool, index: int) -> bool:
    """Whether what the negotiator knows of users has come to this central manager's spool."""
    log = pool.inside(pool.manager(index), "cat /var/lib/condor/spool/Accountantnew.log", check=False)
    return f"PriorityFactor {FACTOR}" in log


def kill(pool: Pool, leader: int, left: set[int], job: str) -> int:
    """Kills the central manager with the negotiator: which of those left has it then; a new job starts, priorities are kept."""
    for index in left:
        until("priorities replicated", lambda index=index: keeps_the_factor(pool, index), 90)  # type: ignore[misc]
    start = time.monotonic()
    run("docker", "kill", pool.manager(leader))
    pool.submit(job, "echo more")
    for name in ("hc-ha-submit", "hc-ha-exec1"):
        assert pool.healthy(name), name
    until("one negotiator", lambda: len(leaders(pool)) == 1, 90)
    (new,) = leaders(pool)
    assert new in left
    print(f"negotiator on another after {time.monotonic() - start:.1f} s, of {len(left)} left")
    until("started", lambda: pool.events(job, "001") == 1, 60)
    print(f"new job started {time.monotonic() - start:.1f} s after the leader was killed")
    pool.wait(job)
    # At first a tool, and the check of health, may find the dead negotiator's ad, which the collector believes for 40 s.
    until("health", lambda: pool.healthy(pool.manager(new)), 90)
    asked = "condor_userprio -all -allusers"
    until("factor kept", lambda: f"{FACTOR:.2f}" in pool.inside(pool.manager(new), asked, check=False), 60)
    return new


def test_another_takes_over_and_then_the_last(pool: Pool) -> None:
    (first,) = leaders(pool)
    pool.submit("through", "sleep 200; echo whole")
    until("running", lambda: pool.events("through", "001") == 1)
    pool.inside(pool.manager(first), f"condor_userprio -setfactor alice@demo.aerie {FACTOR}")
    second = kill(pool, first, set(ALL) - {first}, "new")
    last = kill(pool, second, set(ALL) - {first, second}, "newer")
    for name in ("hc-ha-submit", "hc-ha-exec1"):
        assert pool.healthy(name), name

    # One that comes back has no negotiator now, and learns the priorities.
    run("docker", "rm", "-f", pool.manager(first))
    pool.start_central_manager(first)
    until("health", lambda: pool.healthy(pool.manager(first)), 60)
    until("priorities", lambda: keeps_the_factor(pool, first), 90)
    assert leaders(pool) == [last]
    pool.wait("through", 240)
    assert pool.events("through", "001") == 1
    assert pool.ssh("cat through.0.out").strip() == "whole"
