"""How the federation does, on one screen: quorums, sites, VPN, BGP, apps, pools, and what to do about what is wrong.

    make status
    python -m tools.status [--routing | --json]

Nothing is changed. Exit status: 0 all is well, 1 something is wrong, 2 the federation is not up (or the
configuration cannot be read). See docs/status.md.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from components.spec.loader import read_federation
from components.spec.problems import ConfigError, with_lines

from .status_facts import FACTS
from .status_gather import gather
from .status_judge import judge
from .status_model import EXIT_CODES, STATUS
from .status_show import show
from .status_stacks import ROOT, PulumiFailed


def main(argv: list[str] | None = None) -> int:
    """The command line; the exit status is the verdict."""
    parser = argparse.ArgumentParser(
        prog="status", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routing", action="store_true", help="BGP sessions, routes by site and tunnels in full")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument("--facts", action="store_true", help="what was found, unjudged, as JSON (for a fault report)")
    args = parser.parse_args(argv)
    errors = Console(stderr=True, highlight=False)
    try:
        federation, problems = read_federation(ROOT)
        if federation is None:
            raise ConfigError(with_lines(problems, ROOT))
        facts = gather(federation)
    except (ConfigError, PulumiFailed, OSError) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return EXIT_CODES["not up"]
    except KeyboardInterrupt:
        return 130
    status = judge(facts)
    if args.facts:
        sys.stdout.write(FACTS.dump_json(facts, indent=1).decode() + "\n")
    elif args.json:
        sys.stdout.write(STATUS.dump_json(status, indent=1).decode() + "\n")
    else:
        show(status, Console(highlight=False), args.routing)
    return status.exit_code


if __name__ == "__main__":
    sys.exit(main())
