"""What the framework's shell does around plan(), in virtual time: keeps records, asks, sends, and may die in between.

It looks all the time for what must never be: an executor that is killed with a claim, more than is offered or allowed, a task forgotten
or counted though it is gone.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

from framework_core_helpers import EXECUTOR, MANAGER, OVERHEAD, SUBMIT
from htcondor_framework.core import draining
from htcondor_framework.core.model import Kind, Neighbour, Phase, Policy, Pool, Queue, Role, Size, StartdAd, Task
from htcondor_framework.core.planning import busy_agents, plan
from htcondor_framework.core.statuses import Update, apply_update
from htcondor_framework.core.view import Memory, Plan, View
from mesos_client import InverseOffer
from mesos_client.maintenance import Leaving
from simulated_condor import SimulatedCondor
from simulated_mesos import SimulatedMesos

POLL = 5.0
SILENCE = 20.0
RECONCILE = 60.0


class SimulatedShell:
    """Does what the framework's shell does: keeps records, asks, sends; and may die in between."""

    def __init__(self, name: str, mesos: SimulatedMesos, condor: SimulatedCondor, policy: Policy) -> None:
        self.name, self.mesos, self.condor, self.policy = name, mesos, condor, policy
        self.tasks: dict[str, Task] = {}
        self.leaving = Leaving()
        self.memory = Memory()
        self.registration = mesos.subscribe(name, self.deliver)
        self.inbox: list[Update] = []
        self.down_until = 0.0
        self.die_in_the_middle = False
        self.connected = False
        self.unheard: set[str] = set()
        self.unheard_since = 0.0
        self.queue: Queue | None = None
        self.pool: Pool | None = None
        self.asks: tuple[str, ...] = ()
        self.own: dict[str, StartdAd] = {}
        self.us: Neighbour | None = None
        self.polled = self.reconciled = 0.0
        self.wake_at: float | None = None
        self.dirty = True
        self.ghosts: dict[str, float] = {}
        self.twins: dict[str, float] = {}
        self.launched = self.drained = self.cancelled = 0
        self.most = 0
        self.kinds: Counter[str] = Counter()
        self.paused = False
        self.drain_sites: frozenset[str] = frozenset()
        self.template = EXECUTOR

    def deliver(self, update: Update) -> None:
        self.inbox.append(update)

    def die(self, seconds: float, in_the_middle: bool) -> None:
        """All that is not stored is lost; so are the actions of a plan, if it dies between storing and acting."""
        self.down_until = self.mesos.now + seconds
        self.die_in_the_middle = in_the_middle
        self.connected = False

    def step(self, now: float, neighbours: list[Neighbour]) -> None:
        if now < self.down_until and not self.die_in_the_middle:
            self._forget()
            return
        if not self.mesos.connected:
            self.connected = False
            self.leaving.disconnected()
            return
        if not self.connected:
            self._connect(now)
        self._updates(now)
        self._maintenance(now)
        if now >= self.polled + POLL:
            self.polled, self.dirty = now, True
            self.queue, self.pool = self.condor.queue() or self.queue, self.condor.pool() or self.pool
            said = {task: self.condor.executor(task) or self.own.get(task) for task in self.asks}
            self.own = {task: ad for task, ad in said.items() if ad is not None}
        if now >= self.reconciled + RECONCILE:
            self.reconciled = now
            self.mesos.reconcile(self.name, self.tasks)
        if self.unheard and now >= self.unheard_since + SILENCE:
            silent, self.unheard = self.unheard, set()
            for task in silent & set(self.tasks):
                self._update(Update(task, "TASK_UNREACHABLE", "REASON_RECONCILIATION"), now)
        self._let_go(now)
        if self.dirty or self.registration.offers or (self.wake_at is not None and now >= self.wake_at):
            self._plan(now, neighbours)

    def _maintenance(self, now: float) -> None:
        news, self.registration.news = self.registration.news, []
        for name, agent in news:
            self.dirty = True
            if agent:
                self.leaving.offered([InverseOffer(name, agent)], now)
            else:
                self.leaving.rescinded(name, now)
        look = self.leaving.wake_at(now - 1)
        self.dirty = self.dirty or (look is not None and look <= now)

    def _let_go(self, now: float) -> None:
        accepted, declined = self.leaving.answer(busy_agents(self.tasks, (MANAGER, SUBMIT)), now)
        self.mesos.answer_inverse(self.name, accepted, declined)

    def _forget(self) -> None:
        self.leaving = Leaving()
        self.memory, self.queue, self.pool, self.us = Memory(), None, None, None
        self.asks, self.own = (), {}
        self.tasks = {k: dataclasses.replace(t, seen=False, idle_since=0.0) for k, t in self.tasks.items()}
        self.registration.offers.clear()
        self.registration.suppressed = True

    def _connect(self, now: float) -> None:
        self.connected, self.dirty = True, True
        self.registration = self.mesos.subscribe(self.name, self.deliver)
        self.leaving.subscribed((t.agent for t in self.tasks.values() if t.drain == draining.MAINTENANCE), now)
        self.unheard, self.unheard_since = set(self.tasks), now
        self.reconciled = now
        self.mesos.reconcile(self.name, self.tasks)

    def _updates(self, now: float) -> None:
        inbox, self.inbox = self.inbox, []
        for update in inbox:
            self.unheard.discard(update.task)
            self._update(update, now)

    def _update(self, update: Update, now: float) -> None:
        agent = self.mesos.agents.get(update.agent)
        if agent is not None:
            update = dataclasses.replace(update, hostname=agent.host, place=agent.place)
        out = apply_update(self.tasks, self.memory, update, now, pool=self.name, roles=(MANAGER, SUBMIT))
        assert out.changed == (out.tasks is not self.tasks)
        self.tasks, self.memory = dict(out.tasks), out.memory
        self.dirty = self.dirty or out.changed
        for kill in out.kills:
            self._kill(kill.task)

    def _kill(self, task: str) -> None:
        container = self.mesos.kill(self.name, task)
        if container is not None and container.task.role is Role.EXECUTOR:
            assert self.condor.claims(task) == 0, f"{task} had a claim and was killed"

    def _plan(self, now: float, neighbours: list[Neighbour]) -> None:
        offers = tuple(self.registration.offers.values())
        view = View(
            now=now,
            policy=self.policy,
            roles=(MANAGER, SUBMIT),
            executor=self.template,
            tasks=self.tasks,
            offers=offers,
            queue=self.queue,
            pool=self.pool,
            own_ads=tuple(self.own.values()),
            neighbours=tuple(neighbours),
            paused=self.paused,
            drain_sites=self.drain_sites,
            leaving=self.leaving.agents(now),
            kept=frozenset(self.leaving.kept),
            memory=self.memory,
            name=self.name,
        )
        before = dict(self.tasks)
        result = plan(view)
        assert self.tasks == before, "plan changed what it was given"
        self._check(view, result)
        self.tasks = dict(result.tasks)
        if now < self.down_until and self.die_in_the_middle:
            self.die_in_the_middle = False  # stored, not sent
            return
        self.memory, self.us, self.wake_at, self.dirty = result.memory, result.us, result.wake_at, False
        self.asks = result.asks
        self._act(now, offers, result)

    def _act(self, now: float, offers: tuple[object, ...], result: Plan) -> None:
        self.kinds.update(" ".join(d.split()[2:6]) for d in result.decisions)
        by_offer: dict[str, list[Task]] = {}
        for launch in result.launches:
            by_offer.setdefault(launch.offer, []).append(launch.task)
            self.launched += launch.task.is_executor
        for offer, tasks in by_offer.items():
            self.mesos.accept(self.name, offer, tasks)
        for offer in list(self.registration.offers):
            self.registration.decline(offer, now + 5.0 if result.wants_offers else now + 3600.0)
        if result.wants_offers and self.registration.suppressed:
            self.registration.refused.clear()
        self.registration.suppressed = not result.wants_offers
        for drain in result.drains:
            self.condor.drain(drain.task, drain.cancel)
            self.cancelled += drain.cancel
            self.drained += not drain.cancel
        for kill in result.kills:
            self._kill(kill.task)

    # What must never be.

    def _check(self, view: View, result: Plan) -> None:
        by_offer: dict[str, Size] = {}
        rooms = {o.id: o for o in view.offers}
        for launch in result.launches:
            by_offer[launch.offer] = by_offer.get(launch.offer, Size()) + launch.task.size
            offer = rooms[launch.offer]
            assert launch.task.agent == offer.agent and launch.task.place == offer.place
            assert launch.task.id not in view.tasks
            if launch.task.is_executor:
                assert offer.unavailable_from is None, "an executor was started on a machine that goes into maintenance"
        for name, size in by_offer.items():
            assert size.fits_in(rooms[name].room), "more was launched than was offered"
        elastic = self.policy.elastic
        assert elastic is not None
        new = [x.task for x in result.launches if x.task.kind is Kind.ELASTIC]
        for task in new:
            assert OVERHEAD.slots(task.size).fits_in(elastic.largest)
        if new:
            living = [
                t
                for t in result.tasks.values()
                if t.kind is Kind.ELASTIC and not (t.phase is Phase.UNREACHABLE and view.now >= t.since + 30)
            ]
            self.most = max(self.most, len(living))
            assert len(living) <= elastic.total.max, "more than max"
            for place, limit in elastic.sites.items():
                here = sum(t.place == place for t in living)
                assert here <= limit.max or not any(t.place == place for t in new), f"more than {place}'s max"
        fixed = [t for t in result.tasks.values() if t.kind is Kind.FIXED]
        if any(x.task.kind is Kind.FIXED for x in result.launches):
            living = [
                t
                for t in fixed
                if not (t.phase is Phase.UNREACHABLE and view.now >= t.since + 30) and t.drain != draining.MAINTENANCE
            ]
            assert len(living) <= self.policy.fixed, "more fixed executors than the policy wants"
        kinds = Counter((d.task, d.cancel) for d in result.drains)
        assert all(n == 1 for n in kinds.values()), "a drain was asked twice at once"

    def check_records(self, now: float) -> None:
        """Records and truth are the same tasks, but for what is on its way."""
        if not self.connected or now < self.down_until or self.inbox:
            return
        roles: Counter[str] = Counter()
        for c in self.mesos.containers(self.name):
            if c.task.role is not Role.EXECUTOR and c.running and not c.killed_at and c.agent.reachable(now):
                roles[c.task.name] += 1
        self.twins = {name: self.twins.get(name, now) for name, n in roles.items() if n > 1}
        assert all(now < since + 10 for since in self.twins.values()), f"two of one role run: {self.twins}"
        pending = {u.task for _, u in self.registration.pending}
        containers = {c.task.id for c in self.mesos.containers(self.name)}
        forgotten = containers - set(self.tasks) - pending
        assert not forgotten, f"forgotten: {forgotten}"
        ghosts = set(self.tasks) - containers - set(self.registration.gone)
        self.ghosts = {task: self.ghosts.get(task, now) for task in ghosts}
        # A reconciliation finds them; agents that a new master waits for cannot be asked.
        if not self.mesos.silent:
            for task, since in self.ghosts.items():
                assert now < since + 200 or self.tasks[task].phase is Phase.UNREACHABLE, f"counted, but gone: {task}"
