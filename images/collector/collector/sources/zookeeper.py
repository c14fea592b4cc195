"""ZooKeeper by the four-letter word `srvr`.

Not by `mntr`: the servers run without a provider of metrics, which costs them memory, and `mntr` has three lines then.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

TIME = 5.0  # seconds
OTHERS = 2.0  # seconds, for the other members: who does not answer within them is away
_NUMBERS = {
    "Received": "received_total",
    "Sent": "sent_total",
    "Connections": "connections",
    "Outstanding": "outstanding",
    "Node count": "nodes",
}


def server(text: str) -> dict[str, float]:
    """From the answer; ValueError if it is none. A server without a majority says so, and nothing else."""
    if "not currently serving" in text:
        return {"zookeeper.serving": 0.0, "zookeeper.leader": 0.0}
    lines = dict(line.partition(": ")[::2] for line in text.splitlines())
    latency = re.fullmatch(r"[\d.]+/([\d.]+)/([\d.]+)", lines.get("Latency min/avg/max", ""))
    if "Mode" not in lines or latency is None:
        raise ValueError(f"no answer to srvr: {text[:80]!r}")
    return {
        "zookeeper.serving": 1.0,
        "zookeeper.leader": float(lines["Mode"] in ("leader", "standalone")),
        "zookeeper.latency.avg": float(latency[1]),
        "zookeeper.latency.max": float(latency[2]),
        **{f"zookeeper.{name}": float(lines[key]) for key, name in _NUMBERS.items()},
    }


def members(own: str, others: Iterable[str]) -> dict[str, float]:
    """Who is there, by the members' answers; an empty one is none. One without a majority is there nevertheless."""
    answers = [own, *others]
    return {
        "zookeeper.members.total": float(len(answers)),
        "zookeeper.members.active": float(sum(bool(answer) for answer in answers)),
    }


def ask(at: tuple[str, int], seconds: float) -> str:
    """Raises OSError."""
    with socket.create_connection(at, seconds) as connection:
        connection.settimeout(seconds)
        connection.sendall(b"srvr")
        answer = b""
        while more := connection.recv(4096):
            answer += more
    return answer.decode()


def _asked(at: tuple[str, int]) -> str:
    try:
        return ask(at, OTHERS)
    except OSError:  # that it is away is what was asked
        return ""


class ZooKeeper:
    """This site's server; and whether the others are there, since a server tells nobody how many followers it has."""

    name = "zookeeper"

    def __init__(self, at: tuple[str, int], others: Sequence[tuple[str, int]] = ()) -> None:
        self._at, self._others = at, others
        self._threads = ThreadPoolExecutor(max(1, len(others)), "zookeeper")

    def read(self) -> dict[str, float]:
        others = self._threads.map(_asked, self._others)
        own = ask(self._at, TIME)
        return server(own) | members(own, others)
