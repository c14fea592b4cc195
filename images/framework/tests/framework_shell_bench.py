"""Time of an offer cycle and memory of the scheduler at 1,000 agents and 10,000 idle jobs in 200 groups. By hand:

    PYTHONPATH=images/framework:images/mesos-client:images/framework/tests python images/framework/tests/framework_shell_bench.py

The fake master runs in a process of its own, as a real one would; HTCondor is faked from the scheduler's own records. A cycle is
from the moment at which the events are taken to the last call that Mesos has answered, storing included (in memory).
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fake_mesos_master import FakeAgent, FakeMaster
from framework_helpers import SITES, FakeShares, FakeStorage, group, raw_config, raw_policy
from htcondor_framework import config as configs
from htcondor_framework import policy as policies
from htcondor_framework.core.model import Phase, Pool, Queue, Role, SlotState, StartdAd, Usage
from htcondor_framework.scheduler import Scheduler
from htcondor_framework.state import State

GOAL = 0.2  # seconds


def run_master(agents: int, pipe: Connection) -> None:
    async def main() -> None:
        machines = [
            FakeAgent(f"A{n}", f"n{n}", 16, 65536, 500_000, attributes={"site": SITES[n % 3], "node": f"n{n}"})
            for n in range(agents)
        ]
        master = FakeMaster(machines, allocation=1.0)  # as often as Mesos does
        await master.start()
        pipe.send(master.address)
        await asyncio.to_thread(pipe.recv)

    asyncio.run(main())


class FakeCondorOfRecords:
    """Every executor that the scheduler knows to run is claimed as a whole; the idle jobs never end."""

    def __init__(self, jobs: int, groups: int) -> None:
        self.idle = tuple(
            group(
                jobs // groups,
                cpus=1 + n % 4,
                memory=256 * (1 + n % 5),
                key=f"g{n:03}",
                owner=f"user{n % 20}",
                places=frozenset(SITES[: 1 + n % 3]),
            )
            for n in range(groups)
        )
        self.scheduler: Scheduler | None = None

    async def queue(self) -> Queue | None:
        return Queue(time.time(), self.idle, Usage(0))

    async def pool(self) -> Pool | None:
        assert self.scheduler is not None
        tasks = [t for t in self.scheduler.state.tasks.values() if t.phase is Phase.RUNNING]
        ads = tuple(
            StartdAd(t.id, "", t.id, t.place, SlotState.CLAIMED, t.size, type(t.size)(), 1, time.time())
            for t in tasks
            if t.is_executor
        )
        return Pool(time.time(), ads, bool(tasks), any(t.role is Role.SUBMIT for t in tasks))

    async def drain(self, startd_name: str, cancel: bool) -> None:
        pass

    async def drain_directly(self, task: str, address: str, cancel: bool) -> None:
        pass

    async def executor(self, task: str, address: str) -> StartdAd | None:
        return None

    async def reschedule(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Measured(Scheduler):
    """Notes of each cycle: offers, launches, records, seconds in all, seconds of the decision."""

    def __init__(self, *a: Any, **more: Any) -> None:
        super().__init__(*a, **more)
        self.notes: list[tuple[int, int, int, float, float]] = []
        self._last = (0, 0, 0.0)

    async def _cycle(self) -> float:
        began = time.perf_counter()
        wake = await super()._cycle()
        offers, launches, decided = self._last
        self.notes.append((offers, launches, len(self.state.tasks), time.perf_counter() - began, decided))
        return wake

    def _decide(self, now: float, offers: Any) -> Any:
        began = time.perf_counter()
        plan = super()._decide(now, offers)
        self._last = (len(offers), len(plan.launches), time.perf_counter() - began)
        return plan


def memory() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def show(what: str, notes: list[tuple[int, int, int, float, float]]) -> None:
    if not notes:
        print(f"{what:42} none")
        return
    whole, decided = [n[3] * 1000 for n in notes], [n[4] * 1000 for n in notes]
    print(
        f"{what:42} {len(notes):4} cycles: median {statistics.median(whole):6.1f} ms, longest {max(whole):6.1f} ms"
        f" (of which the decision {statistics.median(decided):6.1f} and {max(decided):6.1f} ms)"
    )


async def measure(address: str, executors: int, batch: int, jobs: int, groups: int, seconds: float) -> bool:
    before = memory()
    condor = FakeCondorOfRecords(jobs, groups)
    largest = {"cpus": 16, "memory": 60000, "disk": 400_000}
    wanted = raw_policy(
        0, max=executors, curb=executors, batch=batch, max_idle=executors, largest=largest, placement="spread"
    )
    state = State(policy=policies.parse(wanted))
    scheduler = Measured(configs.parse(raw_config([address])), FakeStorage(), state, condor, FakeShares())
    condor.scheduler = scheduler
    job = asyncio.create_task(scheduler.run())
    began = time.monotonic()

    def running() -> int:
        return sum(t.is_executor and t.phase is Phase.RUNNING for t in scheduler.state.tasks.values())

    while running() < executors and time.monotonic() < began + 180 and not job.done():
        await asyncio.sleep(0.1)
    full = time.monotonic() - began
    growing, scheduler.notes = scheduler.notes, []
    print(f"{running()} executors run after {full:.1f} s")
    await asyncio.sleep(seconds)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    show("with 100 offers or more, growing", [n for n in growing if n[0] >= 100])
    show("of these, launching", [n for n in growing if n[0] >= 100 and n[1]])
    show("without offers, growing", [n for n in growing if n[0] < 100])
    show(f"at {executors} executors, jobs still waiting", scheduler.notes)
    print(f"memory: {memory():.0f} MiB, {memory() - before:.0f} MiB more than before the start")
    median = statistics.median([n[3] for n in growing if n[0] >= 100] or [float("inf")])
    print(f"goal: an offer cycle under {GOAL * 1000:.0f} ms: {'met' if median < GOAL else 'MISSED'} (median)")
    return median < GOAL


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--executors", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=100, help="executors started in one cycle at the most")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0, help="measured after all executors run")
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    master = context.Process(target=run_master, args=(args.agents, theirs), daemon=True)
    master.start()
    try:
        met = asyncio.run(measure(ours.recv(), args.executors, args.batch, args.jobs, args.groups, args.seconds))
    finally:
        ours.send("end")
        master.join(10)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
