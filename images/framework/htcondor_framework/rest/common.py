"""What the handlers share: the running term, bodies, errors as JSON, authentication."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web
from mesos_client.store import StoreError

from ..config import Config, RestConfig
from ..scheduler import Scheduler

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server(Protocol):
    """What the interface needs of the running service. `scheduler` is None while this instance does not lead; `gone`: the pool was torn down."""

    @property
    def config(self) -> Config: ...

    @property
    def scheduler(self) -> Scheduler | None: ...

    @property
    def gone(self) -> bool: ...


SERVER: web.AppKey[Server] = web.AppKey("server", Server)


class Problem(Exception):
    """Answered as {"message": ..., **more}."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.more = status, message, more


def server(request: web.Request) -> Server:
    return request.app[SERVER]


def scheduler(request: web.Request) -> Scheduler:
    """Of this term. Raises Problem while there is none, or the pool is gone."""
    here = server(request)
    if here.gone:
        raise Problem(409, "the pool was torn down: deploy its framework anew", gone=True)
    if here.scheduler is None:
        raise Problem(503, "this scheduler does not lead (now): ZooKeeper has not elected it")
    return here.scheduler


def reply(body: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(body) + "\n", status=status, content_type="application/json")


async def body_of(request: web.Request) -> Any:
    """The JSON body. Raises Problem."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as e:
        raise Problem(400, f"the body is not JSON: {e}") from None


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as e:
        return reply({"message": e.message, **e.more}, e.status)
    except StoreError:
        return reply({"message": "the state cannot be written now: try again"}, 503)
    except web.HTTPException as e:
        if e.status < 400:
            raise
        message = e.reason if e.status != 405 else f"{request.method} is not possible here"
        response = reply({"message": message}, e.status)
        if "Allow" in e.headers:
            response.headers["Allow"] = e.headers["Allow"]
        return response
    except Exception:
        # Nothing that a client sends may end the service; the log says what it was.
        log.exception("%s %s", request.method, request.path)
        return reply({"message": "internal error"}, 500)


def authentication(config: RestConfig) -> Any:
    """Basic authentication of everything but /ping."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/ping" or allowed(request.headers.get("Authorization", ""), config.user, config.password):
            return await handler(request)
        response = reply({"message": "user and password, please"}, 401)
        response.headers["WWW-Authenticate"] = 'Basic realm="htcondor-framework"'
        return response

    return check


def allowed(header: str, user: str, password: str) -> bool:
    """In a time that does not depend on which of both is wrong."""
    kind, _, text = header.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        given = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(given, f"{user}:{password}".encode())
