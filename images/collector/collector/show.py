"""python3 -m collector.show [--json]: the alerts that fire at this site, as the collector left them after its last round.

Ends with 0 if none fires, 1 if one does, 2 if nobody knows: the collector does not run, or has not ended a round.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .config import STATE
from .notices import shown
from .watch import FILE

DONE = Path("/dev/shm/collector-round")  # its time is that of the last round
OLD = 60.0  # seconds


def text(alert: dict[str, Any], now: float) -> str:
    """One alert for people to read."""
    labels = " ".join(f"{k}={v}" for k, v in alert["labels"].items())
    value = float("inf") if alert["value"] is None else alert["value"]
    return (
        f"{alert['rule']} {labels}".rstrip()
        + f", for {max(0.0, now - alert['since']):.0f} s: {shown(value)} {alert['unit']}"
        + f" ({alert['beyond']} {alert['threshold']:g} is bad)\n  {alert['means']}\n  {alert['todo']}"
    )


def show(words: Sequence[str], state: Path = STATE, done: Path = DONE) -> int:
    """The command; gives its status."""
    if words not in ([], ["--json"]):
        print("collector-alerts: write no word, or --json", file=sys.stderr)
        return 2
    now = time.time()
    try:
        age = now - done.stat().st_mtime
        found = json.loads((state / FILE).read_text())
    except (OSError, ValueError) as error:
        print(f"collector-alerts: {error}; wait for a round (10 s), then see docker logs collector", file=sys.stderr)
        return 2
    if age > OLD:
        print(f"collector-alerts: the last round was {age:.0f} s ago; see docker logs collector", file=sys.stderr)
        return 2
    if words:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(text(alert, now) for alert in found) or "no alert fires")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(show(sys.argv[1:]))
