"""One cycle's work in progress: what was seen, what is decided so far. It lives inside `plan` only; the View is never changed."""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass, field
from typing import Any

from . import delays
from .model import Homeless, Offer, Phase, Pool, Queue, Size, Task
from .view import ALONE_AFTER, FRESH, Drain, Kill, Launch, View

# Seconds. A kill of which nothing is heard is sent again; more than the longest grace.
KILL_AGAIN = 75.0
_IDS = uuid.UUID("5d1f2c1e-6c0e-4a0e-9a44-0f4f2d1b7a10")


@dataclass
class Room:
    """What is left of one offer."""

    offer: Offer
    left: Size
    launched: int = 0


@dataclass
class Cycle:
    """`queue` and `pool` are the view's if they are fresh enough to decide by, else None. `alone`: no collector answers (any more), so
    that executors have to be asked and told by themselves. Times are Unix times."""

    view: View
    now: float
    queue: Queue | None
    pool: Pool | None
    tasks: dict[str, Task]
    rooms: list[Room]
    failures: delays.Failures
    launches: list[Launch] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    drains: list[Drain] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    wake_at: float | None = None
    wants_offers: bool = False
    missing_since: dict[str, float] = field(default_factory=dict)
    homeless: Homeless | None = None  # a task of ours that finds no room, and where it is to get it
    alone: bool = False

    @classmethod
    def of(cls, view: View) -> Cycle:
        now = view.now
        return cls(
            view=view,
            now=now,
            queue=view.queue if view.queue is not None and now - view.queue.seen <= FRESH else None,
            pool=view.pool if view.pool is not None and now - view.pool.seen <= FRESH else None,
            tasks=dict(view.tasks),
            rooms=[Room(offer, offer.room) for offer in view.offers],
            failures=delays.settle(view.memory.failures, now),
            alone=view.pool is None or now - view.pool.seen > ALONE_AFTER,
        )

    def wake(self, when: float) -> None:
        if when > self.now:
            self.wake_at = when if self.wake_at is None else min(self.wake_at, when)

    def say(self, text: str) -> None:
        if text not in self.decisions:
            self.decisions.append(text)

    def change(self, task: Task, **changes: Any) -> Task:
        after = dataclasses.replace(task, **changes)
        self.tasks[task.id] = after
        return after

    def kill(self, task: Task, why: str) -> Task:
        self.kills.append(Kill(task.id, why))
        self.wake(self.now + KILL_AGAIN)
        return self.change(task, phase=Phase.KILLING, since=self.now)

    def failed(self, key: str) -> None:
        self.failures = delays.failed(self.failures, key, self.now)

    def may_launch(self, key: str) -> bool:
        """Whether launches at `key` (role's name, agent) need not wait; if they must, the cycle is woken when they need no more."""
        wait = delays.left(self.failures, key, self.now)
        if wait > 0:
            self.wake(self.now + wait)
        return wait <= 0

    def new_id(self, name: str, room: Room) -> str:
        """A task's id: the same for the same offer and time, never the same for two."""
        unique = uuid.uuid5(_IDS, f"{self.view.name}/{name}/{room.offer.id}/{room.launched}/{self.now!r}")
        return f"{self.view.name}.{name}.{unique}"

    def launch(self, room: Room, task: Task) -> None:
        self.launches.append(Launch(room.offer.id, task))
        self.tasks[task.id] = task
        room.left = room.left - task.size
        room.launched += 1
