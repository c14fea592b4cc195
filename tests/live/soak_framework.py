"""Long campaigns of a pool by the framework on a whole federation; `make soak` runs them, `make test` does not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from federation import Farm, docker, machines, wait_for
from framework_pool import JOBS, FrameworkPool


@pytest.fixture(scope="module")
def grid(farm: Farm) -> Iterator[FrameworkPool]:
    pool = FrameworkPool(farm, "grid", 2, 2223)
    pool.create()
    yield pool
    pool.destroy()
    pool.remove()


def test_a_burst_with_a_site_cut_off(grid: FrameworkPool) -> None:
    """Only jobs that ran on the lost site may have been started again."""
    lost = [m for m in machines() if m.startswith("bari")]
    clusters = grid.submit_mix("cut")
    wait_for("it grows", lambda: any(e["site"] == "bari" for e in grid.elastic()), 90)
    on_bari = {e["name"] for e in grid.executors() if e["site"] == "bari"}
    start = time.monotonic()
    docker("kill", *[grid.farm.machine(m) for m in lost])
    try:
        grid.wait_jobs("cut", 600)
        print(f"{JOBS} jobs with bari lost in the midst: done {time.monotonic() - start:.0f} s later")
        rows = grid.history(clusters, "NumJobStarts", "ExitCode", "JobStatus", "GlobalJobId")
        assert len(rows) == JOBS
        assert {tuple(row[1:3]) for row in rows} == {("0", "4")}
        again = [row for row in rows if row[0] != "1"]
        assert len(again) <= 4 * max(1, len(on_bari)), again
    finally:
        docker("start", *[grid.farm.machine(m) for m in lost])
    wait_for("the site is back", lambda: grid.farm.run("make", "status", check=False).returncode == 0, 360, 3)
    grid.wait_shrunk()
    wait_for("no executor is left over", lambda: len(grid.containers("executor")) == 1, 120, 2)
