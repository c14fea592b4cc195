"""The event stream: from the scheduler to every client of /v2/events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

from .core.spec import Json

_MOST_WAITING = 2000


class Subscription:
    """One client.  `overrun` is set when it did not keep up; its connection is then to be closed."""

    def __init__(self, kinds: Collection[str]) -> None:
        self.kinds = frozenset(kinds)
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING + 1)

    def put(self, kind: str, text: bytes) -> bool:
        if self.kinds and kind not in self.kinds:
            return True
        if self.queue.qsize() >= _MOST_WAITING:
            return False
        self.queue.put_nowait(text)
        return True


class Bus:
    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def subscribe(self, kinds: Collection[str] = ()) -> Subscription:
        subscription = Subscription(kinds)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def publish(self, event: Json) -> None:
        if not self._subscriptions:
            return
        kind = event["eventType"]
        text = f"event: {kind}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
        for subscription in list(self._subscriptions):
            if not subscription.put(kind, text):
                self._subscriptions.discard(subscription)
                subscription.queue.put_nowait(None)

    def close(self) -> None:
        """End every stream."""
        for subscription in self._subscriptions:
            subscription.queue.put_nowait(None)
        self._subscriptions.clear()
