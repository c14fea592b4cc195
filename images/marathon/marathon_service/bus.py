"""The event stream: from the scheduler to every client of /v2/events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

from .core.events import light
from .core.spec import Json

_MOST_WAITING = 2000


class Subscription:
    """One client.  `overrun` is set when it did not keep up; its connection is then to be closed."""

    def __init__(self, kinds: Collection[str], light: bool = False) -> None:
        self.kinds, self.light = frozenset(kinds), light
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

    def subscribe(self, kinds: Collection[str] = (), light: bool = False) -> Subscription:
        """`light`: deployments' plans without the definitions before and after."""
        subscription = Subscription(kinds, light)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def publish(self, event: Json) -> None:
        if not self._subscriptions:
            return
        kind = event["eventType"]
        texts: dict[bool, bytes] = {}
        for subscription in list(self._subscriptions):
            if subscription.light not in texts:
                said = light(event) if subscription.light else event
                texts[subscription.light] = (
                    f"event: {kind}\ndata: {json.dumps(said, separators=(',', ':'))}\n\n".encode()
                )
            if not subscription.put(kind, texts[subscription.light]):
                self._subscriptions.discard(subscription)
                subscription.queue.put_nowait(None)

    def close(self) -> None:
        """End every stream."""
        for subscription in self._subscriptions:
            subscription.queue.put_nowait(None)
        self._subscriptions.clear()
