"""Times in the API's form: ISO 8601, UTC, milliseconds.  Versions of apps are such stamps; they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache


def stamp(now: float) -> str:
    """`now` (seconds since the epoch) as 2015-09-25T15:13:48.343Z."""
    seconds = int(now // 1)
    milliseconds = round((now - seconds) * 1e6) // 1000
    return f"{_second(seconds + milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "")


def parse_stamp(text: str) -> float:
    """Seconds since the epoch.  Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def next_version(now: float, last: str | None) -> str:
    """A version that is later than `last`, also when both are made in the same millisecond or the clock went back."""
    version = stamp(now)
    if last is not None and version <= last:
        version = (datetime.fromisoformat(last) + timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
        version = version.replace("+00:00", "Z")
    return version


def is_stamp(text: str) -> bool:
    """Whether `text` is a time in the API's form."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
