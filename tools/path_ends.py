"""What the ends of a path are called: MACHINE/CONTAINER, POOL/ROLE, an address or a machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from .path_answer import Container, with_address
from .path_walk import Map

ROLES = {  # as Marathon's apps are called, and as in AERIE_ROLE
    "central-manager": "central-manager",
    "submit-node": "submit",
    "submit": "submit",
    "executors": "executor",
    "executor": "executor",
    "framework": "framework",
}
FORMS = "MACHINE/CONTAINER, POOL/ROLE such as demo/submit-node, an address, or a machine"


class Unknown(Exception):
    """There is no such end; the text says what there is."""


@dataclass(frozen=True)
class End:
    """`machine` is where it is, "" if it is not known: of an address that no container here has."""

    name: str
    address: str
    machine: str


def is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def machines_to_ask(text: str, there: Map) -> list[str]:
    """Which machines' containers have to be known to tell what `text` is; none of a machine or a machine's address."""
    first, slash, _ = text.partition("/")
    if first in there.nodes:
        return [first] if slash else []
    if not slash and is_address(text):
        return [] if there.at(text) else sorted(there.nodes)
    return sorted(there.nodes)


def resolve(text: str, there: Map, containers: Iterable[Container], silent: Iterable[str] = ()) -> End:
    """What `text` means. `silent` are machines that did not tell their containers. Raises Unknown."""
    containers, silent = list(containers), sorted(silent)
    first, slash, second = text.partition("/")
    unasked = f" ({', '.join(silent)} did not answer)" if silent else ""
    if not slash:
        return _bare(text, there, containers)
    if first in there.nodes:
        here = [c for c in containers if c.machine == first]
        one = next((c for c in here if c.name == second), None) or next(
            (c for c in here if second and c.name.startswith(second)), None
        )
        if one is None:
            names = ", ".join(sorted(c.name for c in here)) or "none"
            raise Unknown(f"no container {second} runs on {first}{unasked}: there are {names}")
        return _end(one, text)
    pools = {c.pool for c in containers if c.pool}
    if second not in ROLES:
        what = f"the pool {first} has no role {second}" if first in pools else f"there is no machine or pool {first}"
        raise Unknown(f"{what}: write {FORMS}; roles are {', '.join(ROLES)}")
    found = sorted(
        (c for c in containers if (c.pool, c.role) == (first, ROLES[second])), key=lambda c: (c.machine, c.name)
    )
    if not found:
        known = f"the pools that run are {', '.join(sorted(pools))}" if pools else "no pool runs"
        raise Unknown(f"no {second} of {first} runs{unasked}: {known}")
    return _end(found[0], text)


def _bare(text: str, there: Map, containers: list[Container]) -> End:
    if text in there.nodes:
        return End(text, there.nodes[text].address, text)
    if not is_address(text):
        raise Unknown(f"{text} is no end of a path: write {FORMS}; machines are {', '.join(sorted(there.nodes))}")
    if node := there.at(text):
        return End(node.name, text, node.name)
    one = with_address(containers, text)
    return End(_called(one) if one else there.place_of(text), text, one.machine if one else "")


def _called(container: Container) -> str:
    if container.pool and container.role:
        return f"{container.pool}/{container.role} on {container.machine}"
    return f"{container.machine}/{container.name}"


def _end(container: Container, text: str) -> End:
    if not container.address:
        raise Unknown(
            f"{text} has no address of its own: it shares {container.machine}'s network, so write {container.machine}"
        )
    return End(_called(container), container.address, container.machine)
