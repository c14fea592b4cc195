"""What the handlers share: the leader's parts, parameters, bodies and error bodies."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web
from mesos_client.store import StoreError, TooLarge

from ..bus import Bus
from ..config import Config
from ..core.model import Deployment
from ..core.operations import Conflict, Locked, NotFound, TooMany
from ..core.spec import Json
from ..core.validation import Invalid
from ..metrics import Metrics
from ..scheduler import Scheduler

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_DEEPEST = 200
_JSON = frozenset({"application/json", "text/json", "application/octet-stream"})  # the last one stands for none given


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
    metrics: Metrics
    scheduler: Scheduler | None  # None on an instance that does not lead
    trouble: str | None  # why an instance that leads has no scheduler

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


def deployed(deployment: Deployment, status: int = 200, location: str | None = None) -> web.Response:
    headers = {"Marathon-Deployment-Id": deployment.id} | ({"Location": location} if location else {})
    return reply({"version": deployment.version, "deploymentId": deployment.id}, status, headers)


def flag(request: web.Request, name: str, default: bool = False) -> bool:
    text = request.query.get(name)
    if text is None:
        return default
    if text.lower() not in ("true", "false", ""):
        raise Invalid([(f"?{name}", "must be true or false")], 400)
    return text.lower() != "false"


def bad_json(details: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(
        text=json.dumps({"message": "Invalid JSON", "details": details}), content_type="application/json"
    )


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


async def body_of(request: web.Request) -> Any:
    """The body as JSON. Whatever passes here can be stored and given out again."""
    if request.content_type not in _JSON:
        raise web.HTTPUnsupportedMediaType
    text = await request.read()
    try:
        body = json.loads(text, parse_constant=_no_constant)
        _storable(body)
    except (ValueError, RecursionError) as e:
        raise bad_json(str(e)) from None
    return body


def _storable(body: Any) -> None:
    """Raises ValueError for what is too deep, and for half of a character (a surrogate that stands alone)."""
    level, depth = [body], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels deep")
        inner: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _text(value)
            elif isinstance(value, dict):
                for key in value:
                    _text(key)
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        level = inner


def _text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"half of a character stands alone in {ascii(value)[:80]}") from None


async def object_of(request: web.Request) -> Json:
    body = await body_of(request)
    if not isinstance(body, dict):
        raise Invalid([("/", "must be an object")])
    return body


def as_response(e: Exception) -> web.Response:
    """The answer for what the operations and the store raise."""
    match e:
        case Invalid():
            return error(e.status, "Object is not valid", details=_details(e))
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
        case TooMany():
            return error(403, str(e))
        case TooLarge():
            return error(422, "Object is not valid", details=[{"path": "/", "errors": [f"too large: {e}"]}])
    return error(503, "the state cannot be written now")


def _details(e: Invalid) -> list[Json]:
    found: dict[str, list[str]] = {}
    for path, message in e.problems[:1000]:
        found.setdefault(path, []).append(message)
    return [{"path": path, "errors": messages} for path, messages in found.items()]


EXPECTED = (Invalid, NotFound, Locked, Conflict, TooMany, TooLarge, StoreError)
