"""What Mesos says, as it comes in: offers, updates, the beginning and the end of subscriptions. The loop takes it from here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mesos_client import (
    Disconnected,
    Error,
    Event,
    InverseOffers,
    Offer,
    Offers,
    Rescind,
    RescindInverse,
    Subscribed,
    TaskStatus,
)
from mesos_client import Update as MesosUpdate
from mesos_client.maintenance import Leaving
from mesos_client.silence import Silence

from .config import Config
from .core import draining, statuses
from .core.view import Memory, RoleTemplate
from .launching import SITE
from .state import State

log = logging.getLogger(__name__)


class TermOver(Exception):
    """Another scheduler took the framework over: this one must not go on."""


class Inbox:
    """`wake` is called after everything that came in, `say` with lines for people, `removed` when Mesos has ended the framework;
    `subscribed` and `changed` (a task changed) may be set.

    `kills`: task, agent, why, to be sent. `acks`: updates to acknowledge once what they changed is stored. `ends` counts tasks that
    ended: each may make room that a filter hides. `over` fails with TermOver. `up`: subscribed."""

    def __init__(
        self,
        config: Config,
        roles: tuple[RoleTemplate, ...],
        state: State,
        clock: Callable[[], float],
        wake: Callable[[], None],
        say: Callable[[str], None],
        removed: Callable[[], None],
    ) -> None:
        self._pool, self._roles, self._state, self._clock = config.pool, roles, state, clock
        self._wake, self._say, self._removed = wake, say, removed
        self.subscribed: Callable[[], None] = lambda: None
        self.changed: Callable[[], None] = lambda: None
        self.memory = Memory()
        self.offers: dict[str, Offer] = {}
        self.acks: list[TaskStatus] = []
        self.kills: list[tuple[str, str | None, str]] = []
        self.leaving = Leaving()
        self.ends = self.failures = 0
        self.silence = Silence()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.up = False
        self._agents: dict[str, tuple[str, str]] = {}

    def on_event(self, event: Event) -> None:
        match event:
            case Offers(offers):
                self.offers.update((o.id, o) for o in offers)
                self._agents.update((o.agent_id, (o.hostname, o.attributes.get(SITE, ""))) for o in offers)
                self.leaving.seen(offers, self._clock())
            case Rescind(offer_id):
                self.offers.pop(offer_id, None)
            case MesosUpdate(status):
                self._on_status(status)
            case Subscribed():
                self.up = True
                self.silence.ask(self._state.tasks, self._clock())
                tasks = self._state.tasks.values()
                self.leaving.subscribed((t.agent for t in tasks if t.drain == draining.MAINTENANCE), self._clock())
                self.subscribed()
            case Disconnected(reason):
                log.warning("disconnected from Mesos: %s", reason)
                self.up = False
                self.offers.clear()
                self.leaving.disconnected()
            case InverseOffers(inverse):
                self.leaving.offered(inverse, self._clock())
            case RescindInverse(inverse_offer):
                self.leaving.rescinded(inverse_offer, self._clock())
            case Error(message):
                self._on_error(message)
            case _:
                return
        self._wake()

    def _on_error(self, message: str) -> None:
        log.error("Mesos says: %s", message)
        if "failed over" in message:
            if not self.over.done():
                self.over.set_exception(TermOver(message))
        elif "removed" in message or "completed" in message:
            # Its failover time is over, or somebody tore it down.
            self._say(f"Mesos has ended the framework ({message}): the pool is started anew")
            self._removed()

    def _on_status(self, status: TaskStatus) -> None:
        log.info("task %s: %s %s", status.task_id, status.state, status.message or status.reason)
        self.silence.heard(status.task_id)
        hostname, place = self._agents.get(status.agent_id or "", ("", ""))
        self.apply(
            statuses.Update(
                task=status.task_id,
                state=status.state,
                reason=status.reason,
                message=status.message,
                agent=status.agent_id or "",
                hostname=hostname,
                place=place,
                address=next((a for a in status.ip_addresses if ":" not in a), ""),
                healthy=status.healthy,
            )
        )
        if status.uuid:
            self.acks.append(status)

    def apply(self, update: statuses.Update) -> None:
        """Change the records as the core says."""
        state = self._state
        was = len(state.tasks)
        outcome = statuses.apply_update(
            state.tasks, self.memory, update, self._clock(), pool=self._pool, roles=self._roles
        )
        self.memory = outcome.memory
        if outcome.changed:
            state.tasks = dict(outcome.tasks)
            self.changed()
        if len(state.tasks) < was:
            self.ends += 1
        self.failures += outcome.failed
        self.kills += [(k.task, update.agent or None, k.why) for k in outcome.kills]
        if outcome.text:
            self._say(outcome.text)

    def give_up_silent(self, now: float) -> None:
        """What a new master has said nothing about is unreachable."""
        for task_id in self.silence.take_silent(now) & self._state.tasks.keys():
            log.warning("task %s: the new master says nothing of it: unreachable", task_id)
            message = "nothing was heard of it since a master took over"
            self.apply(statuses.Update(task_id, "TASK_UNREACHABLE", message=message))
