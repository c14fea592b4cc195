"""Does an app fit on an offer, and with which resources?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mesos_client.messages import Offer

from .constraints import Place, allowed, pinned
from .spec import AppSpec, Constraint, Json, Port

_EPSILON = 1e-6
SCALARS = ("cpus", "mem", "disk", "gpus")
SHORTAGE = {
    "cpus": "InsufficientCpus",
    "mem": "InsufficientMemory",
    "disk": "InsufficientDisk",
    "gpus": "InsufficientGpus",
}


@dataclass(frozen=True)
class Match:
    """Resources (in Mesos' form) for one task, and its host ports in the order of the app's ports."""

    resources: tuple[Json, ...]
    ports: tuple[int | None, ...]


@dataclass
class Pool:
    """What is left of one offer.  Scalars by (name, role); port ranges by role.  `leaving`: its agent is to go."""

    offer: Offer
    leaving: bool = False
    scalars: dict[tuple[str, str], float] = field(default_factory=dict)
    ports: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    raw: dict[tuple[str, str], Json] = field(default_factory=dict)

    @classmethod
    def of(cls, offer: Offer, leaving: bool = False) -> Pool:
        pool = cls(offer, leaving)
        for r in offer.resources:
            if not r.plain:
                continue
            if r.name == "ports":
                pool.ports.setdefault(r.role, []).extend(r.ranges)
            elif r.scalar is not None:
                key = (r.name, r.role)
                pool.scalars[key] = pool.scalars.get(key, 0.0) + r.scalar
            pool.raw.setdefault((r.name, r.role), r.raw)
        return pool

    place: Place = field(init=False)

    def __post_init__(self) -> None:
        self.place = Place(self.offer.hostname, self.offer.attributes, self.offer.region, self.offer.zone)

    @property
    def free_cpus(self) -> float:
        return sum(v for (name, _), v in self.scalars.items() if name == "cpus")

    def _template(self, name: str, role: str) -> Json:
        """The resource's identity (reservation, allocation) without its amount."""
        raw = self.raw[name, role]
        kept = {k: v for k, v in raw.items() if k not in ("scalar", "ranges", "set")}
        kept.setdefault("allocation_info", {"role": self.offer.role})
        return kept

    def in_maintenance(self, now: float) -> bool:
        """Whether the agent is to go, or may be away now."""
        start, length = self.offer.unavailable_from, self.offer.unavailable_for
        return self.leaving or (start is not None and start <= now and (length is None or start + length >= now))

    def match(
        self,
        spec: AppSpec,
        placed: list[Place],
        now: float,
        salt: int,
        constraints: Sequence[Constraint] | None = None,
    ) -> Match | list[str]:
        """A match, or the reasons why there is none (in the words of Marathon's queue).  Takes nothing yet.
        `salt` varies the choice of dynamic ports; `constraints` are the app's unless others are given."""
        if reason := self.bars(spec, now):
            return [reason]
        if not allowed(spec.constraints if constraints is None else constraints, self.place, placed):
            return ["UnfulfilledConstraint"]
        return self.fit(spec, salt)

    def bars(self, spec: AppSpec, now: float, home: str | None = None) -> str | None:
        """Why nothing of this offer is for the app, whatever else there is. `home`: the region of the Mesos master; machines of others are
        for apps that say something of @region."""
        if not self._roles(spec):
            return "UnfulfilledRole"
        # What can run nowhere else is of use there as long as the machine is.
        if self.in_maintenance(now) and not pinned(spec.constraints, self.place):
            return "AgentMaintenance"
        region = self.place.region
        if home and region and region != home and all(c.field != "@region" for c in spec.constraints):
            return "UnfulfilledConstraint"
        return None

    def fit(self, spec: AppSpec, salt: int) -> Match | list[str]:
        """What one instance would take, or what is short."""
        roles = self._roles(spec)
        # Scarce GPUs are for those who ask for them.
        reasons = ["DeclinedScarceResources"] if not spec.gpus and self._sum("gpus", roles) > 0 else []
        parts: list[Json] = []
        for name in SCALARS:
            need = getattr(spec, name)
            if need <= 0:
                continue
            taken = self._scalar(name, need, roles)
            if taken is None:
                reasons.append(SHORTAGE[name])
            else:
                parts += taken
        chosen = self._choose_ports(spec, roles, salt)
        if chosen is None:
            reasons.append("InsufficientPorts")
        if reasons or chosen is None:
            return reasons
        ports, by_role = chosen
        for role, numbers in by_role.items():
            parts.append(
                {
                    **self._template("ports", role),
                    "ranges": {"range": [{"begin": p, "end": p} for p in sorted(numbers)]},
                }
            )
        return Match(tuple(parts), ports)

    def take(self, match: Match) -> None:
        for r in match.resources:
            role = _role_of(r)
            if "scalar" in r:
                self.scalars[r["name"], role] -= r["scalar"]["value"]
            for span in r.get("ranges", {}).get("range", ()):
                self.ports[role] = list(_without(self.ports[role], span["begin"]))

    def _roles(self, spec: AppSpec) -> list[str]:
        """The roles whose resources may be used, reserved ones first."""
        if self.offer.role != spec.role:
            return []
        usable = [r for r in (spec.role, "*") if spec.accepted_roles is None or r in spec.accepted_roles]
        return list(dict.fromkeys(usable))

    def _sum(self, name: str, roles: Iterable[str]) -> float:
        return sum(self.scalars.get((name, r), 0.0) for r in roles)

    def _scalar(self, name: str, need: float, roles: list[str]) -> list[Json] | None:
        parts = []
        for role in roles:
            have = self.scalars.get((name, role), 0.0)
            use = round(min(have, need), 6)
            if use > _EPSILON:
                parts.append({**self._template(name, role), "scalar": {"value": use}})
                need -= use
            if need <= _EPSILON:
                return parts
        return None

    def _choose_ports(
        self, spec: AppSpec, roles: list[str], salt: int
    ) -> tuple[tuple[int | None, ...], dict[str, list[int]]] | None:
        fixed = [p.host for p in spec.ports if p.host]
        if len(set(fixed)) != len(fixed):
            fixed = list(dict.fromkeys(fixed))  # one number for tcp and udp
        taken: set[int] = set()
        by_role: dict[str, list[int]] = {}
        for number in fixed:
            role = next((r for r in roles if any(a <= number <= b for a, b in self.ports.get(r, ()))), None)
            if role is None:
                return None
            taken.add(number)
            by_role.setdefault(role, []).append(number)
        dynamic = self._dynamic(roles, sum(p.host == 0 for p in spec.ports), taken, salt)
        if dynamic is None:
            return None
        for role, number in dynamic:
            by_role.setdefault(role, []).append(number)
        numbers = iter(n for _, n in dynamic)
        return tuple(_host_port(p, numbers) for p in spec.ports), by_role

    def _dynamic(self, roles: list[str], count: int, taken: set[int], salt: int) -> list[tuple[str, int]] | None:
        """`count` free ports.  They start at a place that varies, so that a port just given up is not used at once by
        another task, while clients may still think the old one is there."""
        found: list[tuple[str, int]] = []
        for role in roles:
            spans = self.ports.get(role, [])
            size = sum(b - a + 1 for a, b in spans)
            step = 0
            while len(found) < count and step < size:
                number = _nth(spans, (salt + step) % size)
                step += 1
                if number not in taken:
                    taken.add(number)
                    found.append((role, number))
        return found if len(found) == count else None


def _host_port(port: Port, dynamic: Iterable[int]) -> int | None:
    if port.host is None:
        return None
    return port.host or next(iter(dynamic))


def _nth(spans: list[tuple[int, int]], n: int) -> int:
    for a, b in spans:
        if n <= b - a:
            return a + n
        n -= b - a + 1
    raise IndexError(n)


def _without(spans: Iterable[tuple[int, int]], number: int) -> Iterable[tuple[int, int]]:
    for a, b in spans:
        if a <= number <= b:
            if a < number:
                yield a, number - 1
            if number < b:
                yield number + 1, b
        else:
            yield a, b


def _role_of(raw: Json) -> str:
    reservations = raw.get("reservations") or []
    return str(reservations[-1].get("role", "*") if reservations else raw.get("role", "*"))
