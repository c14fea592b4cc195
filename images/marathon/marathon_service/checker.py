"""Health checks that Marathon does itself: HTTP, HTTPS and TCP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import aiohttp

from .core.model import State
from .core.spec import HealthCheck
from .core.taskinfo import check_target

Report = Callable[[str, int, bool, str | None], None]  # instance id, number of the check, result, cause
_EAGER = 2.0  # seconds between checks until the first success


class Checker:
    """One small task for each check of each running instance.  `report` is called in the event loop."""

    def __init__(self, state: State, report: Report) -> None:
        self._state, self._report = state, report
        self._jobs: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def sync(self) -> None:
        """Start and stop checks so that they fit the instances."""
        wanted: dict[tuple[str, int], HealthCheck] = {}
        for instance in self._state.instances.values():
            if not instance.running or instance.being_killed:
                continue
            spec = self._state.spec_of(instance)
            for n, check in enumerate(spec.health_checks if spec else ()):
                if check.by_marathon:
                    wanted[instance.id, n] = check
        for key in [k for k in self._jobs if k not in wanted]:
            self._jobs.pop(key).cancel()
        for key, check in wanted.items():
            if key not in self._jobs:
                self._jobs[key] = asyncio.create_task(self._run(*key, check))

    async def close(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        self._jobs.clear()
        if self._session:
            await self._session.close()

    async def _run(self, instance_id: str, index: int, check: HealthCheck) -> None:
        loop = asyncio.get_running_loop()
        due, healthy_once = loop.time(), False
        while True:
            ok, cause = await self._check(instance_id, check)
            healthy_once = healthy_once or ok
            self._report(instance_id, index, ok, cause)
            due += check.interval if healthy_once else min(check.interval, _EAGER)
            due = max(due, loop.time())  # a check that took long does not make the next ones hurry
            await asyncio.sleep(due - loop.time())

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
        except (OSError, aiohttp.ClientError, ValueError) as e:
            return False, f"{type(e).__name__}: {e}"

    @staticmethod
    async def _tcp(host: str, port: int) -> tuple[bool, str | None]:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True, None

    async def _http(self, host: str, port: int, check: HealthCheck) -> tuple[bool, str | None]:
        if self._session is None:
            # A check asks whether the task serves, not whether its certificate is in order.
            connector = aiohttp.TCPConnector(ssl=False, limit=256, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        name = f"[{host}]" if ":" in host else host
        path = check.path if check.path.startswith("/") else "/" + check.path
        url = f"{'https' if check.protocol == 'HTTPS' else 'http'}://{name}:{port}{path}"
        async with self._session.get(url, allow_redirects=False) as response:
            if 200 <= response.status < 400:
                return True, None
            return False, f"{response.status} {response.reason or ''}".strip()
