"""Whether what is planned for several stacks takes two members of a quorum at once.

usage: python -m policy.together [--one-by-one] STACK=FILE...     FILE is what `pulumi preview -s STACK --json` said.
--one-by-one: the stacks are applied one after the other, every quorum whole again in between. Exit status 1: told which.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from components.spec.loader import read_federation

from .rules.together import together

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Tells every violation on standard error; the exit status."""
    parser = argparse.ArgumentParser(prog="policy.together", description=__doc__)
    parser.add_argument("--one-by-one", action="store_true")
    parser.add_argument("plans", nargs="+", metavar="STACK=FILE")
    given = parser.parse_args(arguments)
    plans = {}
    for plan in given.plans:
        stack, _, file = plan.partition("=")
        plans[stack] = json.loads(Path(file).read_text())["steps"]
    federation, problems = read_federation(ROOT)
    if federation is None:
        print(*problems, sep="\n", file=sys.stderr)
        return 1
    violations = list(together(plans, len(federation.quorum_sites), given.one_by_one))
    print(*violations, sep="\n", end="\n" if violations else "", file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
