"""Rolls a change over the sites: what touches no member of a quorum at the same time, members one site at a time, with every quorum whole
again in between. `make up`, `aerie up` and apply change sites by this and by nothing else."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from . import health
from .cost import NAMES, Farm
from .model import StackPreview
from .order import Taken, lost_for_good, order_of, taken
from .quorums import Health, away, missing, refusals, wanted

BEFORE, AFTER = (
    30.0,
    300.0,
)  # seconds for members that just start, before they count as missing; and for those of a changed site
LOCK = "members.lock"


class Stopped(Exception):
    """Nothing more is changed; the text says why and what to do."""


@dataclass(frozen=True)
class Hands:
    """What it does to the world; a test puts others in place. `up` changes sites at the same time, and raises what it likes; `look` asks
    the quorums; `agents` are the addresses of all machines; `renewed`: whether the federation's secrets are others than the site has, as
    far as is known; `alone` holds off who else rolls; `wait` asks until nothing is missing, or the seconds are over."""

    up: Callable[[Sequence[str]], None]
    look: Callable[[], Health]
    say: Callable[[str], None]
    agents: Callable[[], Iterable[str]] = tuple
    renewed: Callable[[str], bool] = lambda _: False
    alone: Callable[[], AbstractContextManager[None]] = nullcontext
    wait: Callable[[float, Callable[[], list[str]], Callable[[str], None]], list[str]] = health.wait


@dataclass
class Rolled:
    """What was done: the steps, and how long each was waited for is in what `say` heard."""

    steps: list[tuple[str, ...]] = field(default_factory=list)


def roll(previews: Sequence[StackPreview], farm: Farm, hands: Hands, new: Sequence[str] = ()) -> Rolled:
    """Changes the sites of `previews` (those without changes belong not there) and makes those that are `new`.

    Raises Stopped before anything is changed if a quorum would be lost, and later where one does not become whole again."""
    takes, done = taken(previews, farm), Rolled()
    if lost := lost_for_good(takes, farm):
        raise Stopped("\n".join([*lost, "nothing was changed"]))
    with hands.alone() if any(t.parts for t in takes) else nullcontext():
        _roll(takes, hands, new, done)
    return done


def _roll(takes: Sequence[Taken], hands: Hands, new: Sequence[str], done: Rolled) -> None:
    by_site = {t.site: t for t in takes}
    rolled = [t for t in takes if t.parts]
    now = hands.look() if rolled else None
    order = order_of(takes, any(hands.renewed(t.site) for t in rolled), away(now) if now else None)
    first = (*new, *order.at_once)
    if now and order.one_by_one and not away(now).keys() & set(first):
        # Before anything is changed; unless what comes first may be what brings missing members back.
        _allow(by_site[order.one_by_one[0]], hands, done)
    if first:
        hands.up(first)
        done.steps.append(first)
    if order.together:
        hands.say(
            f"what all members share is renewed, and old and new do not understand each other: {', '.join(order.together)} at the same time; "
            "the quorums are away meanwhile, what runs goes on"
        )
        hands.up(order.together)
        done.steps.append(order.together)
        every = {part: frozenset(order.together) for part in (now or hands.look()).quorums}
        _whole(every, hands, order.together[-1], done)
    if len(order.one_by_one) > 1:
        hands.say(f"members of quorums change, so one site after the other: {', '.join(order.one_by_one)}")
    for site in order.one_by_one:
        take = by_site[site]
        before = _allow(take, hands, done)
        hands.say(
            f"{site}: {', '.join(NAMES[p] for p in NAMES if p in take.parts)} of {site} {'goes' if len(take.parts) == 1 else 'go'} for a moment"
        )
        hands.up((site,))
        done.steps.append((site,))
        there = frozenset(before.agents or ()) & frozenset(hands.agents())
        _whole(wanted(before, site, take.away, take.gone), hands, site, done, there)


def _allow(take: Taken, hands: Hands, done: Rolled) -> Health:
    """How the quorums do, if they outlive that the site's members are away. What just starts is waited for."""
    seen: list[Health] = []

    def look() -> list[str]:
        seen.append(hands.look())
        return refusals(seen[-1], take.site, take.parts)

    if trouble := hands.wait(BEFORE, look, hands.say):
        raise Stopped("\n".join([*trouble, _so_far(done)]))
    return seen[-1]


def _whole(
    members: dict[str, frozenset[str]], hands: Hands, site: str, done: Rolled, agents: Iterable[str] = ()
) -> None:
    wanted_agents = frozenset(agents)
    if trouble := hands.wait(AFTER, lambda: missing(hands.look(), members, wanted_agents), hands.say):
        raise Stopped(
            "\n".join(
                [
                    f"after the change of {site} not every quorum is whole again ({AFTER:.0f} s), so no further site is touched:",
                    *(f"  {line}" for line in trouble),
                    f"See aerie doctor and make status; mend it, then say this again: it goes on from here. {_so_far(done)}",
                ]
            )
        )


def _so_far(done: Rolled) -> str:
    sites = [site for step in done.steps for site in step]
    return f"changed so far: {', '.join(sites)}" if sites else "nothing was changed"


@contextmanager
def alone(home: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the federation's lock of those who take members away; waits for whoever has it. It goes with the process."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"waiting for another update of members (process {file.read().strip() or 'unknown'})")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
