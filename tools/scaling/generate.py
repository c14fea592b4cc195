"""Federations of any size, the same for the same arguments."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from components.fabric.topology import Member, RoutedSite
from components.spec.addresses import FRONT_END

# Wide enough for 1,024 sites: a /20 of containers and a /24 for the LAN of each.
CONTAINERS = IPv4Network("10.0.0.0/10")
LANS = IPv4Network("10.64.0.0/14")
MOST_SITES = 1024
FIRST_AS = 4200000000
SECOND_FRONT_END = FRONT_END - 1
Tunnels = Literal["all", "random", "hubs"]


@dataclass(frozen=True)
class Shape:
    """`nodes` of each site, its reflectors among them. `tunnels`: between all sites; or a ring and `links` more from each site to others by
    lot; or from each site to the first two."""

    sites: int
    nodes: int = 5
    reflectors: int = 1
    tunnels: Tunnels = "all"
    links: int = 3
    seed: int = 1

    def __str__(self) -> str:
        how = f"ring and {self.links} by lot" if self.tunnels == "random" else self.tunnels
        return f"{self.sites} sites, {self.sites * self.nodes} nodes, tunnels: {how}, reflectors: {self.reflectors}"


def federation(shape: Shape) -> list[RoutedSite]:
    """The sites of a federation of this shape, each with its own AS, LAN and containers. ValueError: there is no such one."""
    if not 1 <= shape.sites <= MOST_SITES:
        raise ValueError(f"{shape.sites} sites: 1 to {MOST_SITES} have room in {LANS}")
    if not 1 <= shape.reflectors <= min(2, shape.nodes) or shape.nodes > 200:
        raise ValueError(f"{shape.nodes} nodes with {shape.reflectors} reflectors make no site")
    links = _links(shape)
    return [_site(shape, i, links[i]) for i in range(shape.sites)]


def site_name(number: int) -> str:
    """The name of site `number`, counted from 0."""
    return f"s{number:03}"


def _site(shape: Shape, i: int, links: Sequence[int] | None) -> RoutedSite:
    name = site_name(i)
    lan_first = int(LANS.network_address) + (i << 8)
    front_ends = [FRONT_END, SECOND_FRONT_END][: shape.reflectors]
    others = range(FRONT_END + 1, FRONT_END + 1 + shape.nodes - shape.reflectors)

    def member(what: str, number: int) -> Member:
        return Member(f"{name}-{what}", IPv4Address(lan_first + number))

    return RoutedSite(
        name,
        FIRST_AS + i,
        IPv4Network((lan_first, 24)),
        IPv4Network((int(CONTAINERS.network_address) + (i << 12), 20)),
        tuple(member("front-end" + ("-2" if n else ""), number) for n, number in enumerate(front_ends)),
        tuple(member(f"agent-{number - FRONT_END}", number) for number in others),
        None if links is None else tuple(site_name(other) for other in links),
    )


def _links(shape: Shape) -> list[list[int] | None]:
    n = shape.sites
    if shape.tunnels == "all":
        return [None] * n
    if shape.tunnels == "hubs":
        return [[hub for hub in range(min(2, n)) if hub != i] for i in range(n)]
    lot = random.Random(shape.seed)
    out: list[list[int] | None] = []
    for i in range(n):
        wanted = {(i + 1) % n} | set(lot.sample(range(n), min(shape.links, n)))
        out.append(sorted(wanted - {i}))
    return out
