"""The HTCondor pools whose submit node is on this front-end: asked once a minute in that very container, and every round how many jobs
there are of each state, by one reader that stays there (pool_reader.py). All of it is told every round.

Nothing of a pool is reached over the network: its policy stays as it is, and no token is needed beyond those that the submit node has.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .. import pool_reader
from ..docker import Asked, Docker, Program
from ..metrics import part
from . import Partly, condor

QUICKLY, STALE = 3.0, 30.0  # seconds: for the numbers of jobs, and until they are no longer told
LABEL = "org.projectcalico.label."
EVERY, PATIENCE, OLD = (
    60.0,
    45.0,
    180.0,
)  # seconds: between two questions, for one answer, until an answer is no longer told
TEXT = Path(pool_reader.__file__).read_text()
# What the reader keeps of root's rights is to become another user. Of the container's environment, which holds the pool's secrets, it has
# nothing; it is told where root's tokens are, since the bindings look for a user's.
AS = (
    *("setpriv", "--bounding-set=-all,+setuid,+setgid", "--no-new-privs", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
    *("LANG=C.UTF-8", "MALLOC_ARENA_MAX=1", "_CONDOR_SEC_TOKEN_DIRECTORY=/etc/condor/tokens.d", "_CONDOR_QUERY_TIMEOUT=5"),
)  # fmt: skip


def reader(docker: Docker, container: str) -> Program:
    """What reads the pool of that submit node."""
    return Program(docker, container, TEXT, "aerie-pool-reader", AS, PATIENCE)


def submit_nodes(docker: Docker) -> dict[str, str]:
    """The pools' names by their submit node's container, of those that run here."""
    wanted = quote(json.dumps({"label": [f"{LABEL}aerie-role=submit"]}))
    found = docker.get(f"/containers/json?filters={wanted}")
    return {c["Id"]: c["Labels"][f"{LABEL}aerie-pool"] for c in found}


class Pool:
    """One pool: its last answers, and who came and went since the collector's start."""

    def __init__(self, name: str, asked: Asked) -> None:
        self.name, self._asked = name, asked
        self._one = threading.Lock()  # the reader answers one question at a time
        self._counts: dict[str, float] = {}
        self._counted_at = -STALE
        self._values: dict[str, float] = {}
        self._at = -OLD
        self._there: set[str] | None = None
        self._joined = self._left = 0

    def ask(self) -> None:
        """Takes some seconds. Raises OSError or ValueError."""
        values, there = condor.pool(self.name, self._answer("all"))
        if self._there is not None:
            self._joined += len(there - self._there)
            self._left += len(self._there - there)
        self._there = there
        at = f"condor.{part(self.name)}.executors"
        counts = {"count": len(there), "joined_total": self._joined, "left_total": self._left}
        self._values = values | {f"{at}.{what}": float(n) for what, n in counts.items()}
        self._at = time.monotonic()

    def count(self) -> None:
        """Takes less than a second, unless it comes behind the other. Raises OSError or ValueError."""
        found = condor.totals(self._answer("counts"))
        self._counts = {f"condor.{part(self.name)}.{name}": n for name, n in found.items()}
        self._counted_at = time.monotonic()

    def _answer(self, word: str) -> Any:
        with self._one:
            found = json.loads(self._asked.ask(word))
        if "error" in found:
            raise ValueError(f"its reader: {found['error']}")
        return found

    def values(self) -> dict[str, float]:
        """The last answers, none that is old. The numbers of jobs are newer than what else is told of them."""
        now = time.monotonic()
        known = self._values if now - self._at < OLD else {}
        return {**known, **(self._counts if now - self._counted_at < STALE else {})}

    def close(self) -> None:
        self._asked.close()


class Pools:
    name = "condor"

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._pools: dict[str, Pool] = {}  # by the submit node's container
        self._asking: dict[str, Future[None]] = {}
        self._next: dict[str, float] = {}
        self._counting: dict[str, Future[None]] = {}
        self._threads = ThreadPoolExecutor(4, "condor")
        self._quick_threads = ThreadPoolExecutor(4, "condor-quick")

    def read(self) -> dict[str, float]:
        there = submit_nodes(self._docker)
        for container in self._pools.keys() - there.keys():
            self._pools.pop(container).close()
            self._asking.pop(container, None)
            self._counting.pop(container, None)
        for container, name in there.items():
            if container not in self._pools:
                self._pools[container] = Pool(name, reader(self._docker, container))
                self._next[container] = 0.0
        values: dict[str, float] = {}
        troubles = self._count()
        for container, name in there.items():
            pool = self._pools[container]
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

    def _count(self) -> list[str]:
        """Asks all pools for the numbers of jobs, and waits for those that tell them soon; what went wrong."""
        troubles = []
        for container, pool in self._pools.items():
            before = self._counting.get(container)
            if before is None or before.done():
                self._counting[container] = self._quick_threads.submit(pool.count)
        wait(self._counting.values(), timeout=QUICKLY)
        for container, counting in self._counting.items():
            if counting.done() and (error := counting.exception()):
                troubles.append(f"pool {self._pools[container].name}: {error}")
        return troubles
