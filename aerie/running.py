"""Pulumi on stacks, step by step: what `make up` and `make down` do, for those that are named."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from components.cluster.drain_program import ALL_GO
from components.spec.validate import FEDERATION_STACK
from tools import farm, stacks
from tools.login import aerie_home
from tools.recovery import recover
from tools.status_stacks import known_stacks

from .federation import Here
from .ordering import chosen, standing_on
from .terminal import Refused

Done = dict[str, dict[str, Any]]


def run(the: Here, verb: stacks.Verb, names: list[str], quiet: bool = False, images: bool = False) -> Done:
    """What each stack came to: seconds, and changes by kind. Raises Refused, ConfigError and StackFailed.

    A step that fails ends it: what comes after stands on it. Stacks of one step do not wait for each other."""
    console = Console(highlight=False, stderr=quiet)
    steps = chosen(the, names, verb)
    there = farm.existing_stacks(the.root)
    if verb == "destroy":
        steps = [[name for name in step if name in there] for step in steps]
        refuse_with_others_on(the, [name for step in steps for name in step], set(known_stacks(the.root)))
    else:
        farm.prepare_keys(the.root)
        farm.check(console, the.root)
        if images:
            farm.make_images(the.root)
        if verb == "preview":
            steps = without_new(steps, set(known_stacks(the.root)), console)
        farm.init_stacks(the.root, [name for step in steps for name in step])
    done: Done = {}
    for step in filter(None, steps):
        for name in step if verb != "preview" else ():
            for did in recover(aerie_home(the.federation), name, the.federation.name):
                console.print(f"  {did}")
        console.print(f"[bold]{', '.join(step)}[/]")
        with _everything_goes(verb == "destroy" and _no_site_stays(the, names, there)):
            ended = stacks.run(verb, step, console, aerie_home(the.federation) / "logs", the.root)
        for name, p in ended.items():
            changes = {kind: n for kind, n in p.changes.items() if kind != "same"}
            done[name] = {"seconds": round(p.seconds, 1), "changes": changes}
        if verb == "destroy":
            subprocess.run([str(the.root / "tools" / "stack-init"), "--remove", *step], cwd=the.root, check=True)
        if verb == "up" and step == [s for s in step if s in the.federation.sites]:
            _wait_if_pools_follow(the, steps, console)
    if verb == "destroy" and not names and (left := farm.remove_labelled(the.federation.name)):
        console.print(f"  removed what the stacks did not know: {', '.join(left)}")
    return done


def refuse_with_others_on(the: Here, names: list[str], known: set[str]) -> None:
    """Raises Refused if something with resources that is not named stands on what is to be destroyed."""
    if others := standing_on(the, names, known):
        raise Refused(
            f"{', '.join(others)} {'stands' if len(others) == 1 else 'stand'} on {', '.join(names)}, nothing was changed",
            f"aerie destroy {' '.join([*others, *names])}",
        )


@contextmanager
def _everything_goes(yes: bool) -> Iterator[None]:
    """Tells the machines' drains, by the environment, that what runs on them has nowhere else to go."""
    before = os.environ.get(ALL_GO)
    if yes:
        os.environ[ALL_GO] = "yes"
    try:
        yield
    finally:
        if yes and before is None:
            del os.environ[ALL_GO]


def _no_site_stays(the: Here, names: list[str], there: set[str]) -> bool:
    """Whether tasks on the machines have nowhere to go to, so that nothing is waited for."""
    return not names or not (set(the.federation.sites) & there) - set(names)


def without_new(steps: list[list[str]], known: set[str], console: Console) -> list[list[str]]:
    """The stacks that can be previewed: a new one only if it stands on nothing, as the federation's does; the others are told."""
    new = [name for step in steps for name in step if name not in known and name != FEDERATION_STACK]
    if new:
        console.print(f"  not there yet, so all of it would be made: {', '.join(new)}")
    return [kept for step in steps if (kept := [name for name in step if name not in new])]


def _wait_if_pools_follow(the: Here, steps: list[list[str]], console: Console) -> None:
    """Pools need the quorum, which is there some time after the sites."""
    if any(name in the.pools for step in steps for name in step):
        farm.wait_for_quorum(the.federation, farm.marathon_of(the.federation, the.root), console)
