"""An instance that does not lead gives requests on to the one that does."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from ..config import Config
from .common import Handler, error, server
from .system import LOCAL

_VIA = "X-Marathon-Via"
_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "content-encoding",
        "accept-encoding",
    }
)


class Proxy:
    """`tls` verifies the leader's certificate; None for plain HTTP."""

    def __init__(self, tls: ssl.SSLContext | None, config: Config | None = None) -> None:
        self._tls = tls
        self._most = config.proxy_max_connections if config else 64
        self._connect = config.proxy_connect_timeout if config else 5.0
        self._read = config.proxy_read_timeout if config else 10.0
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls or True, limit=self._most),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=self._read),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def middleware(self) -> Any:
        @web.middleware
        async def forward(request: web.Request, handler: Handler) -> web.StreamResponse:
            here = server(request)
            local = request.path in LOCAL or (request.path == "/v2/leader" and request.method == "GET")
            if here.scheduler is not None or local:
                response = await handler(request)
                if not response.prepared:
                    response.headers["X-Marathon-Leader"] = here.election.leader_url or ""
                return response
            target = here.election.leader_url
            if target is None or here.election.leader == here.config.identity:
                return error(503, here.trouble or "Could not determine the current leader")
            if _VIA in request.headers:
                # Two instances that take each other for the leader must not play ball with the request.
                return error(502, "Detected proxying loop")
            return await self._forward(request, target)

        return forward

    async def _forward(self, request: web.Request, target: str) -> web.StreamResponse:
        here = server(request)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        headers[_VIA] = f"1.1 {here.config.identity}"
        body = await request.read()
        stream = request.path == "/v2/events"
        try:
            async with self.session().request(
                request.method,
                URL(target + request.raw_path, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                # The stream of events may be quiet for longer than an answer may take.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect) if stream else None,
            ) as upstream:
                kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _HOP}
                response = web.StreamResponse(status=upstream.status, headers=kept)
                response.headers["X-Marathon-Via"] = f"1.1 {here.config.identity}"
                await response.prepare(request)
                with contextlib.suppress(ConnectionError):
                    async for chunk in upstream.content.iter_any():
                        await response.write(chunk)
                    await response.write_eof()
                return response
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            return error(502, f"the leader at {target} cannot be reached: {type(e).__name__}")
