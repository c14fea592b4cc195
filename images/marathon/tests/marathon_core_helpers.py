"""What the tests of the core share: apps and offers."""

import itertools
from collections.abc import Callable

from marathon_service.core.definition import Rules, migrate, normalise, stamped
from marathon_service.core.model import State
from marathon_service.core.operations import Operations
from marathon_service.core.spec import AppSpec
from mesos_client import Offer

T0 = 1_700_000_000.0


def spec(version: str = "2023-01-01T00:00:00.000Z", **fields) -> AppSpec:
    app = {"id": "/app", "cmd": "sleep 1", "container": {"docker": {"image": "x"}}, **fields}
    return stamped(normalise(migrate(app), Rules()), None, version)


def operations(state: State | None = None, clock: Callable[[], float] = lambda: T0) -> Operations:
    numbers = itertools.count(1)
    return Operations(state or State(), Rules(), clock, lambda: f"d{next(numbers)}")


def attribute(name: str, value: str) -> dict:
    if value.replace(".", "", 1).isdigit():
        return {"name": name, "type": "SCALAR", "scalar": {"value": float(value)}}
    return {"name": name, "type": "TEXT", "text": {"value": value}}


def offer(
    name: str,
    cpus: float = 4,
    mem: float = 4096,
    ports: tuple[int, int] = (31000, 31099),
    disk: float = 1000,
    role: str = "*",
    reserved: str = "*",
    region: str | None = None,
    gpus: float = 0,
    **attributes: str,
) -> Offer:
    """Scalars are reserved for `reserved`; attributes that look like numbers are scalars, as with Mesos."""

    def scalar(what: str, value: float) -> dict:
        reservation = {} if reserved == "*" else {"reservations": [{"type": "STATIC", "role": reserved}]}
        return {"name": what, "type": "SCALAR", "scalar": {"value": value}, **reservation}

    return Offer.from_json(
        {
            "id": {"value": f"O-{name}"},
            "agent_id": {"value": f"A-{name}"},
            "hostname": name,
            "allocation_info": {"role": role},
            "resources": [
                scalar("cpus", cpus),
                scalar("mem", mem),
                scalar("disk", disk),
                *([scalar("gpus", gpus)] if gpus else []),
                {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": ports[0], "end": ports[1]}]}},
            ],
            "attributes": [attribute(k, v) for k, v in attributes.items()],
            **({"domain": {"fault_domain": {"region": {"name": region}, "zone": {"name": "z"}}}} if region else {}),
        }
    )
