"""Waits until the quorums are whole: what stands between one site and the next when a change is applied.

    python -m tools.preview.health [--seconds 300]

Exit status: 0 every quorum has all its members; 1 not within the time, told which.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from components.spec.loader import read_federation
from components.spec.problems import ConfigError, with_lines
from tools.status_gather import gather
from tools.status_judge import judge
from tools.status_stacks import PulumiFailed, known_stacks

from .order import quorum_trouble

ROOT = Path(__file__).resolve().parents[2]
EVERY, SECONDS = 2.0, 300.0


def look(root: Path = ROOT) -> list[str]:
    """What is missing of the quorums now, a line each. Members whose site has never been up are not missed."""
    federation, problems = read_federation(root)
    if federation is None:
        raise ConfigError(with_lines(problems, root))
    expected = len(set(federation.quorum_sites) & set(known_stacks(root)))
    return quorum_trouble(judge(gather(federation)), expected) if expected else []


def wait(
    seconds: float = SECONDS,
    look: Callable[[], list[str]] = look,
    say: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Until nothing is missing, or the time is over; what is missing then."""
    until, told = clock() + seconds, ""
    while True:
        trouble = look()
        if not trouble or clock() >= until:
            return trouble
        if (text := "; ".join(trouble)) != told:
            told = text
            say(f"waiting for the quorums: {text}")
        pause(EVERY)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="health", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=SECONDS)
    args = parser.parse_args(argv)
    try:
        trouble = wait(args.seconds, say=lambda text: print(text, flush=True))
    except (ConfigError, PulumiFailed) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(trouble) if trouble else "every quorum is whole")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
