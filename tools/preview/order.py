"""What apply does when: the order of stacks, and whether the farm is well enough for the next one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.spec.model import Federation
from tools.status_model import Status

from .touched import Stack


@dataclass(frozen=True)
class Step:
    """One stack. `member`: it holds a part of the quorums, which must be whole before it and after it."""

    stack: str
    member: bool = False


def steps(stacks: Sequence[Stack], federation: Federation, only: Sequence[str]) -> list[Step]:
    """The stacks of `only` one by one: the federation, the sites of the quorum, the other sites, the pools."""
    kinds = {"federation": 0, "site": 1, "pool": 3}
    chosen = [s for s in stacks if s.name in only]
    members = set(federation.quorum_sites)
    ordered = sorted(chosen, key=lambda s: kinds[s.kind] + (s.kind == "site" and s.name not in members))
    return [Step(s.name, s.name in members and s.kind == "site") for s in ordered]


def quorum_trouble(status: Status, expected: int) -> list[str]:
    """What is missing of the quorums, a line each; `expected` members are up already or should be.

    While a federation comes up for the first time fewer are expected than there will be, and no majority may be there yet."""
    out = []
    for quorum in status.quorums:
        wanted = min(expected, quorum.members)
        if quorum.up < wanted:
            out.append(f"{quorum.name}: {quorum.up} of {wanted} members are up")
        elif wanted > quorum.members // 2 and not quorum.held:
            out.append(f"{quorum.name}: all members are up, none leads")
    return out
