"""What is done to a whole federation besides Pulumi: machine and configuration judged, images, keys and stacks made, waited for.

python -m tools.farm check     judges the machine and the configuration, changes nothing
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from components.batch.marathon_client import Marathon, MarathonError
from components.iaas.docker import LABEL
from components.spec import addresses
from components.spec.loader import read_federation
from components.spec.machines import front_end_name
from components.spec.model import Federation
from components.spec.problems import ConfigError
from components.spec.validate import FEDERATION_STACK, read_pools

from . import jobs, stacks
from .login import aerie_home, machine_logins, make_user_key
from .preflight import configuration, look, machine_problems

ROOT = stacks.ROOT


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


def marathon_of(federation: Federation, root: Path, shared: Mapping[str, Any] | None = None) -> Marathon:
    """A client with the federation's own credentials; `shared` are the outputs of its stack, if they are known already."""
    shared = shared or stacks.outputs(FEDERATION_STACK, root)
    return Marathon(
        addresses.marathon_urls(federation), "admin", shared["passwords"]["marathon-admin"], shared["ca_certificate"]
    )


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
    """The command line. 0: nothing is in the way; 1: refused, told why."""
    parser = argparse.ArgumentParser(
        prog="farm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("check", help="judge machine and configuration only")
    parser.parse_args(argv)
    console = Console(highlight=False)
    try:
        prepare_keys(ROOT)
        check(console)
    except (ConfigError, Refused) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
