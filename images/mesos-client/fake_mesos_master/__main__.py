"""The fake master as a process of its own, for measurements: `python -m fake_mesos_master PORT [--agents N] [--answer-checks PORT]`."""

from __future__ import annotations

import argparse
import asyncio

from .checked import CheckedTasks
from .cluster import FakeAgent
from .master import FakeMaster


async def serve(port: int, agents: int, checks: int | None) -> None:
    """Until it is killed."""
    master = FakeMaster(
        [FakeAgent(f"A{n}", f"127.0.{n // 250}.{n % 250 + 1}", cpus=64, mem=64000, disk=1e6) for n in range(agents)],
        allocation=0.05,
        keep_calls=False,
    )
    await master.start(port)
    if checks is not None:
        await CheckedTasks().start(checks)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument(
        "--answer-checks", type=int, metavar="PORT", help="answer health checks there, and tell how punctual they are"
    )
    args = parser.parse_args()
    asyncio.run(serve(args.port, args.agents, args.answer_checks))


if __name__ == "__main__":
    main()
