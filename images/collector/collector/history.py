"""Finished jobs on their way from the submit nodes of this front-end to the index: a thread of its own, so that no round waits for it.

A batch is asked for after a position, put into the index, and only then the position is written down: what ends in between is sent
once more, and is the same document by its id. Nothing is kept here but the position: what waits stays in HTCondor's own files.

Positions hold for one index. Where another one answers (its volume was lost, or `monitoring.history.site` is another), all that
HTCondor's files have is sent to it.
"""

from __future__ import annotations

import functools
import json
import logging
import shlex
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import history_reader
from .docker import Asked, Docker
from .index import Document, Index
from .sources.pools import submit_nodes

log = logging.getLogger(__name__)
FILE = "history.json"
EVERY = 60.0  # seconds between two looks for jobs that ended
FIRST, LONGEST = 2.0, 60.0  # seconds between two attempts: twice as long each time
COMMAND = f'python3 -c {shlex.quote(Path(history_reader.__file__).read_text())} "$word"'


@dataclass(frozen=True)
class Batch:
    """One answer of history_reader.py. `unreadable`: a line for each job that adstash could make nothing of."""

    position: str
    found: bool
    waiting: int
    documents: tuple[Document, ...]
    unreadable: tuple[str, ...]


def batch(text: str) -> Batch:
    """Raises ValueError or KeyError if it is none."""
    head, *rest = [json.loads(line) for line in text.splitlines() if line]
    documents = tuple(Document(one["id"], one["doc"]) for one in rest if "id" in one)
    unreadable = tuple(f"{one['error']} ({one['job'].strip()})" for one in rest if "error" in one)
    return Batch(head["position"], head["found"], head["waiting"], documents, unreadable)


class Positions:
    """How far each pool's history is in the index, and which index that is: a file that outlives the container."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._index = ""
        self._all: dict[str, str] = {}
        try:
            kept = json.loads(file.read_text())
            known = kept["positions"] if "index" in kept else kept  # before, there was nothing in it but positions
            self._all = {str(k): str(v) for k, v in known.items()}
            self._index = str(kept["index"]) if "index" in kept else ""
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            log.warning("%s: %s; all that there is is sent once more", file, error)

    def of(self, pool: str) -> str:
        return self._all.get(pool, "")

    def put(self, pool: str, position: str) -> None:
        """Raises OSError."""
        self._all[pool] = position
        self._write()

    def hold_for(self, index: str) -> bool:
        """From now on they are of this index; False if they were of another, and are forgotten. Raises OSError."""
        if index == self._index:
            return True
        same = not self._index
        if not same:
            self._all = {}
        self._index = index
        self._write()
        return same

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"index": self._index, "positions": self._all}))
        new.replace(self._file)


class Exporter:
    """`start` it, and take its `values` every round. Says once what is wrong, and once that it is right again."""

    def __init__(
        self, docker: Docker, index: Index, state: Path, every: float = EVERY, first: float = FIRST, longest: float = LONGEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._docker, self._index, self._positions = docker, index, Positions(state / FILE)
        self._every, self._first, self._longest = every, first, longest
        self._asked: dict[str, Asked] = {}  # by the submit node's container
        self._waiting: dict[str, int] = {}  # by pool
        self._clock = clock
        self._good: dict[str, float] = {}  # by pool: when its jobs were last delivered, or none waited
        self._trouble: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self.exported = self.errors = self.refused = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """What is on its way may end within so long; else it is sent once more by the next one."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def values(self) -> dict[str, float]:
        """The metrics."""
        return {
            "history.exported_total": float(self.exported),
            "history.waiting": float(sum(list(self._waiting.values()))),
            "history.behind": max((self._clock() - good for good in list(self._good.values())), default=0.0),
            "history.errors_total": float(self.errors),
            "history.refused_total": float(self.refused),
        }

    def _run(self) -> None:
        pause = self._first
        while not self._ended.is_set():
            if self.look():
                pause = self._first
                self._ended.wait(self._every)
            else:
                self._ended.wait(pause)
                pause = min(pause * 2, self._longest)

    def look(self) -> bool:
        """Sends all that ended at all submit nodes here; whether all went well."""
        there = self._tried("the Docker engine", lambda: submit_nodes(self._docker))
        if there is None:
            return False
        for container in self._asked.keys() - there.keys():
            self._asked.pop(container).close()
        self._waiting = {pool: n for pool, n in self._waiting.items() if pool in there.values()}
        now = self._clock()
        self._good = {pool: self._good.get(pool, now) for pool in there.values()}
        known = self._tried("the index", self._recognized) if there else True
        went = [
            self._tried(f"pool {p}", functools.partial(self._drain, c, p, bool(known))) for c, p in there.items()
        ]  # one keeps no other from it
        return bool(known) and all(went)

    def _recognized(self) -> bool:
        """That the index answers, and positions are those of it."""
        if not self._positions.hold_for(self._index.identity()):
            log.warning(
                "history: the index is another one than before; all that HTCondor's histories have is sent to it"
            )
        return True

    def _tried(self, what: str, do: Callable[[], Any]) -> Any:
        """What it gives; None if it came to nothing, which is told."""
        try:
            found = do()
        except Exception as error:  # whatever it was, the thread goes on, and the jobs wait where they are
            self.errors += 1
            why = f"{type(error).__name__}: {error}"[:300]
            if self._trouble.get(what) != why:
                log.warning("history, %s: %s; jobs wait", what, why)
            self._trouble[what] = why
            return None
        if self._trouble.pop(what, ""):
            log.warning("history, %s: all is well again", what)
        return found

    def _drain(self, container: str, pool: str, send: bool) -> bool:
        """All of one pool's jobs that ended, batch by batch; without `send` it is only counted what waits."""
        asked = self._asked.setdefault(container, Asked(self._docker, container, COMMAND))

        def mapping() -> Mapping[str, Any]:
            found: Mapping[str, Any] = json.loads(asked.ask("mapping"))
            return found

        while not self._ended.is_set():
            after = self._positions.of(pool)
            found = batch(asked.ask(f"after:{after}"))
            self._waiting[pool] = found.waiting + len(found.documents)
            if not send:
                return False
            self._told(pool, found)
            for one in self._index.put(found.documents, mapping):
                self.refused += 1
                how = "in the index without what its user chose" if one.kept else "not in the index"
                log.warning("history, pool %s: job %s is %s: %s", pool, one.document.id, how, one.why)
            if found.position != after:
                self._positions.put(pool, found.position)
            self.exported += len(found.documents)
            self._waiting[pool] = found.waiting
            self._good[pool] = self._clock()
            if not found.waiting:
                return True
        return True

    def _told(self, pool: str, found: Batch) -> None:
        if not found.found:
            self.errors += 1
            log.warning("history, pool %s: HTCondor has rotated away what was to come next, or its spool is another; all that there is is sent", pool)  # fmt: skip
        for why in found.unreadable:
            self.errors += 1
            log.warning("history, pool %s: adstash makes nothing of a job: %s", pool, why)
