"""Graphite's render API of the federation that the live tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests
from federation import NAME, Farm

SITES = ("torino", "cnaf", "bari")  # each holds a quorum member


@dataclass
class Graphite:
    """The render API, as an operator asks it."""

    url: str
    session: requests.Session
    federation: str = NAME

    def ask(self, path: str, **data: Any) -> Any:
        answer = self.session.post(self.url + path, data=data, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def names(self, site: str) -> list[str]:
        prefix = f"aerie.{self.federation}.{site}."
        return [n.removeprefix(prefix) for n in self.ask("/metrics/index.json") if n.startswith(prefix)]

    def values(self, pattern: str, minutes: int = 3) -> dict[str, list[float]]:
        """What came of each series lately, by name without federation: SITE.NAME."""
        series = self.ask(
            "/render", target=f"aerie.{self.federation}.{pattern}", format="json", **{"from": f"-{minutes}min"}
        )
        return {
            each["target"].removeprefix(f"aerie.{self.federation}."): [
                v for v, _ in each["datapoints"] if v is not None
            ]
            for each in series
        }

    def last(self, pattern: str) -> dict[str, float]:
        return {name: values[-1] for name, values in self.values(pattern).items() if values}

    def gaps(self, pattern: str, since: float) -> dict[str, float]:
        """The longest time without a value since then, s, of each series; the last 20 s, which may be on their way, apart."""
        series = self.ask(
            "/render", target=f"aerie.{self.federation}.{pattern}", format="json", **{"from": str(int(since))}
        )
        out = {}
        for each in series:
            points = [at for value, at in each["datapoints"] if value is not None]
            out[each["target"]] = float(max(b - a for a, b in pairwise([int(since), *points])))
        return out


@contextmanager
def logged_in(farm: Farm, folder: Path, user: str, password: str) -> Iterator[requests.Session]:
    """A session as `user`, with the federation's password of that name; `folder` is for the CA's certificate."""
    shared = farm.outputs("federation")
    ca = folder / "ca.crt"
    ca.write_text(shared["ca_certificate"])
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(ca)
        session.auth = (user, shared["passwords"][password])
        yield session


def graphite_of(farm: Farm, folder: Path, federation: str = NAME) -> Iterator[Graphite]:
    """As its viewer."""
    with logged_in(farm, folder, "viewer", "graphite") as session:
        yield Graphite(farm.outputs("torino")["graphite_url"], session, federation)
