"""/ping, /metrics and /logging: of the instance that is asked, whoever leads."""

from __future__ import annotations

import asyncio
import logging
import time

from aiohttp import web

from ..core.checks import number, one_of, record, some_text
from ..core.validation import Invalid
from ..metrics import prometheus
from .common import error, object_of, reply, server

log = logging.getLogger(__name__)
LOCAL = frozenset({"/ping", "/metrics", "/metrics/prometheus", "/logging", "/v2/plugins"})
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_CHANGE = record(
    {"logger": some_text(200), "level": one_of(*_LEVELS), "durationSeconds": number(0, 1e7)}, ("logger", "level")
)


def accepts(header: str, kind: str) -> bool:
    """Whether an Accept header lets an answer be of this kind; one that is not there lets any."""
    kinds = [part.partition(";")[0].strip().lower() for part in header.split(",") if part.strip()]
    return not kinds or any(k in (kind, "*/*", f"{kind.partition('/')[0]}/*") for k in kinds)


async def ping(request: web.Request) -> web.Response:
    accept = request.headers.get("Accept", "")
    if accepts(accept, "text/plain") or accepts(accept, "text/html"):
        html = not accepts(accept, "text/plain")
        return web.Response(text="pong", content_type="text/html" if html else "text/plain")
    if accepts(accept, "application/json"):
        return reply("pong")
    return web.Response(status=204)


async def metrics(request: web.Request) -> web.Response:
    accept = request.headers.get("Accept", "")
    if accept and not accepts(accept, "application/json") and accepts(accept, "text/plain"):
        return await metrics_prometheus(request)
    return reply(_collected(request))


async def metrics_prometheus(request: web.Request) -> web.Response:
    if not server(request).config.metrics_prometheus:
        return error(404, "Prometheus reporter is disabled")
    return web.Response(text=prometheus(_collected(request)), content_type="text/plain")


def _collected(request: web.Request) -> dict[str, object]:
    here = server(request)
    return here.metrics.json(here.scheduler.state if here.scheduler else None, time.time())


async def show_loggers(_request: web.Request) -> web.Response:
    names = [n for n, found in logging.root.manager.loggerDict.items() if isinstance(found, logging.Logger)]
    return reply({"ROOT": _level(logging.getLogger()), **{n: _level(logging.getLogger(n)) for n in sorted(names)}})


def _level(logger: logging.Logger) -> str:
    name = logging.getLevelName(logger.getEffectiveLevel()).replace("WARNING", "WARN")
    return str(name) if logger.level else f"{name} (inherited)"


async def change_logger(request: web.Request) -> web.Response:
    body = await object_of(request)
    if problems := list(_CHANGE(body, "")):
        raise Invalid(problems)
    logger = logging.getLogger(None if body["logger"].upper() == "ROOT" else body["logger"])
    before = logger.level
    logger.setLevel(_LEVELS[body["level"]])
    log.info("logger %s: level %s", logger.name, body["level"])
    if body.get("durationSeconds") is not None:
        asyncio.get_running_loop().call_later(body["durationSeconds"], logger.setLevel, before)
    return reply(body)


def add_routes(app: web.Application) -> None:
    app.router.add_get("/ping", ping)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/metrics/prometheus", metrics_prometheus)
    app.router.add_get("/logging", show_loggers)
    app.router.add_post("/logging", change_logger)
