"""Carries UDP between pairs of addresses with a delay, and loses it on demand: a slow, breakable WAN in one process.

    python wan_relay.py ADDRESS < commands     (only the standard library; it runs by itself)

Commands are lines of JSON, each answered by a line of JSON:

    {"add": NAME, "ends": [[HOST, PORT], [HOST, PORT]], "delay": SECONDS}   ->  {"ports": [P0, P1]}
        From then on what ends[0] sends to ADDRESS:P0 reaches ends[1] from ADDRESS:P1 after `delay`, and the other way round.
    {"set": NAME, "delay": SECONDS}                                         ->  {}
    {"lose": NAME, "directions": [WHETHER 0 TO 1 IS LOST, WHETHER 1 TO 0]}   ->  {}

One thread: select has a time-out in microseconds (epoll's are in milliseconds), and a queue for each direction keeps the order.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

BUFFER = 4 << 20  # bytes; bursts wait here while other packets are served
QUEUE = 20000  # packets under way; more are lost, as in a router
SO_RCVBUFFORCE = 33


@dataclass
class Direction:
    """From one end of a pair to the other."""

    source: str
    arrives: socket.socket
    leaves: socket.socket
    target: tuple[str, int]
    delay: float
    lost: bool = False
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)


class Relay:
    """Pairs by name, each with its two directions."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._pairs: dict[str, tuple[Direction, Direction]] = {}
        self._by_socket: dict[int, Direction] = {}

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        if name := command.get("add"):
            ends = [(str(host), int(port)) for host, port in command["ends"]]
            sockets = [self._socket(), self._socket()]
            pair = tuple(
                Direction(ends[i][0], sockets[i], sockets[1 - i], ends[1 - i], command["delay"]) for i in (0, 1)
            )
            self._pairs[name] = (pair[0], pair[1])
            for direction in pair:
                self._by_socket[direction.arrives.fileno()] = direction
            return {"ports": [s.getsockname()[1] for s in sockets]}
        if name := command.get("set"):
            for direction in self._pairs[name]:
                direction.delay = command["delay"]
            return {}
        name = command["lose"]
        for direction, lost in zip(self._pairs[name], command["directions"], strict=True):
            direction.lost = lost
            if lost:
                direction.queue.clear()  # what is under way is lost too
        return {}

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):  # more than the machine allows is for root
                made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        made.bind((self._address, 0))
        return made

    def serve(self) -> None:
        """Until standard input ends."""
        with contextlib.suppress(PermissionError):
            os.nice(-15)  # what else runs here must not add to the delays
        commands = b""
        directions = self._by_socket
        while True:
            heads = [d.queue[0][0] for d in directions.values() if d.queue]
            wait = max(0.0, min(heads) - time.monotonic()) if heads else None
            ready, _, _ = select.select([0, *directions], [], [], wait)
            for fd in ready:
                if fd == 0:
                    read = os.read(0, 65536)
                    if not read:
                        return
                    *lines, commands = (commands + read).split(b"\n")
                    for line in lines:
                        print(json.dumps(self.obey(json.loads(line))), flush=True)
                else:
                    _take(directions[fd])
            for direction in directions.values():
                _pass_on(direction)


def _take(direction: Direction) -> None:
    """What has come in; not more at once than what keeps the others waiting for a millisecond or so."""
    receive, append = direction.arrives.recvfrom, direction.queue.append
    due = time.monotonic() + direction.delay
    for _ in range(64):
        try:
            packet, (host, _port) = receive(65535)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if host == direction.source and not direction.lost and len(direction.queue) < QUEUE:
            append((due, packet))


def _pass_on(direction: Direction) -> None:
    queue, send, target = direction.queue, direction.leaves.sendto, direction.target
    now = time.monotonic()
    while queue and queue[0][0] <= now:
        _, packet = queue.popleft()
        # Nobody there, or no room: lost, as on any network.
        with contextlib.suppress(OSError):
            send(packet, target)


if __name__ == "__main__":
    Relay(sys.argv[1]).serve()
