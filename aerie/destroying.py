"""Stacks taken down, step by step: `make down` takes all, `aerie destroy` those that are named."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from components.cluster.drain_program import ALL_GO
from tools import farm, stacks
from tools.login import aerie_home
from tools.recovery import recover
from tools.status_stacks import known_stacks

from .federation import Here
from .ordering import chosen, standing_on
from .running import Done, changes, kind_of
from .terminal import Refused

DESTROY_ANYWAY = "pool.destroy_with_jobs"  # in what a pool says that is not destroyed while jobs run


def destroy(the: Here, names: Sequence[str], quiet: bool = False, jobs_too: bool = False) -> Done:
    """What each stack came to. `jobs_too`: jobs of the pools are removed first. Raises Refused and StackFailed.

    A pool that is not destroyed because jobs run in it keeps what it stands on. What fails otherwise ends it if stacks were named; if all
    are meant the others are taken down nevertheless, and then whatever carries the federation's label."""
    console = Console(highlight=False, stderr=quiet)
    there = farm.existing_stacks(the.root)
    steps = [here for step in chosen(the, names, "destroy") if (here := [name for name in step if name in there])]
    wanted = [name for step in steps for name in step]
    if names:
        refuse_with_others_on(the, wanted, set(known_stacks(the.root)))
    done, trouble = Done(), ""
    for name in wanted if names else sorted(there):
        for did in recover(aerie_home(the.federation), name, the.federation.name):
            console.print(f"  {did}")
    for step in steps:
        console.print(f"[bold]{', '.join(step)}[/]")
        if jobs_too and kind_of(the, step) == "pools":
            farm.end_jobs(the.federation, step, console, the.root)
        try:
            with _everything_goes(_no_site_stays(the, names, there)):
                done |= changes(_twice(the, step, console))
        except stacks.StackFailed as error:
            if DESTROY_ANYWAY in str(error) and not jobs_too:
                again = " ".join(["aerie destroy", *names, "--jobs-too"])
                raise Refused(
                    f"{error}\nwhat it stands on is left as it is", f"{again}, to end the jobs with it"
                ) from error
            if names:
                raise
            trouble += f"{error}\n"
        else:
            subprocess.run([str(the.root / "tools" / "stack-init"), "--remove", *step], cwd=the.root, check=True)
    if not names and (left := farm.remove_labelled(the.federation.name)):
        console.print(f"  removed what the stacks did not know: {', '.join(left)}")
    if trouble:
        raise Refused(trouble.rstrip(), "mend that, then say it again")
    return done


def _twice(the: Here, step: Sequence[str], console: Console) -> dict[str, stacks.Progress]:
    """Once more if it fails: on a busy machine Docker takes longer to remove a volume than its provider waits. Raises StackFailed."""

    def once() -> dict[str, stacks.Progress]:
        return stacks.run("destroy", step, console, aerie_home(the.federation) / "logs", the.root)

    try:
        return once()
    except stacks.StackFailed as error:
        if DESTROY_ANYWAY in str(error):
            raise
        console.print(str(error), style="yellow", markup=False, soft_wrap=True)
        console.print("  once more: what was only slow is done by now")
        return once()


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


def _no_site_stays(the: Here, names: Sequence[str], there: set[str]) -> bool:
    """Whether tasks on the machines have nowhere to go to, so that nothing is waited for."""
    return not names or not (set(the.federation.sites) & there) - set(names)
