"""ZooKeeper by the four-letter word `srvr`.

Not by `mntr`: the servers run without a provider of metrics, which costs them memory, and `mntr` has three lines then.
"""

from __future__ import annotations

import re
import socket

TIME = 5.0  # seconds
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


class ZooKeeper:
    name = "zookeeper"

    def __init__(self, address: str, port: int) -> None:
        self._at = (address, port)

    def read(self) -> dict[str, float]:
        with socket.create_connection(self._at, TIME) as connection:
            connection.settimeout(TIME)
            connection.sendall(b"srvr")
            answer = b""
            while more := connection.recv(4096):
                answer += more
        return server(answer.decode())
