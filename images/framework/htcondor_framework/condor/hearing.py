"""When the collector heard of each executor, by our own clock: its own may be another, and tells whole seconds only. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..core.model import StartdAd
from .ads import Sighting


class Hearing:
    def __init__(self) -> None:
        self._known: dict[str, tuple[str, float]] = {}
        self._asked = 0.0

    def update(self, sightings: Iterable[Sighting], asked: float, answered: float) -> tuple[StartdAd, ...]:
        """The ads with `heard` as our Unix time, in seconds: never earlier than the question (`asked`) before which they were another's,
        and never later than the answer. Within that, the end of the second that the collector tells."""
        found: list[StartdAd] = []
        known: dict[str, tuple[str, float]] = {}
        for sighting in sightings:
            ad = sighting.ad
            before = self._known.get(ad.name)
            if before is not None and before[0] == sighting.stamp:
                heard = before[1]
            else:
                earliest = self._asked if before is not None else 0.0
                heard = min(answered, max(earliest, ad.heard + 1))
            known[ad.name] = (sighting.stamp, heard)
            found.append(replace(ad, heard=heard))
        self._known, self._asked = known, asked
        return tuple(found)
