"""How many instances of an app to start, and which to kill, so that it comes to what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .model import Instance
from .spec import AppSpec


@dataclass(frozen=True)
class Change:
    launch: int = 0
    kill: tuple[Instance, ...] = ()
    complete: bool = False  # nothing is left to do: as many as wanted, current, ready, none on its way out


def kill_order(instances: Sequence[Instance], spec: AppSpec, ready_needed: int) -> list[Instance]:
    """`instances` in the order in which they should go: those that serve nobody first, then by killSelection."""
    ready = sum(i.ready(spec) for i in instances)

    def rank(i: Instance) -> int:
        if i.unreachable_since is not None:
            return 1
        if i.inactive and ready > ready_needed:
            return 0  # it came back after it was replaced
        if not i.running:
            return 2
        return 3 if i.healthy(spec) is False else 4 if not i.ready(spec) else 5

    age = sorted(instances, key=lambda i: i.staged_at, reverse=not spec.oldest_first)
    return sorted(age, key=rank)


def change(spec: AppSpec, instances: Sequence[Instance]) -> Change:
    """What `spec` needs, given all instances of its app (also those on their way out).

    Bounds during a rolling change: healthy instances never below spec.min_healthy by a kill of ours, and all
    instances together never above spec.max_total by a launch of ours.
    """
    leaving = [i for i in instances if i.being_killed and i.unreachable_since is None]
    active = [i for i in instances if i.active]
    # One that has to leave its machine is replaced as one of an old version is.
    current = [i for i in active if i.version >= spec.config_version and not i.moving]
    old = [i for i in active if i.version < spec.config_version or i.moving]
    want = spec.instances
    missing = max(0, want - len(current))
    # One on its way out still holds what it has (a fixed address, a volume): its place is filled when it is gone.
    total = len(active) + len(leaving)
    if old or any(i.version < spec.config_version or i.moving for i in leaving):
        kills = _rolling_kills(spec, current, old) if old else []
        # A deployment need not wait for what only has to move.
        up_to_date = all(i.version >= spec.config_version for i in active)
        ready = sum(i.ready(spec) for i in active)
        return Change(
            launch=max(0, min(missing, spec.max_total - total)),
            kill=tuple(kills),
            complete=up_to_date and not leaving and ready >= want,
        )
    if len(current) > want:
        return Change(kill=tuple(kill_order(current, spec, want)[: len(current) - want]))
    ready = sum(i.ready(spec) for i in current)
    return Change(launch=max(0, want - total), complete=ready == want and not leaving)


def replaced(spec: AppSpec, instances: Sequence[Instance]) -> int:
    """How many of those that have to move the ready ones elsewhere stand in for already."""
    active = [i for i in instances if i.active and i.version >= spec.config_version]
    moving = sum(i.moving for i in active)
    return max(0, moving - max(0, spec.instances - sum(i.ready(spec) and not i.moving for i in active)))


def _rolling_kills(spec: AppSpec, current: list[Instance], old: list[Instance]) -> list[Instance]:
    healthy = sum(i.ready(spec) for i in (*current, *old))
    spare = max(0, healthy - spec.min_healthy)
    # Never more than is needed: what the new instances do not replace yet goes on serving, except where
    # maximumOverCapacity leaves no room for a new one.
    room = spec.max_total - len(current) - len(old)
    to_start = max(0, spec.instances - len(current))
    ready_now = sum(i.ready(spec) for i in current)
    needed = max(len(old) - max(0, spec.instances - ready_now), 0)
    needed = max(needed, min(to_start, to_start - max(0, room)), spare if spec.min_healthy < spec.instances else 0)
    kills: list[Instance] = []
    for i in kill_order(old, spec, 0):
        if len(kills) >= needed:
            break
        if i.ready(spec):
            if spare <= 0:
                continue
            spare -= 1
        kills.append(i)
    surplus = len(current) - spec.instances
    if surplus > 0:
        for i in kill_order(current, spec, spec.instances)[:surplus]:
            if i.ready(spec):
                if spare <= 0:
                    continue
                spare -= 1
            kills.append(i)
    return kills
