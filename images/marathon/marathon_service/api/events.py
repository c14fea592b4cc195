"""/v2/events: the stream of server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import time

from aiohttp import web

from ..core.events import event
from .common import error, scheduler, server
from .system import accepts

_QUIET = 15.0  # seconds after which an empty line keeps proxies and clients content


async def events(request: web.Request) -> web.StreamResponse:
    scheduler(request)
    if not accepts(request.headers.get("Accept", ""), "text/event-stream"):
        return error(405, "the client must accept text/event-stream")
    here = server(request)
    light = request.query.get("plan-format") == "light"
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    subscription = here.bus.subscribe(request.query.getall("event_type", []), light=light)
    remote = request.remote or ""
    here.bus.publish(event("event_stream_attached", time.time(), remoteAddress=remote))
    try:
        await response.write(b"\r\n")
        while True:
            try:
                async with asyncio.timeout(_QUIET):
                    text = await subscription.queue.get()
            except TimeoutError:
                text = b"\r\n"
            if text is None:
                break
            here.metrics.count("http.responses.event-stream.size", len(text))
            await response.write(text)
    except ConnectionError:
        pass
    finally:
        here.bus.unsubscribe(subscription)
        here.bus.publish(event("event_stream_detached", time.time(), remoteAddress=remote))
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


def add_routes(app: web.Application) -> None:
    app.router.add_get("/v2/events", events, allow_head=False)
