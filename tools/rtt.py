"""Round trips between containers of all sites, as a table of sites by sites and as a picture.

    make rtt
    python -m tools.rtt [--json] [--count N] [--sites a,b] [--mtu] [--tunnels] [--picture FILE.svg]     (after: eval "$(tools/env)")

On each site two containers are started for that, one of them on an agent where there is one, and removed in the end. A site's
own cell is between these two; the others are between those on agents. Nothing else is changed.

Exit status: 0 all pairs answer; 1 one does not, and what to do; 2 the federation is not up (or cannot be asked).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from components.image_tags import image_tags
from components.spec.model import Federation
from components.spec.problems import ConfigError

from .login import aerie_home
from .reach import NotUp, federation_here, places
from .rtt_matrix import LIFE, Matrix, Trouble, text, troubles
from .rtt_picture import picture
from .rtt_probes import measure, running, tunnels, wanted
from .status_stacks import ROOT, PulumiFailed

COUNT = 20


class Wrong(Exception):
    """The command line asks for what cannot be; the text says what instead."""


def matrix_of(
    federation: Federation, args: argparse.Namespace, tell: Console, left: list[str]
) -> tuple[Matrix, list[Trouble]]:
    """Measures. Probes that could not be removed are told in `left`. Raises NotUp, PulumiFailed, Wrong."""
    sites = list(federation.sites)
    if args.sites:
        sites = args.sites.split(",")
        if unknown := [s for s in sites if s not in federation.sites]:
            raise Wrong(f"--sites: there is no site {', '.join(unknown)}; there are {', '.join(federation.sites)}")

    def say(line: str) -> None:
        tell.print(f"  {line}", style="dim", markup=False)

    say(f"looking for {len(sites)} sites")
    found = places(federation, ROOT, sites)
    missing = {site: "its stack is not up" for site, machines in found.items() if not machines}
    image = f"{federation.images.registry}/aerie/probe:{image_tags(ROOT)['probe']}"
    probes = wanted(found)
    say(f"starting {2 * len(probes)} probes")
    with running(probes, image, say, left) as (there, failed):
        missing |= failed
        for site, why in failed.items():
            say(f"{site}: {why}")
        cells = measure(there, args.count, federation.network.mtu if args.mtu else None, say)
    front_ends = {site: machines[0] for site, machines in found.items() if machines}
    matrix = Matrix(
        federation.name,
        tuple(sites),
        cells,
        federation.network.mtu,
        args.count,
        {site: missing[site] for site in sites if site in missing},
        tunnels(front_ends) if args.tunnels else None,
        args.mtu,
    )
    wrong = troubles(matrix, {site: both[0].place.name for site, both in probes.items()})
    return matrix, wrong + [left_over(one) for one in left]


def left_over(one: str) -> Trouble:
    """A probe that could not be removed."""
    return Trouble(f"not removed: {one}", f"nothing: it ends by itself within {LIFE // 60} min")


def as_json(matrix: Matrix, wrong: list[Trouble], file: Path) -> str:
    """For programs."""
    out = {
        "federation": matrix.federation,
        "sites": matrix.sites,
        "count": matrix.count,
        "mtu": matrix.mtu,
        "rtt_ms": [{"from": a, "to": b, **asdict(matrix.cell(a, b))} for a in matrix.sites for b in matrix.sites],
        "tunnels_ms": None
        if matrix.tunnels is None
        else [{"from": a, "to": b, "rtt_ms": ms} for (a, b), ms in matrix.tunnels.items()],
        "missing": dict(matrix.missing),
        "wrong": [asdict(t) for t in wrong],
        "picture": str(file),
    }
    return json.dumps(out, indent=1) + "\n"


def _count(word: str) -> int:
    if not word.isdigit() or not 1 <= int(word) <= 10000:
        raise argparse.ArgumentTypeError("write a number of pings from 1 to 10000")
    return int(word)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rtt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument("--count", type=_count, default=COUNT, help=f"pings of each pair (default {COUNT})")
    parser.add_argument("--sites", help="only these, with commas between")
    parser.add_argument("--mtu", action="store_true", help="also whether packets of the containers' MTU pass whole")
    parser.add_argument(
        "--tunnels", action="store_true", help="also the round trips of the VPN, from front-end to front-end"
    )
    parser.add_argument("--picture", type=Path, help="where to (default: rtt.svg in the federation's own folder)")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A kill is as good as Ctrl-C: the probes are removed."""
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """The command line; the exit status is the verdict."""
    args = _parser().parse_args(argv)
    errors = Console(stderr=True, highlight=False)
    signal.signal(signal.SIGTERM, _interrupt)
    left: list[str] = []
    try:
        federation = federation_here()
        file: Path = args.picture or aerie_home(federation) / "rtt.svg"
        if not file.parent.is_dir():
            raise Wrong(f"--picture: there is no folder {file.parent}")
        matrix, wrong = matrix_of(federation, args, errors, left)
    except (ConfigError, PulumiFailed, NotUp, Wrong, OSError) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print(
            "interrupted; " + ("; ".join(left_over(one).what for one in left) or "no probe is left"), style="yellow"
        )
        return 130
    file.write_text(picture(matrix, f"measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by make rtt"))
    if args.json:
        sys.stdout.write(as_json(matrix, wrong, file))
        return 1 if wrong else 0
    sys.stdout.write(text(matrix) + "\n")
    out = Console(highlight=False)
    for trouble in wrong:
        out.print(f"[red]wrong[/]  {trouble.what}", soft_wrap=True)
        out.print(f"       [cyan]-> {trouble.do}[/]", soft_wrap=True)
    out.print(f"picture: {file}", markup=False, soft_wrap=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
