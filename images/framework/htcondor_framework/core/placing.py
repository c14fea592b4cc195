"""Which offers executors are launched on, and how large they are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .crew import Crew
from .cycle import Cycle, Room
from .demand import Demand
from .filling import Filling, fill
from .machines import NODE
from .model import Elastic, Kind, Phase, Placement, Role, Size, Task
from .roles import EXECUTOR
from .scaling import batch_at
from .view import LAUNCH_WITHIN

_EPSILON = 1e-6
PATIENCE = 4.0  # seconds: to ask for offers (at most one a second) and Mesos' own second until it makes them

Allows = Callable[[Size], bool]


@dataclass
class Placed:
    """What was launched: `jobs` by demand's index, `by_place` executors."""

    jobs: Counter[int] = field(default_factory=Counter)
    by_place: Counter[str] = field(default_factory=Counter)
    refused: bool = False  # by `allows`

    @property
    def total(self) -> int:
        return sum(self.by_place.values())


def launch_executor(cycle: Cycle, room: Room, container: Size, kind: Kind) -> Task:
    task_id = cycle.new_id(Role.EXECUTOR.value, room)
    task = Task(
        id=task_id,
        role=Role.EXECUTOR,
        kind=kind,
        name=task_id,
        agent=room.offer.agent,
        hostname=room.offer.hostname,
        place=room.offer.place,
        size=container,
        node=room.offer.attributes.get(NODE, ""),
        template=cycle.view.executor.template,
        phase=Phase.LAUNCHING,
        since=cycle.now,
        launched=cycle.now,
    )
    cycle.launch(room, task)
    cycle.wake(cycle.now + LAUNCH_WITHIN)
    return task


def place_fixed(
    cycle: Cycle, crew: Crew, rooms: Sequence[Room], count: int, allows: Allows, known: Mapping[str, Size]
) -> tuple[int, Counter[str]]:
    """Launches up to `count` fixed executors, evenly over the sites, then over agents. How many it did, and how many wait for offers of
    sites that have none at hand, by site.

    Offers come one by one too: of a machine that has just started something, while those of all others were declined. They are there
    for good, so for a moment (`PATIENCE`) a site's turn is kept until its offers, which are asked for anew, are there. `known`: the
    largest room known of each site."""
    view = cycle.view
    container = view.executor.overhead.container(view.executor.fixed)
    since = cycle.view.memory.missing_since.get(EXECUTOR, cycle.now)
    awaited: Counter[str] = Counter()
    away: set[str] = set()
    if count > 0:
        cycle.missing_since[EXECUTOR] = since
        if cycle.now < since + PATIENCE:
            away = {p for p, room in known.items() if container.fits_in(room)} - {r.offer.place for r in rooms}
            away -= view.drain_sites
    members = [m.task for m in crew.members if m.task.kind is Kind.FIXED and m.up]
    sites, agents = Counter(t.place for t in members), Counter(t.agent for t in members)
    done = 0
    while done + awaited.total() < count:
        room = min(
            (r for r in rooms if container.fits_in(r.left)),
            key=lambda r: (
                sites[r.offer.place],
                agents[r.offer.agent],
                r.left.gpus,
                -r.left.cpus,
                r.offer.hostname,
                r.offer.id,
            ),
            default=None,
        )
        emptiest = min(away, key=lambda p: (sites[p], p), default=None)
        if emptiest is not None and (room is None or sites[emptiest] < sites[room.offer.place]):
            sites[emptiest] += 1
            awaited[emptiest] += 1
            continue
        if room is None or not allows(container):
            break
        launch_executor(cycle, room, container, Kind.FIXED)
        sites[room.offer.place] += 1
        agents[room.offer.agent] += 1
        done += 1
    if awaited:
        cycle.wake(since + PATIENCE)
    return done, awaited


class ElasticPlacer:
    """Launches elastic executors one after the other, each made for jobs that are left, and within the sites' limits."""

    def __init__(
        self,
        cycle: Cycle,
        crew: Crew,
        elastic: Elastic,
        rooms: Iterable[Room],
        demands: Sequence[Demand],
        left: list[int],
        per: Sequence[int],
        allows: Allows,
    ) -> None:
        self.cycle, self.elastic, self.demands, self.left = cycle, elastic, demands, left
        self.allows = allows
        self.placed = Placed()
        self.rooms: dict[str, list[Room]] = {}
        for r in rooms:
            self.rooms.setdefault(r.offer.place, []).append(r)
        members = [m for m in crew.members if m.elastic and not m.gone(cycle.now)]
        self.at_place = Counter(m.task.place for m in members)
        self.at_agent = Counter(m.task.agent for m in members)
        self.budget = {
            place: min(limit.max - self.at_place[place], batch_at(elastic.batch, limit, self.at_place[place]))
            for place, limit in elastic.sites.items()
        }
        self.rank = {place: n for n, place in enumerate(elastic.site_preference)}
        # Large jobs first, the small ones fill what is left. By place, made when first needed.
        self._wanted = [i for i in range(len(demands) - 1, -1, -1) if per[i] > 0 and left[i] > 0]
        self._orders: dict[str, list[int]] = {}

    def run(self, count: int, generic: int) -> Placed:
        """Launches up to `count` for jobs, and if these were fewer than `generic` others up to that number."""
        self._by_jobs(count)
        while self.placed.total < generic and self._one(self._any):
            pass
        return self.placed

    def _by_jobs(self, count: int) -> None:
        while self.placed.total < count and self._one(self._for_jobs):
            pass

    def _places(self) -> list[str]:
        places = [p for p in self.rooms if self.budget.get(p, 1) > 0]
        spread = self.elastic.placement is Placement.SPREAD
        return sorted(places, key=lambda p: (self.at_place[p] if spread else 0, self.rank.get(p, len(self.rank)), p))

    def _one(self, make: Callable[[str, Size | None], Filling | None]) -> bool:
        for place in self._places():
            found = self._best(place, make)
            if found is None:
                continue
            room, filling = found
            container = self.cycle.view.executor.overhead.container(filling.slots)
            if not self.allows(container):
                self.placed.refused = True
                return False
            task = launch_executor(self.cycle, room, container, Kind.ELASTIC)
            for i, n in filling.jobs.items():
                self.left[i] -= n
                self.placed.jobs[i] += n
            self.placed.by_place[place] += 1
            self.at_place[place] += 1
            self.at_agent[task.agent] += 1
            if place in self.budget:
                self.budget[place] -= 1
            return True
        return False

    def _best(self, place: str, make: Callable[[str, Size | None], Filling | None]) -> tuple[Room, Filling] | None:
        """The offer that holds the whole of what is to be made (PACK: with the least room, SPREAD: on the agent with the fewest
        executors); if none does, the one with the most room that holds something."""
        target = make(place, None)
        if target is None:
            return None
        container = self.cycle.view.executor.overhead.container(target.slots)
        rooms = self.rooms[place]
        cpus, memory, disk, gpus = container.cpus, container.memory, container.disk, container.gpus
        whole = [
            r
            for r in rooms
            if r.left.cpus + _EPSILON >= cpus
            and r.left.memory + _EPSILON >= memory
            and r.left.disk + _EPSILON >= disk
            and r.left.gpus + _EPSILON >= gpus
        ]
        if whole:
            return min(whole, key=self._order), target
        in_vain: list[Size] = []
        for room in sorted(rooms, key=lambda r: (-r.left.cpus, -r.left.memory, r.offer.id)):
            if room.left.cpus < 1:
                break
            if any(_inside(room.left, tried) for tried in in_vain):
                continue
            smaller = make(place, room.left)
            if smaller is not None:
                return room, smaller
            in_vain.append(room.left)
        return None

    def _order(self, room: Room) -> tuple[float, float, float, float, str]:
        # What has GPUs is for those who ask for them.
        if self.elastic.placement is Placement.SPREAD:
            return (room.left.gpus, self.at_agent[room.offer.agent], -room.left.cpus, -room.left.memory, room.offer.id)
        return (room.left.gpus, room.left.cpus, room.left.memory, room.left.disk, room.offer.id)

    def _for_jobs(self, place: str, room: Size | None) -> Filling | None:
        order = self._orders.get(place)
        if order is None:
            order = [i for i in self._wanted if place in self.demands[i].group.places]
        order = self._orders[place] = [i for i in order if self.left[i] > 0]
        return fill(order, self.demands, self.left, self.elastic.largest, room, self.cycle.view.executor.overhead)

    def _any(self, place: str, room: Size | None) -> Filling | None:
        """An executor for jobs to come: as large as may be, but within the size of a fixed one where it cannot be the largest."""
        largest, overhead = self.elastic.largest, self.cycle.view.executor.overhead
        if room is None:
            return Filling(largest, {})
        smaller = largest.least(self.cycle.view.executor.fixed)
        fits = smaller.cpus >= 1 and overhead.container(smaller).fits_in(room)
        return Filling(smaller, {}) if fits else None


def _inside(room: Size, tried: Size) -> bool:
    return (
        room.cpus <= tried.cpus and room.memory <= tried.memory and room.disk <= tried.disk and room.gpus <= tried.gpus
    )
