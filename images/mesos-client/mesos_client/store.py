"""A framework's state in ZooKeeper: one node for each thing of some kinds (a task, an app ...), in a format with a number.

Every write is a transaction that also checks the leader's election node, so that an instance of the service that lost
the lead without knowing it cannot change anything.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol
from urllib.parse import quote, unquote

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionLoss,
    KazooException,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
)

from .messages import Json

log = logging.getLogger(__name__)
FORMAT = 1
_BATCH_BYTES, _BATCH_OPS = 400_000, 200
Change = tuple[str, str, Json | None]


class StoreError(Exception):
    """The state could not be written or read: whoever holds it in memory must load it anew."""


class TooLarge(Exception):
    """One value is larger than a ZooKeeper node may be."""


class Storage(Protocol):
    """What the scheduler needs of a store."""

    def check_size(self, value: Json) -> None: ...

    async def write(self, changes: Iterable[Change]) -> None: ...


class Store:
    """Nodes are `<root>/<kind>/<key>`; those of a `nested` kind have keys "a@b" and are at `<root>/<kind>/<a>/<b>`, so that no
    node gets too many children.  `max_node_size` in bytes."""

    def __init__(
        self,
        client: KazooClient,
        root: str,
        kinds: Sequence[str],
        *,
        nested: Sequence[str] = (),
        max_node_size: int = 1_000_000,
    ) -> None:
        self._client, self._root, self._max = client, root.rstrip("/"), max_node_size
        self._kinds, self._nested = tuple(kinds), frozenset(nested)
        self._known: set[str] = set()
        self._fence: str | None = None
        self._lock = asyncio.Lock()

    def _path(self, kind: str, key: str) -> str:
        if kind in self._nested:
            outer, _, inner = key.rpartition("@")
            return f"{self._root}/{kind}/{quote(outer, safe='')}/{inner}"
        return f"{self._root}/{kind}/{quote(key, safe='')}"

    async def load(self, fence: str) -> list[tuple[str, str, Json]]:
        """Everything that is stored.  `fence` is our election node.  Raises StoreError."""
        self._fence = fence
        try:
            return await asyncio.to_thread(self._load)
        except (KazooException, ValueError) as e:
            raise StoreError(f"cannot read the state below {self._root}: {e!r}") from e

    def _load(self) -> list[tuple[str, str, Json]]:
        self._client.sync(self._root or "/")  # this server may lag behind the last leader's writes
        self._check_format()
        self._known.clear()
        paths: list[tuple[str, str, str]] = []
        for kind in self._kinds:
            base = f"{self._root}/{kind}"
            self._client.ensure_path(base)
            for name in self._client.get_children(base):
                if kind not in self._nested:
                    paths.append((kind, unquote(name), f"{base}/{name}"))
                    continue
                self._known.add(f"{base}/{name}")
                paths += [
                    (kind, f"{unquote(name)}@{v}", f"{base}/{name}/{v}")
                    for v in self._client.get_children(f"{base}/{name}")
                ]
        found: list[tuple[str, str, Json]] = []
        for start in range(0, len(paths), 500):  # pipelined, but not all ten thousand at once
            waiting = [(k, key, p, self._client.get_async(p)) for k, key, p in paths[start : start + 500]]
            for kind, key, path, result in waiting:
                data, _ = result.get(timeout=30)
                self._known.add(path)
                found.append((kind, key, json.loads(data)))
        return found

    def _check_format(self) -> None:
        path = f"{self._root}/format"
        try:
            data, _ = self._client.get(path)
        except NoNodeError:
            self._client.create(path, json.dumps({"format": FORMAT}).encode(), makepath=True)
            return
        stored = json.loads(data)
        if not isinstance(stored, dict) or stored.get("format") != FORMAT:
            raise ValueError(f"the state has format {stored}, this version of the service reads {FORMAT}")

    def check_size(self, value: Json) -> None:
        """Raises TooLarge."""
        size = len(_encode(value))
        if size > self._max:
            raise TooLarge(f"{size} bytes, and ZooKeeper takes {self._max} at the most")

    async def write(self, changes: Iterable[Change]) -> None:
        """Store these, in order; all or nothing within each batch.  Raises StoreError."""
        batch: list[tuple[str, bytes | None]] = []
        size = 0
        async with self._lock:
            for kind, key, value in changes:
                data = None if value is None else _encode(value)
                batch.append((self._path(kind, key), data))
                size += len(data or b"") + 200
                if size > _BATCH_BYTES or len(batch) >= _BATCH_OPS:
                    await self._commit(batch)
                    batch, size = [], 0
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: list[tuple[str, bytes | None]]) -> None:
        unsure = False
        while True:
            try:
                await asyncio.to_thread(self._transaction, batch, unsure)
                return
            except (ConnectionLoss, OperationTimeoutError, TimeoutError) as e:
                # It may have been carried out: look before the next try.  A lost session ends us by the election.
                log.warning("ZooKeeper is away, writing again: %r", e)
                unsure = True
                await asyncio.sleep(0.3)
            except KazooException as e:
                raise StoreError(f"cannot write the state: {e!r}") from e

    def _is_nested(self, path: str) -> bool:
        return path[len(self._root) + 1 :].split("/", 1)[0] in self._nested

    def _transaction(self, batch: list[tuple[str, bytes | None]], unsure: bool) -> None:
        if unsure:
            for path, _ in batch:
                self._known.discard(path)
                if self._client.exists(path):
                    self._known.add(path)
        known = set(self._known)
        transaction = self._client.transaction()
        if self._fence:
            transaction.check(self._fence, 0)
        for path, data in batch:
            if data is None:
                if path in known:
                    transaction.delete(path)
                    known.discard(path)
            elif path in known:
                transaction.set_data(path, data)
            else:
                parent = path.rsplit("/", 1)[0]
                if parent not in known and self._is_nested(path):
                    transaction.create(parent, b"", acl=self._client.default_acl)
                    known.add(parent)
                transaction.create(path, data, acl=self._client.default_acl)
                known.add(path)
        results = transaction.commit()
        problems = [r for r in results if isinstance(r, Exception)]
        if problems:
            # The first real one; those after it only say that the transaction was rolled back.
            causes = [r for r in problems if type(r).__name__ not in ("RolledBackError", "RuntimeInconsistency")]
            cause = (causes or problems)[0]
            if isinstance(cause, NodeExistsError | NoNodeError) and not unsure:
                self._transaction(batch, unsure=True)
                return
            raise cause
        self._known = known


def _encode(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
