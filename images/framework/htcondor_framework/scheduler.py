"""The loop of one term: events of Mesos, HTCondor's data and the administrator's words in, the core's plan out.

The order within one cycle is what makes it safe: the plan changes the records in memory, they are stored, and only then is Mesos told
and are updates acknowledged. A crash in between leaves a task that is known and not there, which reconciliation finds, never a stranger.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from mesos_client import (
    CallRefused,
    Framework,
    NotConnected,
    Offer,
    SchedulerClient,
    StaticDetector,
    TaskStatus,
)
from mesos_client.store import Storage

from .config import FAILOVER_TIMEOUT, Config
from .core import planning, statuses
from .core.model import Neighbour, Phase, Policy, SlotState
from .core.view import Memory, Plan, View
from .feed import Condor, Feed
from .history import History
from .inbox import Inbox
from .launching import offer_of
from .metrics import Counters
from .shares import Exchange, Shares
from .state import Settings, State
from .telling import Teller, Told, unfinished_kills, wanted_of

log = logging.getLogger(__name__)
_LONGEST_SLEEP = 30.0
_COALESCE = 0.02  # seconds: what comes together is decided together
_RECONCILE_EVERY = 600.0
TEARDOWN_WITHIN = 90.0  # seconds that tasks get to end by themselves before Mesos is told to forget the framework
CAPABILITIES = ("PARTITION_AWARE", "TASK_KILLING_STATE", "MULTI_ROLE", "GPU_RESOURCES")


class Scheduler:
    """Lives for one term of leadership. `run` ends by an error, by cancellation, or in peace once the pool is torn down."""

    def __init__(
        self,
        config: Config,
        store: Storage,
        state: State,
        condor: Condor,
        shares: Shares,
        *,
        version: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config, self.state, self.clock = config, state, clock
        self.history, self.counters = History(), Counters()
        self.plan = Plan(tasks=state.tasks)
        self._store, self._version = store, version
        self._roles, self._executor = config.role_templates(), config.executor_template()
        self.inbox = Inbox(config, self._roles, state, self.clock, self.wake, self._say, self._removed)
        m = config.mesos
        framework = Framework(
            name=f"htcondor-{config.pool}",
            user=m.user,
            roles=(m.role,),
            principal=m.principal,
            failover_timeout=FAILOVER_TIMEOUT,
            checkpoint=True,
            capabilities=CAPABILITIES,
            labels=(("aerie.pool", config.pool),),
        )
        self.mesos = SchedulerClient(
            StaticDetector(list(m.masters)),
            framework,
            self.inbox.on_event,
            framework_id=state.framework_id,
            auth=(m.principal, m.secret),
            tls=m.tls(),
            suppressed_roles=lambda: () if self.teller.demand.wants else (m.role,),
        )
        self.teller = Teller(config, self.mesos)
        self.feed = Feed(condor, self._is_busy, self.wake, self._say)
        self.inbox.subscribed = self._subscribed
        self.inbox.changed = self.feed.ask_soon
        self.exchange = Exchange(shares, config.pool, lambda: self.plan.us, self.wake)
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._reconcile_at = 0.0
        self._teardown_since: float | None = None
        self._mesos_job: asyncio.Task[None] | None = None

    # -- for the REST interface

    @property
    def leading(self) -> bool:
        """Subscribed at Mesos, and not on the way out."""
        return self.inbox.up and self.mesos.connected and not self.inbox.over.done()

    @property
    def memory(self) -> Memory:
        return self.inbox.memory

    @property
    def neighbours(self) -> tuple[Neighbour, ...]:
        return self.exchange.others

    def wake(self) -> None:
        self._wake.set()

    async def set_policy(self, policy: Policy) -> None:
        """Raises StoreError."""
        if policy != self.state.policy:
            self.state.policy = policy
            self._say("the policy was changed")
        await self.commit()

    async def set_settings(self, settings: Settings, text: str) -> None:
        """Raises StoreError. `text` says what was done, for people."""
        if settings != self.state.settings:
            self.state.settings = settings
            self._say(text)
        await self.commit()

    async def commit(self) -> None:
        """Store what was changed, then let the loop act on it."""
        await self._persist()
        self.wake()

    def _say(self, text: str) -> None:
        log.info("%s", text)
        self.history.event(text, self.clock())

    # -- of the inbox

    def _subscribed(self) -> None:
        log.info("subscribed as %s at %s", self.mesos.framework_id, self.mesos.master)
        self.teller.demand.subscribed()
        self._reconcile_at = 0.0
        self.inbox.kills += unfinished_kills(self.state.tasks)

    def _removed(self) -> None:
        """Mesos has ended all tasks and wants a new framework."""
        self.mesos.framework_id = None
        self.state.forget_framework()

    # -- the loop

    async def run(self) -> None:
        """Raises TermOver, StoreError or whatever else ended the term."""
        loop = asyncio.create_task(self._loop())
        self._mesos_job = asyncio.create_task(self.mesos.run())
        jobs = {
            self._mesos_job,
            loop,
            asyncio.create_task(self.feed.run()),
            asyncio.create_task(self.exchange.run()),
        }
        try:
            done, _ = await asyncio.wait({*jobs, self.inbox.over}, return_when=asyncio.FIRST_COMPLETED)
            if self.state.settings.gone is not None:
                done = {loop}
                await loop
            for finished in done:
                finished.result()
        finally:
            self.inbox.up = False
            for job in jobs:
                job.cancel()
            self.inbox.over.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await self.feed.close()

    async def _loop(self) -> None:
        while self.state.settings.gone is None:
            self._wake.clear()
            began = time.perf_counter()
            if self.state.settings.teardown:
                wake_at = await self._teardown_cycle()
            else:
                wake_at = await self._cycle()
            self.counters.cycle(time.perf_counter() - began)
            if self.state.settings.gone is None:
                await self._sleep(wake_at)

    async def _cycle(self) -> float:
        now = self.clock()
        # Only what is stored is acknowledged: updates that come while we write wait for the next round.
        acks, self.inbox.acks = self.inbox.acks, []
        if self.mesos.connected:
            self.inbox.give_up_silent(now)
        offers, self.inbox.offers = self.inbox.offers, {}
        self._note_framework()
        plan = self._decide(now, offers)
        await self._persist()
        self.feed.tell(plan)
        await self._tell(plan, offers, acks, now)
        what = wanted_of(plan, self.inbox.ends)
        times = [now + _LONGEST_SLEEP, plan.wake_at or now + _LONGEST_SLEEP]
        if plan.wants_offers and self.mesos.connected:
            times.append(self.teller.demand.due(what))
        return min(times)

    def _decide(self, now: float, offers: dict[str, Offer]) -> Plan:
        settings = self.state.settings
        if gone := settings.drain_tasks - self.state.tasks.keys():
            self.state.settings = settings = replace(settings, drain_tasks=settings.drain_tasks - gone)
        plan = planning.plan(
            View(
                now=now,
                policy=self.state.policy,
                roles=self._roles,
                executor=self._executor,
                tasks=self.state.tasks,
                offers=tuple(offer_of(o) for o in offers.values()),
                queue=self.feed.queue,
                pool=self.feed.pool,
                own_ads=tuple(self.feed.own.values()),
                neighbours=self.neighbours,
                paused=settings.paused,
                drain_sites=settings.drain_sites,
                drain_tasks=settings.drain_tasks,
                leaving=self.inbox.leaving.agents(now),
                kept=frozenset(self.inbox.leaving.kept),
                memory=self.inbox.memory,
                name=self.config.pool,
            )
        )
        self.state.tasks, self.inbox.memory = dict(plan.tasks), plan.memory
        if plan.us != self.plan.us:
            self.exchange.changed()
        self.plan = plan
        self.teller.demand.wants = plan.wants_offers
        for text in self.history.cycle(plan.decisions, now):
            log.info("%s", text)
        return plan

    def _note_framework(self) -> None:
        if self.mesos.framework_id is not None:
            self.state.framework_id = self.mesos.framework_id

    async def _persist(self) -> None:
        async with self._writing:
            if changes := self.state.take_changes():
                await self._store.write(changes)

    async def _tell(self, plan: Plan, offers: dict[str, Offer], acks: list[TaskStatus], now: float) -> None:
        kills, self.inbox.kills = self.inbox.kills, []
        planned = {k.task for k in plan.kills}
        kills = [k for k in kills if k[0] not in planned]
        kills += [(k.task, t.agent or None, k.why) for k in plan.kills if (t := plan.tasks.get(k.task))]
        told = Told()
        try:
            await self.teller.launch(plan, offers, told)
            await self.teller.kill(kills, told)
            await self.teller.acknowledge(acks)
            await self._let_go(now)
            await self.teller.ask_for_offers(plan.wants_offers, wanted_of(plan, self.inbox.ends), now)
            await self._reconcile(now)
        except NotConnected as e:
            # The next subscription says again what is still to be killed, and Mesos what we have not acknowledged.
            log.info("%s", e)
        self.counters.told(told)
        for task_id in told.unsent:
            self.state.tasks.pop(task_id, None)  # nobody has ever heard of it
        for task_id, why in told.refused:
            self.inbox.apply(statuses.Update(task_id, "TASK_ERROR", message=why))
        if told.unsent or told.refused:
            self.wake()

    async def _let_go(self, now: float) -> None:
        """Agree to the maintenance of agents on which nothing of ours is left that could leave, and say of the others: not yet."""
        busy = planning.busy_agents(self.state.tasks, self._roles)
        await self.teller.answer_inverse(*self.inbox.leaving.answer(busy, now))

    async def _reconcile(self, now: float) -> None:
        tasks = self.state.tasks
        if now >= self._reconcile_at:
            self._reconcile_at = now + _RECONCILE_EVERY
            await self.teller.safe(self.mesos.reconcile_all([(t.id, t.agent or None) for t in tasks.values()]))
        elif self.inbox.silence.due(now):
            asked = [tasks[t] for t in self.inbox.silence.waiting & tasks.keys()]
            if asked:  # of none means of all
                await self.teller.safe(self.mesos.reconcile([(t.id, t.agent or None) for t in asked]))

    async def _sleep(self, wake_at: float) -> None:
        now = self.clock()
        times = [wake_at]
        if self.mesos.connected:
            times.append(self._reconcile_at)
            for look in (self.inbox.silence.wake_at(now), self.inbox.leaving.wake_at(now)):
                if look is not None:
                    times.append(look)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(_COALESCE, min(times) - now)):
                await self._wake.wait()
                await asyncio.sleep(_COALESCE)

    def _is_busy(self) -> bool:
        """Whether HTCondor is to be asked often."""
        queue, pool = self.feed.queue, self.feed.pool
        if self.state.settings.teardown or not self.mesos.connected:
            return False
        if queue is None or queue.idle or self.plan.wants_offers:
            return True
        if any(t.phase in (Phase.LAUNCHING, Phase.KILLING) or t.drain for t in self.state.tasks.values()):
            return True
        return pool is None or any(a.state in (SlotState.DRAINING, SlotState.DRAINED) for a in pool.startds)

    # -- the end of the pool

    async def _teardown_cycle(self) -> float:
        """All tasks are killed, those with jobs too; then Mesos forgets the framework, and we what we stored.

        Executors first: daemons that end while their collector is gone take up to a minute for it."""
        now = self.clock()
        acks, self.inbox.acks = self.inbox.acks, []
        offers, self.inbox.offers = self.inbox.offers, {}
        self._note_framework()
        since = self._teardown_since = self._teardown_since or now
        executors = any(t.is_executor and t.phase is not Phase.UNREACHABLE for t in self.state.tasks.values())
        for task in list(self.state.tasks.values()):
            if executors and not task.is_executor:
                continue
            if task.phase is not Phase.KILLING:
                self.inbox.kills.append((task.id, task.agent or None, "the pool is torn down"))
                self.state.tasks[task.id] = replace(task, phase=Phase.KILLING, since=now)
        await self._persist()
        self.plan = Plan(tasks=self.state.tasks)
        kills, self.inbox.kills = self.inbox.kills, []
        told = Told()
        try:
            await self.teller.kill(kills, told)
            await self.teller.acknowledge(acks)
            if offers:
                await self.teller.safe(self.mesos.decline(list(offers), 3600.0))
            await self._let_go(now)
            await self.teller.ask_for_offers(False, None, now)
            if self.leading and (not self.state.tasks or now >= since + TEARDOWN_WITHIN):
                await self.teller.teardown()
                await self._forget()
        except NotConnected as e:
            self.inbox.kills += kills
            log.info("%s", e)
        except CallRefused as e:
            log.error("%s", e)
            return now + 5.0
        self.counters.told(told)
        return now + 5.0

    async def _forget(self) -> None:
        self._say("the pool is torn down")
        self.state.forget_framework()
        self.state.policy = None
        self.state.settings = Settings(gone=self._version)
        # The master closes the stream; the client must not subscribe again as a new framework.
        if self._mesos_job is not None:
            self._mesos_job.cancel()
            await asyncio.wait({self._mesos_job})
        await self._persist()
