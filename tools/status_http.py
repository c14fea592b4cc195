"""Questions to one service by HTTPS, each of which costs a few seconds at most, and failures in a few words.

By Python's own client, since to import `requests` takes longer than all answers."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

CONNECT, ANSWER = 2, 4  # seconds
NO_LEADER = (404, 502, 503, 504)  # what Marathon answers without a leader: 404, or as a proxy that finds none


class Failed(Exception):
    """There is no answer, or none that is JSON; the text says why. `status` is HTTP's, 0 if it did not come to that."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Service:
    """One connection, for several questions. `ca` is the CA's certificate, PEM. No proxy stands between the operator and the site."""

    def __init__(self, url: str, user: str, password: str, ca: str) -> None:
        self._url, self._ca = urlsplit(url), ca
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {secret}", "Accept": "application/json"}
        self._connection: http.client.HTTPSConnection | None = None

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection:
            self._connection.close()

    def get(self, path: str) -> Any:
        """What it answers, as JSON. Raises Failed."""
        try:
            connection = self._connected()
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Failed(said(error)) from error
        if answer.status != 200:
            raise Failed(f"HTTP {answer.status}", answer.status)
        try:
            return json.loads(body)
        except ValueError as error:
            raise Failed(f"what it answers is no JSON: {error}"[:160], answer.status) from error

    def _connected(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trusted.load_verify_locations(cadata=self._ca)
            host, port = self._url.hostname or "", self._url.port
            self._connection = http.client.HTTPSConnection(host, port, timeout=CONNECT, context=trusted)
            self._connection.connect()
            self._connection.sock.settimeout(ANSWER)
        return self._connection


def said(error: Exception) -> str:
    """A failure of the connection in a few words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error}"[:160]
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionError | http.client.HTTPException | OSError):
        return "no connection"
    return f"{type(error).__name__}: {error}"[:160]
