"""What is done with every request, whatever it asks for: errors, authentication, origins, compression, counting."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import time
from typing import Any

from aiohttp import web

from ..config import Config
from ..core.operations import TooMany
from .common import EXPECTED, Handler, as_response, error, server

log = logging.getLogger(__name__)
_COMPRESSED_FROM = 1024  # bytes
_NO_CACHE = "no-cache, no-store, must-revalidate"


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except EXPECTED as e:
        if isinstance(e, TooMany):
            server(request).metrics.count("deployments.dismissed")
        return as_response(e)
    except web.HTTPException as e:
        if e.content_type == "application/json" or e.status < 400:
            raise
        answer = error(e.status, e.reason)
        if "Allow" in e.headers:
            answer.headers["Allow"] = e.headers["Allow"]
        return answer
    except UnicodeError:
        return error(400, "the path or a parameter is no text")
    except Exception:
        # Nothing that a client sends may end the service; the log says what it was.
        log.exception("%s %s", request.method, request.path)
        return error(500, "internal error")


def counting(most: int | None) -> Any:
    """Counts requests; more than `most` at once are turned away."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        here = server(request)
        if most is not None and here.metrics.active_requests >= most and request.path != "/ping":
            return error(503, "Service Temporarily Unavailable: too many requests at once")
        here.metrics.active_requests += 1
        began, status, response = time.monotonic(), 500, None
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as e:
            status = e.status
            raise
        finally:
            here.metrics.active_requests -= 1
            seconds = time.monotonic() - began
            if here.config.tracing:
                log.info("%s %s %s %d %.3f s", request.remote, request.method, request.path_qs, status, seconds)
            if request.path != "/v2/events":
                written = (
                    len(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else 0
                )
                read = request.content_length or 0
                here.metrics.request(request.method, status, seconds, read, written, time.time())

    return count


def shaping(config: Config) -> Any:
    """Headers of every answer: which origins a browser may ask from, what is not to be kept, and compression."""
    origins = set(config.allow_origin)

    @web.middleware
    async def shape(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        allowed = {"*"} & origins or ({origin} & origins)
        if request.method == "OPTIONS" and allowed and "Access-Control-Request-Method" in request.headers:
            response: web.StreamResponse = web.Response(status=200)
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS"
            asked = request.headers.get("Access-Control-Request-Headers", "")
            response.headers["Access-Control-Allow-Headers"] = asked or "Accept, Authorization, Content-Type"
            response.headers["Access-Control-Max-Age"] = "86400"
        else:
            response = await handler(request)
        if response.prepared:
            return response
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = allowed.pop()
        response.headers.setdefault("Cache-Control", _NO_CACHE)
        body = response.body if config.http_compression and isinstance(response, web.Response) else None
        if isinstance(body, bytes) and len(body) >= _COMPRESSED_FROM:
            response.enable_compression()
        return response

    return shape


def authentication(config: Config) -> Any:
    """Basic authentication of everything but /ping, when credentials are configured."""
    known = {u: p.encode() for u, p in config.credentials.items()}
    realm = config.http_realm.replace('"', "'")

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not known or request.path == "/ping" or _allowed(request.headers.get("Authorization", ""), known):
            return await handler(request)
        return web.Response(
            status=401,
            text=json.dumps({"message": "Invalid username or password."}),
            content_type="application/json",
            headers={"WWW-Authenticate": f'Basic realm="{realm}"'},
        )

    return check


def _allowed(header: str, known: dict[str, bytes]) -> bool:
    kind, _, text = header.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False
    # An unknown user takes the same time as a wrong password.
    right = known.get(user, b"\0")
    return hmac.compare_digest(password.encode(), right) and bool(colon) and user in known
