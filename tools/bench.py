"""Measures what docs/benchmarks.md tells, on this machine, in one run.

    python -m tools.bench preview    no-change `pulumi preview` of each stack
    python -m tools.bench memory     memory of each machine and of each service on it
    python -m tools.bench rtt        container to container: one node, one site, two sites; beside a plain bridge and the tunnel
    python -m tools.bench drivers    memory and time of `pulumi up` for 5, 20 and 50 agents, by Docker providers and by SSH commands
    python -m tools.bench pool       a pool by the framework: starts, throughput, shrinking; beside a plain HTCondor
    python -m tools.bench marathon   our Marathon against a fake master: launches, lists, events, failover, health checks
    python -m tools.bench collector  the collector's round of 10 to 1,000 simulated agents
    python -m tools.bench            `marathon`, and all but `drivers` and `pool` of the federation that is up

A federation must be up (`make up`), except for `drivers`, `marathon` and `collector`.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from components.spec.loader import read_federation
from components.spec.model import Federation

from . import bench_collector, bench_drivers, bench_marathon, bench_pool, bench_rtt, stacks

ROOT = stacks.ROOT


def docker(*args: str, timeout: float = 120) -> str:
    """Output of the Docker client; raises with what it said."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def machine(federation: Federation, name: str) -> str:
    """The container that acts as the machine."""
    return f"{federation.name}-{name}"


def preview(console: Console, federation: Federation, runs: int = 3) -> None:
    """Median seconds of a no-change preview, by stack."""
    table = Table("stack", "seconds (median of 3)", "goal", title="no-change preview")
    for stack in [name for step in stacks.order(ROOT, federation) for name in step]:
        seconds = []
        for _ in range(runs):
            start = time.monotonic()
            done = subprocess.run(
                ["pulumi", "preview", "-s", stack, "--expect-no-changes", "--non-interactive"],
                cwd=ROOT,
                capture_output=True,
            )
            if done.returncode:
                raise RuntimeError(f"{stack} has changes: {done.stdout.decode()[-500:]}")
            seconds.append(time.monotonic() - start)
        table.add_row(stack, f"{statistics.median(seconds):.1f}", "10" if stack == "torino" else "")
    console.print(table)


def memory(console: Console, federation: Federation) -> None:
    """Memory (MiB) of each service of a site, and of all machines together."""
    table = Table("machine", "service", "MiB", title="memory by service, as Docker tells it")
    total = 0.0
    names = docker("ps", "--format", "{{.Names}}", "--filter", f"label=aerie.federation={federation.name}").split()
    for name in sorted(names):
        usage = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name)
        total += _mib(usage)
        if "-front-end" not in name and "-agent-" not in name:
            table.add_row(name, "", f"{_mib(usage):.0f}")
            continue
        inside = docker("exec", name, "docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
        for line in sorted(inside.splitlines()):
            service, _, used = line.partition(" ")
            table.add_row(
                "", "task" if service.startswith("mesos-") and len(service) > 20 else service, f"{_mib(used):.0f}"
            )
        table.add_row(name, "all of it", f"{_mib(usage):.0f}")
    table.add_row("all", "goal: 8192", f"{total:.0f}")
    console.print(table)


def _mib(text: str) -> float:
    found = re.match(r"\s*([\d.]+)(B|KiB|MiB|GiB)", text)
    if not found:
        raise ValueError(f"no amount of memory: {text!r}")
    return float(found[1]) * {"B": 2**-20, "KiB": 2**-10, "MiB": 1.0, "GiB": 1024.0}[found[2]]


def rtt(console: Console, federation: Federation) -> None:
    """Round trips between containers, beside the plain bridge and the bare tunnel of the same run."""
    bench_rtt.rtt(console, federation, ROOT)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "what",
        nargs="*",
        choices=["preview", "memory", "rtt", "drivers", "pool", "marathon", "collector", []],
        help="default: all but drivers and pool",
    )
    args = parser.parse_args(argv)
    console = Console(highlight=False, width=120)
    federation, problems = read_federation(ROOT)
    if federation is None:
        console.print("\n".join(map(str, problems)))
        return 1
    for what in args.what or ["preview", "memory", "rtt", "marathon"]:
        {
            "preview": lambda: preview(console, federation),
            "memory": lambda: memory(console, federation),
            "rtt": lambda: rtt(console, federation),
            "drivers": lambda: bench_drivers.drivers(console),
            "pool": lambda: bench_pool.pool(console, federation, ROOT),
            "marathon": lambda: bench_marathon.marathon(console),
            "collector": lambda: bench_collector.run(console),
        }[what]()
    console.print("Next: write what changed into docs/benchmarks.md, with the machine's size")
    return 0


if __name__ == "__main__":
    sys.exit(main())
