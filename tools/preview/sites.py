"""The hands by which sites are really changed: what `roll` needs to ask and to note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from components.spec.model import Federation
from tools.login import aerie_home

from . import applied
from .health import Watch
from .roll import Hands, alone


def hands(federation: Federation, root: Path, say: Callable[[str], None], watch: Watch | None = None) -> Hands:
    """Their `up` changes nothing: it notes that somebody did."""
    home, watch = aerie_home(federation), watch or Watch(federation, root)

    def renewed(site: str) -> bool:
        noted = applied.recall(home, site).get("secrets")
        return noted is not None and noted != applied.secrets(watch.shared())

    def up(sites: Sequence[str]) -> None:
        note(sites, federation, root, watch)

    return Hands(up, watch, say, watch.agents, renewed, lambda: alone(home, say))


def note(sites: Sequence[str], federation: Federation, root: Path, watch: Watch) -> None:
    """Notes that the sites are up as the files say; their addresses and keys may be others now."""
    for site in sites:
        watch.forget(site)
    secrets = applied.secrets(watch.shared())
    for site in sites:
        applied.note(aerie_home(federation), site, applied.program(root, site), secrets)
