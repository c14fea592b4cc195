"""What HTCondor says, asked again and again; and what it is told (drains), without anybody waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from .core.model import Pool, Queue, SlotState, StartdAd, Task
from .core.view import Plan

log = logging.getLogger(__name__)
BUSY, CALM = 2.0, 5.0  # seconds between two questions
_DRAINS_AT_ONCE = 4
# Executors that are asked by themselves, when no collector answers: in one round, and of these at the same time.
_ASKED, _ASKED_AT_ONCE = 8, 4


class Condor(Protocol):
    """The pool's daemons. `queue` and `pool` say None if there is no answer; `drain` raises for what failed."""

    async def queue(self) -> Queue | None: ...

    async def pool(self) -> Pool | None: ...

    async def drain(self, startd_name: str, cancel: bool) -> None: ...

    async def drain_directly(self, task: str, address: str, cancel: bool) -> None:
        """Without a collector. `address`: IPv4 of the executor's container."""
        ...

    async def executor(self, task: str, address: str) -> StartdAd | None:
        """What an executor says of itself, without a collector; None if it does not answer."""
        ...

    async def reschedule(self) -> None:
        """Have jobs matched now, not with the negotiator's next cycle. Nothing is raised."""
        ...

    async def close(self) -> None: ...


class Feed:
    """`own`: what executors that the plan names said of themselves, by task, while no collector tells of them. `alone`: the last question to the
    collectors had no answer. `busy` says whether to ask often; `changed` is called when an answer has come, `failed` with a line for people when a drain failed."""

    def __init__(
        self, condor: Condor, busy: Callable[[], bool], changed: Callable[[], None], failed: Callable[[str], None]
    ) -> None:
        self.queue: Queue | None = None
        self.pool: Pool | None = None
        self.own: dict[str, StartdAd] = {}
        self.alone = False
        self.intervals = (BUSY, CALM)
        self.drains = 0
        self.drains_failed = 0
        self._condor, self._busy, self._changed, self._failed = condor, busy, changed, failed
        self._drains: dict[str, asyncio.Task[None]] = {}
        self._cancels: dict[str, bool] = {}
        self._untold: dict[str, bool] = {}
        self._at_once = asyncio.Semaphore(_DRAINS_AT_ONCE)
        self._ask = asyncio.Event()
        self._addresses: dict[str, str] = {}
        self._asks: dict[str, str] = {}
        self._asked: dict[str, float] = {}

    def ask_soon(self) -> None:
        """Something has changed that HTCondor will tell more of: do not wait for the calm interval."""
        self._ask.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = time.monotonic()
            self._ask.clear()
            before = self._claimable()
            await asyncio.gather(self._ask_queue(), self._ask_pool(), self._ask_executors())
            self._changed()
            if self._claimable() - before and self.queue is not None and self.queue.idle:
                # What has just come need not wait for the negotiator's next turn, nor the next question for it to be told.
                await self._condor.reschedule()
            # Being asked soon shortens the calm interval to the busy one, never below that.
            await asyncio.sleep(max(0.0, began + self.intervals[0] - time.monotonic()))
            left = began + self.intervals[1] - time.monotonic()
            if left > 0 and not self._busy():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._ask.wait()

    def _claimable(self) -> set[str]:
        return {a.name for a in self.pool.startds if a.state is SlotState.FREE} if self.pool is not None else set()

    async def queue_now(self) -> Queue | None:
        """What the schedd says now, for decisions that even data of a few seconds ago would get wrong."""
        try:
            answer = await self._condor.queue()
        except Exception:
            log.exception("the queue cannot be read")
            return None
        self.queue = answer or self.queue
        return answer

    async def _ask_queue(self) -> None:
        try:
            answer = await self._condor.queue()
        except Exception:
            log.exception("the queue cannot be read")
            return
        self.queue = answer or self.queue  # no answer is no data: what is old grows older

    async def _ask_pool(self) -> None:
        try:
            answer = await self._condor.pool()
        except Exception:
            log.exception("the collector cannot be read")
            return
        self.alone = answer is None
        if answer is not None:
            self.pool = answer
            self._addresses = {a.task: a.address for a in answer.startds if a.task}

    async def _ask_executors(self) -> None:
        """Those that the plan names; of many a few, who were not asked for longest."""
        asks = self._asks
        self.own = {task: ad for task, ad in self.own.items() if task in asks}
        self._asked = {task: when for task, when in self._asked.items() if task in asks}
        at_once = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def ask(task: str) -> None:
            async with at_once:
                self._asked[task] = time.monotonic()
                try:
                    answer = await self._condor.executor(task, asks[task])
                except Exception:
                    log.exception("%s cannot be asked", task)
                    return
            if answer is not None:
                self.own[task] = answer

        order = sorted(asks, key=lambda task: (self._asked.get(task, 0.0), task))
        await asyncio.gather(*map(ask, order[:_ASKED]))

    def tell(self, plan: Plan) -> None:
        """The plan's drains, and whom to ask. What cannot be told since the collector has no ad of the startd yet is told once it has;
        while no collector answers, executors are told by themselves."""
        tasks = ((name, plan.tasks.get(name)) for name in plan.asks)
        self._asks = {name: where for name, task in tasks if task is not None and (where := self._address(task))}
        if self._asks.keys() - self._asked.keys():
            self.ask_soon()
        self._untold.update((d.task, d.cancel) for d in plan.drains)
        startds = self.pool.startds if self.pool is not None and self._untold else ()
        by_task = {a.task: a.name for a in startds if a.task}
        by_address = {a.address: a.name for a in startds if a.address and not a.task}
        for task_id, cancel in list(self._untold.items()):
            task = plan.tasks.get(task_id)
            if task is None or cancel == bool(task.drain):
                del self._untold[task_id]  # it is gone, or the opposite was decided
            elif name := by_task.get(task_id) or by_address.get(task.address):
                del self._untold[task_id]
                self.drain(task, name, cancel)
            elif self.alone and self._address(task):
                del self._untold[task_id]
                self.drain(task, "", cancel)

    def _address(self, task: Task) -> str:
        """Of the executor's container, "" if nobody has told: as its startd told a collector last, or Mesos."""
        return self._addresses.get(task.id) or task.address

    def drain(self, executor: Task, startd: str, cancel: bool) -> None:
        """Tell the executor in the background, by the collector's name for it (`startd`) if one answers. For one task one after the other;
        the same is not told twice at once."""
        task = executor.id
        before = self._drains.get(task)
        if before is not None and not before.done() and self._cancels.get(task) == cancel:
            return
        self._cancels[task] = cancel
        job = asyncio.create_task(self._drain(executor, startd, cancel, before))
        self._drains[task] = job
        job.add_done_callback(lambda done: self._drains.pop(task) if self._drains.get(task) is done else None)

    async def _drain(self, task: Task, name: str, cancel: bool, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        what = "take jobs again" if cancel else "take no new job"
        address = self._address(task)
        directly = bool(address) and (self.alone or not name)
        startd = f"{task.id} by itself" if directly else name
        async with self._at_once:
            try:
                if directly:
                    await self._condor.drain_directly(task.id, address, cancel)
                else:
                    await self._condor.drain(name, cancel)
                self.drains += 1
                log.info("told %s to %s", startd, what)
            except Exception as e:
                # It may be gone, or HTCondor is busy: the core asks again as long as the ad does not say that it drains.
                self.drains_failed += 1
                log.warning("cannot tell %s to %s: %s", startd, what, e)
                self._failed(f"{startd} could not be told to {what}: {e}")
        self.ask_soon()

    async def close(self) -> None:
        jobs = list(self._drains.values())
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
