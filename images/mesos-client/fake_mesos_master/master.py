"""The fake master: agents with resources, offers, launches, status updates, filters, failover, heartbeats.

It keeps to what frameworks can see of a real one: inverse offers of agents in maintenance, offers only to subscribed frameworks that are not suppressed, DECLINE
filters until they expire or REVIVE, updates sent again until acknowledged, TASK_ERROR for a launch over its offer, a
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
from mesos_client import is_terminal

from .cluster import FakeAgent, FakeTask, Json, demand, offer_json, status_json
from .maintenance import FakeMaintenance


class FakeMaster:
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
    ) -> None:
        self.agents = {a.id: a for a in agents}
        self.tasks: dict[str, FakeTask] = {}
        self.history: list[FakeTask] = []
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
        self._auto_run, self._auto_kill, self._heartbeat, self._allocation = (
            auto_run,
            auto_kill,
            heartbeat,
            allocation,
        )
        self._address_of = address_of
        self._auth = ("Basic " + base64.b64encode(":".join(credentials).encode()).decode()) if credentials else None
        self.maintenance = FakeMaintenance(self._send)
        self._offers: dict[str, FakeAgent] = {}
        self._number = itertools.count()
        self._stream: asyncio.Queue[Json | None] | None = None
        self._stream_id = ""
        self._jobs: list[asyncio.Task[None]] = []
        self._runner: web.AppRunner | None = None
        self._nudge = asyncio.Event()

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

    def update(
        self,
        task_id: str,
        state: str,
        *,
        healthy: bool | None = None,
        message: str = "",
        reason: str = "",
        acknowledged: bool = True,
        source: str = "SOURCE_EXECUTOR",
    ) -> None:
        task = self.tasks[task_id]
        task.state = state
        if healthy is not None:
            task.healthy = healthy
        status = status_json(task, message=message, reason=reason, source=source)
        if acknowledged:
            status["uuid"] = base64.b64encode(uuid.uuid4().bytes).decode()
            task.unacknowledged[status["uuid"]] = status
        if is_terminal(state):
            self._release(task)
        self._send({"type": "UPDATE", "update": {"status": status}})

    def maintain(self, agent_id: str, on: bool = True) -> None:
        """The agent's machine goes into maintenance, or stays after all."""
        agent = self.agents[agent_id]
        self._rescind(agent)
        (self.maintenance.begin if on else self.maintenance.end)(agent)
        agent.fresh = True
        self._nudge.set()

    def lose_agent(self, agent_id: str) -> None:
        """The agent is partitioned away: its offers are rescinded and its tasks unreachable."""
        agent = self.agents[agent_id]
        agent.alive = False
        self._rescind(agent)
        self.maintenance.rescind(agent)
        for task in [t for t in self.tasks.values() if t.agent is agent]:
            self.update(
                task.id,
                "TASK_UNREACHABLE",
                acknowledged=False,
                source="SOURCE_MASTER",
                reason="REASON_SLAVE_REMOVED",
            )

    def return_agent(self, agent_id: str) -> None:
        agent = self.agents[agent_id]
        agent.alive, agent.fresh, agent.known = True, True, True
        for task in [t for t in self.tasks.values() if t.agent is agent]:
            self.update(
                task.id,
                "TASK_RUNNING",
                acknowledged=False,
                source="SOURCE_MASTER",
                reason="REASON_SLAVE_REREGISTERED",
            )

    def running(self, prefix: str = "") -> list[FakeTask]:
        return [t for t in self.tasks.values() if t.state == "TASK_RUNNING" and t.id.startswith(prefix)]

    # -- inside

    def _rescind(self, agent: FakeAgent) -> None:
        if agent.offered:
            self._send({"type": "RESCIND", "rescind": {"offer_id": {"value": agent.offered}}})
            self._offers.pop(agent.offered, None)
            agent.offered = None

    def _send(self, event: Json) -> None:
        if self._stream is not None:
            self._stream.put_nowait(event)

    def _release(self, task: FakeTask) -> None:
        agent = task.agent
        for name, value in task.resources.items():
            setattr(agent, name, round(getattr(agent, name) + value, 6))
        agent.used_ports -= task.ports
        task.resources, task.ports = {}, set()
        agent.fresh = True
        self.tasks.pop(task.id, None)
        self._nudge.set()

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

    def _on_accept(self, body: Json) -> None:
        accept = body["accept"]
        agents = [self._offers.pop(o["value"], None) for o in accept["offer_ids"]]
        infos = [i for op in accept.get("operations", ()) for i in op.get("launch", {}).get("task_infos", ())]
        for agent in agents:
            if agent is not None:
                agent.offered = None
                self._refuse(agent, accept)
        for info in infos:
            self._launch(info, agents)

    def _launch(self, info: Json, agents: list[FakeAgent | None]) -> None:
        agent = next((a for a in agents if a and a.id == info["agent_id"]["value"]), None)
        scalars, ports = demand(info)
        known = self.agents[info["agent_id"]["value"]]
        task = FakeTask(info, agent or known)
        self.tasks[task.id] = task
        self.history.append(task)
        if agent is None:
            self.update(
                task.id,
                "TASK_DROPPED",
                message="the offer is not valid",
                source="SOURCE_MASTER",
                reason="REASON_INVALID_OFFERS",
                acknowledged=False,
            )
            return
        low, high = agent.ports
        if (
            any(getattr(agent, n, 0.0) < v - 1e-6 for n, v in scalars.items())
            or ports & agent.used_ports
            or any(p < low or p > high for p in ports)
        ):
            self.update(
                task.id,
                "TASK_ERROR",
                message="more than was offered",
                source="SOURCE_MASTER",
                reason="REASON_TASK_INVALID",
                acknowledged=False,
            )
            return
        for name, value in scalars.items():
            setattr(agent, name, round(getattr(agent, name) - value, 6))
        agent.used_ports |= ports
        task.resources, task.ports = scalars, ports
        task.address = self._address_of(task)
        if self._auto_run:
            asyncio.get_running_loop().call_soon(self._run, task.id)

    def _run(self, task_id: str) -> None:
        if task_id in self.tasks and self.tasks[task_id].state == "TASK_STAGING":
            self.update(task_id, "TASK_STARTING")
            self.update(task_id, "TASK_RUNNING")

    def _refuse(self, agent: FakeAgent, body: Json) -> None:
        agent.refused_until = time.monotonic() + float(body.get("filters", {}).get("refuse_seconds", 5.0))

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

    def _on_kill(self, body: Json) -> None:
        task_id = body["kill"]["task_id"]["value"]
        if task_id not in self.tasks:
            self._send(
                {
                    "type": "UPDATE",
                    "update": {
                        "status": {
                            "task_id": {"value": task_id},
                            "state": "TASK_GONE",
                            "source": "SOURCE_MASTER",
                            "reason": "REASON_RECONCILIATION",
                        }
                    },
                }
            )
        elif self._auto_kill and self.tasks[task_id].agent.alive:
            self.update(task_id, "TASK_KILLING")
            self.update(task_id, "TASK_KILLED")

    def _on_acknowledge(self, body: Json) -> None:
        ack = body["acknowledge"]
        for task in self.history:
            if task.id == ack["task_id"]["value"]:
                task.unacknowledged.pop(ack["uuid"], None)

    def _on_reconcile(self, body: Json) -> None:
        asked = {t["task_id"]["value"]: t.get("agent_id", {}).get("value") for t in body["reconcile"].get("tasks", ())}
        for task_id in asked or list(self.tasks):
            task = self.tasks.get(task_id)
            if task is not None and not task.agent.known:
                continue
            agent = self.agents.get(asked.get(task_id) or "")
            # As Mesos: of a task that a registered agent does not have nothing is left; of others it cannot say.
            state = "TASK_GONE" if agent is not None and agent.known else "TASK_UNKNOWN"
            status = status_json(task) if task else {"task_id": {"value": task_id}, "state": state}
            status.update(source="SOURCE_MASTER", reason="REASON_RECONCILIATION")
            self._send({"type": "UPDATE", "update": {"status": status}})

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
