"""The server: the page's files, what it shows as JSON, and who may look."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from .ask import FAILURES, words
from .config import USER, Config
from .curves import Curves
from .panels import Choice
from .series import RANGES
from .watch import Watch

FOLDER = Path(__file__).parent / "web"
# Of Marathon's page, which lies beside ours in the checkout; in the image the files that both have are in FOLDER.
SHARED = Path(__file__).parents[2] / "marathon" / "marathon_service" / "web"
SHARED_FILES = ("vdom.js", "boot.js", "base.css")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing but these files and the JSON beside them; the page makes no HTML out of text, and could not.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}
# The page is asked about each time; it names its files with a digest of them all, under which they never change.
_ASK, _KEEP = "no-cache", "private, max-age=31536000, immutable"
_COMPRESSED_FROM = 1024  # bytes
WATCH: web.AppKey[Watch] = web.AppKey("watch")
CURVES: web.AppKey[Curves] = web.AppKey("curves")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class File:
    body: bytes
    kind: str
    etag: str


def read(folder: Path = FOLDER, shared: Path = SHARED) -> dict[str, File]:
    """The page's files by name, and by digest/name."""
    paths = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
    paths = {**{name: shared / name for name in SHARED_FILES}, **paths}
    found = {name: _file(path.read_bytes(), _TYPES[path.suffix]) for name, path in sorted(paths.items())}
    digest = hashlib.sha256("".join(f.etag for f in found.values()).encode()).hexdigest()[:16]
    named = re.sub(rb'\b(src|href)="(?=[\w.]+")', rb'\1="%b/' % digest.encode(), found["index.html"].body)
    kept = {f"{digest}/{name}": file for name, file in found.items() if name != "index.html"}
    return {**found, **kept, "index.html": _file(named, _TYPES[".html"])}


def _file(body: bytes, kind: str) -> File:
    return File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def allowed(header: str, credentials: bytes) -> bool:
    """Whether an Authorization header has the credentials, USER:PASSWORD. Takes as long for a wrong one."""
    kind, _, given = header.partition(" ")
    if kind.lower() != "basic" or not credentials:
        return False
    try:
        return hmac.compare_digest(base64.b64decode(given.strip(), validate=True), credentials)
    except (binascii.Error, ValueError):
        return False


def _said(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"message": text}, status=status, headers=headers)


def guard(credentials: bytes) -> Any:
    """Middleware: everything but /health for who knows the password only, and every answer with its headers."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer: web.StreamResponse
        if request.path != "/health" and not allowed(request.headers.get("Authorization", ""), credentials):
            challenge = {"WWW-Authenticate": 'Basic realm="aerie", charset="UTF-8"'}
            what = "log in as admin, with the password marathon-admin of `pulumi stack output -s federation passwords --show-secrets`"
            answer = _said(401, what, challenge)
        else:
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                more = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
                answer = _said(error.status, f"{request.path}: {error.reason}", more)
        answer.headers.update(HEADERS)
        answer.headers.setdefault("Cache-Control", "no-store")
        if isinstance(answer, web.Response) and len(answer.body or b"") >= _COMPRESSED_FROM:  # type: ignore[arg-type]
            answer.enable_compression()
        return answer

    return check


def _known(request: web.Request, etag: str) -> bool:
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    return etag in asked or "*" in asked


def _unless_known(request: web.Request, etag: str, keep: str, body: bytes, kind: str) -> web.Response:
    headers = {"ETag": etag, "Cache-Control": keep}
    if _known(request, etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={**headers, "Content-Type": kind})


async def health(request: web.Request) -> web.Response:
    return web.Response(text="ok\n") if request.app[WATCH].alive else web.Response(status=503, text="stuck\n")


async def now(request: web.Request) -> web.Response:
    watch = request.app[WATCH]
    await watch.look()
    return _unless_known(request, watch.tag, _ASK, watch.body, "application/json")


async def pool(request: web.Request) -> web.Response:
    watch, name, range_ = request.app[WATCH], request.match_info["name"], request.query.get("range", "hour")
    if range_ not in RANGES:
        return _said(400, f"range is {range_[:20]!r}; write one of {', '.join(RANGES)}")
    if name not in watch.pools:
        return _said(404, f"there is no pool {name[:60]!r} now")
    try:
        return web.json_response(await request.app[CURVES].of_pool(name, range_))
    except FAILURES as error:
        return _said(502, f"Graphite: {words(error)}")


def panels(shown: Curves) -> Handler:
    body = json.dumps(shown.panels.shown, separators=(",", ":")).encode()
    file = _file(body, "application/json")

    async def serve(request: web.Request) -> web.StreamResponse:
        return _unless_known(request, file.etag, _ASK, file.body, file.kind)

    return serve


async def section(request: web.Request) -> web.Response:
    watch, curves, query = request.app[WATCH], request.app[CURVES], request.query
    number = request.match_info["section"]
    choice = Choice(
        request.match_info["board"],
        int(number) if number.isascii() and number.isdigit() and len(number) < 4 else -1,
        query.get("range", "1h"),
        query.get("site", ""),
        query.get("pool", ""),
    )
    if wrong := curves.panels.wrong(choice, watch.sites, watch.pools):
        return _said(400, wrong)
    try:
        return web.json_response(await curves.of_section(choice), dumps=_short)
    except FAILURES as error:
        return _said(502, f"Graphite: {words(error)}")


def _short(found: Any) -> str:
    return json.dumps(found, separators=(",", ":"))


def files() -> Handler:
    found = read()

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.path.removeprefix("/") or "index.html"
        if (file := found.get(name)) is None:
            raise web.HTTPNotFound(reason="there is no such file")
        return _unless_known(request, file.etag, _KEEP if "/" in name else _ASK, file.body, file.kind)

    return serve


def application(watch: Watch, curves: Curves, password: str) -> web.Application:
    """`password` is that of USER."""
    app = web.Application(middlewares=[guard(f"{USER}:{password}".encode())], client_max_size=1024)
    app[WATCH], app[CURVES] = watch, curves
    app.router.add_get("/health", health)
    app.router.add_get("/api/now", now)
    app.router.add_get("/api/pool/{name}", pool)
    app.router.add_get("/api/panels", panels(curves))
    app.router.add_get("/api/panels/{board}/{section}", section)
    app.router.add_get("/{path:.*}", files())
    return app


def tls(config: Config) -> ssl.SSLContext:
    """The machine's certificate. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.files / "server.crt", config.files / "server.key")
    return context
