"""Who is the leading master?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from typing import Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError

from .zk import ZooKeeperUrl

log = logging.getLogger(__name__)
_INFO = re.compile(r"^json\.info_(\d+)$")


class Detector(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def leader(self) -> str:
        """`host:port` of the leading master; waits until there is one."""
        ...


def leading_node(names: list[str]) -> str | None:
    """Of the children of Mesos' znode, the one whose master leads: the lowest sequence number."""
    found = [(int(m[1]), n) for n in names if (m := _INFO.match(n))]
    return min(found)[1] if found else None


def master_address(data: bytes) -> str:
    """`host:port` from a master's JSON MasterInfo.  Raises ValueError or KeyError when it is not one."""
    info = json.loads(data)
    address = info.get("address") or {}
    return f"{address.get('ip') or info['hostname']}:{address.get('port') or info['port']}"


class StaticDetector:
    """Masters given by address, tried in turn: one that does not lead redirects to the leader."""

    def __init__(self, masters: list[str]) -> None:
        if not masters:
            raise ValueError("no master given")
        self._masters, self._next = masters, 0

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def leader(self) -> str:
        self._next += 1
        return self._masters[(self._next - 1) % len(self._masters)]


class ZooKeeperDetector:
    """Follows Mesos' own election in ZooKeeper."""

    def __init__(self, url: ZooKeeperUrl, session_timeout: float = 10.0, client: KazooClient | None = None) -> None:
        self._url = url
        self._owned = client is None
        self._client = client or url.client(session_timeout)

    async def start(self) -> None:
        if self._owned:
            await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self._client.start_async()

    async def stop(self) -> None:
        if self._owned:
            await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        with contextlib.suppress(KazooException):
            self._client.stop()
            self._client.close()

    async def leader(self) -> str:
        loop = asyncio.get_running_loop()
        while True:
            changed = asyncio.Event()
            found = await asyncio.to_thread(self._look, loop, changed)
            if found:
                return found
            # The watch wakes us; the time limit is for a watch that was lost with its session.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5.0):
                    await changed.wait()

    def _look(self, loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> str | None:
        def fire(_event: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(changed.set)

        if not self._client.connected:
            # Without a session a read would block this thread for as long as ZooKeeper is away.
            self._client.handler.sleep_func(0.2)
            loop.call_soon_threadsafe(changed.set)
            return None
        try:
            names = self._client.get_children(self._url.path, watch=fire)
            node = leading_node(names)
            if node is None:
                log.info("no master leads yet at %s", self._url)
                return None
            data, _ = self._client.get(f"{self._url.path.rstrip('/')}/{node}")
            return master_address(data)
        except NoNodeError:
            self._client.exists(self._url.path, watch=fire)
        except (KazooException, ValueError, KeyError) as e:
            log.warning("cannot read the leading master at %s: %r", self._url, e)
        return None
