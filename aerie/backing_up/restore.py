"""Restores a whole federation onto new machines, phase by phase; each may be done again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from tools import farm
from tools.first_jobs import wait_for_pool
from tools.login import pool_login
from tools.preview.health import Watch
from tools.preview.sites import note
from tools.recovery import recover
from tools.stacks import outputs, run

from .. import environment
from ..federation import Here, here
from ..ordering import chosen
from ..terminal import Refused
from . import archive, files, gather, judge, progress, pulumi, states
from .archive import Manifest
from .judge import Found
from .progress import Progress
from .seed import What, seed


@dataclass
class Restoration:
    """One archive, unpacked in `folder`, and where it goes. `seconds`: by phase."""

    root: Path
    home: Path
    folder: Path
    manifest: Manifest
    progress: Progress
    console: Console
    images: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, say: str) -> Iterator[None]:
        """Told with its time, and noted once it has ended well."""
        self.console.print(f"[bold]{say}[/]")
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)
        self.progress.finish(name)

    def is_done(self, name: str) -> bool:
        return name in self.progress.done


def identity(file: Path) -> str:
    """By what an archive is known: its first line, which has a random part."""
    with file.open("rb") as opened:
        return hashlib.sha256(opened.readline()).hexdigest()


def state(folder: Path, stack: str) -> dict[str, Any]:
    """As the archive has it."""
    found: dict[str, Any] = json.loads((folder / archive.STACKS / f"{stack}.json").read_text())
    return found


def stacks(manifest: Manifest) -> list[str]:
    return [name.removesuffix(".json") for name in manifest.names(archive.STACKS)]


def refuse(found: Found, replace: bool, force: bool) -> None:
    """Raises Refused with all reasons against it."""
    against = judge.reasons(found, replace, force)
    if against:
        text = "nothing was changed:\n" + "\n".join(f"  {r.text}" for r in against)
        raise Refused(text, "; ".join(dict.fromkeys(r.do for r in against)))


def clear(the: Restoration, found: Found) -> None:
    """Removes what carries the federation's label: the judge was asked."""
    if found.objects and (gone := farm.remove_labelled(the.manifest.federation)):
        the.console.print(f"  removed: {', '.join(gone)}")
    if left := judge.with_data(gather.labelled(the.manifest.federation)):
        raise Refused(f"not removed: {', '.join(left)}", "remove them with docker, and say it again")


def restore(the: Restoration, found: Found) -> Here:
    """All phases that are not done yet. Raises Refused, StackFailed and what else Pulumi says; the same again goes on."""
    if not the.is_done(progress.FILES):
        with the.phase(progress.FILES, "files and keys"):
            clear(the, found)
            _files(the, found)
    os.environ["AERIE_HOME"] = str(the.home)
    environment.ensure(the.root)
    into = here()
    zookeeper = judge.whole(the.manifest)
    if not the.is_done(progress.STATES):
        with the.phase(progress.STATES, "states of the stacks"):
            _states(the, zookeeper)
    names = stacks(the.manifest)
    if not the.is_done(progress.SITES):
        with the.phase(progress.SITES, "federation and sites"):
            farm.check(the.console, the.root)
            if the.images:
                farm.make_images(the.root)
            _up(the, into, [n for n in names if n not in into.pools])
    if not the.is_done(progress.SERVICES):
        with the.phase(progress.SERVICES, "etcd, ZooKeeper, queues"):
            spools = [n.removesuffix(".tar.gz") for n in the.manifest.names(archive.SPOOL)]
            known = [name for name in spools if name in into.pools]
            if zookeeper or known:
                seed(into, What(zookeeper, zookeeper, known, masters=zookeeper), the.folder, the.console)
            farm.wait_for_quorum(into.federation, farm.marathon_of(into.federation, the.root), the.console)
    pools = [n for n in names if n in into.pools]
    with the.phase(progress.POOLS, "pools"):
        if pools:
            _up(the, into, pools)
            _wait(into, pools, the.console)
    the.progress.end()
    return into


def _files(the: Restoration, found: Found) -> None:
    for change in found.changes:
        data = b"" if change.delete else (the.folder / change.name).read_bytes()
        files.put(the.root, the.home, change, data)
    the.home.chmod(0o700)
    told = [f"{c.name.partition('/')[2]}{' deleted' if c.delete else ''}" for c in found.changes]
    the.console.print(f"  written: {', '.join(told) or 'nothing, all of them are as they were'}")


def _states(the: Restoration, zookeeper: bool) -> None:
    names = stacks(the.manifest)
    farm.init_stacks(the.root, names)
    _free(the, names)
    for name in names:
        new = states.for_new_machines(state(the.folder, name), zookeeper)
        pulumi.import_(name, new, the.home, the.root)
        the.console.print(f"  {name}: {states.count(new)} resources are as they were, the others are made anew")
    pulumi.sync_salts(the.root)
    for name in names:
        if states.in_cloud(state(the.folder, name)):
            the.console.print(f"  {name}: asking its cloud what is left")
            pulumi.refresh(name, the.root)


def _free(the: Restoration, names: list[str]) -> None:
    """Of what a run that was cut off left locked or half made."""
    for name in names:
        for did in recover(the.home, name, the.manifest.federation):
            the.console.print(f"  {did}")


def _up(the: Restoration, into: Here, names: list[str]) -> None:
    """All sites at the same time, although their states know them: no member of a quorum is there that could be lost."""
    for step in chosen(into, names, "up"):
        _free(the, step)
        run("up", step, the.console, the.home / "logs", the.root)
        sites = [name for name in step if name in into.federation.sites]
        if sites:
            note(sites, into.federation, the.root, Watch(into.federation, the.root))


def _wait(into: Here, pools: list[str], console: Console) -> None:
    """Until each pool is whole: Marathon starts its containers by itself."""
    marathon = farm.marathon_of(into.federation, into.root)
    for name in pools:
        pool = into.pools[name]
        login = pool_login(into.federation, name, pool, outputs(name, into.root), pool.users[0].name)
        if login.key.exists():
            console.print(f"  {name}: waiting for its containers")
            wait_for_pool(marathon, name, pool, login, console, into.root)


def only(into: Here, what: What, folder: Path, console: Console) -> None:
    """A part of it into a federation that runs."""
    seed(into, what, folder, console)
    farm.wait_for_quorum(into.federation, farm.marathon_of(into.federation, into.root), console)
