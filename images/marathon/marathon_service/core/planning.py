"""The scheduler's decision: given the state, the offers in hand and the time, what to launch, decline and kill.

`plan` changes the State (new instances, kill marks, deployment steps) and says what must be told to Mesos.  The shell
stores the changes first and talks then, so that a crash in between leaves a task that is known, never a stranger.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from mesos_client.messages import Offer

from . import delays, deployments, moving, updates
from .constraints import Place
from .events import deployment_event, instance_changed
from .matching import Match, Pool
from .model import Instance, State
from .placing import Placer, Rejections
from .scaling import Change, replaced
from .spec import AppSpec, Json

KILL_RETRY = 10.0


@dataclass(frozen=True)
class Settings:
    """Seconds."""

    launch_timeout: float = 300.0
    kill_retry: float = KILL_RETRY
    home_region: str | None = None  # of the Mesos master


@dataclass(frozen=True)
class Launch:
    spec: AppSpec
    instance: Instance
    resources: tuple[Json, ...]


@dataclass
class Plan:
    """`wake_at`: when something will be due even if nothing happens (None: never)."""

    launches: dict[str, list[Launch]] = field(default_factory=dict)  # by offer id
    declined: list[str] = field(default_factory=list)
    kills: list[tuple[str, str | None, float | None]] = field(default_factory=list)  # task, agent, grace in seconds
    events: list[Json] = field(default_factory=list)
    wants_offers: bool = False
    unplaced: dict[str, int] = field(default_factory=dict)  # instances that wait, by app
    moves: set[str] = field(default_factory=set)  # apps that only wait to leave a machine
    rejections: dict[str, Rejections] = field(default_factory=dict)
    wake_at: float | None = None

    def wake(self, when: float) -> None:
        self.wake_at = when if self.wake_at is None else min(self.wake_at, when)


def plan(
    state: State,
    offers: Sequence[Offer],
    now: float,
    new_id: Callable[[str], str],
    settings: Settings = Settings(),
    leaving: Set[str] = frozenset(),
    most: int | None = None,
) -> Plan:
    """`leaving`: agents that go into maintenance; `most`: how many may be launched now (None: any number)."""
    result = Plan()
    result.events += updates.expire(state, now)
    _overdue(state, now, settings)
    moving.mark(state, leaving)
    for kind, deployment in deployments.advance(state):
        result.events += deployment_event("step_success" if kind == "step" else kind, deployment, now)
    pools = {o.id: Pool.of(o, o.agent_id in leaving) for o in offers}
    room = _Room(state, pools, leaving, now, settings.home_region, result)
    wanted = _scale(room)
    _place(room, wanted, new_id, most)
    _send_kills(state, now, settings, result)
    _timers(state, now, settings, result)
    return result


def _overdue(state: State, now: float, settings: Settings) -> None:
    for i in state.restless():
        if (
            i.state in ("TASK_STAGING", "TASK_STARTING")
            and i.kill_reason is None
            and i.unreachable_since is None
            and now >= i.staged_at + settings.launch_timeout
        ):
            state.put_instance(i.but(kill_reason="overdue"))


@dataclass
class _Room:
    """What is left of the offers while the plan is made."""

    state: State
    pools: dict[str, Pool]
    leaving: Set[str]
    now: float
    home: str | None
    result: Plan
    placers: dict[str, Placer] = field(default_factory=dict)

    def placer(self, spec: AppSpec) -> Placer:
        found = self.placers.get(spec.id)
        if found is None:
            constraints = moving.constraints(spec, self.leaving, self.waits(spec.id))
            seen = self.result.rejections.setdefault(spec.id, Rejections())
            places = self.staying(spec.id)
            found = Placer(spec, self.pools.values(), places, constraints, self.now, seen, self.home)
            self.placers[spec.id] = found
        return found

    def waits(self, app_id: str) -> float:
        """Since when something of it is to be launched, seconds."""
        since = self.state.waiting_since.setdefault(app_id, self.now)
        if self.leaving:
            self.result.wake(max(since + moving.RELAX_AFTER, self.now + 1.0))
        return self.now - since

    def staying(self, app_id: str) -> list[Place]:
        """Where its instances are that stay where they are."""
        return [moving.place_of(i) for i in self.state.of_app(app_id) if i.active and not i.moving]


def _movable(room: _Room, spec: AppSpec, todo: Change) -> list[Instance]:
    """Of what is to be killed, without those that would only move and for which nobody offers a place elsewhere."""
    covered = replaced(spec, room.state.of_app(spec.id))
    found, short = [], 0
    for i in todo.kill:
        if not i.moving or i.version < spec.config_version:
            found.append(i)
            continue
        if covered > 0:
            covered -= 1
        # What is taken is nobody else's in this turn; when the old one has ended it is offered again.
        elif room.placer(spec).take() is None:
            short += 1
            continue
        found.append(i)
    if short:
        room.result.unplaced[spec.id] = short
    return found


def _scale(room: _Room) -> list[tuple[AppSpec, int]]:
    """Marks what must go, and returns how many instances of which app may be launched now."""
    state, now, result = room.state, room.now, room.result
    found: list[tuple[AppSpec, int]] = []
    for app_id in list(state.delays):
        if (spec := deployments.wanted(state, app_id)) is not None:
            delays.settle(state, spec, now)
    for app_id in list(state.open):
        spec = deployments.wanted(state, app_id)
        if spec is None:
            for i in state.of_app(app_id):
                if i.kill_reason is None:
                    state.put_instance(i.but(kill_reason="stopped"))
            state.waiting_since.pop(app_id, None)
            state.open.pop(app_id)
            continue
        todo = deployments.needed(state, spec)
        if todo.launch <= 0 and not todo.kill:
            state.waiting_since.pop(app_id, None)
            state.open.pop(app_id)
            continue
        for i in _movable(room, spec, todo):
            state.put_instance(i.but(kill_reason="moved" if i.moving else "surplus"))
        if todo.launch <= 0 and app_id not in result.unplaced:
            state.waiting_since.pop(app_id, None)
            continue
        state.waiting_since.setdefault(app_id, now)
        if todo.launch <= 0:
            result.moves.add(app_id)
            continue
        result.unplaced[app_id] = todo.launch
        wait = delays.left(state, spec, now)
        if wait > 0:
            result.wake(now + wait)
        else:
            found.append((spec, todo.launch))
    return found


def _place(
    room: _Room, wanted: list[tuple[AppSpec, int]], new_id: Callable[[str], str], most: int | None = None
) -> None:
    state, now, result, pools = room.state, room.now, room.result, room.pools
    left = most
    # The apps take turns, so that a large one does not starve a small one; those that fit nowhere drop out.
    queue = [(spec, count) for spec, count in wanted] if pools else []
    while queue and (left is None or left > 0):
        again = []
        for spec, count in queue:
            if left == 0 or (found := room.placer(spec).take()) is None:
                continue
            pool, match = found
            instance = _instance(spec, pool.offer, match, new_id(spec.id), now)
            state.put_instance(instance)
            result.launches.setdefault(pool.offer.id, []).append(Launch(spec, instance, match.resources))
            result.events.append(instance_changed(instance, now))
            result.unplaced[spec.id] -= 1
            left = None if left is None else left - 1
            if count > 1:
                again.append((spec, count - 1))
        queue = again
    for app_id in [a for a, n in result.unplaced.items() if n <= 0]:
        del result.unplaced[app_id]
    result.declined = [o for o in pools if o not in result.launches]
    waiting = {spec.id for spec, _ in wanted} | result.moves
    result.wants_offers = any(a in waiting for a in result.unplaced)


def _instance(spec: AppSpec, offer: Offer, match: Match, task_id: str, now: float) -> Instance:
    return Instance(
        id=task_id,
        app_id=spec.id,
        version=spec.version,
        agent_id=offer.agent_id,
        hostname=offer.hostname,
        staged_at=now,
        role=spec.role,
        ports=match.ports,
        attributes=dict(offer.attributes),
        region=offer.region,
        zone=offer.zone,
    )


def _send_kills(state: State, now: float, settings: Settings, result: Plan) -> None:
    for i in state.restless():
        if i.kill_reason is None or i.unreachable_since is not None:
            continue
        spec = state.spec_of(i)
        grace = spec.kill_grace if spec else None
        # A task that is shutting down within its grace is left alone.
        again = settings.kill_retry + (grace or 0.0)
        if i.killed_at is None or now >= i.killed_at + again:
            state.put_instance(i.but(killed_at=now))
            result.kills.append((i.id, i.agent_id, grace))
            result.wake(now + again)
        else:
            result.wake(i.killed_at + again)


def _timers(state: State, now: float, settings: Settings, result: Plan) -> None:
    for i in state.restless():
        if i.unreachable_since is not None:
            spec = state.spec_of(i)
            for limit in (spec.unreachable.inactive_after, spec.unreachable.expunge_after) if spec else ():
                if limit is not None and i.unreachable_since + limit > now:
                    result.wake(i.unreachable_since + limit)
        elif i.state in ("TASK_STAGING", "TASK_STARTING") and i.kill_reason is None:
            result.wake(i.staged_at + settings.launch_timeout)
    if state.delays:
        result.wake(now + 30.0)
