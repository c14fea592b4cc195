"""A simulated Mesos cluster in virtual time: agents with containers, offers, status updates that arrive late, a leader that changes."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from htcondor_framework.core.model import Offer, Size, Task
from htcondor_framework.core.statuses import Update

UNREACHABLE_AFTER = 30.0  # a silent agent
FORGOTTEN_AFTER = 600.0  # a removed one: its tasks are unknown then


@dataclass
class SimulatedContainer:
    task: Task
    agent: SimulatedAgent
    framework: str
    starts_at: float
    fails: bool = False
    running_since: float = 0.0
    killed_at: float = 0.0  # when it will be dead
    alive: bool = True
    state: str = "TASK_STAGING"
    healthy: bool | None = None

    @property
    def running(self) -> bool:
        return self.alive and self.running_since > 0


@dataclass
class SimulatedAgent:
    id: str
    host: str
    place: str
    total: Size
    cut_until: float = 0.0  # a partition
    cut_since: float = 0.0
    down_until: float = 0.0  # lost with all that it had
    containers: dict[str, SimulatedContainer] = field(default_factory=dict)
    away: bool = False  # the master calls it unreachable
    leaving_since: float | None = None  # its machine goes into maintenance
    accepted: set[str] = field(default_factory=set)  # frameworks that agree

    def reachable(self, now: float) -> bool:
        return now >= self.cut_until and now >= self.down_until

    def used(self) -> Size:
        used = Size()
        for c in self.containers.values():
            used = used + c.task.size
        return used


@dataclass
class Registration:
    """One framework at the master."""

    name: str
    deliver: Callable[[Update], None]
    suppressed: bool = False
    refused: dict[str, float] = field(default_factory=dict)  # agent -> until
    offers: dict[str, Offer] = field(default_factory=dict)
    pending: list[tuple[float, Update]] = field(default_factory=list)
    gone: dict[str, tuple[float, str]] = field(default_factory=dict)  # tasks of removed agents -> since, agent
    inverse: dict[str, str] = field(default_factory=dict)  # inverse offers that wait for an answer -> agent
    filtered: dict[str, float] = field(default_factory=dict)  # agent -> until
    news: list[tuple[str, str]] = field(default_factory=list)  # inverse offer, agent; "" for one that is rescinded

    def decline(self, offer: str, until: float) -> None:
        known = self.offers.pop(offer, None)
        if known is not None:
            self.refused[known.agent] = until


class SimulatedMesos:
    """Everything happens in `step`. Times in seconds of virtual time."""

    def __init__(self, rng: random.Random, agents: Iterable[SimulatedAgent], launch_failures: float = 0.0) -> None:
        self.rng = rng
        self.now = 0.0
        self.agents = {a.id: a for a in agents}
        self.frameworks: dict[str, Registration] = {}
        self.down_until = 0.0
        self.launch_failures = launch_failures
        self.silent: dict[str, float] = {}  # agents a new master waits for
        self.lost_tasks: set[str] = set()  # died with their agents, or by a simulated crash
        self._numbers = 0
        self._new_masters = 0
        self._luck = random.Random(0)  # not of those that all else depends on

    # What frameworks do.

    @property
    def connected(self) -> bool:
        return self.now >= self.down_until

    def subscribe(self, name: str, deliver: Callable[[Update], None]) -> Registration:
        old = self.frameworks.get(name)
        new = Registration(name, deliver)
        if old is not None:
            new.gone, new.pending = old.gone, old.pending
        self.frameworks[name] = new
        return new

    def accept(self, name: str, offer_id: str, tasks: Iterable[Task]) -> None:
        framework = self.frameworks[name]
        offer = framework.offers.pop(offer_id, None)
        agent = self.agents.get(offer.agent) if offer is not None else None
        for task in tasks:
            if offer is None or agent is None or not agent.reachable(self.now):
                self._send(framework, Update(task.id, "TASK_LOST", "REASON_INVALID_OFFERS", agent=task.agent), 0.5)
                continue
            assert task.agent == agent.id
            assert (agent.used() + task.size).fits_in(agent.total), "more was launched than there is"
            agent.containers[task.id] = SimulatedContainer(
                task,
                agent,
                name,
                self.now + self.rng.choice([1, 2, 3, 5, 12]),
                fails=self.rng.random() < self.launch_failures,
            )
            self._send(framework, Update(task.id, "TASK_STARTING", agent=agent.id), 0.5)

    def kill(self, name: str, task: str) -> SimulatedContainer | None:
        """The container that is killed, if it can be reached."""
        container = self.container(task)
        if container is None:
            if not any(task in f.gone for f in self.frameworks.values()):
                self._send(self.frameworks[name], Update(task, "TASK_KILLED", "REASON_RECONCILIATION"), 0.5)
            return None
        if not container.agent.reachable(self.now):
            return None
        if not container.killed_at:
            container.killed_at = self.now + self.rng.choice([1, 2, 8])
        return container

    def reconcile(self, name: str, tasks: Iterable[str]) -> None:
        framework = self.frameworks[name]
        known = {c.task.id: c for c in self.containers(name)}
        for task in {*tasks, *known}:
            container = known.get(task)
            if container is not None:
                if container.agent.id in self.silent:
                    continue
                state = "TASK_UNREACHABLE" if container.agent.away else container.state
                self._send(
                    framework,
                    Update(task, state, "REASON_RECONCILIATION", agent=container.agent.id, healthy=container.healthy),
                    0.5,
                )
            elif task in framework.gone:
                since, agent = framework.gone[task]
                state = "TASK_UNKNOWN" if self.now > since + FORGOTTEN_AFTER else "TASK_UNREACHABLE"
                self._send(framework, Update(task, state, "REASON_RECONCILIATION", agent=agent), 0.5)
            else:
                self._send(framework, Update(task, "TASK_UNKNOWN", "REASON_RECONCILIATION"), 0.5)

    def container(self, task: str) -> SimulatedContainer | None:
        return next((a.containers[task] for a in self.agents.values() if task in a.containers), None)

    def containers(self, name: str) -> list[SimulatedContainer]:
        return [c for a in self.agents.values() for c in a.containers.values() if c.framework == name]

    def answer_inverse(self, name: str, accepted: list[str], declined: list[str]) -> None:
        framework = self.frameworks[name]
        for each in (*accepted, *declined):
            agent = self.agents.get(framework.inverse.pop(each, ""))
            if agent is not None:
                (agent.accepted.add if each in accepted else agent.accepted.discard)(name)
                framework.filtered[agent.id] = self.now + (5.0 if each in accepted else 2.0)

    # What happens to it.

    def maintain(self, agent: SimulatedAgent, on: bool) -> None:
        """The agent's machine goes into maintenance, or stays after all."""
        agent.leaving_since = self.now if on else None
        agent.accepted.clear()
        self._rescind(agent)
        self._rescind_inverse(agent)
        for f in self.frameworks.values():
            f.refused.pop(agent.id, None)
            f.filtered.pop(agent.id, None)

    def may_go(self, agent: SimulatedAgent) -> bool:
        """Whether everybody who has something there agrees."""
        return {c.framework for c in agent.containers.values()} <= agent.accepted

    def fail_over(self, seconds: float) -> None:
        """The leader is lost; a new one is there after so many seconds. It knows the agents that come back to it."""
        self.down_until = self.now + seconds
        for f in self.frameworks.values():
            for kept in (f.offers, f.refused, f.inverse, f.filtered):
                kept.clear()
            f.news.clear()
        for agent in self.agents.values():
            agent.away = False
            agent.accepted.clear()
            self.silent[agent.id] = self.down_until + (UNREACHABLE_AFTER * 20)
        self._new_masters += 1

    def cut(self, agent: SimulatedAgent, seconds: float) -> None:
        if agent.reachable(self.now):
            agent.cut_since, agent.cut_until = self.now, self.now + seconds
            self._rescind(agent)
            self._rescind_inverse(agent)

    def lose(self, agent: SimulatedAgent, seconds: float) -> None:
        """The machine dies; after so many seconds it is back, empty, as another agent."""
        if agent.reachable(self.now):
            agent.cut_since, agent.down_until = self.now, self.now + seconds
            for c in agent.containers.values():
                c.alive = False
                self.lost_tasks.add(c.task.id)
            self._rescind(agent)
            self._rescind_inverse(agent)

    def crash(self, container: SimulatedContainer) -> None:
        """The container dies by itself."""
        self.lost_tasks.add(container.task.id)
        self._end(container, "TASK_FAILED", "REASON_COMMAND_EXECUTOR_FAILED")

    # Time.

    def step(self, now: float) -> None:
        self.now = now
        for agent in list(self.agents.values()):
            self._agent(agent)
        if not self.connected:
            return
        for framework in self.frameworks.values():
            due = [u for t, u in framework.pending if t <= now]
            framework.pending = [(t, u) for t, u in framework.pending if t > now]
            for update in due:
                framework.deliver(update)
        self._offer()
        self._inverse()

    def _agent(self, agent: SimulatedAgent) -> None:
        now = self.now
        if not agent.reachable(now):
            if (
                self.connected
                and not agent.away
                and now >= agent.cut_since + UNREACHABLE_AFTER
                and agent.id not in self.silent
            ):
                agent.away = True
                for c in agent.containers.values():
                    self._send(self.frameworks[c.framework], Update(c.task.id, "TASK_UNREACHABLE", agent=agent.id), 0)
            return
        if agent.down_until:
            self._reborn(agent)
            return
        for c in list(agent.containers.values()):
            if c.killed_at and now >= c.killed_at:
                self._end(c, "TASK_KILLED", "")
            elif not c.running_since and now >= c.starts_at:
                if c.fails:
                    self._end(c, "TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED")
                    continue
                c.running_since, c.state = now, "TASK_RUNNING"
                self._send(self.frameworks[c.framework], Update(c.task.id, "TASK_RUNNING", agent=agent.id), 1)
        if self.connected and (agent.away or agent.id in self.silent):
            agent.away = False
            self.silent.pop(agent.id, None)
            for c in agent.containers.values():
                self._send(
                    self.frameworks[c.framework],
                    Update(c.task.id, c.state, "REASON_AGENT_REREGISTERED", agent=agent.id, healthy=c.healthy),
                    1,
                )

    def _reborn(self, agent: SimulatedAgent) -> None:
        self._numbers += 1
        for c in agent.containers.values():
            self.frameworks[c.framework].gone[c.task.id] = (self.now, agent.id)
        del self.agents[agent.id]
        self.silent.pop(agent.id, None)
        new = SimulatedAgent(f"{agent.host}-S{self._numbers}", agent.host, agent.place, agent.total)
        self.agents[new.id] = new

    def _end(self, c: SimulatedContainer, state: str, reason: str) -> None:
        c.alive, c.state = False, state
        c.agent.containers.pop(c.task.id, None)
        self._send(self.frameworks[c.framework], Update(c.task.id, state, reason, agent=c.agent.id), 1)

    def report_health(self, c: SimulatedContainer, healthy: bool) -> None:
        if c.healthy is not healthy:
            c.healthy = healthy
            self._send(
                self.frameworks[c.framework], Update(c.task.id, "TASK_RUNNING", agent=c.agent.id, healthy=healthy), 1
            )

    def _send(self, framework: Registration, update: Update, delay: float) -> None:
        if update.state == "TASK_RUNNING":
            update = dataclasses.replace(update, address="10.65.0.9")  # nobody looks which
        framework.pending.append((self.now + delay, update))

    def _rescind(self, agent: SimulatedAgent) -> None:
        for f in self.frameworks.values():
            for name in [o.id for o in f.offers.values() if o.agent == agent.id]:
                del f.offers[name]

    def _rescind_inverse(self, agent: SimulatedAgent) -> None:
        for f in self.frameworks.values():
            for name in [n for n, a in f.inverse.items() if a == agent.id]:
                del f.inverse[name]
                f.news.append((name, ""))

    def _inverse(self) -> None:
        """To everybody who has something on an agent that is to go; one that is not answered for long is rescinded."""
        for agent in self.agents.values():
            if agent.leaving_since is None or not agent.reachable(self.now) or agent.away or agent.id in self.silent:
                continue
            if self._luck.random() < 0.03:
                self._rescind_inverse(agent)
            for name in {c.framework for c in agent.containers.values()}:
                f = self.frameworks[name]
                if agent.id not in f.inverse.values() and f.filtered.get(agent.id, 0.0) <= self.now:
                    self._numbers += 1
                    f.inverse[f"I{self._numbers}"] = agent.id
                    f.news.append((f"I{self._numbers}", agent.id))

    def _holds(self, name: str) -> float:
        return sum(c.task.size.cpus for c in self.containers(name))

    def _offer(self) -> None:
        """All that is free of an agent goes to one framework: the one that holds least of those that want offers."""
        for agent in self.agents.values():
            if not agent.reachable(self.now) or agent.away or agent.id in self.silent:
                continue
            offered = [o for f in self.frameworks.values() for o in f.offers.values() if o.agent == agent.id]
            if offered:
                continue  # so that each offer is all that is free
            free = agent.total - agent.used()
            if free.cpus < 0.1 and free.memory < 32:
                continue
            takers = [
                f for f in self.frameworks.values() if not f.suppressed and f.refused.get(agent.id, 0.0) <= self.now
            ]
            if not takers:
                continue
            taker = takers[0] if len(takers) == 1 else min(takers, key=lambda f: (self._holds(f.name), f.name))
            self._numbers += 1
            offer = Offer(
                f"M{self._new_masters}-O{self._numbers}",
                agent.id,
                agent.host,
                agent.place,
                {"site": agent.place, "node": agent.host},
                free,
                unavailable_from=agent.leaving_since,
            )
            taker.offers[offer.id] = offer
