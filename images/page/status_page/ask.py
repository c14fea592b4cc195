"""Graphite and Marathon over HTTPS: the questions as they go out, without a judgement of the answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from .config import USER, VIEWER, Config
from .events import Parser

TIME = aiohttp.ClientTimeout(total=9, sock_connect=4)
SILENCE = 45.0  # seconds: Marathon's stream says something every 15
MOST = 32_000_000  # bytes of one answer
FAILURES = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError)


def words(error: BaseException) -> str:
    """Why somebody did not answer, in a few words without an address."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"it refuses: HTTP {error.status}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "its certificate is not the federation's"
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return "no connection"
    return "an answer that cannot be read"


def trust(config: Config) -> ssl.SSLContext:
    """The federation's CA and no other. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(config.files / "ca.crt")
    return context


async def _json(answer: aiohttp.ClientResponse) -> Any:
    answer.raise_for_status()
    if (answer.content_length or 0) > MOST:
        raise ValueError("the answer is too long")
    return await answer.json(content_type=None)


class Graphite:
    """Raises one of FAILURES."""

    def __init__(self, config: Config, session: aiohttp.ClientSession, context: ssl.SSLContext) -> None:
        self._url = f"https://{config.graphite}/render"
        self._session, self._context = session, context
        self._auth = aiohttp.BasicAuth(VIEWER, config.secret("viewer"))

    async def render(self, targets: Sequence[str], since: str, points: int = 0, patience: float = 0) -> Any:
        """The render API's JSON; at most so many points of each series if `points` is given. `patience` in seconds, TIME's if 0."""
        form = [("target", target) for target in targets] + [("from", since), ("format", "json")]
        if points:
            form.append(("maxDataPoints", str(points)))
        limits = aiohttp.ClientTimeout(total=patience, sock_connect=4) if patience else TIME
        async with self._session.post(
            self._url, data=form, auth=self._auth, ssl=self._context, timeout=limits
        ) as answer:
            found = await _json(answer)
        if not isinstance(found, list):
            raise ValueError("Graphite's answer is no list")
        return found


class Marathon:
    """Any of the instances; the one that answered last is asked first. Raises one of FAILURES."""

    def __init__(self, config: Config, session: aiohttp.ClientSession, context: ssl.SSLContext) -> None:
        self._urls = [f"https://{place}" for place in config.marathons]
        self._session, self._context = session, context
        self._auth = aiohttp.BasicAuth(USER, config.secret("admin"))

    async def apps(self) -> Any:
        trouble: BaseException | None = None  # of the one that answered last: what it says now is worth the most
        for url in list(self._urls):
            try:
                path = f"{url}/v2/apps?embed=apps.counts&embed=apps.deployments"
                async with self._session.get(path, auth=self._auth, ssl=self._context, timeout=TIME) as answer:
                    found = (await _json(answer))["apps"]
            except (KeyError, TypeError) as error:
                trouble = trouble or ValueError(str(error))
            except FAILURES as error:
                trouble = trouble or error
            else:
                self._prefer(url)
                return found
        raise trouble or OSError("there is no Marathon")

    def _prefer(self, url: str) -> None:
        if self._urls[0] != url:
            self._urls.remove(url)
            self._urls.insert(0, url)

    @asynccontextmanager
    async def events(self) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
        """The stream of events, from the instance that answered last."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=4, sock_read=SILENCE)
        headers = {"Accept": "text/event-stream"}
        url = f"{self._urls[0]}/v2/events"
        async with self._session.get(
            url, auth=self._auth, ssl=self._context, timeout=limits, headers=headers
        ) as answer:
            answer.raise_for_status()
            yield _parsed(answer)


async def _parsed(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    parser = Parser()
    async for piece in answer.content.iter_any():
        for found in parser.feed(piece.decode("utf-8", "replace")):
            yield found
