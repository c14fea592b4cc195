"""How far a restoration has come, so that the same command goes on: a file in the federation's home."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

NAME = "restore.json"
LASTS = 24 * 3600.0  # seconds
FILES, STATES, SITES, SERVICES, POOLS = "files", "states", "sites", "services", "pools"


@dataclass
class Progress:
    """`archive`: by what it is known. `done`: phases."""

    path: Path
    archive: str
    done: list[str] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether what is there may be of an earlier run: the judge let that begin."""
        return FILES in self.done

    def finish(self, phase: str) -> None:
        self.done.append(phase)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = self.path.with_suffix(".half")
        half.write_text(json.dumps({"archive": self.archive, "done": self.done, "at": time.time()}))
        half.replace(self.path)

    def end(self) -> None:
        self.path.unlink(missing_ok=True)


def progress_of(home: Path, archive: str) -> Progress:
    """Of this archive; from the beginning if another one was under way, or if nobody went on for LASTS: what is there by then may be in use."""
    path = home / NAME
    try:
        found = json.loads(path.read_text())
        goes_on = found["archive"] == archive and time.time() - float(found["at"]) < LASTS
        done = [str(d) for d in found["done"]] if goes_on else []
    except (OSError, ValueError, KeyError, TypeError):
        done = []
    return Progress(path, archive, done)
