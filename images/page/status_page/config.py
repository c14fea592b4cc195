"""What the page's server is told: its environment and the files that it may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILES = Path("/etc/aerie/page")
PORT = 8446
USER, VIEWER = "admin", "viewer"  # who may look at the page, and as whom Graphite is asked


class Mistake(ValueError):
    """A setting that is missing or wrong; says which, and what to write."""


@dataclass(frozen=True)
class Config:
    """`listen`: an address; `graphite` and `marathons`: ADDRESS:PORT; `quorum`: the sites with a quorum member; `keeper`: the site
    that has Graphite; `files`: ca.crt, server.crt, server.key, admin (Marathon's password), viewer (Graphite's) and panels.json (panels.py)."""

    federation: str
    listen: str
    sites: tuple[str, ...]
    quorum: tuple[str, ...]
    keeper: str
    graphite: str
    marathons: tuple[str, ...]
    files: Path = FILES
    port: int = PORT
    interval: float = 5.0  # seconds between two questions while somebody looks; while nobody does there are none

    def secret(self, name: str) -> str:
        """The content of one of the files. Raises OSError, or Mistake if it is empty."""
        found = (self.files / name).read_text().strip()
        if not found:
            raise Mistake(f"{self.files / name} is empty; it is to hold a password")
        return found


def from_environment(environment: Mapping[str, str]) -> Config:
    """Raises Mistake."""

    def text(name: str) -> str:
        if not (value := environment.get(name, "")):
            raise Mistake(f"{name} is missing in the environment")
        return value

    def places(name: str) -> tuple[str, ...]:
        found = tuple(text(name).split(","))
        for place in found:
            host, _, port = place.rpartition(":")
            if not host or not port.isdigit():
                raise Mistake(f"{name} has {place!r} in it; write ADDRESS:PORT")
        return found

    sites, quorum = tuple(text("PAGE_SITES").split(",")), tuple(text("PAGE_QUORUM").split(","))
    keeper = text("PAGE_KEEPER")
    if unknown := sorted({*quorum, keeper} - set(sites)):
        raise Mistake(
            f"PAGE_SITES is {','.join(sites)}; {', '.join(unknown)} of PAGE_QUORUM or PAGE_KEEPER is not among them"
        )
    graphite = places("PAGE_GRAPHITE")
    return Config(text("PAGE_FEDERATION"), text("LISTEN"), sites, quorum, keeper, graphite[0], places("PAGE_MARATHONS"))
