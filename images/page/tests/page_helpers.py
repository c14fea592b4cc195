"""Graphite's answers from values, and what stands in for Graphite and Marathon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from status_page.config import Config

AT = 1764350100.0  # the time of all tests
SITES = ("torino", "cnaf", "bari")


def config(sites: Sequence[str] = SITES, quorum: Sequence[str] = SITES, **more: Any) -> Config:
    places = tuple(f"172.31.{n}.10:8443" for n, _ in enumerate(quorum, 1))
    return Config("aerie", "127.0.0.1", tuple(sites), tuple(quorum), sites[0], "172.31.1.10:8444", places, **more)


def answer(
    points: Mapping[str, Mapping[str, float]], ages: Mapping[str, float] = {}, at: float = AT
) -> list[dict[str, Any]]:
    """As the render API gives it: a point every ten seconds, the last one not there yet."""
    return [
        {
            "target": f"aerie.aerie.{site}.{name}",
            "datapoints": [[value, int(at - ages.get(site, 0) - ago)] for ago in (20, 10)] + [[None, int(at)]],
        }
        for site, values in points.items()
        for name, value in values.items()
    ]


class Graphite:
    """Says what it was told to, or raises it."""

    def __init__(self, says: Any = ()) -> None:
        self.says: Any = says
        self.history: Any = []
        self.asked: list[tuple[list[str], str, int]] = []

    async def render(self, targets: Sequence[str], since: str, points: int = 0, patience: float = 0) -> Any:
        self.asked.append((list(targets), since, points))
        await asyncio.sleep(0)
        if isinstance(self.says, BaseException):
            raise self.says
        return self.history if targets[0].startswith("consolidateBy(") else self.says


class Marathon:
    """The same; its stream ends when it is told None."""

    def __init__(self, says: Any = ()) -> None:
        self.says: Any = says
        self.told: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        self.streams = self.asked = 0

    async def apps(self) -> Any:
        self.asked += 1
        if isinstance(self.says, BaseException):
            raise self.says
        return self.says

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
        self.streams += 1

        async def stream() -> AsyncIterator[tuple[str, Any]]:
            while (found := await self.told.get()) is not None:
                yield found

        yield stream()


DATA = Path(__file__).parent / "data"
PANELS = (DATA / "panels.json").read_text()
