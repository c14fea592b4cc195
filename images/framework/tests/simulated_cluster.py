"""A simulated cluster that runs pools through plan() in virtual time, with faults; what must never happen is looked for all the time.

`campaign(seeds)` runs many and reports; each seed is one cluster with its jobs and its faults.
"""

from __future__ import annotations

import dataclasses
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from framework_core_helpers import OVERHEAD, SITES
from htcondor_framework.core.model import (
    Elastic,
    Kind,
    Limit,
    Phase,
    Placement,
    Policy,
    Role,
    Share,
    Size,
    Task,
)
from simulated_condor import SimulatedCondor, SimulatedJob
from simulated_mesos import SimulatedAgent, SimulatedMesos
from simulated_shell import SimulatedShell

FAULTS_UNTIL = 1500.0
GIVE_UP = 12_000.0
DRAIN_TIMEOUT = 900.0  # then the machine stays after all


@dataclass
class SimulatedCluster:
    """Pools on one Mesos. `happened`: the faults, for the report. `maintenance`: machines go into maintenance too; by chances of its
    own, so that without it a seed is the cluster that it was before there was any."""

    seed: int
    pools: int = 1
    jobs: int = 250
    maintenance: bool = True
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.luck = random.Random(f"maintenance {self.seed}")
        self.next_maintenance = self.luck.uniform(60, 600) if self.maintenance else FAULTS_UNTIL
        rng = self.rng
        agents = [
            SimulatedAgent(f"{site}-{n}-S0", f"{site}-{n}", site, Size(rng.choice([6, 8, 16]), 16_384, 200_000))
            for site in SITES
            for n in (1, 2)
        ]
        agents[0].total = Size(8, 16_384, 200_000)
        self.mesos = SimulatedMesos(rng, agents, launch_failures=0.03)
        self.now = 0.0
        self.shells = []
        for n in range(self.pools):
            name = f"pool{n}"
            condor = SimulatedCondor(name, rng, self.mesos, OVERHEAD, mute=0.03, lost_ads=0.05)
            self.shells.append(SimulatedShell(name, self.mesos, condor, self._policy()))
            self._jobs(condor)

    def _policy(self) -> Policy:
        rng = self.rng
        most = rng.randint(4, 14)
        elastic = Elastic(
            min=rng.choice([0, 0, 1]),
            total=Limit(most, rng.randint(2, most)),
            batch=rng.randint(1, 6),
            wait_cycles=rng.choice([0, 1, 2]),
            idle_timeout=rng.choice([30, 60, 120]),
            max_idle=rng.randint(1, 6),
            largest=Size(rng.choice([4, 4, 6]), rng.choice([4096, 6144]), 20_000),
            placement=rng.choice(list(Placement)),
            site_preference=tuple(rng.sample(SITES, rng.randint(0, 3))),
            sites={"torino": Limit(3, 2)} if rng.random() < 0.5 else {},
        )
        return Policy(rng.randint(0, 2), Share(16 / self.pools, 20_000 / self.pools), elastic)

    def _jobs(self, condor: SimulatedCondor) -> None:
        rng = self.rng
        waves = sorted(rng.uniform(30, FAULTS_UNTIL) for _ in range(4))
        kinds = [
            (Size(rng.choice([1, 1, 1, 2, 3, 4]), rng.randint(50, 4000), rng.randint(0, 4000)), self._places(), owner)
            for owner in ("alice", "bob", "carol")
            for _ in range(4)
        ]
        for n in range(self.jobs):
            size, places, owner = rng.choice(kinds)
            queued = rng.choice(waves) + rng.uniform(0, 20) if n % 5 else rng.uniform(30, FAULTS_UNTIL)
            condor.submit(SimulatedJob(n, size, places, owner, min(600, rng.expovariate(1 / 60) + 5), queued))

    def _places(self) -> frozenset[str]:
        return frozenset(self.rng.sample(SITES, self.rng.choice([1, 2, 3, 3, 3])))

    def _fault(self) -> None:
        rng, mesos, now = self.rng, self.mesos, self.now
        agent = rng.choice(list(mesos.agents.values()))
        shell = rng.choice(self.shells)
        kind = rng.choice(
            [
                "cut",
                "cut",
                "lose",
                "fail over",
                "scheduler",
                "scheduler",
                "silent",
                "crash",
                "manager",
                "policy",
                "update",
            ]
        )
        self.happened[kind] += 1
        if kind == "cut":
            mesos.cut(agent, rng.choice([5, 25, 45, 70, 200]))
        elif kind == "lose":
            mesos.lose(agent, rng.choice([20, 60, 200]))
        elif kind == "fail over":
            mesos.fail_over(rng.choice([3, 10, 25]))
            if rng.random() < 0.3:  # an agent dies with the leader
                mesos.cut(agent, 60) if rng.random() < 0.5 else mesos.lose(agent, 90)
        elif kind == "scheduler":
            shell.die(rng.choice([1, 10, 60]), in_the_middle=rng.random() < 0.5)
        elif kind == "silent":
            shell.condor.silent_until = now + rng.choice([10, 80, 200])
        elif kind == "crash":
            running = [c for c in mesos.containers(shell.name) if c.running and c.agent.reachable(now)]
            if running:
                mesos.crash(rng.choice(running))
        elif kind == "manager":
            managers = [c for c in mesos.containers(shell.name) if c.task.role is Role.CENTRAL_MANAGER and c.running]
            if managers and managers[0].agent.reachable(now):
                mesos.crash(managers[0])
        elif kind == "policy":
            old, new = shell.policy, self._policy()
            shell.policy = dataclasses.replace(new, share=old.share)
            # What runs is not taken away because max is less, but the check of max counts what is launched only.
        elif kind == "update":
            shell.template = dataclasses.replace(shell.template, template=f"t{int(now)}")

    def _operate(self) -> None:
        """Machines go into maintenance when everybody agrees, and come back empty; some stay after all."""
        if self.next_maintenance <= self.now < FAULTS_UNTIL:
            self.next_maintenance = self.now + self.luck.uniform(60, 700)
            chosen = self.luck.choice(list(self.mesos.agents.values()))
            if chosen.reachable(self.now) and chosen.leaving_since is None:
                self.happened["maintenance"] += 1
                self.mesos.maintain(chosen, True)
        for agent in list(self.mesos.agents.values()):
            since = agent.leaving_since
            if since is None or not agent.reachable(self.now) or not self.mesos.connected:
                continue
            if self.mesos.may_go(agent) and self.now > since:
                left = [c.task.name for c in agent.containers.values() if c.task.name != "submit-node"]
                assert not left, f"{agent.id} may go although {left} is there"
                self.happened["drained"] += 1
                self.mesos.lose(agent, 20)
            elif self.now >= since + DRAIN_TIMEOUT:
                self.happened["not drained"] += 1
                self.mesos.maintain(agent, False)

    def step(self) -> None:
        self.now += 1
        self.mesos.step(self.now)
        self._operate()
        for shell in self.shells:
            shell.condor.step(self.now)
        for shell in self.shells:
            others = [s.us for s in self.shells if s is not shell and s.us is not None]
            shell.step(self.now, others)
            shell.check_records(self.now)

    def run(self) -> SimulatedCluster:
        """Until all jobs are done and all is quiet. AssertionError if something was wrong, or that never comes."""
        next_fault = self.rng.uniform(60, 200)
        while True:
            self.step()
            if self.now >= next_fault and self.now < FAULTS_UNTIL:
                self._fault()
                next_fault = self.now + self.rng.uniform(10, 150)
            if self.now > FAULTS_UNTIL and self.now % 20 == 0 and self._finished():
                break
            assert self.now < GIVE_UP, self.story()
        self._check_end()
        return self

    def _possible(self, shell: SimulatedShell, job: SimulatedJob) -> bool:
        """Whether the pool, left alone, would get it done."""
        elastic = shell.policy.elastic
        assert elastic is not None
        return job.request.fits_in(elastic.largest)

    def _finished(self) -> bool:
        if any(a.leaving_since is not None for a in self.mesos.agents.values()):
            return False
        for shell in self.shells:
            if any(not j.done and self._possible(shell, j) for j in shell.condor.jobs.values()):
                return False
            elastic, live = shell.policy.elastic, self._live(shell)
            assert elastic is not None
            if sum(t.kind is Kind.ELASTIC for t in live) != elastic.min:
                return False
            if sum(t.kind is Kind.FIXED for t in live) != shell.policy.fixed:
                return False
            if sorted(t.name for t in live if not t.is_executor) != ["central-manager", "submit-node"]:
                return False
            if any(t.phase is not Phase.RUNNING for t in live):
                return False
        return True

    def _live(self, shell: SimulatedShell) -> list[Task]:
        return [t for t in shell.tasks.values() if t.phase is not Phase.UNREACHABLE]

    def _check_end(self) -> None:
        for shell in self.shells:
            assert {c.task.id for c in self.mesos.containers(shell.name)} == {t.id for t in self._live(shell)}
            for job in shell.condor.jobs.values():
                for task in job.runs[:-1]:
                    assert task in self.mesos.lost_tasks, f"job {job.id} was run again: {job.runs}"

    def story(self) -> str:
        """What is still not as it should be."""
        lines = [f"seed {self.seed}, {self.pools} pools, at {self.now}: {dict(self.happened)}"]
        for shell in self.shells:
            left = [j for j in shell.condor.jobs.values() if not j.done]
            lines.append(f"{shell.name}: {len(left)} jobs left, e.g. {left[:2]}; {shell.policy}")
            lines += [f"  {t.name} {t.kind} {t.phase} drain={t.drain!r} at {t.place}" for t in shell.tasks.values()]
            lines += [f"  {ad.task} {ad.state} {ad.free}" for ad in shell.condor.collector.values()]
        return "\n".join(lines)


@dataclass
class Report:
    seeds: int = 0
    jobs: int = 0
    seconds: float = 0.0
    launched: int = 0
    drained: int = 0
    cancelled: int = 0
    rerun: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.seeds} clusters, {self.jobs} jobs, {self.seconds / 3600:.1f} h of virtual time; {self.launched} executors "
            f"launched, {self.drained} drains and {self.cancelled} cancels sent; {self.rerun} jobs run again since their executor "
            f"was lost; faults: {dict(self.faults)}; {len(self.failures)} failures"
            + "".join(f"\n  {f}" for f in self.failures)
        )


def campaign(seeds: Iterable[int], pools: int | None = None, jobs: int = 250) -> Report:
    """Runs a cluster for each seed (every third with two pools, unless `pools` is given) and sums up; failures are collected."""
    report = Report()
    for seed in seeds:
        cluster = SimulatedCluster(seed, pools or (2 if seed % 3 == 2 else 1), jobs)
        try:
            cluster.run()
        except AssertionError as problem:
            report.failures.append(f"seed {seed}: {problem}")
        report.seeds += 1
        report.seconds += cluster.now
        report.faults.update(cluster.happened)
        for shell in cluster.shells:
            report.jobs += len(shell.condor.jobs)
            report.launched += shell.launched
            report.drained += shell.drained
            report.cancelled += shell.cancelled
            report.rerun += sum(len(j.runs) > 1 for j in shell.condor.jobs.values())
    return report


def main() -> int:
    """python simulated_cluster.py FIRST COUNT: runs so many clusters, from this seed on; 1 if one failed."""
    first, number = (int(x) for x in sys.argv[1:3])
    report = campaign(range(first, first + number))
    print(report)
    return 1 if report.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
