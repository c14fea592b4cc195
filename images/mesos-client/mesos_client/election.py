"""Who leads?  One ephemeral sequential node for each instance of the service; the lowest leads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import uuid

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NoNodeError

log = logging.getLogger(__name__)
_NODE = re.compile(r"^([0-9a-f]{32})-(\d{10})$")


class Election:
    """`leader` and `leader_url` say who leads as far as we know; None while nobody does or ZooKeeper is away.

    Uses `client` (started by the caller).  `identity` is host:port of this instance, `url` where others reach it.
    """

    def __init__(self, client: KazooClient, path: str, identity: str, url: str) -> None:
        self._client, self._path = client, path
        self._data = json.dumps({"id": identity, "url": url}).encode()
        self._identity = identity
        self.leader: str | None = None
        self.leader_url: str | None = None
        self.node: str | None = None
        self._first_name: str | None = None
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._lost = asyncio.Event()
        client.add_listener(self._listen)

    def _listen(self, state: str) -> None:
        """Called in kazoo's thread: must return at once."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_state, state)

    def _on_state(self, state: str) -> None:
        if state == KazooState.LOST:
            self.node = None
            self._lost.set()
        if state != KazooState.CONNECTED:
            self.leader = self.leader_url = None
        self._changed.set()

    async def run_watch(self) -> None:
        """Keeps `leader` up to date until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self._look()
            except (KazooException, ValueError, KeyError) as e:
                log.info("cannot see who leads: %r", e)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._changed.wait()

    async def _look(self) -> None:
        if not self._client.connected:
            return
        name, data = await asyncio.to_thread(self._first)
        found = json.loads(data) if data else {}
        before, self.leader = self.leader, found.get("id")
        self.leader_url = found.get("url")
        self._first_name = name
        if self.leader != before:
            log.info("leader: %s", self.leader or "none")

    def _first(self) -> tuple[str | None, bytes]:
        def fire(_event: object) -> None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._changed.set)

        try:
            names = self._client.get_children(self._path, watch=fire)
            first = lowest(names)
            return (first, self._client.get(f"{self._path}/{first}")[0]) if first else (None, b"")
        except NoNodeError:
            return None, b""

    async def campaign(self) -> str:
        """Wait until this instance leads; the path of its election node."""
        self._lost.clear()
        while True:
            while not self._client.connected:
                await asyncio.sleep(0.1)
            try:
                if self.node is None:
                    self.node = await asyncio.to_thread(self._enter)
                if await asyncio.to_thread(self._leads, self.node):
                    self._changed.set()
                    return self.node
            except NoNodeError:
                self.node = None
            except KazooException as e:
                log.warning("election: %r", e)
                await asyncio.sleep(1.0)
                continue
            await self._moved()

    async def _moved(self) -> None:
        """Until the members change (as run_watch sees it), at the most 1 s: a watch is lost with its session."""
        before = self._first_name
        for _ in range(20):
            await asyncio.sleep(0.05)
            if self._first_name != before or self._lost.is_set():
                self._lost.clear()
                return

    def _enter(self) -> str:
        self._client.ensure_path(self._path)
        for name in self._client.get_children(self._path):
            # We hold this identity's port, so a node with it is what a dead predecessor left.
            with contextlib.suppress(NoNodeError, ValueError):
                data, _ = self._client.get(f"{self._path}/{name}")
                if json.loads(data).get("id") == self._identity:
                    self._client.delete(f"{self._path}/{name}")
        return str(self._client.create(f"{self._path}/{uuid.uuid4().hex}-", self._data, ephemeral=True, sequence=True))

    def _leads(self, node: str) -> bool:
        names = self._client.get_children(self._path)
        name = node.rsplit("/", 1)[1]
        if name not in names:
            raise NoNodeError
        return lowest(names) == name

    async def lost(self) -> None:
        """Wait until this instance's lead is over: its session, or its node, is gone."""
        while not self._lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._lost.wait()
                return
            if self.node is not None and self._client.connected:
                with contextlib.suppress(KazooException):
                    if not await asyncio.to_thread(self._client.exists, self.node):
                        self.node = None
                        return

    async def resign(self) -> None:
        """Leave the election; the next `campaign` enters it anew, behind the others."""
        node, self.node = self.node, None
        if node is not None:
            with contextlib.suppress(KazooException):
                await asyncio.to_thread(self._client.delete, node)
        self._changed.set()


def lowest(names: list[str]) -> str | None:
    found = [(int(m[2]), n) for n in names if (m := _NODE.match(n))]
    return min(found)[1] if found else None
