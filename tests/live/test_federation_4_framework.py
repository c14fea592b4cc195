"""Pools by the framework: executors follow the queue, and no job is ever killed for it.

One pool, `grid`, is brought up for all tests of this file, beside `demo`; it is made and destroyed by its own stack.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from federation import Farm, wait_for
from framework_pool import JOBS, FrameworkPool, leading_master


@pytest.fixture(scope="module")
def grid(farm: Farm) -> Iterator[FrameworkPool]:
    pool = FrameworkPool(farm, "grid", 2, 2223)
    start = time.monotonic()
    pool.create()
    print(f"pool grid is up after {time.monotonic() - start:.0f} s")
    yield pool
    if pool.file.exists():
        done = pool.destroy(check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        pool.remove()


def test_nothing_to_change_straight_after_up(grid: FrameworkPool) -> None:
    assert grid.farm.preview("grid") == {}
    assert grid.farm.preview("torino") == {}  # a new pool is no change of a site


def test_it_starts_in_order_and_says_so(grid: FrameworkPool) -> None:
    state = grid.state()
    assert {r["name"]: (r["phase"], r["healthy"]) for r in state["roles"]} == {
        "central-manager": ("running", True),
        "submit-node": ("running", True),
    }
    first = [grid.containers(role)[0] for role in ("central-manager", "submit", "executor")]
    started = [grid.farm.on(c.machine, "docker", "inspect", "-f", "{{.State.StartedAt}}", c.id) for c in first]
    assert started == sorted(started)
    assert state["executors"]["fixed"]["running"] == 1
    assert state["executors"]["elastic"]["running"] == 0


def test_status_shows_it(grid: FrameworkPool) -> None:
    done = grid.farm.run("make", "status", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "grid" in done.stdout


def test_rest_is_for_the_administrator_only(grid: FrameworkPool) -> None:
    url = grid.farm.outputs("grid")["rest"]
    for path, code in (("/v1/pool", "401"), ("/metrics", "401"), ("/ping", "200")):
        said = grid.farm.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", url + path).stdout
        assert said == code, path
    text = grid.rest("GET", "/metrics").text
    assert "# TYPE" in text


def test_a_burst_grows_runs_once_and_shrinks(grid: FrameworkPool) -> None:
    start = time.monotonic()
    clusters = grid.submit_mix("burst")
    wait_for("it grows", lambda: len(grid.elastic()) >= 3, 60)
    grown = 0
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(grid.wait_jobs, "burst", 400)
        while not waiting.done():
            grown = max(grown, len(grid.elastic()))
            assert grown <= 6
            wait([waiting], timeout=1)  # then look again
        waiting.result()
    done = time.monotonic() - start
    grid.ran_once("burst", clusters)
    grid.wait_shrunk()
    print(
        f"{JOBS} jobs of mixed sizes: {done:.0f} s, up to {grown} elastic executors, back at 0 {time.monotonic() - start - done:.0f} s later"
    )


@pytest.mark.soak
def test_a_burst_with_the_scheduler_killed_twice_and_the_mesos_leader_once(grid: FrameworkPool) -> None:
    clusters = grid.submit_mix("killed")
    wait_for("it grows", lambda: len(grid.elastic()) >= 2, 60)
    grid.kill_framework()
    wait_for("the scheduler is back", lambda: grid.state()["mesos"]["connected"], 90)
    grid.nobody_is_forgotten()
    leader = leading_master(grid.farm)
    grid.farm.on(leader, "docker", "kill", "mesos-master")
    grid.farm.on(leader, "docker", "start", "mesos-master")
    wait_for("the new leader has it", lambda: grid.state()["mesos"]["connected"], 90)
    grid.kill_framework()
    wait_for("the scheduler is back", lambda: grid.state()["mesos"]["connected"], 90)
    grid.nobody_is_forgotten()
    assert len(grid.elastic()) <= 6
    grid.wait_jobs("killed", 500)
    grid.ran_once("killed", clusters)
    grid.wait_shrunk()
    assert len(grid.executors()) == 1
    assert len(grid.containers("executor")) == 1, "a container that nobody knows of"


def test_more_is_allowed_in_place(grid: FrameworkPool) -> None:
    roles = ("central-manager", "submit", "executor")
    before = [c.id for role in roles for c in grid.containers(role)]
    framework = grid.framework_container()
    grid.edit(max=7)
    assert grid.farm.preview("grid") == {"update": ["FrameworkPolicy grid-policy"]}
    grid.farm.up("grid")
    assert grid.farm.preview("grid") == {}
    assert grid.state()["executors"]["elastic"]["max"] == 7
    assert [c.id for role in roles for c in grid.containers(role)] == before
    assert grid.framework_container() == framework


def test_why_a_job_waits_is_told(grid: FrameworkPool) -> None:
    big = grid.submit_sleeps("big", 3, 1, cpus=16)
    nowhere = grid.submit_sleeps("nowhere", 1, 1, more='requirements=(AerieSite=="napoli")\\n')

    def reasons() -> dict[str, str]:
        return {w["jobs"].split(".")[0]: w["why"] for w in grid.state()["waiting"]}

    wait_for("both are explained", lambda: {big, nowhere} <= set(reasons()), 60)
    said = reasons()
    assert "16 cpus" in said[big], said
    assert "napoli" in said[nowhere], said
    status = grid.farm.run("make", "status", check=False).stdout
    assert "16 cpus" in status, status
    grid.ssh(f"condor_rm {big} {nowhere}")


def test_an_executor_is_drained_without_harm_to_its_job(grid: FrameworkPool) -> None:
    cluster = grid.submit_sleeps("drained", 1, 25)
    wait_for("it runs", lambda: len(grid.running(cluster)) == 1, 60)
    busy = wait_for("the executor is known to be claimed", lambda: [e for e in grid.executors() if e["claims"]], 30)[0]
    assert grid.rest("POST", f"/v1/executors/{busy['task']}/drain").status_code in (200, 202)
    wait_for("it drains", lambda: next(e for e in grid.executors() if e["task"] == busy["task"])["drain"], 30)
    grid.wait_jobs("drained", 120)
    assert grid.history([cluster], "NumJobStarts", "ExitCode") == [["1", "0"]]
    wait_for("it is gone", lambda: busy["task"] not in [e["task"] for e in grid.executors()], 60)
    wait_for("another fixed one is there", lambda: grid.state()["executors"]["fixed"]["running"] == 1, 60)


def test_destroying_is_refused_while_jobs_run(grid: FrameworkPool) -> None:
    cluster = grid.submit_sleeps("kept", 1, 60)
    wait_for("it runs", lambda: len(grid.running(cluster)) == 1, 60)
    done = grid.destroy(check=False)
    assert done.returncode != 0
    text = done.stdout + done.stderr
    assert "destroy_with_jobs" in text, text
    assert grid.running(cluster), "the job was harmed"
    assert grid.farm.preview("grid") == {}
    grid.ssh(f"condor_rm {cluster}")


@pytest.mark.soak  # the arbitration is property-tested, and simulated with faults
def test_two_pools_compete_and_the_one_over_its_share_gives_back(grid: FrameworkPool) -> None:
    """`grid` takes all it can get; `rival` has a share that it does not use yet, and gets it when it does."""
    farm = grid.farm
    rival = FrameworkPool(farm, "rival", 3, 2224, {"share": {"cpus": 8, "memory": 5000}})
    rival.create()
    try:
        grid.edit(max=12)
        farm.up("grid")
        long = grid.submit_sleeps("long", 30, 10, cpus=2, memory=256)
        wait_for("grid holds more than its share", lambda: held(grid) > 8, 120)
        start = time.monotonic()
        rival.submit_sleeps("wanted", 6, 5, cpus=2, memory=256)
        rival.wait_jobs("wanted", 300)
        print(f"rival's 6 jobs were done {time.monotonic() - start:.0f} s after they were submitted")
        grid.wait_jobs("long", 500)
        assert {tuple(r) for r in grid.history([long], "NumJobStarts", "ExitCode")} == {("1", "0")}
    finally:
        rival.destroy()
        rival.remove()


def held(pool: FrameworkPool) -> float:
    """Cores of its executors."""
    return sum(float(e["cpus"]) for e in pool.executors())


def test_destroying_leaves_nothing(grid: FrameworkPool) -> None:
    grid.ssh("condor_rm -all", check=False)
    wait_for("no job is left", lambda: grid.state()["jobs"]["running"] == 0, 60)
    grid.destroy()
    for role in ("central-manager", "submit", "executor"):
        assert grid.containers(role) == []
    grid.remove()
