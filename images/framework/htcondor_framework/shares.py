"""What the pools of one cluster tell each other: /pool-shares/<number> in ZooKeeper, ephemeral, readable to all of them.

Only who made a node may change it, so a pool can lie about itself only. What cannot be read as a neighbour is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Any, Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError
from kazoo.security import ACL, CREATOR_ALL_ACL, make_acl

from .core.model import Homeless, Neighbour, Share, Size
from .strict import MISSING, Section

log = logging.getLogger(__name__)
Json = dict[str, Any]
ROOT = "/pool-shares"
_LEAST, _EVERY = 1.0, 5.0  # seconds between two exchanges
_MOST = 4096  # bytes of one node: a neighbour's word is not worth more memory


class Shares(Protocol):
    """What the scheduler needs. Neither raises for a ZooKeeper that is away: `read` says None then, and `publish` False."""

    async def publish(self, us: Neighbour) -> bool: ...

    async def read(self) -> tuple[Neighbour, ...] | None:
        """The others, in a fixed order."""
        ...


class Exchange:
    """Tells the others what we hold, and asks what they do, until cancelled. `us` says what to tell (None: nothing yet), `wake` is
    called when the others' words have changed; while they cannot be read the last ones count."""

    def __init__(self, shares: Shares, pool: str, us: Callable[[], Neighbour | None], wake: Callable[[], None]) -> None:
        self.others: tuple[Neighbour, ...] = ()
        self._shares, self._pool, self._us, self._wake = shares, pool, us, wake
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """There is something new to tell."""
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            if (us := self._us()) is not None:
                await self._shares.publish(us)
            found = await self._shares.read()
            if found is not None:
                others = tuple(n for n in found if n.pool != self._pool)
                if others != self.others:
                    self.others = others
                    self._wake()
            await asyncio.sleep(_LEAST)  # not more often, however often it changes
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_EVERY - _LEAST):
                    await self._changed.wait()


def to_json(us: Neighbour) -> Json:
    told: Json = {
        "pool": us.pool,
        "share": {"cpus": us.share.cpus, "memory": us.share.memory},
        "holds": {"cpus": us.holds.cpus, "memory": us.holds.memory},
        "wants": {"cpus": us.wants.cpus, "memory": us.wants.memory},
        "giving": {"cpus": us.giving.cpus, "memory": us.giving.memory},
    }
    if us.homeless is not None:
        size = us.homeless.size
        told["homeless"] = {"node": us.homeless.node, "cpus": size.cpus, "memory": size.memory, "disk": size.disk}
    return told


def parse(data: bytes) -> Neighbour:
    """Raises ValueError. Keys of a later version are no problem."""
    if len(data) > _MOST:
        raise ValueError(f"{len(data)} bytes")
    top = Section(json.loads(data))
    name = top.text("pool", pattern=r"[a-z0-9-]{1,63}", what="a pool's name")
    share, holds, wants, giving = (
        top.section(key, {"cpus": 0, "memory": 0} if key == "giving" else MISSING)
        for key in ("share", "holds", "wants", "giving")
    )
    homeless = None
    if "homeless" in top.names():
        home = top.section("homeless")
        node = home.text("node", pattern=r"[A-Za-z0-9._-]{1,253}", what="a machine's name")
        homeless = Homeless(node, Size(home.number("cpus"), home.number("memory"), home.number("disk")))
    found = Neighbour(
        name,
        Share(share.number("cpus"), share.number("memory")),
        Size(holds.number("cpus"), holds.number("memory")),
        Size(wants.number("cpus"), wants.number("memory")),
        Size(giving.number("cpus"), giving.number("memory")),
        homeless,
    )
    if top.problems:
        raise ValueError("; ".join(top.problems))
    return found


class ZooKeeperShares:
    """Uses `client`, started by the caller, with a login of its own."""

    def __init__(self, client: KazooClient, number: int) -> None:
        self._client, self._number = client, number
        self._broken: set[str] = set()
        self._acl: list[ACL] = [*CREATOR_ALL_ACL, make_acl("world", "anyone", read=True)]
        # Any pool may add its own node, and none may delete one: that is a right on the parent, and would be one on every node.
        self._root_acl: list[ACL] = [make_acl("world", "anyone", read=True, create=True)]

    async def publish(self, us: Neighbour) -> bool:
        if not self._client.connected:
            return False
        data = json.dumps(to_json(us), separators=(",", ":")).encode()
        try:
            await asyncio.to_thread(self._write, f"{ROOT}/{self._number}", data)
        except KazooException as e:
            log.warning("cannot tell the other pools what we hold: %r", e)
            return False
        return True

    def _write(self, path: str, data: bytes) -> None:
        """Each time by what is there: the node of an earlier session of ours vanishes when that one is over."""
        for _ in range(3):
            try:
                if self._client.get(path)[0] != data:
                    self._client.set(path, data)
                return
            except NoNodeError:
                pass
            try:
                self._create(path, data)
                return
            except NodeExistsError:
                continue  # it came between two steps

    def _create(self, path: str, data: bytes) -> None:
        try:
            self._client.create(path, data, acl=self._acl, ephemeral=True)
        except NoNodeError:
            self._client.create(ROOT, b"", acl=self._root_acl)
            self._client.create(path, data, acl=self._acl, ephemeral=True)

    async def read(self) -> tuple[Neighbour, ...] | None:
        if not self._client.connected:
            return None
        try:
            nodes = await asyncio.to_thread(self._read)
        except KazooException as e:
            log.warning("cannot see what the other pools hold: %r", e)
            return None
        found: dict[str, Neighbour] = {}
        for name, data in sorted(nodes.items()):
            try:
                neighbour = parse(data)
            except (ValueError, RecursionError) as e:
                if name not in self._broken:
                    log.warning("%s/%s is left out: %s", ROOT, name, e)
                self._broken.add(name)
                continue
            self._broken.discard(name)
            found.setdefault(neighbour.pool, neighbour)
        return tuple(found.values())

    def _read(self) -> dict[str, bytes]:
        nodes: dict[str, bytes] = {}
        try:
            names = self._client.get_children(ROOT)
        except NoNodeError:
            return nodes
        for name in names:
            if name != str(self._number):
                try:
                    nodes[name] = self._client.get(f"{ROOT}/{name}")[0]
                except NoNodeError:
                    continue  # it has just ended
        return nodes

    async def withdraw(self, pool: str) -> None:
        """The pool is gone: it has no share any more, until its node ends with our session."""
        await self.publish(Neighbour(pool, Share(0.0, 0.0), Size(), Size()))
