"""What the collector uses itself."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from ..rates import Rates

PAGE = os.sysconf("SC_PAGE_SIZE")


class Itself:
    name = "collector"

    def __init__(self) -> None:
        self._rates = Rates()

    def read(self) -> dict[str, float]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        out = {"collector.memory": float(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)}
        cores = self._rates.rate("cpu", used.ru_utime + used.ru_stime, time.monotonic())
        if cores is not None:
            out["collector.cpus.used"] = cores
        return out
