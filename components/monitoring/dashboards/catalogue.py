"""All dashboards of a federation, the names of their files, and which metrics none of them shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .machines import machines
from .model import Board
from .network import network
from .overview import overview
from .pool import DAEMONS, pool
from .services import services

# Every other metric of the table has a panel; why these have none.
NOT_SHOWN = {
    **{
        f"condor.<pool>.{kind}.<name>.DaemonCoreDutyCycle": "of all time since the start; the recent one is shown"
        for kind in DAEMONS
    },
    "condor.<pool>.slots.<type>.<state>.Disk": "disk is shown by type",
    "condor.<pool>.slots.<type>.Claimed.<group>.<user>.Disk": "disk is shown by type",
}


def of_federation(federation: str) -> list[Board]:
    """Those that every federation has."""
    return [overview(federation), network(federation), services(federation), machines(federation)]


def everything(federation: str, pools: Iterable[str]) -> list[Board]:
    """With one for each pool."""
    return [*of_federation(federation), *(pool(federation, name) for name in sorted(pools))]


def files(boards: Iterable[Board]) -> dict[str, str]:
    """The JSON of each, by file name."""
    from .grafana import text  # its SDK takes time to load, which whoever needs no JSON need not wait for

    return {f"{board.name}.json": text(board) for board in boards}
