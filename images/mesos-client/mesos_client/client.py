"""The connection of one framework to the leading master: subscription, heartbeats, re-subscription, calls."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence

import aiohttp

from . import calls
from .backoff import Backoff
from .calls import Framework
from .detector import Detector
from .events import Connected, Disconnected, Error, Event, Subscribed, parse_event
from .messages import Json, TaskStatus
from .pipeline import Pipeline, PipelineError
from .recordio import Decoder, RecordError

log = logging.getLogger(__name__)
_PATH = "/api/v1/scheduler"
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


class NotConnected(ConnectionError):
    """There is no subscribed stream now; the call was not sent, or it may not have arrived."""


class CallRefused(RuntimeError):
    """The master answered the call with an error.  `status` is the HTTP status."""

    def __init__(self, kind: str, status: int, body: str) -> None:
        super().__init__(f"{kind}: the master answered {status}: {body[:300]}")
        self.status = status


class SchedulerClient:
    """Keeps one framework subscribed until `run` is cancelled, and gives every event to `handler` in order.

    `handler` is called in the event loop and must not block.  Calls are sent in the order in which they are made
    (acknowledgements beside them), since a KILL that overtakes its LAUNCH would be lost.
    A stream without any event for `missed` heartbeats is given up, and so is that of a call which got no answer: what came
    of the call is not known, and only the next subscription, with its reconciliation, tells.
    """

    def __init__(
        self,
        detector: Detector,
        framework: Framework,
        handler: Callable[[Event], None],
        *,
        framework_id: str | None = None,
        auth: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        backoff: Backoff | None = None,
        missed: int = 5,
        default_heartbeat: float = 15.0,
        call_timeout: float = 15.0,
        suppressed_roles: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.framework = framework
        self.framework_id = framework_id
        self.master: str | None = None
        self._detector, self._handler, self._tls = detector, handler, tls
        self._headers = dict(_HEADERS)
        if auth:
            self._headers["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        self._backoff = backoff or Backoff()
        self._missed, self._heartbeat = missed, default_heartbeat
        self._call_timeout = call_timeout
        self._suppressed = suppressed_roles
        self._stream_id: str | None = None
        self._subscription: aiohttp.ClientResponse | None = None
        self._session: aiohttp.ClientSession | None = None
        self._pipelines: dict[bool, Pipeline] = {}  # for ordered calls, and for those beside them
        self._order = asyncio.Lock()
        self._beside = asyncio.Semaphore(8)

    @property
    def connected(self) -> bool:
        return self._stream_id is not None

    async def run(self) -> None:
        """Subscribe, and again whenever the stream ends.  Ends only by cancellation."""
        await self._detector.start()
        hint: str | None = None
        try:
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=16, ssl=self._tls or True)
            ) as session:
                self._session = session
                while True:
                    hint = await self._attempt(session, hint)
        finally:
            self._session = None
            self._stream_id = None
            for pipeline in self._pipelines.values():
                pipeline.close()
            await self._detector.stop()

    async def _attempt(self, session: aiohttp.ClientSession, hint: str | None) -> str | None:
        """One subscription, from the search for the master to the end of the stream; the redirect if there was one."""
        redirected, master = hint is not None, hint or await self._detector.leader()
        reason, hint = "the stream ended", None
        try:
            hint = await self._stream(session, master)
            if hint:
                reason = f"redirected to {hint}"
        except (
            aiohttp.ClientError,
            TimeoutError,
            OSError,
            RecordError,
            ValueError,
            KeyError,
            TypeError,
        ) as e:
            reason = f"{type(e).__name__}: {e}"
        was, self._stream_id, self.master, self._subscription = self.connected, None, None, None
        if was:
            log.warning("disconnected from the master %s: %s", master, reason)
            self._handler(Disconnected(reason))
        else:
            log.info("no subscription at %s: %s", master, reason)
        if hint and hint != master and not redirected:
            return hint
        # Also for a master that redirects to itself, as one does that is about to lead, or for two to each other.
        await asyncio.sleep(self._backoff.next())
        return None

    def _url(self, master: str) -> str:
        return f"{'https' if self._tls else 'http'}://{master}{_PATH}"

    async def _stream(self, session: aiohttp.ClientSession, master: str) -> str | None:
        suppressed = [r for r in self._suppressed() if r in self.framework.roles]
        body = calls.subscribe(self.framework, self.framework_id, suppressed)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=self._heartbeat * self._missed)
        async with session.post(
            self._url(master), json=body, headers=self._headers, timeout=timeout, allow_redirects=False
        ) as response:
            if response.status in (307, 308):
                return redirect_target(response.headers.get("Location", ""))
            if response.status != 200:
                raise CallError(f"SUBSCRIBE: {response.status}: {(await response.text())[:300]}")
            self._stream_id = response.headers.get("Mesos-Stream-Id", "")
            self.master, self._subscription = master, response
            self._handler(Connected(master))
            decoder = Decoder()
            content = response.content
            while True:
                # Heartbeats are the proof of life: a half-open connection gives neither data nor an error.
                async with asyncio.timeout(self._heartbeat * self._missed):
                    chunk = await content.readany()
                if not chunk:
                    return None
                for record in decoder.feed(chunk):
                    self._dispatch(json.loads(record))

    def _dispatch(self, raw: Json) -> None:
        event = parse_event(raw)
        if isinstance(event, Subscribed):
            self.framework_id = event.framework_id
            self._heartbeat = event.heartbeat_seconds or self._heartbeat
            self._backoff.reset()
        self._handler(event)
        if isinstance(event, Error):
            # After an ERROR the master closes the stream; the framework may also be removed for good.
            raise CallError(f"the master says: {event.message}")

    async def call(self, body: Json, *, ordered: bool = True) -> None:
        """Send one call.  Raises NotConnected, after which there is a new subscription, or CallRefused."""
        async with self._order if ordered else self._beside:
            session, stream, master = self._session, self._stream_id, self.master
            if session is None or stream is None or master is None or self.framework_id is None:
                raise NotConnected(f"{body['type']}: not subscribed")
            headers = {**self._headers, "Mesos-Stream-Id": stream}
            full = {"framework_id": {"value": self.framework_id}, **body}
            try:
                async with session.post(
                    self._url(master),
                    json=full,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=self._call_timeout),
                ) as response:
                    if response.status == 307:
                        raise NotConnected(f"{body['type']}: {master} does not lead any more")
                    if response.status != 202:
                        raise CallRefused(body["type"], response.status, await response.text())
            except (aiohttp.ClientError, TimeoutError, OSError) as e:
                if self._subscription is not None and self._stream_id == stream:
                    log.warning("%s got no answer from %s (%s): subscribing again", body["type"], master, e)
                    self._subscription.close()
                if isinstance(e, NotConnected):
                    raise
                raise NotConnected(f"{body['type']}: {type(e).__name__}: {e}") from None

    async def call_all(self, bodies: Sequence[Json], *, ordered: bool = True) -> list[CallRefused | None]:
        """Send many calls in order, without waiting for each answer; what the master said against each.  Raises NotConnected: some may
        have arrived."""
        if not bodies:
            return []
        async with self._order if ordered else self._beside:
            stream, master = self._stream_id, self.master
            if stream is None or master is None or self.framework_id is None:
                raise NotConnected(f"{bodies[0]['type']}: not subscribed")
            pipeline = self._pipelines.get(ordered)
            if pipeline is None or pipeline.address != master:
                if pipeline is not None:
                    pipeline.close()
                pipeline = self._pipelines[ordered] = Pipeline(master, _PATH, self._tls, self._call_timeout)
            framework = {"framework_id": {"value": self.framework_id}}
            texts = [json.dumps({**framework, **b}, separators=(",", ":")).encode() for b in bodies]
            try:
                answers = await pipeline.post({**self._headers, "Mesos-Stream-Id": stream}, texts)
            except PipelineError as e:
                if self._subscription is not None and self._stream_id == stream:
                    log.warning("%s got no answer (%s): subscribing again", bodies[0]["type"], e)
                    self._subscription.close()
                raise NotConnected(f"{bodies[0]['type']}: {e}") from None
        if any(status == 307 for status, _ in answers):
            raise NotConnected(f"{bodies[0]['type']}: {master} does not lead any more")
        return [
            None if status == 202 else CallRefused(body["type"], status, text)
            for body, (status, text) in zip(bodies, answers, strict=True)
        ]

    async def acknowledge_all(self, statuses: Iterable[TaskStatus]) -> list[CallRefused | None]:
        """`acknowledge` for many."""
        bodies = [calls.acknowledge(s.agent_id, s.task_id, s.uuid) for s in statuses if s.uuid and s.agent_id]
        return await self.call_all(bodies, ordered=False)

    async def accept(
        self, offer_ids: Iterable[str], task_infos: Sequence[Json], refuse_seconds: float | None = None
    ) -> None:
        await self.call(calls.accept(offer_ids, [calls.launch(task_infos)] if task_infos else [], refuse_seconds))

    async def decline(self, offer_ids: Iterable[str], refuse_seconds: float | None = None) -> None:
        await self.call(calls.decline(offer_ids, refuse_seconds))

    async def accept_inverse(self, inverse_offer_ids: Iterable[str], refuse_seconds: float | None = None) -> None:
        """Agree that an agent goes into maintenance."""
        await self.call(calls.accept_inverse(inverse_offer_ids, refuse_seconds))

    async def decline_inverse(self, inverse_offer_ids: Iterable[str], refuse_seconds: float | None = None) -> None:
        """Not yet: something of ours is still there."""
        await self.call(calls.decline_inverse(inverse_offer_ids, refuse_seconds))

    async def revive(self, roles: Sequence[str] = ()) -> None:
        await self.call(calls.revive(roles))

    async def suppress(self, roles: Sequence[str] = ()) -> None:
        await self.call(calls.suppress(roles))

    async def kill(self, task_id: str, agent_id: str | None = None, grace_seconds: float | None = None) -> None:
        await self.call(calls.kill(task_id, agent_id, grace_seconds))

    async def acknowledge(self, status: TaskStatus) -> None:
        """Acknowledge an update; nothing is sent for one that Mesos does not wait for."""
        if status.uuid and status.agent_id:
            await self.call(calls.acknowledge(status.agent_id, status.task_id, status.uuid), ordered=False)

    async def reconcile(self, tasks: Iterable[tuple[str, str | None]] = ()) -> None:
        """Explicit for the given (task id, agent id), implicit (all that Mesos knows) for none."""
        await self.call(calls.reconcile(tasks))

    async def reconcile_all(self, tasks: Sequence[tuple[str, str | None]], batch: int = 500) -> None:
        """Explicit for `tasks` in batches, so that the forgotten are found, then implicit, so that strangers are."""
        for start in range(0, len(tasks), batch):
            await self.reconcile(tasks[start : start + batch])
        await self.reconcile()

    async def update_framework(self, framework: Framework) -> None:
        """Change the framework's roles or other properties while subscribed."""
        self.framework = framework
        with contextlib.suppress(NotConnected):  # the next SUBSCRIBE carries it
            await self.call(calls.update_framework(framework, self.framework_id, list(self._suppressed())))


class CallError(ValueError):
    """The subscription was refused or ended by the master."""


def redirect_target(location: str) -> str:
    """`host:port` of a Location header: //host:port/path, or with a scheme.  Raises ValueError."""
    rest = location.split("//", 1)[1] if "//" in location else ""
    host = rest.split("/", 1)[0]
    if not host:
        raise ValueError(f"a redirect without a target: {location!r}")
    return host
