"""Takes a backup: gathers all parts in a folder of the federation's home, and seals them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from components.image_tags import image_tags
from components.spec.rules import expand
from components.spec.validate import FEDERATION_STACK
from tools.login import aerie_home
from tools.reach import Place, at_once, places
from tools.recovery import locked
from tools.stacks import order, outputs
from tools.status_stacks import known_stacks

from ..federation import Here
from ..terminal import Refused
from . import archive, copies, files, gather, judge, pulumi, states
from .archive import Manifest, Part

NO_SERVICES = "etcd and ZooKeeper were left out: policies, addresses and apps are made anew from the stacks' files"
NO_QUEUE = "the jobs' queue and the users' homes of {} were left out (--spool takes them)"

NO_KEYS = "users' public keys in files outside AERIE_HOME are not in it; they have to be there when it is restored: {}"


@dataclass(frozen=True)
class Wish:
    """What to take. `spool`: queues and homes of all pools. `services`: etcd and ZooKeeper."""

    spool: bool = False
    services: bool = True


@dataclass
class Gathered:
    """Parts, whose files are below `folder`."""

    folder: Path
    console: Console
    parts: list[Part] = field(default_factory=list)

    def path(self, name: str) -> Path:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return target

    def data(self, name: str, data: bytes, about: Mapping[str, str | int] | None = None) -> None:
        self.path(name).write_bytes(data)
        self.done(name, about or {})

    def done(self, name: str, about: Mapping[str, str | int]) -> None:
        self.parts.append(archive.part_of(name, self.folder / name, about))

    def tell(self, text: str, start: float) -> None:
        self.console.print(f"  {text} ({time.monotonic() - start:.1f} s)")


def take(
    the: Here, wish: Wish, secret: bytes, target: Path | None, into: Path, console: Console
) -> tuple[Path, Manifest]:
    """The archive's path, and what is in it. Without `target` it gets a name in the folder `into`. Raises Refused."""
    home, made = aerie_home(the.federation), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    path = target or into / judge.archive_name(the.federation.name, made)
    if path.exists():
        raise Refused(f"{path} is there already", "another name, or --into FOLDER")
    if not path.parent.is_dir():
        raise Refused(f"there is no folder {path.parent}", f"mkdir -p {path.parent}")
    with tempfile.TemporaryDirectory(dir=home, prefix=".backup-") as folder:
        found = Gathered(Path(folder), console)
        mark, before = gather.mark(home), _states(the)
        for stack, state in before.items():
            about = {"resources": states.count(state)}
            found.data(f"{archive.STACKS}{stack}.json", pulumi.text(state), about)
        for prefix, each in ((archive.FILES, files.of_clone(the.root)), (archive.HOME, files.of_home(home))):
            for name, data in each.items():
                found.data(prefix + name, data)
        console.print(f"  states of {', '.join(before)}; {len(found.parts) - len(before)} files")
        without = [*_services(the, wish, found, before), *_elsewhere(the, home)]
        if gather.mark(home) != mark if mark is not None else _states(the) != before:
            raise Refused(
                "a stack was changed meanwhile, so the copies do not fit together",
                "say it again when pulumi or aerie up has ended",
            )
        manifest = Manifest(
            the.federation.name, made, files.revision(the.root), image_tags(the.root), found.parts, without
        )
        start = time.monotonic()
        archive.write(path, secret, manifest, found.folder)
        if archive.read(path, secret) != manifest:  # as whoever restores it reads it
            raise Refused(f"{path} does not read as it was written", "look at its disk, and say it again")
        found.tell(f"sealed, and read again: {path}", start)
    return path, manifest


def _states(the: Here) -> dict[str, dict[str, Any]]:
    """Of each stack that has resources, in their order. Raises Refused where a run goes on."""
    known = set(known_stacks(the.root))
    names = [name for step in order(the.root, the.federation) for name in step if name in known]
    if FEDERATION_STACK not in names:
        raise Refused(f"the federation {the.federation.name} is not up: there is nothing to keep", "aerie up")
    found = dict(zip(names, at_once(lambda name: pulumi.export(name, the.root), names), strict=True))
    home = aerie_home(the.federation)
    if busy := [name for name in names if locked(home, name)]:
        raise Refused(
            f"a run on {', '.join(busy)} goes on, or was cut off",
            f"wait for its end; if it was cut off: aerie up {busy[0]}",
        )
    return found


def _elsewhere(the: Here, home: Path) -> list[str]:
    """What the files name and the archive does not have, in words."""
    names = {n for pool in the.pools.values() for user in pool.users for n in user.ssh_key_files}
    missing = sorted(n for n in names if not expand(n, Path.home()).is_relative_to(home))
    return [NO_KEYS.format(", ".join(missing))] if missing else []


def _services(the: Here, wish: Wish, found: Gathered, there: Mapping[str, Any]) -> list[str]:
    """Copies from the machines; what was left out, in words."""
    federation = the.federation
    pools = {name: pool for name, pool in the.pools.items() if name in there}
    no_queue = [NO_QUEUE.format(", ".join(pools))] if pools and not wish.spool else []
    if not wish.services and not wish.spool:
        return [NO_SERVICES, *no_queue]
    machines: dict[str, list[Place]] = places(federation, the.root)
    if wish.services:
        members = copies.members(federation, machines)
        start, target = time.monotonic(), found.path(archive.ETCD)
        about = copies.first_that_works(members, lambda p: copies.etcd(p, target), "etcd")
        found.done(archive.ETCD, about)
        found.tell(f"etcd: {about['keys']} keys, by the member of {about['member']}", start)
        users = copies.zookeeper_users(outputs(FEDERATION_STACK, the.root)["passwords"])
        start, tree = time.monotonic(), found.path(archive.ZOOKEEPER)
        about = copies.first_that_works(members, lambda p: copies.zookeeper(p, federation, users, tree), "ZooKeeper")
        found.done(archive.ZOOKEEPER, about)
        found.tell(f"ZooKeeper: {about['nodes']} nodes, Marathon's apps {about['apps']}", start)
    for name, pool in pools.items() if wish.spool else ():
        start, part = time.monotonic(), f"{archive.SPOOL}{name}.tar.gz"
        place, volume = copies.front_end(machines, pool.submit_node.site), copies.spool_volume(name)
        about = copies.spool(place, volume, found.path(part))
        found.done(part, about)
        found.tell(f"queue and homes of {name}: {found.parts[-1].size / 1e6:.1f} MB", start)
    return ([] if wish.services else [NO_SERVICES]) + no_queue
