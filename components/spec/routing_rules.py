"""What is wrong with who speaks BGP to whom: AS numbers, reflectors, the size of a mesh. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .machines import front_end_name, machines
from .model import Federation, SiteStack
from .problems import Problem

FILE = "federation.yaml"
MESH_NODES = 100  # of a full mesh: each node has a session with every other
# RFC 6996
PRIVATE_AS = ((64512, 65534), (4200000000, 4294967294))


def routing_problems(federation: Federation, sites: Mapping[str, SiteStack]) -> list[Problem]:
    """`sites`: those whose own file could be read."""
    return [*_as_numbers(federation), *_reflectors(federation), *_mesh(federation, sites)]


def private_as(number: int) -> bool:
    """Whether nobody has it in the Internet."""
    return any(first <= number <= last for first, last in PRIVATE_AS)


def free_as(federation: Federation) -> int:
    """The first private one that no site has."""
    used = {site.as_number for site in federation.sites.values()}
    return next(n for n in range(PRIVATE_AS[0][0], PRIVATE_AS[0][1]) if n not in used)


def _as_numbers(federation: Federation) -> Iterator[Problem]:
    seen: dict[int, str] = {}
    for name, site in federation.sites.items():
        place, number = f"sites.{name}.as_number", site.as_number
        if number in seen:
            what = f"{number} is the AS of {seen[number]} too"
            yield Problem(FILE, place, what, f"write another, such as {free_as(federation)}")
        seen.setdefault(number, name)
        if not private_as(number) and not federation.network.public_as_numbers:
            yield Problem(
                FILE,
                place,
                f"{number} is no private AS number, so it is somebody's in the Internet",
                f"write one of 64512-65534 or 4200000000-4294967294, such as {free_as(federation)}; or, if it is yours, "
                "network.public_as_numbers: true",
            )


def _reflectors(federation: Federation) -> Iterator[Problem]:
    for name, site in federation.sites.items():
        front_end = front_end_name(name)
        for i, reflector in enumerate(site.reflectors or []):
            if reflector != front_end:
                yield Problem(
                    FILE,
                    f"sites.{name}.reflectors.{i}",
                    f"{reflector} is no front-end of {name}: only a front-end has the tunnels to other sites",
                    f"write {front_end}, or leave `reflectors` out",
                )
        if site.reflectors is not None and not site.reflectors:
            what = f"{name} has no route reflector, so its nodes would be cut off"
            yield Problem(FILE, f"sites.{name}.reflectors", what, f"write {front_end}, or leave `reflectors` out")


def _mesh(federation: Federation, sites: Mapping[str, SiteStack]) -> Iterator[Problem]:
    net = federation.network
    if net.topology != "full-mesh" or net.force_mesh:
        return
    nodes = sum(len(machines(name, stack)) for name, stack in sites.items())
    if nodes > MESH_NODES:
        yield Problem(
            FILE,
            "network.topology",
            f"a full mesh of {nodes} nodes: each would have {nodes - 1} BGP sessions, {nodes * (nodes - 1) // 2} in all",
            "write route-reflectors (`pulumi up` changes to it without an outage); or, to have the mesh all the same, "
            "network.force_mesh: true",
        )
