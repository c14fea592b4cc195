"""What happens to the tasks of the fake cluster: launches, updates until they are acknowledged, kills, reconciliation."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import Callable

from mesos_client import is_terminal

from .cluster import FakeAgent, FakeTask, Json, demand, status_json
from .maintenance import FakeMaintenance


class FakeTasks:
    """The part of the master that knows agents and tasks.  `history` holds every task there ever was, in the order of launching."""

    def __init__(
        self,
        agents: list[FakeAgent],
        auto_run: bool,
        auto_kill: bool,
        address_of: Callable[[FakeTask], str | None],
    ) -> None:
        self.agents = {a.id: a for a in agents}
        self.tasks: dict[str, FakeTask] = {}
        self.history: list[FakeTask] = []
        self.maintenance = FakeMaintenance(self._send)
        self._waiting: dict[str, FakeTask] = {}  # by the uuid of an update that is not acknowledged
        self._auto_run, self._auto_kill, self._address_of = auto_run, auto_kill, address_of
        self._offers: dict[str, FakeAgent] = {}
        self._nudge = asyncio.Event()

    def _send(self, event: Json) -> None:
        raise NotImplementedError

    def _rescind(self, agent: FakeAgent) -> None:
        if agent.offered:
            self._send({"type": "RESCIND", "rescind": {"offer_id": {"value": agent.offered}}})
            self._offers.pop(agent.offered, None)
            agent.offered = None

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
            self._waiting[status["uuid"]] = task
        if is_terminal(state):
            self._release(task)
        self._send({"type": "UPDATE", "update": {"status": status}})

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

    # -- calls and what comes of them

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

    def _refuse(self, agent: FakeAgent, body: Json) -> None:
        agent.refused_until = time.monotonic() + float(body.get("filters", {}).get("refuse_seconds", 5.0))

    def _run(self, task_id: str) -> None:
        if task_id in self.tasks and self.tasks[task_id].state == "TASK_STAGING":
            self.update(task_id, "TASK_STARTING")
            self.update(task_id, "TASK_RUNNING")

    def _release(self, task: FakeTask) -> None:
        agent = task.agent
        for name, value in task.resources.items():
            setattr(agent, name, round(getattr(agent, name) + value, 6))
        agent.used_ports -= task.ports
        task.resources, task.ports = {}, set()
        agent.fresh = True
        self.tasks.pop(task.id, None)
        self._nudge.set()

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
        uuid_ = body["acknowledge"]["uuid"]
        if (task := self._waiting.pop(uuid_, None)) is not None:
            task.unacknowledged.pop(uuid_, None)

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
