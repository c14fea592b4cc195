"""Puts etcd, ZooKeeper and spools back into a federation whose machines are up: what stands on them is stopped first."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from components.cluster.quorum import etcd_container
from components.spec.validate import FEDERATION_STACK
from tools.reach import Place, at_once, places
from tools.stacks import outputs

from ..federation import Here
from ..terminal import Refused
from . import archive, copies, machines

HEALTH = 120  # seconds for what was started


@dataclass(frozen=True)
class What:
    """What to put back. `spools`: pools by name. `masters`: also what Mesos' masters know only by themselves is forgotten, which is for
    machines that are new."""

    etcd: bool
    zookeeper: bool
    spools: Sequence[str] = ()
    masters: bool = False


@dataclass(frozen=True)
class Step:
    """`script` on each of `at`, at the same time."""

    say: str
    at: Sequence[Place]
    script: str


def stops(what: What, members: Sequence[Place], all_: Sequence[Place]) -> list[Step]:
    """In this order. Marathon first, or it would start again what ends. Containers on the network stay as they are."""
    out = []
    if what.zookeeper or what.spools:
        out.append(Step("Marathon stops", members, machines.stop(["marathon"])))
    if what.masters:
        out.append(Step("Mesos' masters stop", members, machines.stop(["mesos-master"])))
    if what.zookeeper:
        out.append(Step("frameworks stop", all_, machines.STOP_FRAMEWORKS))
    if what.etcd:
        out.append(Step("Calico stops; routes and policies stay", all_, machines.stop(["calico"], 15)))
        out.append(Step("etcd stops", members, machines.stop(["etcd"])))
    return out


def starts(what: What, members: Sequence[Place], all_: Sequence[Place]) -> list[Step]:
    """In this order: each does its work before the next, which stands on it, begins."""
    out = []
    if what.etcd:
        out.append(Step("etcd starts", members, machines.start(["etcd"])))
        ready = machines.until(machines.ETCD_ANSWERS, HEALTH, "etcd has no quorum")
        out.append(Step("etcd has a quorum", members, ready))
        forget = machines.until(machines.ETCD_FORGETS, HEALTH, "etcd does not let what is old be deleted")
        out.append(Step("what Calico knew of containers is forgotten", members[:1], forget))
        out.append(Step("Calico starts", all_, machines.start(["calico"])))
        ready = machines.until(machines.CALICO_ANSWERS, HEALTH, "Calico is not healthy")
        out.append(Step("Calico is healthy", all_, ready))
    if what.masters:
        out.append(Step("Mesos' masters start", members, machines.start(["mesos-master"])))
    if what.zookeeper or what.spools:
        out.append(Step("Marathon starts", members, machines.start(["marathon"])))
    return out


def seed(the: Here, what: What, folder: Path, console: Console) -> None:
    """Everything that `what` names, from the archive's parts in `folder`. Raises Refused.

    What it stopped stays stopped if it fails in between: on half of its state it would end what still runs. Said again it begins anew."""
    found = places(the.federation, the.root)
    members, all_ = copies.members(the.federation, found), [p for site in found.values() for p in site]
    if missing := sorted(set(the.federation.quorum_sites) - {p.site for p in members}):
        raise Refused(
            f"sites with a member of the quorums are not up: {', '.join(missing)}", f"aerie up {' '.join(missing)}"
        )
    _all(stops(what, members, all_), console)
    if what.etcd:
        with _timed(console, f"etcd: {len(members)} members from the snapshot"):
            at_once(lambda p: _etcd(the, p, folder / archive.ETCD), members)
    if what.zookeeper:
        nodes = json.loads((folder / archive.ZOOKEEPER).read_text())["nodes"]
        users = copies.zookeeper_users(outputs(FEDERATION_STACK, the.root)["passwords"])
        with _timed(console, f"ZooKeeper: {len(nodes)} nodes"):
            copies.znodes(members[0], the.federation, users, nodes)
    for name in what.spools:
        with _timed(console, f"queue and homes of {name}"):
            place = copies.front_end(found, the.pools[name].submit_node.site)
            script, part = machines.spool_restore(copies.spool_volume(name)), folder / f"{archive.SPOOL}{name}.tar.gz"
            machines.run(place, script, machines.COPY, part)
    _all(starts(what, members, all_), console)


def _etcd(the: Here, place: Place, snapshot: Path) -> None:
    env = etcd_container(the.federation, place.site, "").env
    machines.run(place, machines.etcd_restore(env), machines.COPY, snapshot)


def _all(steps: Sequence[Step], console: Console) -> None:
    for step in steps:
        with _timed(console, step.say):
            at_once(partial(_do, step), step.at)


def _do(step: Step, place: Place) -> None:
    machines.run(place, step.script, HEALTH + 30)


@contextmanager
def _timed(console: Console, text: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    console.print(f"  {text} ({time.monotonic() - start:.1f} s)")
