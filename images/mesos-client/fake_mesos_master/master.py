"""The fake master: agents with resources, offers, launches, status updates, filters, failover, heartbeats.

It keeps to what frameworks can see of a real one: inverse offers of agents in maintenance, offers only to subscribed
frameworks that are not suppressed, DECLINE filters until they expire or REVIVE, updates sent again until acknowledged, TASK_ERROR for a launch over its offer, a
second SUBSCRIBE with the same id takes the stream over, RECONCILE explicit and implicit, silence about agents that a new
master has not heard of, frameworks that are completed.  Every call is kept in `calls`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterable

from aiohttp import web

from .cluster import FakeAgent, FakeTask, Json, domain, offer_json
from .tasks import FakeTasks


class FakeMaster(FakeTasks):
    """`auto_run`: launched tasks become TASK_RUNNING by themselves.  Times in seconds."""

    def __init__(
        self,
        agents: list[FakeAgent],
        *,
        heartbeat: float = 15.0,
        auto_run: bool = True,
        auto_kill: bool = True,
        credentials: tuple[str, str] | None = None,
        allocation: float = 0.05,
        address_of: Callable[[FakeTask], str | None] = lambda _t: None,
        home_region: str | None = None,
        keep_calls: bool = True,
    ) -> None:
        super().__init__(agents, auto_run, auto_kill, address_of)
        self.calls: list[Json] = []
        self.framework_id: str | None = None
        self.framework: Json = {}
        self.redirect_to: str | None = None
        self.cut: list[str] = []  # kinds of calls: the next of each gets no answer, and is not carried out
        self.completed: set[str] = set()
        self.suppressed = False
        self.subscriptions = 0
        self.silent = False
        self.port = 0
        self._heartbeat, self._allocation, self._home = heartbeat, allocation, home_region
        self._keep_calls = keep_calls
        self._auth = ("Basic " + base64.b64encode(":".join(credentials).encode()).decode()) if credentials else None
        self._number = itertools.count()
        self._stream: asyncio.Queue[Json | None] | None = None
        self._stream_id = ""
        self._jobs: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/api/v1/scheduler", self._call)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._jobs = [asyncio.create_task(self._allocate()), asyncio.create_task(self._beat())]

    async def stop(self) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        self.drop_stream()
        if self._runner:
            await self._runner.cleanup()

    def drop_stream(self) -> None:
        """What a dying master does to its frameworks; tasks live on."""
        if self._stream is not None:
            self._stream.put_nowait(None)
        self._stream = None
        self.maintenance.disconnect()
        for agent in self.agents.values():
            agent.offered, agent.refused_until = None, 0.0
        self._offers.clear()

    # -- what tests do to the cluster

    def fail_over(self, lost: Iterable[str] = ()) -> None:
        """Another master leads, at the same address.  It has not heard of the agents `lost`, which are gone with the old one, and
        says nothing of their tasks until they come back."""
        for agent_id in lost:
            self.agents[agent_id].alive = self.agents[agent_id].known = False
        self.drop_stream()

    def remove_framework(self) -> None:
        """Its failover time is over: its tasks end, and nobody is ever let in under its id again."""
        for task in list(self.tasks.values()):
            self._release(task)
        if self.framework_id is not None:
            self.completed.add(self.framework_id)
        self.framework_id = None
        self._send({"type": "ERROR", "error": {"message": "Framework has been removed"}})
        self.drop_stream()

    def maintain(self, agent_id: str, on: bool = True) -> None:
        """The agent's machine goes into maintenance, or stays after all."""
        agent = self.agents[agent_id]
        self._rescind(agent)
        (self.maintenance.begin if on else self.maintenance.end)(agent)
        agent.fresh = True
        self._nudge.set()

    # -- inside

    def _send(self, event: Json) -> None:
        if self._stream is not None:
            self._stream.put_nowait(event)

    async def _allocate(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._allocation):
                    await self._nudge.wait()
            self._nudge.clear()
            if self._stream is None:
                continue
            self.maintenance.allocate(self.agents.values(), self.tasks.values(), self.framework_id)
            if self.suppressed:
                continue
            offers = []
            for agent in self.agents.values():
                if agent.alive and agent.offered is None and (agent.fresh or time.monotonic() >= agent.refused_until):
                    if agent.cpus < 0.01:
                        continue
                    agent.offered, agent.fresh = f"O{next(self._number)}", False
                    self._offers[agent.offered] = agent
                    offers.append(offer_json(agent, self.framework_id, self.framework))
            if offers:
                self._send({"type": "OFFERS", "offers": {"offers": offers}})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            if not self.silent:
                self._send({"type": "HEARTBEAT"})

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if self._auth and request.headers.get("Authorization") != self._auth:
            return web.Response(status=401)
        if self.redirect_to:
            return web.Response(status=307, headers={"Location": f"//{self.redirect_to}/api/v1/scheduler"})
        body = await request.json()
        if self._keep_calls:
            self.calls.append(body)
        if body["type"] in self.cut and request.transport is not None:
            self.cut.remove(body["type"])
            request.transport.abort()
            return web.Response()
        if body["type"] == "SUBSCRIBE":
            return await self._subscribe(request, body)
        if self._stream is None or request.headers.get("Mesos-Stream-Id") != self._stream_id:
            return web.Response(status=403, text="Framework is not subscribed")
        handler = getattr(self, "_on_" + body["type"].lower(), None)
        if handler is None:
            return web.Response(status=400, text=f"unknown call {body['type']}")
        handler(body)
        return web.Response(status=202)

    async def _subscribe(self, request: web.Request, body: Json) -> web.StreamResponse:
        given = body.get("framework_id", {}).get("value")
        if given in self.completed:
            return await self._turn_away(request)
        self.framework = body["subscribe"]["framework_info"]
        if self._stream is not None:
            self._send({"type": "ERROR", "error": {"message": "Framework failed over"}})
            self.drop_stream()
        self.framework_id = given or self.framework_id or f"F{uuid.uuid4().hex[:8]}"
        self.suppressed = bool(body["subscribe"].get("suppressed_roles"))
        self.subscriptions += 1
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._stream = queue
        self._stream_id = stream_id = str(uuid.uuid4())
        for agent in self.agents.values():
            agent.refused_until = 0.0
        response = web.StreamResponse(headers={"Mesos-Stream-Id": stream_id, "Content-Type": "application/json"})
        await response.prepare(request)
        self._send(
            {
                "type": "SUBSCRIBED",
                "subscribed": {
                    "framework_id": {"value": self.framework_id},
                    "heartbeat_interval_seconds": self._heartbeat,
                    **({"master_info": domain(self._home, None)} if self._home else {}),
                },
            }
        )
        for task in [t for t in self.tasks.values() if t.agent.known]:
            for status in task.unacknowledged.values():
                self._send({"type": "UPDATE", "update": {"status": status}})
        self._nudge.set()
        with contextlib.suppress(ConnectionError):
            while (event := await queue.get()) is not None:
                data = json.dumps(event).encode()
                await response.write(b"%d\n%s" % (len(data), data))
        if self._stream is queue:
            self._stream = None
        return response

    async def _turn_away(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Mesos-Stream-Id": str(uuid.uuid4())})
        await response.prepare(request)
        data = json.dumps({"type": "ERROR", "error": {"message": "Framework has been removed"}}).encode()
        await response.write(b"%d\n%s" % (len(data), data))
        return response

    def _on_decline(self, body: Json) -> None:
        for o in body["decline"]["offer_ids"]:
            agent = self._offers.pop(o["value"], None)
            if agent is not None:
                agent.offered = None
                self._refuse(agent, body["decline"])

    def _on_revive(self, _body: Json) -> None:
        self.suppressed = False
        for agent in self.agents.values():
            agent.refused_until = 0.0
        self._nudge.set()

    def _on_suppress(self, _body: Json) -> None:
        self.suppressed = True

    def _on_update_framework(self, body: Json) -> None:
        self.framework = body["update_framework"]["framework_info"]

    def _on_message(self, body: Json) -> None:
        """Kept in `calls`; there is no executor to give it to."""

    def _on_accept_inverse_offers(self, body: Json) -> None:
        self.maintenance.answered(body["accept_inverse_offers"], "ACCEPT")

    def _on_decline_inverse_offers(self, body: Json) -> None:
        self.maintenance.answered(body["decline_inverse_offers"], "DECLINE")

    def _on_teardown(self, _body: Json) -> None:
        for task in list(self.tasks.values()):
            self._release(task)
        if self.framework_id is not None:
            self.completed.add(self.framework_id)
        self.framework_id = None
        self.drop_stream()
