"""What Mesos is told in one cycle. What does not get through is found by the reconciliation after the next subscription."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesos_client import CallRefused, NotConnected, Offer, SchedulerClient, TaskStatus, maintenance

from .config import Config
from .core.model import Phase, Task
from .core.view import Launch, Plan
from .demand import Demand
from .launching import DoesNotFit, Purse, task_info

log = logging.getLogger(__name__)
REFUSE = 3600.0  # seconds that a declined offer stays away, unless REVIVE asks for it
_ACKS_AT_ONCE = 200


@dataclass
class Told:
    """What came of it. `refused`: (task, why) of launches that Mesos never got or would not have. `unsent`: launches that were never sent since the
    connection was lost."""

    launched: int = 0
    killed: int = 0
    declined: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)


class Teller:
    def __init__(self, config: Config, mesos: SchedulerClient) -> None:
        self._config, self._mesos = config, mesos
        self.demand = Demand()

    async def safe(self, call: Awaitable[None]) -> None:
        """A call that Mesos refuses is logged. Raises NotConnected."""
        try:
            await call
        except CallRefused as e:
            log.error("%s", e)

    async def launch(self, plan: Plan, offers: Mapping[str, Offer], told: Told) -> None:
        """ACCEPT, and DECLINE of all other offers. Raises NotConnected, with `told` saying what was not sent."""
        by_offer: dict[str, list[Launch]] = {}
        for launch in plan.launches:
            by_offer.setdefault(launch.offer, []).append(launch)
        waiting = dict(by_offer)
        try:
            for offer_id, launches in by_offer.items():
                if not self._mesos.connected:
                    raise NotConnected("ACCEPT: not subscribed")
                del waiting[offer_id]
                await self._accept(offers.get(offer_id), launches, told)
            declined = [o for o in offers if o not in by_offer]
            if declined:
                await self.safe(self._mesos.decline(declined, REFUSE))
                told.declined += len(declined)
        except NotConnected:
            told.unsent += [x.task.id for launches in waiting.values() for x in launches]
            raise

    async def _accept(self, offer: Offer | None, launches: list[Launch], told: Told) -> None:
        if offer is None:
            told.refused += [(x.task.id, "its offer is not there any more") for x in launches]
            return
        purse, infos, sent = Purse(offer), [], []
        for x in launches:
            try:
                infos.append(task_info(self._config, x.task, purse.pay(x.task.size)))
            except (DoesNotFit, KeyError) as e:
                # One that we cannot put in Mesos' words must not stop the others.
                log.error("cannot launch %s: %r", x.task.id, e)
                told.refused.append((x.task.id, str(e)))
            else:
                log.info("launching %s on %s", x.task.id, x.task.hostname)
                sent.append(x.task.id)
        try:
            await self._mesos.accept([offer.id], infos, 0.0)
            told.launched += len(sent)
        except CallRefused as e:
            log.error("%s", e)
            told.refused += [(task_id, str(e)) for task_id in sent]

    async def kill(self, kills: Iterable[tuple[str, str | None, str]], told: Told) -> None:
        """`kills`: task, agent, why. The grace is that of the task's kill policy. Raises NotConnected."""
        for task_id, agent, why in kills:
            log.info("killing %s: %s", task_id, why)
            await self.safe(self._mesos.kill(task_id, agent))
            told.killed += 1

    async def acknowledge(self, statuses: list[TaskStatus]) -> None:
        """Raises NotConnected: Mesos says them again to the next subscription."""
        for start in range(0, len(statuses), _ACKS_AT_ONCE):
            some = statuses[start : start + _ACKS_AT_ONCE]
            await asyncio.gather(*(self.safe(self._mesos.acknowledge(s)) for s in some))

    async def ask_for_offers(self, wants: bool, what: object, now: float) -> None:
        match call := self.demand.decide(wants, what, now):
            case "revive":
                await self.safe(self._mesos.revive())
            case "suppress":
                await self.safe(self._mesos.suppress())
            case _:
                return
        self.demand.done(call, what, now)

    async def answer_inverse(self, accepted: list[str], declined: list[str]) -> None:
        """To inverse offers. Raises NotConnected: they come again."""
        if accepted:
            await self.safe(self._mesos.accept_inverse(accepted, maintenance.AGREED))
        if declined:
            await self.safe(self._mesos.decline_inverse(declined, maintenance.NOT_YET))

    async def teardown(self) -> None:
        """Mesos ends all our tasks and forgets the framework. Raises NotConnected or CallRefused."""
        await self._mesos.call({"type": "TEARDOWN"})


def unfinished_kills(tasks: Mapping[str, Task]) -> list[tuple[str, str | None, str]]:
    """Kills that may not have got through before the connection was lost."""
    return [(t.id, t.agent or None, "it was told before") for t in tasks.values() if t.phase is Phase.KILLING]


def wanted_of(plan: Plan, ends: int) -> Any:
    """What offers are wanted for, to compare with another cycle's: asking again is of use if it changes, or if room has appeared."""
    return (plan.decisions, plan.us.wants if plan.us else None, len(plan.launches) > 0, ends)
