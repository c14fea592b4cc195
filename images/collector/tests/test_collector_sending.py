"""Points on their way: nothing is lost that the buffer holds, and what it cannot hold is counted."""

from __future__ import annotations

import io
import pickle
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from collector.buffer import Batch, Buffer
from collector.graphite import CHUNK, Sender, messages


def batch(moment: int, points: int = 2) -> Batch:
    return Batch(moment, {f"m{n}": float(moment + n) for n in range(points)})


def decode(stream: bytes) -> list[tuple[str, tuple[int, float]]]:
    """As carbon reads what it was sent; a message that was cut off is none."""
    out, data = [], io.BytesIO(stream)
    while head := data.read(4):
        body = data.read(struct.unpack("!L", head)[0] if len(head) == 4 else 0)
        try:
            out += pickle.loads(body)
        except (EOFError, pickle.UnpicklingError):
            break
    return out


def test_messages_are_what_carbon_reads() -> None:
    sent = list(messages(batch(100, CHUNK + 1)))
    assert len(sent) == 2
    points = decode(b"".join(sent))
    assert points[0] == ("m0", (100, 100.0)) and len(points) == CHUNK + 1


def test_a_full_buffer_drops_the_oldest_rounds_and_counts_their_points() -> None:
    buffer = Buffer(limit=6)
    for moment in (10, 20, 30, 40, 50):
        buffer.put(batch(moment))
    assert (buffer.points, buffer.dropped) == (6, 4)
    first = buffer.wait(0)
    assert first is not None and first.time == 30


def test_a_round_larger_than_the_buffer_is_kept_alone() -> None:
    buffer = Buffer(limit=3)
    buffer.put(batch(10))
    buffer.put(batch(20, 5))
    assert (buffer.points, buffer.dropped) == (5, 2)


def test_what_was_sent_lately_is_sent_again_after_a_loss_and_nothing_older() -> None:
    buffer = Buffer(limit=100, again=30)
    for moment in range(0, 100, 10):
        buffer.put(batch(moment))
        waiting = buffer.wait(0)
        assert waiting is not None
        buffer.done(waiting)
    buffer.put(batch(100))
    buffer.lost()
    times = []
    while waiting := buffer.wait(0):
        times.append(waiting.time)
        buffer.done(waiting)
    assert times == [60, 70, 80, 90, 100]
    assert buffer.dropped == 0


def test_what_is_not_sent_again_for_want_of_room_was_not_lost() -> None:
    buffer = Buffer(limit=4, again=100)
    for moment in (10, 20, 30):
        buffer.put(batch(moment))
        waiting = buffer.wait(0)
        assert waiting is not None
        buffer.done(waiting)
    buffer.put(batch(40))
    buffer.lost()
    assert buffer.dropped == 0 and buffer.points == 4


class Carbon:
    """A server that reads what it is sent, and may go away and come back on the same port."""

    def __init__(self) -> None:
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self.port = 0
        self.received: list[bytearray] = []

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port, self._listener = listener.getsockname()[1], listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self.received.append(bytearray())
            threading.Thread(target=self._read, args=(connection, self.received[-1]), daemon=True).start()

    def _read(self, connection: socket.socket, into: bytearray) -> None:
        try:
            while more := connection.recv(65536):
                into += more
        except OSError:
            return

    def stop(self) -> None:
        """As a process that is killed: every socket of it ends."""
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def times(self) -> set[int]:
        return {moment for stream in self.received for _, (moment, _) in decode(bytes(stream))}


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "not within 10 s"
        time.sleep(0.01)


def test_graphite_goes_away_and_comes_back() -> None:
    carbon = Carbon()
    carbon.start()
    buffer = Buffer(1000)
    sender = Sender(buffer, ("127.0.0.1", carbon.port), pause=0.05)
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        buffer.put(batch(10))
        until(lambda: carbon.times() == {10})
        carbon.stop()
        carbon.received.clear()  # with all that it held in memory
        until(lambda: not sender.connected)
        for moment in (20, 30, 40):
            buffer.put(batch(moment))
        assert carbon.times() == set()
        carbon.start()
        until(lambda: carbon.times() == {10, 20, 30, 40})
        assert buffer.dropped == 0 and buffer.points == 0
    finally:
        sender.stop()
        thread.join(10)
        carbon.stop()
    assert not thread.is_alive()


def test_what_waits_is_sent_before_the_end() -> None:
    carbon = Carbon()
    carbon.start()
    buffer = Buffer(1000)
    for moment in (10, 20):
        buffer.put(batch(moment))
    sender = Sender(buffer, ("127.0.0.1", carbon.port))
    sender.stop()
    sender.run()
    until(lambda: carbon.times() == {10, 20})
    carbon.stop()


def test_the_end_does_not_wait_for_a_graphite_that_is_away() -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    address = closed.getsockname()
    closed.close()
    buffer = Buffer(1000)
    buffer.put(batch(10))
    sender = Sender(buffer, address)
    sender.stop()
    sender.run()
    assert buffer.points == 2
