"""Something that answers the health checks of tasks of the fake cluster, and measures how punctual they are.

It listens on one port of every loopback address; the tasks are told from each other by the address of their machine.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from urllib.parse import parse_qs, urlsplit

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"


class CheckedTasks:
    """`seen`: when each address was asked, by the clock of time.monotonic."""

    def __init__(self) -> None:
        self.seen: dict[str, list[float]] = {}

    async def start(self, port: int) -> None:
        await asyncio.start_server(self._serve, "0.0.0.0", port, backlog=4096)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = time.monotonic()
        try:
            target = (await reader.readline()).split(b" ")[1].decode()
            body = b""
            if target.startswith("/deviations"):
                query = parse_qs(urlsplit(target).query)
                body = json.dumps(
                    await self.deviations(float(query["seconds"][0]), float(query["interval"][0]))
                ).encode()
            else:
                self.seen.setdefault(writer.get_extra_info("sockname")[0], []).append(now)
            writer.write(_ANSWER % (len(body), body))
            await writer.drain()
        except (OSError, IndexError):
            pass
        finally:
            writer.close()

    async def deviations(self, seconds: float, interval: float) -> list[float]:
        """What each check of the next `seconds` was away from `interval` after the one before it."""
        self.seen.clear()
        await asyncio.sleep(seconds)
        return [b - a - interval for times in self.seen.values() for a, b in itertools.pairwise(times)]
