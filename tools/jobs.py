"""Real work for a pool: jobs submitted over SSH as one of its users, waited for, and told where they ran."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from components.batch.guard import find_script

from .login import Login

SUBMIT = """executable = /bin/sh
arguments = "-c 'id -un; hostname; sleep {seconds}'"
transfer_executable = false
should_transfer_files = YES
when_to_transfer_output = ON_EXIT
output = out.$(Process)
error = err.$(Process)
log = job.log
request_cpus = 1
request_memory = 64MB
request_disk = 1MB
queue {count}
"""

ATTRIBUTES = "ProcId,JobStatus,ExitCode,LastRemoteHost,NumJobStarts"


class JobsFailed(Exception):
    """The jobs were not all done in time, or could not be submitted."""


@dataclass(frozen=True)
class Ran:
    """Where one job ran."""

    process: int
    host: str
    exit_code: int
    starts: int


def submit(login: Login, count: int, seconds: float, folder: str) -> int:
    """Submits `count` jobs of `seconds` in a folder of the user's home; the cluster's number."""
    text = SUBMIT.format(count=count, seconds=seconds)
    done = login.run(f"mkdir -p {folder} && cd {folder} && cat > jobs.sub && condor_submit -terse jobs.sub", text)
    if done.returncode:
        raise JobsFailed(f"condor_submit failed: {done.stderr.strip() or done.stdout.strip()}")
    return int(done.stdout.split(".")[0])


def history(login: Login, cluster: int) -> list[Ran]:
    """The cluster's jobs that are done, by the schedd's history."""
    done = login.run(f"condor_history {cluster} -json -attributes {ATTRIBUTES}")
    if done.returncode or not done.stdout.strip():
        return []
    ads = json.loads(done.stdout)
    return [
        Ran(
            ad["ProcId"],
            ad.get("LastRemoteHost", "?").split("@")[-1],
            ad.get("ExitCode", -1),
            ad.get("NumJobStarts", 0),
        )
        for ad in ads
        if ad.get("JobStatus") == 4
    ]


def wait(login: Login, cluster: int, count: int, timeout: float, tell: Callable[[int], None]) -> list[Ran]:
    """The cluster's jobs once all are done; `tell` hears how many are."""
    until = time.monotonic() + timeout
    while True:
        ran = history(login, cluster)
        tell(len(ran))
        if len(ran) >= count:
            return sorted(ran, key=lambda r: r.process)
        if time.monotonic() > until:
            queue = login.run(
                f"condor_q {cluster} -nobatch; condor_q {cluster} -better-analyze | tail -25; condor_status"
            ).stdout
            raise JobsFailed(f"{len(ran)} of {count} jobs are done after {timeout:.0f} s:\n{queue}")
        time.sleep(1)


def by_host(ran: list[Ran]) -> list[tuple[str, int]]:
    """How many jobs each executor ran, most first."""
    return Counter(r.host for r in ran).most_common()


def sites_of(login: Login) -> dict[str, str]:
    """The site of each executor, by its host name, as its own ad says."""
    done = login.run("condor_status -json -attributes Machine,AerieSite")
    if done.returncode or not done.stdout.strip():
        return {}
    return {ad["Machine"]: ad.get("AerieSite", "?") for ad in json.loads(done.stdout)}


def remove_script(pool: str, seconds: int = 60) -> str:
    """For the submit node's front-end: removes all jobs of the pool and waits until none runs. Without a submit node nothing is done."""
    queue = "condor_q -allusers -constraint 'JobStatus == 2 || JobStatus == 6' -af ClusterId"
    return f"""id=$({find_script(pool, "submit")} | head -n 1)
[ -n "$id" ] || exit 0
docker exec "$id" condor_rm -all >/dev/null || exit 1
tries=0
while [ -n "$(docker exec "$id" {queue})" ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge {seconds} ]; then
    echo "jobs of pool {pool} still run {seconds} s after they were removed" >&2
    exit 1
  fi
  sleep 1
done
"""
