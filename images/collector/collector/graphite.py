"""Hands points over to Graphite by its pickle protocol: a connection that is kept, and made again when it is lost."""

from __future__ import annotations

import logging
import pickle
import select
import socket
import struct
import threading
from collections.abc import Iterator, Mapping

from .buffer import Batch, Buffer

log = logging.getLogger(__name__)
CONNECT, SEND = 5.0, 10.0  # seconds
CHUNK = 500  # points in one message; carbon takes at most 1 MB


def messages(batch: Batch) -> Iterator[bytes]:
    """The batch as the protocol has it: a length of four bytes, then a pickled list of (name, (time, value))."""
    points = [(name, (batch.time, value)) for name, value in batch.values.items()]
    for start in range(0, len(points), CHUNK):
        body = pickle.dumps(points[start : start + CHUNK], protocol=2)
        yield struct.pack("!L", len(body)) + body


class Sender:
    """Empties the buffer in a thread of its own. Says once what is wrong, and once that all is well again."""

    def __init__(self, buffer: Buffer, address: tuple[str, int], pause: float = 5.0) -> None:
        self._buffer, self._address, self._pause = buffer, address, pause
        self._socket: socket.socket | None = None
        self._trouble = ""
        self._end = threading.Event()

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def run(self) -> None:
        """Until `stop`; what waits then is tried once more."""
        while not self._end.is_set():
            self.step(1.0)
        while (batch := self._buffer.wait(0)) and self._send(batch):
            pass
        self._close()

    def stop(self) -> None:
        self._end.set()

    def step(self, seconds: float) -> None:
        """Hands over one batch if there is one within so long, or sees that it cannot."""
        if self._socket is not None and _ended(self._socket):
            self._failed("it ended the connection")
        batch = self._buffer.wait(seconds)
        if batch is not None and not self._send(batch):
            self._end.wait(self._pause)

    def _send(self, batch: Batch) -> bool:
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, CONNECT)
                self._socket.settimeout(SEND)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if _ended(self._socket):
                raise ConnectionError("it ended the connection")
            for message in messages(batch):
                self._socket.sendall(message)
        except OSError as error:
            self._failed(str(error))
            return False
        self._buffer.done(batch)
        if self._trouble:
            log.warning("Graphite at %s:%d takes points in again", *self._address)
            self._trouble = ""
        return True

    def _failed(self, why: str) -> None:
        had, self._trouble = self._trouble, why
        if had != why:
            log.warning("Graphite at %s:%d: %s; points are kept until it answers", *self._address, why)
        if self._socket is not None:
            self._buffer.lost()
        self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _ended(connection: socket.socket) -> bool:
    """Whether the other end has closed the connection: Graphite never says anything else."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True


def named(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    """The values by whole names."""
    return {prefix + name: value for name, value in values.items()}
