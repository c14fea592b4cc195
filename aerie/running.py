"""Pulumi on stacks, step by step: what `make up` does, and `aerie up` and `aerie preview` for those that are named."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from rich.console import Console

from components.batch.marathon_client import Marathon
from components.spec.validate import FEDERATION_STACK
from tools import farm, first_jobs, stacks
from tools.login import aerie_home
from tools.preview import applied
from tools.preview import sites as site_hands
from tools.preview.health import Watch
from tools.preview.model import StackPreview
from tools.preview.report import farm_of
from tools.preview.roll import roll
from tools.preview.run import previews
from tools.recovery import recover
from tools.status_stacks import known_stacks

from .federation import Here
from .ordering import chosen

Done = dict[str, dict[str, Any]]


def preview(the: Here, names: Sequence[str], quiet: bool = False) -> Done:
    """What `up` would change, by stack: seconds, and changes by kind. Raises Refused, ConfigError and StackFailed."""
    console = Console(highlight=False, stderr=quiet)
    steps = chosen(the, names, "preview")
    farm.prepare_keys(the.root)
    farm.check(console, the.root)
    steps = without_new(steps, set(known_stacks(the.root)), console)
    farm.init_stacks(the.root, [name for step in steps for name in step])
    done: Done = {}
    for step in steps:
        console.print(f"[bold]{kind_of(the, step)}[/]")
        done |= changes(stacks.run("preview", step, console, _logs(the), the.root))
    return done


def up(the: Here, names: Sequence[str], quiet: bool = False, images: bool = False, jobs: int = 0) -> Done:
    """What each stack came to: seconds, and changes by kind. Raises Refused, Stopped, ConfigError and StackFailed.

    Each phase is told with its name. A step that fails ends it: what comes after stands on it. `jobs`: so many are run in each pool at
    the end, and the times of all phases told."""
    console = Console(highlight=False, stderr=quiet)
    phases = farm.Phases(console)
    steps = chosen(the, names, "up")
    everything = [name for step in steps for name in step]
    farm.prepare_keys(the.root)
    with phases.phase("check"):
        farm.check(console, the.root)
    if images:
        with phases.phase("images"):
            farm.make_images(the.root)
    with phases.phase("stacks"), ThreadPoolExecutor(1) as aside:
        asked = aside.submit(known_stacks, the.root)  # those that are made meanwhile have no resources
        farm.init_stacks(the.root, everything)
        known = set(asked.result())
        for name in everything:
            for did in recover(aerie_home(the.federation), name, the.federation.name):
                console.print(f"  {did}")
    done: Done = {}
    marathon: Marathon | None = None
    watch = Watch(the.federation, the.root)
    for step in steps:
        kind = kind_of(the, step)
        if kind == "pools" and len(everything) > len(step):
            with phases.phase("quorum"):  # pools need it, and it is there some time after the sites
                marathon = _quorum(the, watch, console)
        with phases.phase(kind):
            if kind == "sites":
                done |= changes(change_sites(the, step, known, watch, console))
            else:
                done |= changes(stacks.run("up", step, console, _logs(the), the.root))
    if jobs:
        pools = {name: pool for name, pool in the.pools.items() if name in everything}
        first_jobs.run(the.federation, pools, marathon or _quorum(the, watch, console), phases, jobs, the.root)
    return done


def _quorum(the: Here, watch: Watch, console: Console) -> Marathon:
    marathon = farm.marathon_of(the.federation, the.root, watch.shared())
    farm.wait_for_quorum(the.federation, marathon, console)
    return marathon


def change_sites(
    the: Here, sites: Sequence[str], known: set[str], watch: Watch, console: Console
) -> dict[str, stacks.Progress]:
    """Brings the sites up. Those that are there already (`known`) are previewed first, all at the same time: where nothing changes nothing
    is done, and members of quorums are changed one site after the other."""
    ended: dict[str, stacks.Progress] = {}

    def say(text: str) -> None:
        console.print(f"  {text}", soft_wrap=True)

    hands = site_hands.hands(the.federation, the.root, say, watch)

    def up(names: Sequence[str]) -> None:
        ended.update(stacks.run("up", names, console, _logs(the), the.root))
        hands.up(names)

    there = [name for name in sites if name in known]
    if there:
        console.print(f"  looking at what changes: {', '.join(there)}")
    changed = []
    for found in previews(there, the.root):
        if found.errors:
            raise stacks.StackFailed(f"{found.stack} cannot be previewed:\n" + "\n".join(found.errors))
        if found.changed or not _as_before(the, found):
            changed.append(found)
        else:
            ended[found.stack] = stacks.Progress(found.stack, "done", seconds=found.seconds)
            stacks.tell(ended[found.stack], console)
    new = [name for name in sites if name not in known]
    if changed or new:
        roll(changed, farm_of(the.federation), replace(hands, up=up), new)
    return {name: ended[name] for name in sites}


def _as_before(the: Here, found: StackPreview) -> bool:
    """Whether the site was brought up by this very program, so that there is nothing to write into its state either."""
    noted = applied.recall(aerie_home(the.federation), found.stack).get("program")
    return noted == applied.program(the.root, found.stack)


def _logs(the: Here) -> Any:
    return aerie_home(the.federation) / "logs"


def kind_of(the: Here, step: Sequence[str]) -> str:
    """What a step's stacks are: federation, sites or pools."""
    return FEDERATION_STACK if FEDERATION_STACK in step else "sites" if step[0] in the.federation.sites else "pools"


def changes(ended: dict[str, stacks.Progress]) -> Done:
    """For programs: what changed, and how long it took."""
    return {
        name: {"seconds": round(p.seconds, 1), "changes": {kind: n for kind, n in p.changes.items() if kind != "same"}}
        for name, p in ended.items()
    }


def without_new(steps: list[list[str]], known: set[str], console: Console) -> list[list[str]]:
    """The stacks that can be previewed: a new one only if it stands on nothing, as the federation's does; the others are told."""
    new = [name for step in steps for name in step if name not in known and name != FEDERATION_STACK]
    if new:
        console.print(f"  not there yet, so all of it would be made: {', '.join(new)}")
    return [kept for step in steps if (kept := [name for name in step if name not in new])]
