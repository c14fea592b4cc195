"""Health checks that Marathon does itself: HTTP, HTTPS and TCP."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import zlib
from collections.abc import Callable
from urllib.parse import quote

from .core.model import State
from .core.spec import HealthCheck
from .core.taskinfo import check_target

Report = Callable[[str, int, bool, str | None], None]  # instance id, number of the check, result, cause
EAGER = 2.0  # seconds between checks until the first success
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([^\r\n]*))?\r?\n")
_PATH = "/:?#[]@!$&'()*+,;=%~-._"  # what stands for itself in a path with its query


class Nothing(Exception):
    """The answer says nothing of the task's health."""


def first_wait(instance_id: str, index: int, interval: float) -> float:
    """Seconds until the first check. With all of them at once, after a change of leader, each would wait for all others."""
    return _share(instance_id, index) * min(interval, EAGER)


def next_due(due: float, instance_id: str, index: int, interval: float) -> float:
    """When the check after the first success is due, that one having been due at `due`: at this check's own place in the interval, so
    that all checks together are spread over it. Not more than an interval later."""
    place = _share(instance_id, index) * interval
    return due + interval - (due - place) % interval


def _share(instance_id: str, index: int) -> float:
    return (zlib.crc32(f"{instance_id}/{index}".encode()) % 65536) / 65536


class Checker:
    """One small task for each check of each running instance. `report` is called in the event loop."""

    def __init__(self, state: State, report: Report) -> None:
        self._state, self._report = state, report
        self._jobs: dict[str, list[asyncio.Task[None]]] = {}
        self._tls: ssl.SSLContext | None = None

    def sync(self) -> None:
        """Start and stop checks of the instances that have changed since the last call."""
        changed, self._state.stirred = self._state.stirred, {}
        for instance_id in changed:
            instance = self._state.instances.get(instance_id)
            if instance is None or not instance.checkable:
                for job in self._jobs.pop(instance_id, ()):
                    job.cancel()
            elif instance_id not in self._jobs:
                spec = self._state.spec_of(instance)
                jobs = [
                    asyncio.create_task(self._run(instance_id, n, check))
                    for n, check in enumerate(spec.health_checks if spec else ())
                    if check.by_marathon
                ]
                if jobs:
                    self._jobs[instance_id] = jobs

    async def close(self) -> None:
        jobs = [job for jobs in self._jobs.values() for job in jobs]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        self._jobs.clear()

    async def _run(self, instance_id: str, index: int, check: HealthCheck) -> None:
        loop = asyncio.get_running_loop()
        due, spread = loop.time() + first_wait(instance_id, index, check.interval), False
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            ok = False
            with contextlib.suppress(Nothing):
                ok, cause = await self._check(instance_id, check)
                self._report(instance_id, index, ok, cause)
            if spread:
                due += check.interval
            elif ok:
                due, spread = next_due(due, instance_id, index, check.interval), True
            else:
                due += min(check.interval, EAGER)
            due = max(due, loop.time())  # a check that took long does not make the next ones hurry

    async def _check(self, instance_id: str, check: HealthCheck) -> tuple[bool, str | None]:
        instance = self._state.instances.get(instance_id)
        spec = self._state.spec_of(instance) if instance else None
        target = check_target(spec, instance, check) if spec and instance else None
        if target is None:
            return False, "the task has no address or port to check"
        try:
            async with asyncio.timeout(check.timeout):
                return await (self._tcp(*target) if check.protocol == "TCP" else self._http(*target, check))
        except TimeoutError:
            return False, f"no answer from {target[0]}:{target[1]} within {check.timeout:g} s"
        except (OSError, ValueError) as e:
            return False, f"{type(e).__name__}: {e}"

    @staticmethod
    async def _tcp(host: str, port: int) -> tuple[bool, str | None]:
        _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
        return True, None

    async def _http(self, host: str, port: int, check: HealthCheck) -> tuple[bool, str | None]:
        """A GET of which only the first line of the answer is read: no client library is as cheap, and it tells of 1xx too."""
        tls = self._context() if check.protocol == "HTTPS" else None
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
        try:
            name = f"[{host}]" if ":" in host else host
            path = quote(check.path if check.path.startswith("/") else "/" + check.path, safe=_PATH)
            ask = f"GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nUser-Agent: marathon\r\nAccept: */*\r\nConnection: close\r\n\r\n"
            writer.write(ask.encode())
            line = await reader.readline()
        finally:
            writer.transport.abort()
        found = _STATUS.fullmatch(line)
        if found is None:
            return False, "no HTTP answer"
        status = int(found[1])
        if check.ignore_1xx and 100 <= status < 200:
            raise Nothing
        if 200 <= status < 400:
            return True, None
        return False, f"{status} {(found[2] or b'').decode('latin-1')}".strip()

    def _context(self) -> ssl.SSLContext:
        """A check asks whether the task serves, not whether its certificate is in order."""
        if self._tls is None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        return self._tls
