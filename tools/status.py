"""How the federation does, on one screen: quorums, sites, VPN, BGP, apps, pools, and what to do about what is wrong.

    make status
    python -m tools.status [--routing | --json]

Nothing is changed. Exit status: 0 all is well, 1 something is wrong, 2 the federation is not up (or the
configuration cannot be read). See docs/status.md.
"""

from __future__ import annotations

import argparse
import sys

from components.spec.loader import read_federation
from components.spec.model import Federation
from components.spec.problems import ConfigError, with_lines

from .status_gather import gather
from .status_judge import judge
from .status_model import EXIT_CODES
from .status_stacks import ROOT, PulumiFailed


def main(argv: list[str] | None = None, federation: Federation | None = None) -> int:
    """The command line; the exit status is the verdict. `federation`: what federation.yaml says, if somebody has read it."""
    parser = argparse.ArgumentParser(
        prog="status", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routing", action="store_true", help="BGP sessions, routes by site and tunnels in full")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument("--facts", action="store_true", help="what was found, unjudged, as JSON (for a fault report)")
    args = parser.parse_args(argv)
    try:
        facts = gather(federation or _read(), meanwhile=_load_json if args.facts or args.json else _load_screen)
    except (ConfigError, PulumiFailed, OSError) as error:
        from rich.console import Console

        Console(stderr=True, highlight=False).print(str(error), style="red", markup=False, soft_wrap=True)
        return EXIT_CODES["not up"]
    except KeyboardInterrupt:
        return 130
    status = judge(facts)
    if args.facts:
        from .status_json import FACTS

        sys.stdout.write(FACTS.dump_json(facts, indent=1).decode() + "\n")
    elif args.json:
        from .status_json import STATUS

        sys.stdout.write(STATUS.dump_json(status, indent=1).decode() + "\n")
    else:
        from rich.console import Console

        from .status_show import show

        show(status, Console(highlight=False), args.routing)
    return status.exit_code


def _read() -> Federation:
    federation, problems = read_federation(ROOT)
    if federation is None:
        raise ConfigError(with_lines(problems, ROOT))
    return federation


def _load_json() -> None:
    """Imports what shows the answers as JSON."""
    from . import status_json  # noqa: F401


def _load_screen() -> None:
    """Imports what shows the answers on a screen."""
    from . import status_show  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
