"""The leader's loop: events of Mesos and of clients in, the core's plan out."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
import uuid

from mesos_client import (
    Disconnected,
    Error,
    Event,
    Framework,
    InverseOffers,
    NotConnected,
    Offer,
    Offers,
    Rescind,
    RescindInverse,
    SchedulerClient,
    Subscribed,
    TaskStatus,
    Update,
    maintenance,
)
from mesos_client.maintenance import Leaving
from mesos_client.silence import Silence
from mesos_client.store import Storage, StoreError, TooLarge

from .bus import Bus
from .checker import Checker
from .config import Config
from .core import delays, moving, updates
from .core.groups import Groups
from .core.model import Deployment, Instance, State
from .core.operations import Operations
from .core.paths import task_prefix
from .core.placing import Rejections
from .core.planning import Launch, Plan, Settings, plan
from .core.spec import Json, ReadinessCheck
from .core.tokens import Tokens
from .metrics import Metrics
from .outbox import Outbox
from .readiness import Readiness

log = logging.getLogger(__name__)
_LONGEST_SLEEP = 30.0
_REVIVE_AGAIN = 30.0
# With REGION_AWARE, Mesos offers machines of other regions than its master's too: they are for apps that say something of @region.
CAPABILITIES = ("PARTITION_AWARE", "TASK_KILLING_STATE", "MULTI_ROLE", "REGION_AWARE")


class Scheduler:
    """Lives for one term of leadership.  `run` ends only by an error or cancellation."""

    def __init__(
        self,
        config: Config,
        store: Storage,
        state: State,
        framework_id: str | None,
        bus: Bus,
        metrics: Metrics | None = None,
    ) -> None:
        self.config, self.state, self.bus = config, state, bus
        self.metrics = metrics or Metrics()
        self.metrics.new_term(time.time())
        self._store = store
        self.rejections: dict[str, Rejections] = {}
        self.unplaced: dict[str, int] = {}
        self.operations = Operations(state, config.rules, time.time, lambda: str(uuid.uuid4()), store.check_size)
        self.groups = Groups(self.operations)
        self._settings = Settings(launch_timeout=config.task_launch_timeout)
        framework = Framework(
            name=config.framework_name,
            user=config.mesos_user,
            roles=(config.mesos_role,),
            principal=config.principal,
            failover_timeout=config.failover_timeout,
            checkpoint=config.checkpoint,
            hostname=config.hostname,
            capabilities=(*CAPABILITIES, *(("GPU_RESOURCES",) if "gpu_resources" in config.features else ())),
            webui_url=config.webui_url or config.url,
        )
        self.mesos = SchedulerClient(
            config.detector(),
            framework,
            self._on_event,
            framework_id=framework_id,
            auth=config.login,
            tls=config.mesos_tls(),
            suppressed_roles=lambda: () if self._wants else (config.mesos_role,),
        )
        self._out = Outbox(self.mesos, config, self.metrics, self._not_launched)
        self._checker = Checker(state, self._on_check)
        self._readiness = Readiness(state, self._on_readiness)
        self._offers: dict[str, Offer] = {}
        self._acks: list[TaskStatus] = []
        self._strangers: list[tuple[str, str | None]] = []
        self._leaving = Leaving()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._unstored: TooLarge | None = None
        self._wants = False
        self._suppressed = False
        self._revived: tuple[object, float] = (None, 0.0)
        self._reconcile_at = 0.0
        self._silence = Silence()
        self._tokens = Tokens(config.launch_tokens, config.launch_token_refresh_interval)
        self._ends = 0  # tasks that ended: each may make room that a filter hides

    # -- for the API

    async def commit(self, deployment: Deployment | None = None) -> None:
        """Store what an operation changed, then let the loop act on it."""
        await self._persist()
        if deployment is not None:
            self.metrics.count("deployments")
        for event in self.operations.take_events():
            self.bus.publish(event)
        self._wake.set()

    def check_size(self, value: Json) -> None:
        """Raises store.TooLarge."""
        self._store.check_size(value)

    # -- events

    def _on_event(self, event: Event) -> None:
        match event:
            case Offers(offers):
                self.metrics.count("mesos.offers.incoming", len(offers))
                self._offers.update((o.id, o) for o in offers)
                self._leaving.seen(offers, time.time())
            case Rescind(offer_id):
                self._offers.pop(offer_id, None)
            case Update(status):
                self._on_status(status)
            case Subscribed(framework_id):
                log.info("subscribed as %s at %s", framework_id, self.mesos.master)
                self._settings = dataclasses.replace(self._settings, home_region=event.region)
                self._suppressed = False
                self._reconcile_at = 0.0
                self._revived = (None, 0.0)
                self._silence.ask(self.state.instances, time.time())
                self._leaving.subscribed(moving.remembered(self.state), time.time())
            case Disconnected(reason):
                log.warning("disconnected from Mesos: %s", reason)
                self._offers.clear()
                self._leaving.disconnected()
            case InverseOffers(inverse):
                self._leaving.offered(inverse, time.time())
            case RescindInverse(inverse_offer):
                self._leaving.rescinded(inverse_offer, time.time())
            case Error(message):
                self._on_error(message)
            case _:
                return
        self._wake.set()

    def _on_error(self, message: str) -> None:
        log.error("Mesos says: %s", message)
        if "removed" in message or "completed" in message:
            # Its failover time is over: Mesos has killed all tasks and wants a new framework.
            self.mesos.framework_id = None

    def _on_status(self, status: TaskStatus) -> None:
        log.info("task %s: %s %s", status.task_id, status.state, status.message)
        self._silence.heard(status.task_id)
        before = self.state.instances.get(status.task_id)
        self.metrics.count(f"mesos.task-updates.{status.state.lower().replace('_', '-')}")
        outcome = updates.apply(self.state, status, time.time())
        self._prove(before, status.task_id)
        self._strangers += outcome.kill_strangers
        if status.task_id not in self.state.instances:
            self._ends += 1
        self._acks.append(status)
        for event in outcome.events:
            self.bus.publish(event)

    def _prove(self, before: Instance | None, instance_id: str) -> None:
        """A task that has come to run well for the first time gives its launch token back."""
        after = self.state.instances.get(instance_id)
        spec = self.state.spec_of(after) if after is not None else None
        if before is not None and after is not None and spec is not None:
            self._tokens.returned(after.healthy(spec) is True and before.healthy(spec) is not True)

    def _on_check(self, instance_id: str, index: int, ok: bool, cause: str | None) -> None:
        before = self.state.instances.get(instance_id)
        outcome = updates.check_result(self.state, instance_id, index, ok, cause, time.time())
        if outcome.changed:
            self._prove(before, instance_id)
        for event in outcome.events:
            self.bus.publish(event)
        if outcome.changed:
            self._wake.set()

    def _on_readiness(self, instance_id: str, check: ReadinessCheck, ready: bool, response: Json | None) -> None:
        if updates.readiness_result(self.state, instance_id, check, ready, response):
            self._wake.set()

    # -- the loop

    async def run(self) -> None:
        mesos = asyncio.create_task(self.mesos.run())
        loop = asyncio.create_task(self._loop())
        try:
            done, _ = await asyncio.wait({mesos, loop}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (mesos, loop):
                task.cancel()
            await asyncio.gather(mesos, loop, return_exceptions=True)
            await self._checker.close()
            await self._readiness.close()

    async def _loop(self) -> None:
        stored_id = self.mesos.framework_id
        while True:
            self._wake.clear()
            if self._unstored is not None:
                raise StoreError(f"the state is loaded anew, without what was too large to be stored: {self._unstored}")
            if self.mesos.framework_id != stored_id:
                stored_id = self.mesos.framework_id
                # Also that there is none any more: without its node the state would count as damaged.
                await self._store.write([("framework", "id", {"value": stored_id})])
            now = time.time()
            # Only what is stored is acknowledged: updates that come while we write wait for the next round.
            acks, self._acks = self._acks, []
            self._give_up_silent(now)
            result = self._plan(now)
            await self._persist()
            await self._tell(result, acks, now)
            for event in result.events:
                self.bus.publish(event)
            self._checker.sync()
            self._readiness.sync()
            await self._sleep(result, now)

    def _give_up_silent(self, now: float) -> None:
        """What a new master has said nothing about is unreachable."""
        if not self.mesos.connected:
            return
        silent = self._silence.take_silent(now)
        for task_id in [t for t in silent if t in self.state.instances]:
            log.warning("task %s: the new master says nothing of it: unreachable", task_id)
            status = TaskStatus(task_id, "TASK_UNREACHABLE", message="Nothing was heard of it since a master took over")
            for event in updates.apply(self.state, status, now).events:
                self.bus.publish(event)

    async def _sleep(self, result: Plan, now: float) -> None:
        times = [now + _LONGEST_SLEEP]
        if result.wake_at is not None:
            times.append(result.wake_at)
        if self.mesos.connected:
            times.append(self._reconcile_at)
            for look in (self._silence.wake_at(now), self._leaving.wake_at(now)):
                if look is not None:
                    times.append(look)
        until = min(times)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, until - time.time())):
                await self._wake.wait()

    def _plan(self, now: float) -> Plan:
        offers, self._offers = list(self._offers.values()), {}
        most = self._tokens.left(now)
        result = plan(self.state, offers, now, self._task_id, self._settings, self._leaving.agents(now), most)
        self._tokens.used(sum(len(launches) for launches in result.launches.values()))
        if result.unplaced and (full_again := self._tokens.wake_at()) is not None:
            result.wake(full_again)
        self._wants = result.wants_offers
        self.unplaced = dict(result.unplaced)
        for app_id, seen in result.rejections.items():
            self.rejections.setdefault(app_id, Rejections()).add(seen)
        for app_id in [a for a in self.rejections if a not in self.unplaced]:
            del self.rejections[app_id]
        return result

    @staticmethod
    def _task_id(app_id: str) -> str:
        return f"{task_prefix(app_id)}.instance-{uuid.uuid4()}._app.1"

    async def _persist(self) -> None:
        """Raises StoreError; TooLarge too, after which the loop ends, since the state in memory has what cannot be stored."""
        async with self._writing:
            changes = self.state.take_changes()
            if not changes:
                return
            try:
                await self._store.write(changes)
            except TooLarge as e:
                self._unstored = e
                self._wake.set()
                raise

    async def _tell(self, result: Plan, acks: list[TaskStatus], now: float) -> None:
        """Tell Mesos.  What does not get through is found by the reconciliation after the next subscription."""
        strangers, self._strangers = self._strangers, []
        unsent = {task_id for task_id, _, _ in result.kills}
        try:
            await self._out.launch(result.launches)
            await self._out.decline(result.declined)
            for task_id, _, _ in result.kills:
                log.info("killing %s", task_id)
            await self._out.kill(result.kills)
            unsent.clear()
            for task_id, _ in strangers:
                log.warning("killing %s, which is none of ours (any more)", task_id)
            await self._out.kill([(task_id, agent_id, None) for task_id, agent_id in strangers])
            strangers = []
            await self._out.acknowledge(acks)
            await self._let_go(now)
            await self._demand(result, now)
            await self._reconcile(now)
        except NotConnected:
            # The next subscription wakes the loop, which then says it again.
            self._strangers += strangers
            for task_id in unsent & self.state.instances.keys():
                instance = self.state.instances[task_id]
                self.state.put_instance(dataclasses.replace(instance, killed_at=None))

    async def _let_go(self, now: float) -> None:
        """Agree to the maintenance of agents on which nothing of ours is left that could leave, and say of the others: not yet."""
        if not self._leaving.asked:
            return
        accepted, declined = self._leaving.answer(moving.busy_agents(self.state), now)
        if accepted:
            await self._out.safe(self.mesos.accept_inverse(accepted, maintenance.AGREED))
        if declined:
            await self._out.safe(self.mesos.decline_inverse(declined, maintenance.NOT_YET))

    def _not_launched(self, launch: Launch) -> None:
        self.state.drop_instance(launch.instance.id)
        delays.failed(self.state, launch.spec, time.time())
        self._wake.set()

    async def _demand(self, result: Plan, now: float) -> None:
        """Offers are asked for when something new is wanted, and turned off when nothing is."""
        if not self._wants:
            if not self._suppressed and self.config.suppress_offers:
                await self._out.safe(self.mesos.suppress())
                self.metrics.count("mesos.calls.suppress")
                self._suppressed = True
            return
        placed = sum(len(self.state.of_app(a)) for a in result.unplaced)
        demand = (
            tuple(sorted((a, self.state.apps[a].version) for a in result.unplaced if a in self.state.apps)),
            placed,
            self._ends,
            self._tokens.fillings,
        )
        last, when = self._revived
        due = when + (self.config.min_revive_interval if demand != last else _REVIVE_AGAIN)
        if not self._suppressed and now < due:
            result.wake(due)
            return
        await self._out.safe(self.mesos.revive())
        self.metrics.count("mesos.calls.revive")
        self._suppressed, self._revived = False, (demand, now)

    async def _reconcile(self, now: float) -> None:
        if now >= self._reconcile_at:
            self._reconcile_at = now + self.config.reconciliation_interval
            await self._out.safe(self.mesos.reconcile_all([(i.id, i.agent_id) for i in self.state.instances.values()]))
        elif self._silence.due(now):
            asked = [self.state.instances[t] for t in self._silence.waiting & self.state.instances.keys()]
            if asked:  # of none means of all
                await self._out.safe(self.mesos.reconcile([(i.id, i.agent_id) for i in asked]))
