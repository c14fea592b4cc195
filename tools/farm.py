"""Brings a whole federation up, from images to finished jobs, and down again.

python -m tools.farm up [--jobs N]     what `make up` does after the machine's set-up
python -m tools.farm down [--jobs-too] removes every stack, container, network and volume of the federation
python -m tools.farm check             judges the machine and the configuration, changes nothing
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from rich.console import Console
from rich.table import Table

from components.batch.apps import APP_NAME
from components.batch.framework_client import Framework, FrameworkError
from components.batch.marathon_client import Marathon, MarathonError, settled
from components.batch.types import PoolRole
from components.cluster.drain_program import ALL_GO
from components.iaas.docker import LABEL
from components.spec import addresses
from components.spec.loader import read_federation
from components.spec.machines import front_end_name
from components.spec.model import Federation, Pool
from components.spec.problems import ConfigError, with_lines
from components.spec.validate import FEDERATION_STACK, read_pools

from . import jobs, stacks
from .login import Login, aerie_home, machine_logins, make_user_key, pool_config, pool_login
from .preflight import configuration, look, machine_problems
from .recovery import recover

ROOT = stacks.ROOT
NEXT_AFTER_UP = """Next:
  log in            {login}
  submit a job      condor_submit FILE   (there)
  see it all        make status
  change a stack    eval "$(tools/env)"; edit Pulumi.torino.yaml; pulumi preview -s torino --diff; pulumi up -s torino
  take it down      make down"""

DESTROY_ANYWAY = "pool.destroy_with_jobs"  # in what a pool says that is not destroyed while jobs run
NEXT_AFTER_REFUSAL = "To end the jobs with the pool: python -m tools.farm down --jobs-too"


class Refused(Exception):
    """Something stands in the way; the text says what and how to mend it."""


@dataclass
class Phases:
    """How long each phase took, seconds."""

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announces the phase and takes its time."""
        self.console.print(f"[bold]{name}[/]")
        start = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - start


def check(console: Console, root: Path = ROOT) -> Federation:
    """The federation, if machine and configuration are good; raises with everything that is wrong."""
    federation = configuration(root)
    trouble = machine_problems(look(federation))
    if trouble:
        raise Refused("this machine is not ready, nothing was changed:\n" + "\n".join(f"  {line}" for line in trouble))
    console.print(f"  {len(federation.sites)} sites, machine and configuration are good", highlight=False)
    return federation


def prepare_keys(root: Path) -> None:
    """The key pairs that the pools' files name below AERIE_HOME, made where they are not there yet."""
    for path in sorted(root.glob("Pulumi.*.yaml")):
        for word in path.read_text().replace("[", " ").replace("]", " ").replace(",", " ").split():
            if word.startswith("$AERIE_HOME/ssh/") and word.endswith(".pub"):
                federation, _ = read_federation(root)
                if federation:
                    make_user_key(aerie_home(federation), Path(word).name.removesuffix(".pub"))


def make_images(root: Path) -> None:
    """Builds and pushes what is missing; its output is shown as it comes."""
    for verb in ("build", "registry-up", "push"):
        done = subprocess.run([sys.executable, "-m", "tools.images", verb], cwd=root)
        if done.returncode:
            raise Refused(f"tools.images {verb} failed (see above); run make up again to go on from there")


def init_stacks(root: Path, names: list[str]) -> None:
    """Makes the stacks that the backend does not have yet."""
    done = subprocess.run([str(root / "tools" / "stack-init"), *names], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"tools/stack-init failed: {done.stderr.strip()}")


def marathon_of(federation: Federation, root: Path) -> Marathon:
    """A client with the federation's own credentials."""
    shared = stacks.outputs(FEDERATION_STACK, root)
    return Marathon(
        addresses.marathon_urls(federation), "admin", shared["passwords"]["marathon-admin"], shared["ca_certificate"]
    )


def framework_of(name: str, root: Path, seconds: float) -> Framework:
    """A client with the pool's own credentials."""
    own, shared = stacks.outputs(name, root), stacks.outputs(FEDERATION_STACK, root)
    return Framework(name, own["rest"], own["rest_user"], own["rest_password"], shared["ca_certificate"], seconds)


def wait_for_quorum(federation: Federation, marathon: Marathon, console: Console, seconds: float = 180) -> None:
    """Until a Marathon leads, which takes a quorum of ZooKeeper and a leading Mesos master."""
    until, told = time.monotonic() + seconds, ""
    while True:
        try:
            response = marathon.call("GET", "/v2/leader")
            if response.status_code == 200:
                console.print(f"  Marathon leads at {response.json()['leader']}", highlight=False)
                return
            said = f"{response.status_code} {response.text[:100]}"
        except (MarathonError, requests.RequestException, KeyError) as error:
            said = str(error)
        if time.monotonic() > until:
            raise Refused(f"no quorum after {seconds:.0f} s: {said}\n  see make status")
        if said != told:
            told = said
            console.print(f"  waiting for a quorum: {said[:160]}", highlight=False)
        time.sleep(1)


def wait_for_pool(marathon: Marathon, name: str, pool: Pool, login: Login, console: Console, root: Path = ROOT) -> None:
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


def up(console: Console, count: int, root: Path = ROOT) -> None:
    """Everything, each phase told with its time. Run again it changes nothing."""
    phases = Phases(console)
    prepare_keys(root)
    with phases.phase("check"):
        federation = check(console, root)
    with phases.phase("images"):
        make_images(root)
    steps = stacks.order(root, federation)
    logs = aerie_home(federation) / "logs"
    with phases.phase("stacks"):
        init_stacks(root, [name for step in steps for name in step])
        for name in [name for step in steps for name in step]:
            for did in recover(aerie_home(federation), name, federation.name):
                console.print(f"  {did}", highlight=False)
    with phases.phase("federation"):
        stacks.run("up", steps[0], console, logs, root)
    with phases.phase("sites"):
        stacks.run("up", steps[1], console, logs, root)
    with phases.phase("quorum"):
        marathon = marathon_of(federation, root)
        wait_for_quorum(federation, marathon, console)
    with phases.phase("pools"):
        stacks.run("up", steps[2], console, logs, root)
    pools: dict[str, Pool] = read_pools(root, federation)
    commands = []
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
    console.print(NEXT_AFTER_UP.format(login=commands[0] if commands else "(no pool)"), highlight=False, soft_wrap=True)


def down(console: Console, jobs_too: bool = False, root: Path = ROOT) -> None:
    """Destroys the stacks in the order opposite to `up`, then whatever carries the federation's label.

    Where a pool is not destroyed because jobs run in it, what it stands on is left too; unless `jobs_too`."""
    federation = configuration_or_name(root)
    steps = stacks.order(root, federation)
    logs = aerie_home(federation) / "logs"
    there = existing_stacks(root)
    for name in sorted(there):
        recover(aerie_home(federation), name, federation.name)
    # What still runs once the pools are gone is Marathon apps of somebody's own: with all sites going there is nowhere else for them.
    os.environ[ALL_GO] = "yes"
    trouble = ""
    for step in reversed(steps):
        names = [name for name in step if name in there]
        if not names:
            continue
        console.print(f"[bold]{', '.join(names)}[/]")
        if jobs_too and step is steps[2]:
            end_jobs(federation, names, console, root)
        try:
            stacks.run("destroy", names, console, logs, root)
        except stacks.StackFailed as error:
            if DESTROY_ANYWAY in str(error) and not jobs_too:
                raise Refused(f"{error}\nthe sites are left as they are. {NEXT_AFTER_REFUSAL}") from error
            trouble += f"{error}\n"
        else:
            subprocess.run([str(root / "tools" / "stack-init"), "--remove", *names], cwd=root, check=True)
    left = remove_labelled(federation.name)
    if left:
        console.print(f"  removed what the stacks did not know: {', '.join(left)}", highlight=False)
    if trouble:
        raise Refused(trouble + "run make down again once that is mended")
    console.print("Everything of the federation is gone; images and caches are kept. Next: make up")


def end_jobs(federation: Federation, names: list[str], console: Console, root: Path) -> None:
    """Removes all jobs of the pools, so that nothing refuses to be destroyed; what cannot be reached has none that matter."""
    pools = read_pools(root, federation)
    for name in (n for n in names if n in pools):
        site = pools[name].submit_node.site
        try:
            shared = stacks.outputs(FEDERATION_STACK, root)
            logins = machine_logins(federation, shared, site, stacks.outputs(site, root))
            done = logins[front_end_name(site)].run(jobs.remove_script(name), timeout=120)
        except (stacks.StackFailed, KeyError, subprocess.TimeoutExpired) as error:
            console.print(f"  the jobs of {name} were not removed: {error}", highlight=False)
            continue
        said = done.stderr.strip() if done.returncode else "all jobs were removed"
        console.print(f"  {name}: {said}", highlight=False)


def configuration_or_name(root: Path) -> Federation:
    """The federation even if its files have mistakes in other places: what is up must always come down."""
    federation, problems = read_federation(root)
    if federation is None:
        raise ConfigError(with_lines(problems, root))
    return federation


def existing_stacks(root: Path) -> set[str]:
    """The stacks that the backend has."""
    done = subprocess.run(["pulumi", "stack", "ls", "--json"], cwd=root, capture_output=True, text=True)
    return {s["name"] for s in json.loads(done.stdout)} if done.returncode == 0 and done.stdout.strip() else set()


def remove_labelled(name: str) -> list[str]:
    """Removes containers, networks and volumes that carry the federation's label; their names."""
    gone: list[str] = []
    for kind, listing, remove in (
        ("container", ["ps", "-a", "--format", "{{.Names}}"], ["rm", "-f", "-v"]),
        ("network", ["network", "ls", "--format", "{{.Name}}"], ["network", "rm"]),
        ("volume", ["volume", "ls", "--format", "{{.Name}}"], ["volume", "rm"]),
    ):
        found = subprocess.run(
            ["docker", *listing, "--filter", f"label={LABEL}={name}"], capture_output=True, text=True
        ).stdout.split()
        for each in found:
            if subprocess.run(["docker", *remove, each], capture_output=True).returncode == 0:
                gone.append(f"{kind} {each}")
    return gone


def main(argv: list[str] | None = None) -> int:
    """The command line. 0: done; 1: refused or failed, told why; 130: interrupted."""
    parser = argparse.ArgumentParser(
        prog="farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    upping = verbs.add_parser("up", help="bring everything up, ending with finished jobs")
    upping.add_argument("--jobs", type=int, default=24, help="how many jobs to run in each pool (default 24)")
    downing = verbs.add_parser("down", help="remove everything that `up` made")
    downing.add_argument("--jobs-too", action="store_true", help="also while jobs run: they are removed")
    verbs.add_parser("check", help="judge machine and configuration only")
    args = parser.parse_args(argv)
    console = Console(highlight=False)
    try:
        if args.verb == "up":
            up(console, args.jobs)
        elif args.verb == "down":
            down(console, args.jobs_too)
        else:
            prepare_keys(ROOT)
            check(console)
    except (ConfigError, Refused, stacks.StackFailed, jobs.JobsFailed, MarathonError, FrameworkError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on from here", style="yellow")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
