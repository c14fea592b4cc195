"""Curves that browsers want: asked for once however many want them, kept for a while, and never more than a few at a time, so that what
is shown of now does not wait for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable

from . import panels, series
from .ask import Graphite
from .config import Config
from .panels import Choice, Panels
from .sites import Json

KEEP = 10.0  # seconds for which a pool's curves are not asked for again
AT_A_TIME = 2  # questions to Graphite


class Kept:
    """Answers by what they are to. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: dict[Hashable, tuple[float, Json]] = {}  # with the time until which it is good
        self._asking: dict[Hashable, asyncio.Task[Json]] = {}
        self._turns = asyncio.Semaphore(AT_A_TIME)

    async def get(self, key: Hashable, seconds: float, ask: Callable[[], Awaitable[Json]]) -> Json:
        """What is known, or what `ask` brings, then good for so long. Raises what `ask` does."""
        until, found = self._found.get(key, (0.0, {}))
        if self._clock() < until:
            return found
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._ask(key, seconds, ask))
            self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(self._asking[key])

    async def _ask(self, key: Hashable, seconds: float, ask: Callable[[], Awaitable[Json]]) -> Json:
        async with self._turns:
            found = await ask()
        now = self._clock()
        self._found = {k: v for k, v in self._found.items() if v[0] > now} | {key: (now + seconds, found)}
        return found


class Curves:
    """Of pools, and of the dashboards' panels. Raises one of ask.FAILURES."""

    def __init__(self, config: Config, graphite: Graphite, shown: Panels) -> None:
        self._config, self._graphite, self.panels, self._kept = config, graphite, shown, Kept()

    async def of_pool(self, pool: str, range_: str) -> Json:
        """Of a pool that there is."""
        since, points = series.RANGES[range_]

        async def ask() -> Json:
            answer = await self._graphite.render(series.curve_targets(self._config.federation, pool), since, points)
            return {"pool": pool, "range": range_, **series.curves(answer)}

        return await self._kept.get((pool, range_), KEEP, ask)

    async def of_section(self, choice: Choice) -> Json:
        """Of a choice that is not wrong."""
        since, points, keep = panels.RANGES[choice.range]

        async def ask() -> Json:
            answer = await self._graphite.render(self.panels.targets(choice), since, points, patience=panels.PATIENCE)
            return self.panels.answer(choice, answer)

        return await self._kept.get(choice, keep, ask)
