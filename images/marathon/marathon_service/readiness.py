"""Readiness checks, by the leader: a task is asked over HTTP until it says for the first time that it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from .core.model import State
from .core.spec import Json, ReadinessCheck
from .core.taskchecks import readiness_target

Report = Callable[[str, ReadinessCheck, bool, Json | None], None]  # instance id, check, its result, the answer
_MOST_BODY = 10_000  # bytes of an answer that are kept


class Readiness:
    """One small task for each running instance that is not ready yet.  `report` is called in the event loop."""

    def __init__(self, state: State, report: Report) -> None:
        self._state, self._report = state, report
        self._jobs: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def sync(self) -> None:
        """Start and stop checks so that they fit the instances."""
        wanted: dict[tuple[str, str], ReadinessCheck] = {}
        with_checks = [a for a, spec in self._state.apps.items() if spec.readiness]
        for instance in (i for a in with_checks for i in self._state.of_app(a)):
            if instance.passed or not instance.running or instance.being_killed:
                continue
            spec = self._state.spec_of(instance)
            for check in spec.readiness if spec else ():
                wanted[instance.id, check.name] = check
        for key in [k for k in self._jobs if k not in wanted]:
            self._jobs.pop(key).cancel()
        for key, check in wanted.items():
            if key not in self._jobs:
                self._jobs[key] = asyncio.create_task(self._run(key[0], check))

    async def close(self) -> None:
        for job in self._jobs.values():
            job.cancel()
        await asyncio.gather(*self._jobs.values(), return_exceptions=True)
        self._jobs.clear()
        if self._session:
            await self._session.close()

    async def _run(self, instance_id: str, check: ReadinessCheck) -> None:
        while True:
            ready, response = await self._ask(instance_id, check)
            self._report(instance_id, check, ready, response)
            if ready:
                return
            await asyncio.sleep(max(0.01, check.interval))

    async def _ask(self, instance_id: str, check: ReadinessCheck) -> tuple[bool, Json | None]:
        instance = self._state.instances.get(instance_id)
        spec = self._state.spec_of(instance) if instance else None
        target = readiness_target(spec, instance, check) if spec and instance else None
        if target is None:
            return False, None
        if self._session is None:
            # It asks whether the task is ready, not whether its certificate is in order.
            connector = aiohttp.TCPConnector(ssl=False, limit=64, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        host, port = target
        name = f"[{host}]" if ":" in host else host
        path = check.path if check.path.startswith("/") else "/" + check.path
        try:
            async with (
                asyncio.timeout(check.timeout),
                self._session.get(f"{check.protocol.lower()}://{name}:{port}{path}", allow_redirects=False) as response,
            ):
                body = (await response.content.read(_MOST_BODY)).decode("utf-8", "replace")
                ready = response.status in check.codes
                return ready, {"status": response.status, "contentType": response.content_type, "body": body}
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError):
            return False, None
