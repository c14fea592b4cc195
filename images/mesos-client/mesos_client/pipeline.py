"""Many small HTTP calls to one server, one after another on one connection without waiting for each answer (libprocess takes them so).

A client library spends a third of a millisecond on each call; thousands of updates to acknowledge cannot wait for that.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence

_AT_ONCE = 100  # calls without an answer: what they are answered with has room in the buffers between


class PipelineError(ConnectionError):
    """The connection broke, or the answer was none of HTTP."""


class Pipeline:
    """POSTs to `path` of host:port, in order. `tls` as for a client; times in seconds."""

    def __init__(self, address: str, path: str, tls: ssl.SSLContext | None, timeout: float) -> None:
        host, _, port = address.rpartition(":")
        self.address, self._host, self._port = address, host.strip("[]"), int(port)
        self._path, self._tls, self._timeout = path, tls, timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._lock = asyncio.Lock()

    async def post(self, headers: Mapping[str, str], bodies: Sequence[bytes]) -> list[tuple[int, str]]:
        """Status and text of each answer.  Raises PipelineError, after which nobody knows which calls arrived."""
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        start = f"POST {self._path} HTTP/1.1\r\nHost: {self.address}\r\n{head}Content-Length: ".encode()
        answers: list[tuple[int, str]] = []
        async with self._lock:
            try:
                reader, writer = await self._connection()
                for n in range(0, len(bodies), _AT_ONCE):
                    some = bodies[n : n + _AT_ONCE]
                    async with asyncio.timeout(self._timeout):
                        writer.write(b"".join(b"%s%d\r\n\r\n%s" % (start, len(body), body) for body in some))
                        await writer.drain()
                        for _ in some:
                            answers.append(await _answer(reader))
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as e:
                self.close()
                raise PipelineError(f"{self.address}: {type(e).__name__}: {e}") from None
            except BaseException:
                self.close()  # cancelled in between: what comes next on the connection is nobody's answer
                raise
        return answers

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self.close()
            async with asyncio.timeout(self._timeout):
                self._reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._tls, server_hostname=self._host if self._tls else None
                )
        return self._reader, self._writer

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Raises ValueError for what is no answer."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    protocol, _, rest = lines[0].partition(" ")
    if not protocol.startswith("HTTP/1."):
        raise ValueError(f"not an HTTP answer: {lines[0][:80]!r}")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(rest[:3]), body.decode("utf-8", "replace")
