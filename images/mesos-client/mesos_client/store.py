"""A framework's state in ZooKeeper: one node for each thing of some kinds (a task, an app ...), in a format with a number.

The number is in the node `format`. A format newer than the service knows is refused, an older one is brought up to date by the
service's own `upgrade` before anything else happens, the number last.

Every write is a transaction that also checks the leader's election node, so that an instance of the service that lost
the lead without knowing it cannot change anything.
"""

from __future__ import annotations

import asyncio
import json
import logging
import zlib
from collections.abc import Callable, Iterable, Sequence
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
_BATCH_BYTES, _BATCH_OPS = 400_000, 1000
_READ_AT_ONCE = 500
_SMALLER, _LARGER = (
    b"\x78",
    4,
)  # how compressed data begins (JSON begins with a brace); what it must save to be worth it, as a fraction
Entry = tuple[str, str, Json]
Change = tuple[str, str, Json | None]
Upgrade = Callable[[int, list[Entry]], list[Change]]


class StoreError(Exception):
    """The state could not be written or read: whoever holds it in memory must load it anew."""


class Broken(StoreError):
    """What is stored cannot be used, and will not be better by itself. The text names the node and says what to do."""


class TooLarge(Exception):
    """One value is larger than a ZooKeeper node may be."""


class Storage(Protocol):
    """What the scheduler needs of a store."""

    def check_size(self, value: Json) -> None: ...

    async def write(self, changes: Iterable[Change]) -> None: ...


class Store:
    """Nodes are `<root>/<kind>/<key>`; those of a `nested` kind have keys "a@b" and are at `<root>/<kind>/<a>/<b>`, so that no
    node gets too many children.  `max_node_size` in bytes; values above `compress_above` bytes are compressed (None: never).
    `upgrade(format, entries)` gives the changes that make of an older format the present one, `format`."""

    def __init__(
        self,
        client: KazooClient,
        root: str,
        kinds: Sequence[str],
        *,
        nested: Sequence[str] = (),
        max_node_size: int = 1_000_000,
        compress_above: int | None = None,
        format: int = 1,
        upgrade: Upgrade = lambda _format, _entries: [],
    ) -> None:
        self._client, self._root, self._max = client, root.rstrip("/"), max_node_size
        self._kinds, self._nested = tuple(kinds), frozenset(nested)
        self._compress_above, self._format, self._upgrade = compress_above, format, upgrade
        self._known: set[str] = set()
        self._fence: str | None = None
        self._lock = asyncio.Lock()

    def path(self, kind: str, key: str) -> str:
        """The node of one thing."""
        if kind in self._nested:
            outer, _, inner = key.rpartition("@")
            return f"{self._root}/{kind}/{quote(outer, safe='')}/{inner}"
        return f"{self._root}/{kind}/{quote(key, safe='')}"

    async def load(self, fence: str) -> list[Entry]:
        """Everything that is stored, in the present format.  `fence` is our election node.  Raises StoreError, or Broken."""
        self._fence = fence
        try:
            stored = await asyncio.to_thread(self._stored_format)
            entries = await asyncio.to_thread(self._load)
        except KazooException as e:
            raise StoreError(f"cannot read the state below {self._root}: {e!r}") from e
        if stored == self._format:
            return entries
        # None: nothing is stored yet, or by a version that did not number its formats.
        changes = self._upgrade(stored or 1, entries) if entries else []
        log.info("the state of format %s is brought to %d: %d nodes change", stored or 1, self._format, len(changes))
        await self.write(changes)
        await self._commit([(f"{self._root}/format", _encode({"format": self._format}))])
        found = {(kind, key): value for kind, key, value in entries}
        for kind, key, new in changes:
            if new is None:
                found.pop((kind, key), None)
            else:
                found[kind, key] = new
        return [(kind, key, value) for (kind, key), value in found.items()]

    def _stored_format(self) -> int | None:
        self._client.ensure_path(self._root or "/")
        self._client.sync(self._root or "/")  # this server may lag behind the last leader's writes
        path = f"{self._root}/format"
        try:
            data, _ = self._client.get(path)
        except NoNodeError:
            return None
        self._known.add(path)
        stored = self._decode(path, data).get("format")
        if not isinstance(stored, int) or isinstance(stored, bool) or stored < 1:
            raise Broken(
                f'ZooKeeper node {path} holds {data[:80]!r} where {{"format": number}} belongs. Write the number of the version of the '
                f'service that last ran (this one\'s is {self._format}): set {path} {{"format":{self._format}}}'
            )
        if stored > self._format:
            raise Broken(
                f"ZooKeeper node {path}: the state was written by a newer version of this service (format {stored}; this one reads up "
                f"to {self._format}). Start that version again, or give this one another path in its zk:// URL to begin with no state"
            )
        return stored

    def _load(self) -> list[Entry]:
        self._known &= {f"{self._root}/format"}
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
        found: list[Entry] = []
        for start in range(0, len(paths), _READ_AT_ONCE):  # pipelined, but not all ten thousand at once
            waiting = [(k, key, p, self._client.get_async(p)) for k, key, p in paths[start : start + _READ_AT_ONCE]]
            for kind, key, path, result in waiting:
                data, _ = result.get(timeout=30)
                self._known.add(path)
                found.append((kind, key, self._decode(path, data)))
        return found

    @staticmethod
    def _decode(path: str, data: bytes) -> Json:
        """Raises Broken."""
        try:
            value = json.loads(zlib.decompress(data) if data.startswith(_SMALLER) else data)
        except (ValueError, zlib.error, RecursionError) as e:
            problem = str(e)
        else:
            if isinstance(value, dict):
                return value
            problem = "not an object"
        raise Broken(
            f"ZooKeeper node {path} does not hold what this service wrote there ({problem}; it begins {data[:40]!r}). Put its content back "
            f"from a copy (set {path} JSON), or, if what it stands for may be lost, take it away (delete {path})"
        )

    def _data(self, value: Json) -> bytes:
        data = _encode(value)
        if self._compress_above is not None and len(data) > self._compress_above:
            smaller = zlib.compress(data, 6)
            if len(smaller) < len(data) - len(data) // _LARGER:
                return smaller
        return data

    def check_size(self, value: Json) -> None:
        """Raises TooLarge."""
        size = len(self._data(value))
        if size > self._max:
            raise TooLarge(f"{size} bytes, and ZooKeeper takes {self._max} at the most")

    async def write(self, changes: Iterable[Change]) -> None:
        """Store these, in order; all or nothing within each batch.  Raises StoreError; of TooLarge nothing is stored."""
        ready: list[tuple[str, bytes | None]] = []
        for kind, key, value in changes:
            data, path = None if value is None else self._data(value), self.path(kind, key)
            if data is not None and len(data) > self._max:
                raise TooLarge(f"{len(data)} bytes for {path}, and ZooKeeper takes {self._max} at the most")
            ready.append((path, data))
        batch: list[tuple[str, bytes | None]] = []
        size = 0
        async with self._lock:
            for path, data in ready:
                if batch and size + len(data or b"") > _BATCH_BYTES:
                    # A large value goes alone: ZooKeeper takes no more than a megabyte at once.
                    await self._commit(batch)
                    batch, size = [], 0
                batch.append((path, data))
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
