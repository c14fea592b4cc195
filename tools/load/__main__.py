"""Puts a load on a pool: `stress` jobs on cpu, memory and disk, at a rate, of a length; tells how the pool took it.

    make load POOL=demo
    python -m tools.load [POOL] [--rate JOBS-A-MINUTE] [--minutes M] [--length SECONDS] [--mix cpu=6,memory=3,io=1] ...
                                                                                       (after: eval "$(tools/env)")

Exit status: 0 all jobs are done; 1 some are not or failed; 2 it cannot be asked for so, or the pool is not up; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from components.batch.condor_config import EXECUTOR_OVERHEAD, STARTER_OVERHEAD
from components.batch.framework_client import FrameworkError
from components.spec.model import Federation, Pool
from components.spec.problems import ConfigError
from components.spec.validate import read_pools

from ..jobs import JobsFailed, sites_of
from ..login import Login, pool_login
from ..reach import NotUp, federation_here
from ..status_stacks import ROOT, PulumiFailed, outputs
from . import report
from .plan import Mistake, Wish, count, mistakes, mix_of, plan
from .work import Counts, Queue, run

MIX = "cpu=6,memory=3,io=1"


def parser() -> argparse.ArgumentParser:
    what, _, rest = (__doc__ or "").partition("\n")
    out = argparse.ArgumentParser(
        "tools.load", description=what, epilog=rest, formatter_class=argparse.RawTextHelpFormatter
    )
    out.add_argument("pool", nargs="?", default="", help="which pool; the only one, unless there are several")
    out.add_argument("--rate", type=float, default=30, help="jobs a minute (default 30)")
    out.add_argument("--minutes", type=float, default=2, help="for so long (default 2)")
    out.add_argument("--length", type=float, default=20, help="seconds of a job (default 20)")
    out.add_argument(
        "--spread", type=float, default=0.5, help="jobs are up to this share shorter or longer (default 0.5)"
    )
    out.add_argument("--mix", default=MIX, help=f"kinds and their weights (default {MIX})")
    out.add_argument("--memory", type=int, default=48, help="MB that a memory job keeps busy (default 48)")
    out.add_argument("--disk", type=int, default=32, help="MB that an io job writes, over and over (default 32)")
    out.add_argument("--json", action="store_true", help="for programs")
    return out


def chosen(name: str, pools: dict[str, Pool]) -> str:
    """The pool's name. Raises Mistake."""
    if name in pools:
        return name
    there = ", ".join(pools) or "none"
    if name or len(pools) != 1:
        raise Mistake(f"{f'there is no pool {name}' if name else 'which pool?'}; there are: {there}")
    return next(iter(pools))


def room(pool: Pool) -> tuple[int, int]:
    """(memory, disk) in MB of the largest job that an executor of the pool has a slot for."""
    executors, cores = pool.executors, max(1, int(pool.executors.cpus))
    memory = executors.memory - EXECUTOR_OVERHEAD - STARTER_OVERHEAD * cores
    slots = cores if executors.slots == "fixed" else 1
    return max(32, memory) // slots, executors.disk // slots


def wish_of(args: argparse.Namespace, pool: Pool) -> Wish:
    """Raises Mistake with everything that is wrong."""
    wish = Wish(args.rate, args.minutes, args.length, args.spread, mix_of(args.mix), args.memory, args.disk)
    if wrong := mistakes(wish, *room(pool)):
        raise Mistake("\n".join(wrong))
    return wish


def login_of(federation: Federation, name: str, pool: Pool) -> Login:
    """As the pool's first user. Raises NotUp."""
    found = outputs(name, ROOT)
    if "login_host" not in found:
        raise NotUp(f"the pool {name} is not up\n  aerie up {name}")
    return pool_login(federation, name, pool, found, pool.users[0].name)


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    tell = Console(stderr=args.json, highlight=False)
    try:
        federation = federation_here(ROOT)
        pools = read_pools(ROOT, federation)
        name = chosen(args.pool, pools)
        wish = wish_of(args, pools[name])
        queue = Queue(login_of(federation, name, pools[name]), f"{datetime.now(UTC):%Y%m%d-%H%M%S}")
    except (Mistake, ConfigError, NotUp, PulumiFailed) as error:
        Console(stderr=True, highlight=False).print(f"[red]{error}[/]")
        return 2
    tell.print(f"{count(wish)} jobs for {name} in {wish.minutes:g} min: {args.mix}, {wish.length:g} s each")
    try:
        ended = run(queue, plan(wish), tell)
    except KeyboardInterrupt:
        tell.print(
            f"[yellow]interrupted; what is submitted stays[/]\nNext: take it away: aerie ssh {name} {queue.remove}"
        )
        return 130
    except (JobsFailed, FrameworkError) as error:
        Console(stderr=True, highlight=False).print(f"[red]{error}[/]\nNext: aerie status; aerie explain {name}")
        return 1
    return told(queue, ended, name, args.json, tell)


def told(queue: Queue, ended: Counts, name: str, as_json: bool, tell: Console) -> int:
    """Prints the report; the exit status."""
    ads = queue.history()
    found, sites = report.rows(ads), report.by_site(ads, sites_of(queue.login))
    good = ended.queued == 0 and not any(row.failed for row in found)
    if as_json:
        body = {
            "pool": name,
            "load": queue.load,
            "submitted": ended.submitted,
            "jobs_a_minute": round(report.rate(ads), 1),
            "kinds": [row.as_json for row in found],
            "sites": sites,
        }
        sys.stdout.write(json.dumps(body, indent=1) + "\n")
        return 0 if good else 1
    table = Table("kind", "jobs", "failed", "waited: median", "most", "ran", "cpu", "started again")
    for row in found:
        table.add_row(
            row.kind, str(row.jobs), str(row.failed), f"{row.wait:.0f} s", f"{row.wait_most:.0f} s", f"{row.ran:.0f} s",
            f"{100 * row.cpu:.0f} %", str(row.again),
        )  # fmt: skip
    tell.print(table)
    tell.print(f"{report.rate(ads):.1f} jobs a minute; " + ", ".join(f"{site} {n}" for site, n in sites.items()))
    tell.print(f"\n[bold]Next:[/] aerie status; all of them: aerie ssh {name} {queue.past}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
