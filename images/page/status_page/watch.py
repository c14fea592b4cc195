"""Asks Graphite and Marathon, and keeps what they said last. Each is asked by itself: the absence of one delays nothing of the other."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import series
from .ask import FAILURES, Graphite, Marathon, words
from .config import Config
from .events import changes, kept, of_marathon
from .now import Known, Source, heard, now
from .pools import apps, pool_names
from .sites import Json

log = logging.getLogger(__name__)
SOON = 1.0  # seconds: events of Marathon that come together are one question
LONGEST_WAIT = 15.0  # seconds between two attempts to hear Marathon's events
KEEP = 10.0  # seconds for which a pool's curves are not asked for again
WATCHED = 30.0  # seconds after a look, for which it counts as going on
FIRST = 3.0  # seconds that the first look after a pause waits for new values at most
DEAD = 200.0  # seconds without a round, after which the server counts as dead


async def _soon(event: asyncio.Event, seconds: float) -> bool:
    """Waits for it, so long at most; whether it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


class Watch:
    """`body` is what browsers are told, with its tag; both change together."""

    def __init__(
        self, config: Config, graphite: Graphite, marathon: Marathon, clock: Callable[[], float] = time.time
    ) -> None:
        self._config, self._graphite, self._marathon, self._clock = config, graphite, marathon, clock
        self._known = Known()
        self._before: Json | None = None
        self._stale, self._wake, self._answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._looked = -math.inf
        self._curves: dict[tuple[str, str], tuple[float, Json]] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[Json]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._round = time.monotonic()
        self.body, self.tag = b"", ""
        self._tell()

    @property
    def alive(self) -> bool:
        return time.monotonic() - self._round < DEAD

    @property
    def watched(self) -> bool:
        """Whether somebody looks. While nobody does, Graphite and Marathon are asked seldom: for the events, and to know that all is well."""
        return time.monotonic() - self._looked < WATCHED

    async def look(self) -> None:
        """Somebody looks. After a pause, new values are waited for."""
        slept, self._looked = not self.watched, time.monotonic()
        if slept and self._tasks:
            self._answered.clear()
            self._wake.set()
            self._stale.set()
            await _soon(self._answered, FIRST)

    def _pause(self) -> float:
        return self._config.interval if self.watched else self._config.idle

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(each()) for each in (self._rounds, self._apps, self._listen)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _tell(self) -> None:
        """Judges what is known, and has browsers told."""
        at = self._clock()
        found = now(self._config, self._known, at)
        if new := list(changes(self._before, found)):
            self._known = replace(self._known, events=kept(self._known.events, new))
            found["events"] = list(self._known.events)
        self._before = found
        self.body = json.dumps(found, separators=(",", ":")).encode()
        self.tag = f'"{hashlib.sha256(self.body).hexdigest()[:20]}"'

    async def ask_graphite(self) -> None:
        try:
            answer = await self._graphite.render(series.targets(self._config.federation), f"-{series.WINDOW}s")
            latest = series.latest(answer, self._clock())
        except FAILURES as error:
            self._failed("graphite", error)
        else:
            self._known = replace(self._known, latest=latest, graphite=self._known.graphite.answered(self._clock()))
            self._known = replace(self._known, machines=heard(self._config, self._known))
        self._tell()

    async def ask_marathon(self) -> None:
        try:
            found = apps(await self._marathon.apps())
        except (*FAILURES, KeyError, TypeError, AttributeError) as error:
            self._failed("marathon", error)
        else:
            self._known = replace(self._known, apps=found, marathon=self._known.marathon.answered(self._clock()))
        self._tell()

    def _failed(self, name: str, error: BaseException) -> None:
        before: Source = getattr(self._known, name)
        after = before.failed(words(error), self._clock())
        if before.state != "away":
            log.warning("%s: %s (%s)", name, after.why, error)
        self._known = replace(self._known, **{name: after})  # type: ignore[arg-type]

    async def _rounds(self) -> None:
        while True:
            self._wake.clear()
            await self.ask_graphite()
            self._answered.set()
            self._round = time.monotonic()
            await _soon(self._wake, self._pause())

    async def _apps(self) -> None:
        """As often as Graphite, and soon after an event."""
        while True:
            await self.ask_marathon()
            if await _soon(self._stale, self._pause()):
                await asyncio.sleep(SOON)
            self._stale.clear()

    async def _listen(self) -> None:
        tries = 0
        while True:
            try:
                async with self._marathon.events() as stream:
                    tries = 0
                    async for kind, data in stream:
                        self.event(kind, data)
            except FAILURES as error:
                log.info("marathon's events: %s", words(error))
            tries += 1
            await asyncio.sleep(min(LONGEST_WAIT, 2.0 ** min(tries, 4)) * random.uniform(0.5, 1.0))

    def event(self, kind: str, data: Any) -> None:
        """One of Marathon's."""
        self._stale.set()
        if found := of_marathon(kind, data, self._clock()):
            self._known = replace(self._known, events=kept(self._known.events, [found]))
            self._tell()

    def has_pool(self, pool: str) -> bool:
        return pool in pool_names(self._known.latest)

    async def curves(self, pool: str, range_: str) -> Json:
        """Of a pool that there is, kept for a while, and asked for once however many want it. Raises one of FAILURES."""
        key = pool, range_
        made, found = self._curves.get(key, (-KEEP, {}))
        if time.monotonic() - made < KEEP:
            return found
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._ask_curves(pool, range_))
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(self._asking[key])

    async def _ask_curves(self, pool: str, range_: str) -> Json:
        since, points = series.RANGES[range_]
        answer = await self._graphite.render(series.curve_targets(self._config.federation, pool), since, points)
        found = {"pool": pool, "range": range_, **series.curves(answer)}
        there = [(name, known) for name, known in self._curves.items() if time.monotonic() - known[0] < KEEP]
        self._curves = {**dict(there), (pool, range_): (time.monotonic(), found)}
        return found
