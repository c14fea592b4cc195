"""How the federation does, on one screen: quorums, sites, VPN, BGP, apps, pools, and what to do about what is wrong.

    make status
    python -m tools.status [--routing | --json]

Nothing is changed. Exit status: 0 all is well, 1 something is wrong, 2 the federation is not up (or the
configuration cannot be read). See docs/status.md.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .status_machines import asked_early
from .status_stacks import ROOT, PulumiFailed, Stacks

# All else is imported once the machines are at work: it takes as long as they do.
if TYPE_CHECKING:
    from components.spec.model import Federation

NOT_UP, INTERRUPTED = 2, 130  # exit statuses


def main(argv: list[str] | None = None) -> int:
    """The command line; the exit status is the verdict."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="status", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--routing", action="store_true", help="BGP sessions, routes by site and tunnels in full")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument("--facts", action="store_true", help="what was found, unjudged, as JSON (for a fault report)")
    args = parser.parse_args(argv)
    try:
        return run(args.routing, args.json, args.facts)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if not is_told(error):
            raise
        from rich.console import Console

        Console(stderr=True, highlight=False).print(str(error), style="red", markup=False, soft_wrap=True)
        return NOT_UP


def is_told(error: Exception) -> bool:
    """Whether it is something that an operator can mend, in plain words."""
    from components.spec.problems import ConfigError

    return isinstance(error, ConfigError | PulumiFailed | OSError)


def run(routing: bool = False, json: bool = False, facts: bool = False) -> int:
    """Asks, and prints what was found; the exit status is the verdict. Raises ConfigError, PulumiFailed, OSError."""
    stacks = Stacks(ROOT)
    with asked_early(stacks) as machines:
        from .status_gather import gather

        found = gather(_read(), stacks, machines, meanwhile=_load_json if facts or json else _load_screen)
    from .status_judge import judge

    status = judge(found)
    if facts:
        from .status_json import FACTS

        sys.stdout.write(FACTS.dump_json(found, indent=1).decode() + "\n")
    elif json:
        from .status_json import STATUS

        sys.stdout.write(STATUS.dump_json(status, indent=1).decode() + "\n")
    else:
        from rich.console import Console

        from .status_show import show

        show(status, Console(highlight=False), routing)
    return status.exit_code


def _read() -> Federation:
    from components.spec.loader import read_federation
    from components.spec.problems import ConfigError, with_lines

    federation, problems = read_federation(ROOT)
    if federation is None:
        raise ConfigError(with_lines(problems, ROOT))
    return federation


def _load_json() -> None:
    """Imports what judges, and shows the answers as JSON."""
    from . import status_json, status_judge  # noqa: F401


def _load_screen() -> None:
    """Imports what judges, and shows the answers on a screen."""
    from . import status_judge, status_show  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
