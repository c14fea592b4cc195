"""How long one plan() takes: python framework_core_bench.py, by hand (PYTHONPATH: images/framework and this folder)."""

from __future__ import annotations

import random
import statistics
import time

from framework_core_helpers import SITES, ad, elastic, executor, jobs, offer, pool, queue, view
from htcondor_framework.core.model import Limit, Placement, Policy, Share, Size, SlotState
from htcondor_framework.core.planning import plan
from htcondor_framework.core.view import View


def large_view(seed: int, kind: str, placement: Placement) -> View:
    """10,000 idle jobs in 500 groups, 1,000 executors, 1,000 offers."""
    rng = random.Random(seed)
    groups = [
        jobs(
            20,
            rng.choice([1, 1, 2, 3, 4]),
            rng.randint(100, 8000) if kind != "hard" else rng.randint(7900, 8192),
            places=rng.sample(SITES, rng.randint(1, 3)),
            key=f"g{n}",
            disk=rng.randint(1, 5000),
            owner=f"user{n % 20}",
        )
        for n in range(500)
    ]
    tasks, ads = [], []
    for n in range(1000):
        task = executor(f"e{n}", SITES[n % 3], Size(rng.choice([2, 4, 8]), rng.randint(2000, 8000), 20_000))
        tasks.append(task)
        state = rng.choice([SlotState.FREE, SlotState.CLAIMED]) if kind != "full" else SlotState.CLAIMED
        free = Size(rng.randint(1, 2), rng.randint(0, 2000), rng.randint(0, 5000))
        ads.append(ad(task, state, None if state is SlotState.FREE or kind == "full" else free))

    def room() -> Size:
        if kind == "hard":
            return Size(rng.uniform(1, 4), rng.uniform(500, 7800), rng.randint(100, 100_000))
        return Size(rng.randint(1, 32), rng.randint(500, 64_000), rng.randint(100, 100_000))

    offers = tuple(offer(f"o{n}", SITES[n % 3], room()) for n in range(1000))
    chosen = elastic(
        total=Limit(2000, 2000), batch=50, max_idle=1000, largest=Size(8, 8192, 40_000), placement=placement
    )
    return view(
        *tasks,
        policy=Policy(0, Share(8000, 8_000_000), chosen),
        offers=offers,
        queue=queue(*groups),
        pool=pool(*ads),
    )


def main() -> None:
    for kind in ("mixed", "full", "hard"):
        for placement in Placement:
            times = []
            for seed in range(5):
                v = large_view(seed, kind, placement)
                start = time.perf_counter()
                result = plan(v)
                times.append((time.perf_counter() - start) * 1000)
            print(
                f"{kind:6} {placement:7} median {statistics.median(times):6.1f} ms, most {max(times):6.1f} ms, "
                f"{len(result.launches)} launches"
            )


if __name__ == "__main__":
    main()
