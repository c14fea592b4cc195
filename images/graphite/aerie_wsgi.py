"""The WSGI application: graphite-web's render API behind a password.

Debian's own module serves the browser's files too, by whitenoise, of whose version 6 it knows nothing. Here nothing but the API is let
through: no log-in, no dashboards, no administration pages.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "graphite.settings"
os.environ["GRAPHITE_SETTINGS_MODULE"] = "aerie_settings"
CREDENTIALS = Path("/run/graphite/credentials")  # USER:PASSWORD
PATHS = ("/render", "/metrics", "/functions", "/version")

Environ = dict[str, Any]
Start = Callable[..., Any]


def allowed(header: str, credentials: bytes) -> bool:
    """Whether an Authorization header has the credentials (basic authentication)."""
    kind, _, given = header.partition(" ")
    if kind.lower() != "basic" or not credentials:
        return False
    try:
        return hmac.compare_digest(base64.b64decode(given, validate=True), credentials)
    except (binascii.Error, ValueError):
        return False


def is_api(path: str) -> bool:
    """Whether the path is one of the API's."""
    return any(path == known or path.startswith(f"{known}/") for known in PATHS)


def guarded(inner: Callable[[Environ, Start], Iterable[bytes]], credentials: bytes) -> Callable[..., Iterable[bytes]]:
    """`inner` for who knows the password, and for its API only."""

    def application(environ: Environ, start: Start) -> Iterable[bytes]:
        if not allowed(environ.get("HTTP_AUTHORIZATION", ""), credentials):
            start("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="graphite"'), ("Content-Type", "text/plain")])
            return [
                b"log in as the user of `pulumi stack output -s federation passwords --show-secrets`: viewer, graphite\n"
            ]
        if not is_api(environ.get("PATH_INFO", "")):
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"only the render API is here: /render, /metrics/find, /metrics/index.json, /functions\n"]
        return inner(environ, start)

    return application


def make() -> Callable[..., Iterable[bytes]]:
    """What gunicorn serves."""
    from django.core.wsgi import get_wsgi_application

    return guarded(get_wsgi_application(), CREDENTIALS.read_bytes().strip())
