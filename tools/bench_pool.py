"""How quick a pool by the framework is, on the federation that is up, beside a plain single-container HTCondor in the same run.

Needs a pool with `via: framework`, `executors.count: 0` and an `elastic` that may grow to 8 cores. Times come from the jobs
themselves (they write the clock down), so that no second is lost to HTCondor's whole seconds.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components.batch.framework_client import Framework
from components.image_tags import image_tags
from components.spec.model import Federation, Pool
from components.spec.validate import FEDERATION_STACK, read_pools

from . import stacks
from .login import Login, pool_login

PLAIN = "aerie-bench-minicondor"
SLOTS = 8
STARTS = 20  # jobs that each need a new executor
THROUGHPUT_JOBS = 240  # of one second each

# A single-machine HTCondor as its own package `minicondor` sets it up, with the slots of the pool that it is compared with.
PLAIN_CONFIG = f"""
use role: get_htcondor_central_manager
DAEMON_LIST = MASTER, COLLECTOR, NEGOTIATOR, SCHEDD, STARTD
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:9618
NETWORK_INTERFACE = 127.0.0.1
SHARED_PORT_PORT = 9618
NUM_CPUS = {SLOTS}
MEMORY = 4096
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
ALLOW_READ = bench@*, condor@*, root@*
ALLOW_WRITE = bench@*, condor@*, root@*
ALLOW_DAEMON = condor@*, root@*, condor_pool@*
ALLOW_ADMINISTRATOR = condor@*, root@*
DISCARD_SESSION_KEYRING_ON_STARTUP = False
ENABLE_KERNEL_TUNING = False
BASE_CGROUP =
START = True
"""
SUBMIT = """executable=/bin/sh
arguments="-c 'date +%s.%N; sleep {seconds}'"
should_transfer_files=YES
when_to_transfer_output=ON_EXIT
transfer_executable=false
output=o.$(Process)
log=l
request_cpus={cpus}
request_memory={memory}MB
request_disk=4MB
queue {count}
"""


class BenchError(RuntimeError):
    """The measurement could not be made; the text says why."""


@dataclass
class FrameworkBench:
    """The pool under test: its user's log-in and its administrator's REST."""

    login: Login
    framework: Framework

    def ask(self, path: str) -> Any:
        return self.framework.call("GET", path).json()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile the framework starts and drains nothing."""
        self.framework.call("POST", "/v1/pause")
        try:
            yield
        finally:
            self.framework.call("POST", "/v1/resume")

    def elastic(self) -> list[dict[str, Any]]:
        return [e for e in self.ask("/v1/executors") if e["kind"] == "elastic"]

    def wait_empty(self, seconds: float = 300) -> float:
        """Until there is no elastic executor; the seconds that took."""
        start = time.monotonic()
        while self.elastic():
            if time.monotonic() - start > seconds:
                raise BenchError(f"the pool is not at its minimum after {seconds:.0f} s")
            time.sleep(0.5)
        return time.monotonic() - start


def shell(login: Login, script: str, timeout: float = 600) -> str:
    done = login.run(script, timeout=timeout)
    if done.returncode:
        raise BenchError(f"{script[:100]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def submit_script(folder: str, **what: int) -> str:
    """Submits in a new folder; prints the clock before it."""
    text = shlex.quote(SUBMIT.format(**what))
    return (
        f"rm -rf {folder}; mkdir {folder}; cd {folder}; printf %s {text} > j; date +%s.%N; condor_submit -terse j >&2"
    )


def start_latencies(pool: FrameworkBench, runs: int = STARTS) -> list[float]:
    """Seconds from `condor_submit` to the first line of a job that needs a new executor, each time with none there."""
    seconds = []
    for number in range(runs):
        pool.wait_empty()
        submitted = float(shell(pool.login, submit_script(f"start{number}", seconds=0, cpus=1, memory=64, count=1)))
        shell(pool.login, f"condor_wait -wait 120 start{number}/l >&2")
        seconds.append(float(shell(pool.login, f"cat start{number}/o.0").split()[0]) - submitted)
    return seconds


def throughput(run: Any, folder: str, jobs: int = THROUGHPUT_JOBS) -> float:
    """Jobs of one second done per second, from the first one's start to the last one's end."""
    run(submit_script(folder, seconds=1, cpus=1, memory=64, count=jobs))
    run(f"condor_wait -wait 600 {folder}/l >&2")
    starts = sorted(float(line) for line in run(f"cat {folder}/o.*").split())
    return jobs / (starts[-1] + 1 - starts[0])


@contextmanager
def plain_htcondor(root: Path) -> Iterator[Any]:
    """A single-container HTCondor with as many slots; runs shell scripts in it as an ordinary user."""
    image = f"aerie/htcondor:{image_tags(root)['htcondor']}"
    subprocess.run(["docker", "rm", "-f", PLAIN], capture_output=True)
    start = (
        "cat > /etc/condor/config.d/50-bench.config && useradd -m bench && "
        "mkdir -p /run/condor /var/lock/condor /var/log/condor /var/lib/condor/execute /var/lib/condor/spool && "
        "chown condor: /run/condor /var/lock/condor /var/log/condor /var/lib/condor/execute /var/lib/condor/spool && "
        "exec condor_master -f"
    )
    done = subprocess.run(
        ["docker", "run", "-d", "-i", "--name", PLAIN, "--init", "--entrypoint", "sh", image, "-c", f"echo {shlex.quote(PLAIN_CONFIG)} | ({start})"],
        capture_output=True,
        text=True,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(done.stderr.strip())

    def run(script: str) -> str:
        command = ["docker", "exec", "-u", "bench", "-w", "/home/bench", PLAIN, "sh", "-c", script]
        said = subprocess.run(command, capture_output=True, text=True, timeout=700)
        if said.returncode:
            raise BenchError(f"{PLAIN}: {said.stderr.strip() or said.stdout.strip()}")
        return said.stdout

    try:
        until = time.monotonic() + 60
        while True:
            try:
                if run("condor_status -af Name").strip():
                    break
            except BenchError as error:
                if time.monotonic() > until:
                    raise BenchError(f"the plain HTCondor does not come up: {error}") from error
            time.sleep(0.5)
        yield run
    finally:
        subprocess.run(["docker", "rm", "-f", PLAIN], capture_output=True)


def waiting_cost(pool: FrameworkBench, federation: Federation, seconds: float = 30) -> tuple[float, int]:
    """(cpu seconds a minute that one idle executor's container takes, how many were measured)."""
    tasks = [e["task"] for e in pool.ask("/v1/executors") if not e["claims"]]
    found: dict[str, tuple[str, str]] = {}
    names = subprocess.run(
        ["docker", "ps", "--format", "{{.Names}}", "--filter", f"label=aerie.federation={federation.name}"],
        capture_output=True,
        text=True,
    ).stdout.split()
    script = "docker ps -q | xargs -r docker inspect -f '{{.Id}} {{.State.Pid}} {{json .Config.Env}}'"
    for name in names:
        out = subprocess.run(["docker", "exec", name, "sh", "-c", script], capture_output=True, text=True).stdout
        for line in out.splitlines():
            identity, pid, env = line.split(" ", 2)
            task = next((v.partition("=")[2] for v in json.loads(env) if v.startswith("AERIE_TASK=")), "")
            if task in tasks:
                found[task] = (name, f"{identity} {pid}")

    def used() -> float:
        total = 0.0
        for name, where in found.values():
            pid = where.split()[1]
            read = (
                f"p=$(sed -n 's/^[0-9]*:[^:]*cpuacct[^:]*://p' /proc/{pid}/cgroup | head -1); "
                f'if [ -n "$p" ]; then cat "/sys/fs/cgroup/cpuacct$p/cpuacct.usage"; '
                f"else p=$(sed -n 's/^0:://p' /proc/{pid}/cgroup); "
                "sed -n 's/^usage_usec //p' \"/sys/fs/cgroup$p/cpu.stat\" | sed 's/$/000/'; fi"
            )
            out = subprocess.run(["docker", "exec", name, "sh", "-c", read], capture_output=True, text=True).stdout
            total += float(out.strip()) / 1e9
        return total

    if not found:
        raise BenchError("no idle executor to measure")
    before, start = used(), time.monotonic()
    time.sleep(seconds)  # the measured time itself
    return (used() - before) / (time.monotonic() - start) * 60 / len(found), len(found)


def find_pool(federation: Federation, root: Path) -> FrameworkBench:
    """The first framework pool that is up."""
    pools: dict[str, Pool] = read_pools(root, federation)
    for name, pool in pools.items():
        if pool.via != "framework":
            continue
        outputs, shared = stacks.outputs(name, root), stacks.outputs(FEDERATION_STACK, root)
        if "rest" not in outputs:
            continue
        login = pool_login(federation, name, pool, outputs, pool.users[0].name)
        rest = (outputs["rest"], outputs["rest_user"], outputs["rest_password"], shared["ca_certificate"])
        return FrameworkBench(login, Framework(name, *rest))
    raise BenchError("no pool with `via: framework` is up; docs/framework.md has a file for one")


def pool(console: Console, federation: Federation, root: Path) -> None:
    """The table of docs/benchmarks.md about the framework."""
    table = Table("what", "measured", "goal", title="a pool by the framework")
    bench = find_pool(federation, root)
    console.print("  8 slots, jobs of one second, beside a plain HTCondor", highlight=False)
    # A first wave makes the executors, so that both are measured with all slots there.
    shell(bench.login, submit_script("warm", seconds=8, cpus=1, memory=64, count=SLOTS))
    shell(bench.login, "condor_wait -wait 300 warm/l >&2")
    slots = sum(float(e["cpus"]) for e in bench.ask("/v1/executors"))
    ours = throughput(lambda script: shell(bench.login, script), "rate")
    table.add_row("last job done to pool at its minimum, s", f"{bench.wait_empty():.0f}", "")
    with plain_htcondor(root) as run:
        plain = throughput(run, "rate")
    table.add_row(f"jobs a second, {slots:.0f} slots of the pool", f"{ours:.2f}", "")
    table.add_row(f"jobs a second, {SLOTS} slots of a plain HTCondor", f"{plain:.2f}", "")
    table.add_row("ratio", f"{ours / plain:.2f}", "0.9")

    console.print(f"  {STARTS} jobs that each need a new executor", highlight=False)
    starts = sorted(start_latencies(bench))
    table.add_row("idle job to running on a new executor, s: median", f"{statistics.median(starts):.1f}", "12")
    table.add_row("the same, 95 %", f"{starts[int(0.95 * (len(starts) - 1))]:.1f}", "25")

    console.print("  what a waiting executor costs", highlight=False)
    shell(bench.login, submit_script("wait", seconds=1, cpus=1, memory=64, count=SLOTS))
    shell(bench.login, "condor_wait -wait 300 wait/l >&2")
    with bench.paused():  # or they would be drained before they are measured
        waiting, count = waiting_cost(bench, federation, 20)
    table.add_row(f"cpu seconds a minute of one waiting executor (of {count})", f"{waiting:.2f}", "")
    console.print(table)
    console.print(f"  load average at the end: {os.getloadavg()[0]:.1f}", highlight=False)
