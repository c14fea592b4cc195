"""The agent's v1 executor API, over TLS when the agent's own libprocess speaks TLS."""

import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

from . import recordio
from .settings import Settings

Json = dict[str, Any]

_ANSWER = 10.0  # seconds


class Agent:
    """Calls to the agent and events from it.  Methods raise OSError or http.client.HTTPException."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tls = ssl.create_default_context(cafile=settings.ca_file) if settings.tls else None
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token}"

    def _post(self, body: Json, timeout: float | None) -> http.client.HTTPResponse:
        host, _, port = self._settings.agent.rpartition(":")
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(host, int(port), timeout=timeout, context=self._tls)
        else:
            connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        who: Json = {
            "framework_id": {"value": self._settings.framework_id},
            "executor_id": {"value": self._settings.executor_id},
        }
        try:
            connection.request("POST", self._settings.api, json.dumps({**who, **body}), self._headers)
            return connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def update(self, status: Json) -> None:
        """Send one status update; ConnectionError if the agent does not take it."""
        with self._post({"type": "UPDATE", "update": {"status": status}}, _ANSWER) as response:
            if response.status != 202:
                raise ConnectionError(f"UPDATE got {response.status}: {response.read()[:200].decode(errors='replace')}")

    def events(self, pending: Json) -> Iterator[Json]:
        """SUBSCRIBE, then each event until the agent ends the stream.  No timeout: heartbeats are 30 minutes apart."""
        with self._post({"type": "SUBSCRIBE", "subscribe": pending}, None) as response:
            if response.status != 200:
                text = response.read()[:200].decode(errors="replace")
                raise ConnectionError(f"SUBSCRIBE got {response.status}: {text}")
            yield from recordio.records(response)
