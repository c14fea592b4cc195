"""The web page at /ui/: the static files of the package's folder `web`, and what must hold once browsers send requests.

Every instance serves the page itself, whoever leads: without a leader it can still say that there is none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ..config import Config
from .common import Handler, error

FOLDER = Path(__file__).parents[1] / "web"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing but these files, and the API beside them; the page makes no HTML out of text, and could not.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# The page itself is asked about each time; it names its files with a digest of them all, under which they never change.
# So a new version of the service never meets half of an old page, and only the first visit has to wait for many files.
_ASK, _KEEP = "no-cache", "private, max-age=31536000, immutable"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_VIA = "X-Marathon-Via"


@dataclass(frozen=True)
class File:
    body: bytes
    kind: str
    etag: str


def read(folder: Path = FOLDER) -> dict[str, File]:
    """The page's files by name, and by digest/name; those of other types (none is wanted) are left out."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            found[path.name] = _file(body, _TYPES[path.suffix])
    digest = hashlib.sha256("".join(f.etag for f in found.values()).encode()).hexdigest()[:16]
    named = re.sub(rb'\b(src|href)="(?=[\w.]+")', rb'\1="%b/' % digest.encode(), found["index.html"].body)
    kept = {f"{digest}/{name}": file for name, file in found.items() if name != "index.html"}
    return {**found, **kept, "index.html": _file(named, _TYPES[".html"])}


def _file(body: bytes, kind: str) -> File:
    return File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def _known(request: web.Request, file: File) -> bool:
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
    return file.etag in asked or "*" in asked


def _answer(request: web.Request, files: dict[str, File]) -> web.Response:
    if request.method not in ("GET", "HEAD"):
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])
    if request.path in ("/", "/ui"):
        # Relative, so that it also holds behind a proxy that puts a path in front.
        return web.Response(status=302, headers={"Location": "ui/", "Cache-Control": _ASK})
    name = request.path.removeprefix("/ui/") or "index.html"
    file = files.get(name)
    if file is None:
        return error(404, f"The page has no file {request.path}")
    headers = {**_HEADERS, "ETag": file.etag, "Cache-Control": _KEEP if "/" in name else _ASK}
    if _known(request, file):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, headers={**headers, "Content-Type": file.kind})


def _from_elsewhere(request: web.Request, allowed: Collection[str] = ()) -> bool:
    """Whether another site's page makes a browser, with the login that it remembers, change something here.
    Programs send neither header.  What another instance gives on, it has judged itself; the host is its own there."""
    if request.method in _SAFE or _VIA in request.headers:
        return False
    if "*" in allowed or request.headers.get("Origin") in allowed:
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()


def named_origins(config: Config) -> list[str]:
    """Whose pages may change something here, of MARATHON_ACCESS_CONTROL_ALLOW_ORIGIN. `*` lets every page read, but none use the
    login that a browser remembers."""
    return [origin for origin in config.allow_origin if origin != "*" or not config.credentials]


def pages(allowed: Collection[str] = ()) -> Any:
    """Middleware, to stand behind authentication and before requests are given on to the leader."""
    files = read()

    @web.middleware
    async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in ("/", "/ui") or request.path.startswith("/ui/"):
            return _answer(request, files)
        if _from_elsewhere(request, allowed):
            return error(403, "This request comes from another site's page; open this service's own page instead.")
        return await handler(request)

    return serve
