"""What the handlers share: the leader's parts, parameters, error bodies, authentication."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web
from mesos_client.store import StoreError, TooLarge

from ..bus import Bus
from ..config import Config
from ..core.model import Deployment
from ..core.operations import Conflict, Locked, NotFound
from ..core.spec import Json
from ..core.validation import Invalid
from ..scheduler import Scheduler

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Leadership(Protocol):
    """Who leads: host:port and URL, None while nobody does."""

    @property
    def leader(self) -> str | None: ...

    @property
    def leader_url(self) -> str | None: ...


class Server(Protocol):
    """What the API needs of the running service."""

    config: Config
    bus: Bus
    scheduler: Scheduler | None  # None on an instance that does not lead

    @property
    def election(self) -> Leadership: ...

    def abdicate(self) -> None: ...


SERVER: web.AppKey[Server] = web.AppKey("server")


def server(request: web.Request) -> Server:
    return request.app[SERVER]


def scheduler(request: web.Request) -> Scheduler:
    found = server(request).scheduler
    if found is None:
        raise web.HTTPServiceUnavailable
    return found


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        text=json.dumps(body, separators=(",", ":")),
        status=status,
        headers=headers,
        content_type="application/json",
    )


def error(status: int, message: str, **more: Any) -> web.Response:
    return reply({"message": message, **more}, status)


def deployed(deployment: Deployment, status: int = 200) -> web.Response:
    return reply(
        {"version": deployment.version, "deploymentId": deployment.id},
        status,
        {"Marathon-Deployment-Id": deployment.id},
    )


def flag(request: web.Request, name: str, default: bool = False) -> bool:
    text = request.query.get(name)
    if text is None:
        return default
    if text.lower() not in ("true", "false", ""):
        raise Invalid([(f"?{name}", "must be true or false")], 400)
    return text.lower() != "false"


async def body_of(request: web.Request) -> Any:
    text = await request.read()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise web.HTTPBadRequest(
            text=json.dumps({"message": "Invalid JSON", "details": str(e)}), content_type="application/json"
        ) from None


async def object_of(request: web.Request) -> Json:
    body = await body_of(request)
    if not isinstance(body, dict):
        raise Invalid([("/", "must be an object")])
    return body


def _as_response(e: Exception) -> web.Response:
    match e:
        case Invalid():
            return error(
                e.status,
                "Object is not valid",
                details=[{"path": path, "errors": [message]} for path, message in e.problems],
            )
        case NotFound():
            return error(404, str(e))
        case Locked():
            return error(
                409,
                "App is locked by one or more deployments. Override with the option '?force=true'. "
                "View details at '/v2/deployments/<DEPLOYMENT_ID>'.",
                deployments=[{"id": d.id} for d in e.locks],
            )
        case Conflict():
            return error(409, str(e))
        case TooLarge():
            return error(422, "Object is not valid", details=[{"path": "/", "errors": [f"too large: {e}"]}])
    return error(503, "the state cannot be written now")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (Invalid, NotFound, Locked, Conflict, TooLarge, StoreError) as e:
        return _as_response(e)
    except web.HTTPException as e:
        if e.content_type == "application/json" or e.status < 400:
            raise
        return error(e.status, e.reason)
    except Exception:
        # Nothing that a client sends may end the service; the log says what it was.
        log.exception("%s %s", request.method, request.path)
        return error(500, "internal error")


def authentication(config: Config) -> Any:
    """Basic authentication of everything but /ping, when credentials are configured."""
    known = {u: p.encode() for u, p in config.credentials.items()}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not known or request.path == "/ping" or _allowed(request.headers.get("Authorization", ""), known):
            return await handler(request)
        return web.Response(
            status=401,
            text=json.dumps({"message": "Invalid username or password."}),
            content_type="application/json",
            headers={"WWW-Authenticate": 'Basic realm="Mesosphere"'},
        )

    return check


def _allowed(header: str, known: dict[str, bytes]) -> bool:
    kind, _, text = header.partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return False
    # An unknown user takes the same time as a wrong password.
    right = known.get(user, b"\0")
    return hmac.compare_digest(password.encode(), right) and bool(colon) and user in known
