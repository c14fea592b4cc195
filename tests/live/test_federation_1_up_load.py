"""A load of stress jobs on the pool, as an administrator puts it on."""

from __future__ import annotations

import json

from federation import Farm


def test_a_load_runs_and_is_accounted_for(farm: Farm) -> None:
    asked = "--rate 90 --minutes 0.2 --length 3 --mix cpu,memory,io"
    done = farm.shell(f".venv/bin/aerie load demo {asked} --json", timeout=300)
    told = json.loads(done.stdout)
    kinds = {row["kind"]: row for row in told["kinds"]}
    print(f"load: {told['jobs_a_minute']} jobs a minute; {kinds['all']}")
    assert set(kinds) == {"cpu", "memory", "io", "all"}
    assert kinds["all"]["jobs"] == told["submitted"] == sum(told["sites"].values()) == 18
    assert kinds["all"]["failed"] == 0
    # stress works all the time that it is there; how much of a core it gets is the machine's affair.
    assert kinds["cpu"]["cpu_share"] > 0 and kinds["all"]["ran_median_s"] >= 2
    # What the report says is what the schedd knows.
    mine = f'AerieLoad =?= "{told["load"]}"'
    statuses = farm.ssh(f"condor_history -constraint '{mine}' -af JobStatus ExitCode").splitlines()
    assert statuses == ["4 0"] * 18


def test_a_load_that_no_executor_has_room_for_is_refused(farm: Farm) -> None:
    before = farm.ssh("condor_q -all -af ClusterId; condor_history -limit 1 -af ClusterId")
    done = farm.shell(".venv/bin/aerie load demo --mix memory --memory 100000", check=False)
    assert done.returncode == 2
    assert "--memory 100000: no executor has room for it, so its jobs would wait for ever; write 1 to" in done.stderr
    assert farm.ssh("condor_q -all -af ClusterId; condor_history -limit 1 -af ClusterId") == before
