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

from . import replay, series
from .ask import FAILURES, Graphite, Marathon, words
from .config import Config
from .events import changes, kept, of_marathon
from .now import Known, Source, heard, now
from .pools import apps, pool_names
from .series import Latest
from .sites import Json

log = logging.getLogger(__name__)
SOON = 1.0  # seconds: events of Marathon that come together are one question
LONGEST_WAIT = 15.0  # seconds between two attempts to hear Marathon's events
WATCHED = 30.0  # seconds after a look, for which it counts as going on
FIRST = 3.0  # seconds that the first look after a pause waits for new values at most
GAP = 30.0  # seconds between two answers of Graphite, from which on its history is asked for what happened between
DEAD = 60.0  # seconds without a round while somebody looks, after which the server counts as dead


async def _soon(event: asyncio.Event, seconds: float | None) -> bool:
    """Waits for it, so long at most (None: for ever); whether it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


class Watch:
    """`body` is what browsers are told, with its tag; both change together.

    While nobody looks nothing is asked: the first look has the state of then within a moment, and what happened in between comes from
    Graphite's history. Marathon keeps no events, so its stream is listened to all the time."""

    def __init__(
        self, config: Config, graphite: Graphite, marathon: Marathon, clock: Callable[[], float] = time.time
    ) -> None:
        self._config, self._graphite, self._marathon, self._clock = config, graphite, marathon, clock
        self._known = Known()
        self._before: Json | None = None
        self._stale, self._wake = asyncio.Event(), asyncio.Event()
        self._answered, self._apps_told = asyncio.Event(), asyncio.Event()  # since the first look after a pause
        self._looked = -math.inf
        self._told: Json | None = None  # the state of the time until which events are known
        self._until = -math.inf  # that time
        self._tasks: list[asyncio.Task[None]] = []
        self._round = time.monotonic()
        self.body, self.tag = b"", ""
        self._tell()

    @property
    def alive(self) -> bool:
        return not self.watched or time.monotonic() - self._round < DEAD

    @property
    def watched(self) -> bool:
        """Whether somebody looks."""
        return time.monotonic() - self._looked < WATCHED

    @property
    def sites(self) -> tuple[str, ...]:
        return self._config.sites

    @property
    def pools(self) -> set[str]:
        """Those that tell something now."""
        return pool_names(self._known.latest)

    async def look(self) -> None:
        """Somebody looks. After a pause, new values are waited for."""
        slept, self._looked = not self.watched, time.monotonic()
        if slept and self._tasks:
            self._round = self._looked
            self._answered.clear()
            self._apps_told.clear()
            self._wake.set()
            self._stale.set()
            await asyncio.gather(_soon(self._answered, FIRST), _soon(self._apps_told, FIRST))

    def _pause(self) -> float | None:
        return self._config.interval if self.watched else None

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(each()) for each in (self._rounds, self._apps, self._listen)]

    async def broken(self) -> None:
        """Raises what ended one of the loops: each goes on for ever, and without it the page would show old things for good."""
        ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _tell(self, catching_up: bool = False) -> None:
        """Judges what is known, and has browsers told. `catching_up`: what happened to sites, links and alerts comes by itself."""
        at = self._clock()
        found = now(self._config, self._known, at)
        if new := list(changes(self._before, found, sources_only=catching_up)):
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
            self._tell()
            return
        at = self._clock()
        self._known = replace(self._known, latest=latest, graphite=self._known.graphite.answered(at))
        self._known = replace(self._known, machines=heard(self._config, self._known))
        self._tell(catching_up=self.behind)
        if not self.behind:
            self._until, self._told = at, self._before

    @property
    def behind(self) -> bool:
        """Whether events are missing between the last ones and what is known now. Nothing is known before Graphite's first answer."""
        good = self._known.graphite.good
        return good is not None and good - self._until > GAP

    async def catch_up(self) -> None:
        """Asks Graphite's history for the events that are missing. If it does not tell them, what is otherwise now is told as of now."""
        at, found = self._known.graphite.good, self._before
        assert at is not None and found is not None, "nobody is behind before an answer"
        since = max(self._until, at - replay.DAY)
        try:
            states: list[tuple[float, Latest]] = []
            for start, until in replay.spans(since, at):
                answer = await self._graphite.render(
                    replay.targets(self._config.federation), str(int(start)), replay.POINTS, replay.PATIENCE
                )
                states += replay.states(answer, until)
            new = replay.replay(self._config, self._told, self._known, states, found)
        except FAILURES as error:
            log.warning("graphite: events since %d are not known: %s (%s)", since, words(error), error)
            new = list(changes(self._told, found))
        self._known = replace(self._known, events=kept(self._known.events, new))
        self._until, self._told = at, found
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
            if self.watched and self.behind:
                await self.catch_up()
            self._round = time.monotonic()
            await _soon(self._wake, self._pause())

    async def _apps(self) -> None:
        """As often as Graphite, and soon after an event that somebody is to see."""
        while True:
            await self.ask_marathon()
            self._apps_told.set()
            if await _soon(self._stale, self._pause()) and self._apps_told.is_set():  # else somebody waits for it
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
        if self.watched:
            self._stale.set()
        if found := of_marathon(kind, data, self._clock()):
            self._known = replace(self._known, events=kept(self._known.events, [found]))
            self._tell()
