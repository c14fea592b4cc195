"""One round: every source is asked at the same time, and who has not answered at the deadline is an error of that source alone. What
it answers later is told in the round after: on a machine that is slow for a while, or for good, there are fewer values, not none."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from .metrics import known
from .sources import Partly, Source

log = logging.getLogger(__name__)


class Rounds:
    """Asks the sources, each in a thread of its own. `errors` counts by source, since the start."""

    def __init__(self, sources: Sequence[Source], deadline: float) -> None:
        self._sources, self._deadline = sources, deadline
        self._threads = ThreadPoolExecutor(max(1, len(sources)), "source")
        self._asked: dict[str, Future[dict[str, float]]] = {}
        self._trouble: dict[str, str] = {}
        self.errors: dict[str, int] = {source.name: 0 for source in sources}

    def ask(self) -> dict[str, float]:
        """The values that came in time, and those that have come since the round before."""
        started = time.monotonic()
        late: dict[str, dict[str, float]] = {}
        waited_for = []
        for source in self._sources:
            before = self._asked.pop(source.name, None)
            if before is not None and not before.done():
                self._asked[source.name] = before  # it is not asked again, nor waited for
                continue
            if before is not None:
                late[source.name] = self._taken(source.name, before)
            self._asked[source.name] = self._threads.submit(source.read)
            waited_for.append(self._asked[source.name])
        wait(waited_for, timeout=self._deadline)
        values: dict[str, float] = {}
        for source in self._sources:
            if self._asked[source.name].done():
                values |= self._taken(source.name, self._asked.pop(source.name))
            elif source.name in late:
                values |= late[source.name]
            else:
                self._failed(source.name, 1, f"no answer in {self._deadline:g} s")
        values["collector.seconds"] = time.monotonic() - started
        values |= {f"collector.errors.{name}": float(count) for name, count in self.errors.items()}
        return values

    def _taken(self, name: str, asked: Future[dict[str, float]]) -> dict[str, float]:
        try:
            found = asked.result()
        except Partly as error:
            self._failed(name, error.count, str(error))
            return self._documented(name, error.values)
        except Exception as error:  # whatever it was, the other sources go on
            self._failed(name, 1, f"{type(error).__name__}: {error}")
            return {}
        if self._trouble.pop(name, ""):
            log.warning("%s: answers again", name)
        return self._documented(name, found)

    def _documented(self, name: str, values: Mapping[str, float]) -> dict[str, float]:
        """Nothing is sent that is not in the table."""
        out = {key: value for key, value in values.items() if known(key)}
        if len(out) < len(values):
            odd = sorted(values.keys() - out.keys())
            self._failed(name, 1, f"not in metrics.TABLE: {', '.join(odd[:3])}")
        return out

    def _failed(self, name: str, count: int, why: str) -> None:
        self.errors[name] += count
        if self._trouble.get(name) != why:
            log.warning("%s: %s", name, why[:300])
        self._trouble[name] = why
