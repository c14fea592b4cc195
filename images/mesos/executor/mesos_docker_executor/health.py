"""Health checks: what one result means (pure), and how each kind of check is made."""

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Exec = Callable[[list[str], float | None], int]  # argv, timeout in seconds -> exit status


FIRST_CHECKS = 2.0  # seconds between checks until the first success


@dataclass(frozen=True)
class Verdict:
    """What to do after a check: report a health, kill the task."""

    report: bool | None = None
    kill: bool = False


@dataclass
class Tracker:
    """Turns the results of checks into reports, as Mesos' own executors do.

    A failure before the first success within the grace period counts for nothing.  Every failure is
    reported, a success only when it is news.
    """

    grace: float = 10.0  # seconds
    tolerated: int = 3  # consecutive failures that kill; 0: none do
    failures: int = field(default=0, init=False)
    last: bool | None = field(default=None, init=False)

    def result(self, healthy: bool, age: float) -> Verdict:
        """`age`: seconds since the task started."""
        if not healthy and self.last is None and age < self.grace:
            return Verdict()
        self.failures = 0 if healthy else self.failures + 1
        news = healthy != self.last or not healthy
        self.last = healthy
        return Verdict(healthy if news else None, 0 < self.tolerated <= self.failures)

    def pause(self, interval: float) -> float:
        """Seconds until the next check: soon until the first success, so that a task that starts fast is healthy fast."""
        return min(interval, FIRST_CHECKS) if self.last is None else interval


def command(check: Json) -> list[str]:
    """The argv of a COMMAND check."""
    wanted = check["command"]
    if wanted.get("shell", True):
        return ["/bin/sh", "-c", wanted["value"]]
    arguments: list[str] = list(wanted.get("arguments") or [])
    return arguments or [wanted["value"]]


def probe(check: Json, address: str, execute: Exec) -> bool:
    """Make one check against the task at `address`; never raises for an unhealthy task."""
    timeout: float | None = check.get("timeout_seconds", 20) or None
    try:
        if check["type"] == "COMMAND":
            return execute(command(check), timeout) == 0
        if check["type"] == "TCP":
            socket.create_connection((address, check["tcp"]["port"]), timeout).close()
            return True
        return 200 <= _http_status(check["http"], address, timeout) < 400
    except (OSError, http.client.HTTPException):
        return False


def _http_status(wanted: Json, address: str, timeout: float | None) -> int:
    """Like curl -k, which Mesos uses: the certificate of a task is not looked at, redirections not followed."""
    connection: http.client.HTTPConnection
    if wanted.get("scheme", "http").lower() == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, wanted["port"], timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(address, wanted["port"], timeout=timeout)
    try:
        connection.request("GET", wanted.get("path", "/"))
        return connection.getresponse().status
    finally:
        connection.close()
