"""What the scheduler tells Mesos, many calls in a row."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from mesos_client import CallRefused, SchedulerClient, TaskStatus, calls

from .config import Config
from .core.planning import Launch
from .core.spec import Json
from .core.taskinfo import task_info
from .metrics import Metrics

log = logging.getLogger(__name__)


class Outbox:
    """Every method raises NotConnected. `not_launched` is told of each launch that will not happen."""

    def __init__(
        self, mesos: SchedulerClient, config: Config, metrics: Metrics, not_launched: Callable[[Launch], None]
    ) -> None:
        self._mesos, self._config, self._metrics, self._not_launched = mesos, config, metrics, not_launched

    async def safe(self, call: Awaitable[None]) -> None:
        """A call whose refusal is only written down."""
        try:
            await call
        except CallRefused as e:
            log.error("%s", e)

    async def launch(self, launches: dict[str, list[Launch]]) -> None:
        """By offer id. What is left of an offer is not refused, so that Mesos offers it again at once."""
        bodies, count = [], 0
        for offer_id, on_offer in launches.items():
            infos = [info for x in on_offer if (info := self._task_info(x)) is not None]
            count += len(infos)
            bodies.append(calls.accept([offer_id], [calls.launch(infos)] if infos else [], 0.0))
        for on_offer, answer in zip(launches.values(), await self._mesos.call_all(bodies), strict=True):
            if answer is not None:
                log.error("%s", answer)
                count -= len(on_offer)
                for x in on_offer:
                    self._not_launched(x)
        if bodies:
            for name, number in (
                ("mesos.offers.used", len(bodies)),
                ("mesos.offer-operations.launch", len(bodies)),
                ("tasks.launched", count),
            ):
                self._metrics.count(name, number)

    def _task_info(self, x: Launch) -> Json | None:
        try:
            info = task_info(
                x.spec, x.instance, x.resources, user=self._config.mesos_user, prefix=self._config.env_prefix
            )
        except Exception:
            # One app that we cannot put in Mesos' words must not stop the others.
            log.exception("cannot launch %s", x.instance.id)
            self._not_launched(x)
            return None
        log.info("launching %s on %s", x.instance.id, x.instance.hostname)
        return info

    async def decline(self, offers: Sequence[str]) -> None:
        if offers:
            self._metrics.count("mesos.offers.declined", len(offers))
            await self.safe(self._mesos.decline(offers, self._config.decline_offer_duration))

    async def kill(self, kills: Sequence[tuple[str, str | None, float | None]]) -> None:
        """Task, agent, grace in seconds."""
        self._written(await self._mesos.call_all([calls.kill(*kill) for kill in kills]))

    async def acknowledge(self, statuses: Sequence[TaskStatus]) -> None:
        self._written(await self._mesos.acknowledge_all(statuses))

    @staticmethod
    def _written(answers: list[CallRefused | None]) -> None:
        for answer in answers:
            if answer is not None:
                log.error("%s", answer)
