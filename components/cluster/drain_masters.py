"""Mesos' operator API (v1) as a drain needs it, by the standard library alone: one of these starts for each machine of a site."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]
CONNECT, ANSWER = 1.0, 10.0  # seconds


class NoMaster(Exception):
    """No leading master answers."""


class Refused(Exception):
    """Mesos will not do it; the text is its own."""

    def __init__(self, kind: str, status: int, text: str) -> None:
        super().__init__(f"Mesos answered {kind} with {status}: {text[:300]}")
        self.status = status


def reachable(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((address, port), CONNECT):
            return True
    except OSError:
        return False


def answers(address: str, port: int, question: bytes, answer: bytes) -> bool:
    """Whether somebody gives this answer there."""
    try:
        with socket.create_connection((address, port), CONNECT) as there:
            there.sendall(question)
            there.settimeout(CONNECT)
            return there.recv(len(answer)) == answer
    except OSError:
        return False


@dataclass
class Operator:
    """`masters` and `agent` are host:port. `ca` is the CA's certificate, PEM; without one nothing is encrypted (tests)."""

    masters: Sequence[str]
    agent: str
    user: str
    password: str = field(repr=False)
    ca: str = ""
    _leader: str = ""

    def _post(self, there: str, body: Mapping[str, Any]) -> tuple[int, str, str]:
        """Status, where it sends us, and the answer. Raises OSError or HTTPException."""
        host, _, port = there.rpartition(":")
        connection: http.client.HTTPConnection
        if self.ca:
            context = ssl.create_default_context(cadata=self.ca)
            connection = http.client.HTTPSConnection(host, int(port), timeout=CONNECT, context=context)
        else:
            connection = http.client.HTTPConnection(host, int(port), timeout=CONNECT)
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json", "Accept": "application/json"}
        try:
            connection.connect()
            assert connection.sock is not None
            connection.sock.settimeout(ANSWER)
            connection.request("POST", "/api/v1", json.dumps(body), headers)
            said = connection.getresponse()
            return said.status, said.getheader("Location", ""), said.read().decode(errors="replace")
        finally:
            connection.close()

    def _candidates(self) -> list[str]:
        """Where to ask, the last known leader first. Those that nobody can reach would each cost a time-out, so they are not asked."""
        if self._leader:
            return [self._leader, *(m for m in self.masters if m != self._leader)]
        with ThreadPoolExecutor(max_workers=max(1, len(self.masters))) as pool:
            found = pool.map(lambda m: reachable(m.rpartition(":")[0], int(m.rpartition(":")[2])), self.masters)
            return [m for m, there in zip(self.masters, found, strict=True) if there]

    def call(self, kind: str, **body: Any) -> Json:
        """One call, to whichever master leads now. Raises NoMaster or Refused."""
        asked: list[str] = []
        queue = self._candidates()
        while queue:
            master = queue.pop(0)
            asked.append(master)
            try:
                status, location, text = self._post(master, {"type": kind, **body})
            except (OSError, http.client.HTTPException):
                continue
            if status == 307:
                leader = urlsplit(location).netloc
                # One that is no master of ours gets no password.
                if leader in self.masters and asked.count(leader) < 2:
                    queue = [leader, *(m for m in queue if m != leader)]
            elif status < 400:
                self._leader = master
                return dict(json.loads(text)) if text else {}
            elif status < 500 and status != 404:  # a master that has just started knows no such path yet
                self._leader = master
                raise Refused(kind, status, text)
        self._leader = ""
        raise NoMaster

    def agents_own_tasks(self) -> Json | None:
        """GET_TASKS as the machine's own agent answers it; None if it does not."""
        try:
            status, _, text = self._post(self.agent, {"type": "GET_TASKS"})
        except (OSError, http.client.HTTPException):
            return None
        return dict(json.loads(text)).get("get_tasks", {}) if status == 200 else None
