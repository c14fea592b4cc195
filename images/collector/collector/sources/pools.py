"""The HTCondor pools whose submit node is on this front-end: asked once a minute in that very container, told every round.

Nothing of a pool is reached over the network: its policy stays as it is, and no token is needed beyond those that the submit node has.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import quote

from ..docker import Asked, Docker
from ..metrics import part
from . import Partly, condor

LABEL = "org.projectcalico.label."
EVERY, PATIENCE, OLD = (
    60.0,
    45.0,
    180.0,
)  # seconds: between two questions, for one answer, until an answer is no longer told


def submit_nodes(docker: Docker) -> dict[str, str]:
    """The pools' names by their submit node's container, of those that run here."""
    wanted = quote(json.dumps({"label": [f"{LABEL}aerie-role=submit"]}))
    found = docker.get(f"/containers/json?filters={wanted}")
    return {c["Id"]: c["Labels"][f"{LABEL}aerie-pool"] for c in found}


class Pool:
    """One pool: its last answer, and who came and went since the collector's start."""

    def __init__(self, name: str, asked: Asked) -> None:
        self.name, self._asked = name, asked
        self._values: dict[str, float] = {}
        self._at = -OLD
        self._there: set[str] | None = None
        self._joined = self._left = 0

    def ask(self) -> None:
        """Takes some seconds. Raises OSError or ValueError."""
        values, there = condor.pool(self.name, self._asked.ask())
        if self._there is not None:
            self._joined += len(there - self._there)
            self._left += len(self._there - there)
        self._there = there
        at = f"condor.{part(self.name)}.executors"
        counts = {"count": len(there), "joined_total": self._joined, "left_total": self._left}
        self._values = values | {f"{at}.{what}": float(n) for what, n in counts.items()}
        self._at = time.monotonic()

    def values(self) -> dict[str, float]:
        """The last answer, none if it is old."""
        return self._values if time.monotonic() - self._at < OLD else {}

    def close(self) -> None:
        self._asked.close()


class Pools:
    name = "condor"

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._pools: dict[str, Pool] = {}  # by the submit node's container
        self._asking: dict[str, Future[None]] = {}
        self._next: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(4, "condor")

    def read(self) -> dict[str, float]:
        there = submit_nodes(self._docker)
        for container in self._pools.keys() - there.keys():
            self._pools.pop(container).close()
            self._asking.pop(container, None)
        values: dict[str, float] = {}
        troubles = []
        for container, name in there.items():
            pool = self._pools.get(container)
            if pool is None:
                pool = Pool(name, Asked(self._docker, container, condor.COMMAND, PATIENCE))
                self._pools[container], self._next[container] = pool, 0.0
            asking = self._asking.get(container)
            if asking is not None and asking.done():
                del self._asking[container]
                if error := asking.exception():
                    troubles.append(f"pool {name}: {error}")
            if container not in self._asking and time.monotonic() >= self._next[container]:
                self._next[container] = time.monotonic() + EVERY
                self._asking[container] = self._threads.submit(pool.ask)
            values |= pool.values()
        if troubles:
            raise Partly(values, len(troubles), "; ".join(troubles))
        return values
