"""The first jobs: a pool is whole once jobs have run in it. What `make up` ends with, and what it says then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.batch.apps import APP_NAME
from components.batch.framework_client import Framework
from components.batch.marathon_client import Marathon, settled
from components.batch.types import PoolRole
from components.spec import addresses
from components.spec.model import Federation, Pool
from components.spec.validate import FEDERATION_STACK

from . import jobs, stacks
from .farm import Phases, Refused
from .login import Login, aerie_home, pool_config, pool_login

NEXT_AFTER_UP = """Next:
  log in            {login}
  submit a job      condor_submit FILE   (there)
  see it all        make status{page}
  change a stack    eval "$(tools/env)"; edit Pulumi.torino.yaml; pulumi preview -s torino --diff; pulumi up -s torino
  take it down      make down"""


def framework_of(name: str, root: Path, seconds: float) -> Framework:
    """A client with the pool's own credentials."""
    own, shared = stacks.outputs(name, root), stacks.outputs(FEDERATION_STACK, root)
    return Framework(name, own["rest"], own["rest_user"], own["rest_password"], shared["ca_certificate"], seconds)


def wait_for_pool(marathon: Marathon, name: str, pool: Pool, login: Login, console: Console, root: Path) -> None:
    """Until the pool is whole, whatever happened to its machines meanwhile, and its submit node lets us in."""
    seconds = 420.0
    if pool.via == "framework":
        marathon.wait(f"/{name}/framework", settled, seconds)
        framework_of(name, root, seconds).wait(pool.executors.count)
    else:
        for role in PoolRole:
            marathon.wait(f"/{name}/{APP_NAME[role]}", settled, seconds)
    until = time.monotonic() + 60
    while (done := login.run("true")).returncode:
        if time.monotonic() > until:
            raise Refused(f"the submit node of {name} does not let {login.user} in: {done.stderr.strip()}")
        time.sleep(1)
    console.print("  central manager, submit node and executors are healthy", highlight=False)


def run_jobs(login: Login, count: int, console: Console) -> None:
    """Submits jobs as the pool's user and tells where they ran."""
    cluster = jobs.submit(login, count, 2, "first-jobs")
    console.print(f"  {count} jobs submitted as {login.user}, cluster {cluster}", highlight=False)
    last = -1

    def tell(done: int) -> None:
        nonlocal last
        if done != last:
            last = done
            console.print(f"  {done} of {count} done", highlight=False)

    ran = jobs.wait(login, cluster, count, 300, tell)
    sites = jobs.sites_of(login)
    table = Table("site", "executor", "jobs")
    for host, number in jobs.by_host(ran):
        table.add_row(sites.get(host, "?"), host, str(number))
    console.print(table)


def run(
    federation: Federation, pools: Mapping[str, Pool], marathon: Marathon, phases: Phases, count: int, root: Path
) -> None:
    """Jobs in each pool, each a phase of its own; then the summary."""
    console, commands = phases.console, []
    for name, pool in pools.items():
        with phases.phase(f"jobs in {name}"):
            user = pool.users[0].name
            login = pool_login(federation, name, pool, stacks.outputs(name, root), user)
            commands.append(f"ssh -F {pool_config(aerie_home(federation), name)} {name}")
            if login.key.exists():
                wait_for_pool(marathon, name, pool, login, console, root)
                run_jobs(login, count, console)
            else:
                console.print(f"  no key of {user} here: no jobs run", highlight=False)
    summary(console, phases, federation, commands)


def summary(console: Console, phases: Phases, federation: Federation, commands: list[str]) -> None:
    """The times, the addresses, and what to do next."""
    table = Table("phase", "seconds", title="elapsed")
    for name, seconds in phases.seconds.items():
        table.add_row(name, f"{seconds:.1f}")
    table.add_row("all", f"{sum(phases.seconds.values()):.1f}")
    console.print(table)
    for site, address in addresses.quorum_addresses(federation).items():
        console.print(
            f"  {site}: Mesos https://{address}:{addresses.MESOS_MASTER}, Marathon https://{address}:{addresses.MARATHON}",
            highlight=False,
        )
    console.print(
        "  (names and passwords: pulumi stack output -s federation passwords --show-secrets)", highlight=False
    )
    url = addresses.page_url(federation)
    page = f"   or {url} (user admin, password marathon-admin)" if url else ""
    login = commands[0] if commands else "(no pool)"
    console.print(NEXT_AFTER_UP.format(login=login, page=page), highlight=False, soft_wrap=True)
