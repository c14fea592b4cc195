"""A plan as the simulation wants it: numbers instead of names, lists instead of sessions; and what is broken at the moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from components.fabric.topology import Plan

PrefixKind = Literal["whole", "lan", "block", "fixed"]
ALL_KINDS: tuple[PrefixKind, ...] = ("whole", "lan", "block", "fixed")


class Prefix(NamedTuple):
    """What is announced, and by whom. `whole`: a site's containers as one; `block`: a part of them, which one node has; `fixed`: an address of
    `network.fixed`. `site` is the one that it belongs to. `origins`: the number of a router -> when it claimed it (fixed addresses
    only, else 0)."""

    kind: PrefixKind
    site: int
    origins: dict[int, int]


@dataclass(frozen=True)
class Policy:
    """The rules of docs/calico.md, each of which can be switched off to see what it is good for.

    `longest_path`: the most ASes in a path that a border lets in. `lans_by_bgp`: a reflector's
    way into a LAN is the one that BGP knows, not the tunnel's own route, so that it can pass it on. `static_lans`: nodes that are no reflectors reach all LANs through
    their front-end. `reflectors_take_mesh`: a reflector believes what nodes of other sites tell it in a full mesh. `unreachable_kept`: a route whose next hop cannot be resolved goes into the kernel as "unreachable" and hides a
    wider one. `liars`: sites that ignore what they should not say. `preference`: (site, neighbour) -> local preference instead of 100.
    """

    border_export: bool = True
    border_import: bool = True
    origin_check: bool = True
    next_hop_self: bool = True
    as_loops: bool = True
    reflector_loops: bool = True
    lans_between_reflectors: bool = True
    lans_by_bgp: bool = True
    static_lans: bool = True
    reflectors_take_mesh: bool = False
    unreachable_kept: bool = False
    longest_path: int | None = None
    liars: frozenset[int] = frozenset()
    preference: dict[tuple[int, int], int] = field(default_factory=dict)


class Network:
    """The routers by number, and their neighbours by kind of session. `down` routers and `cut` tunnels are what is broken."""

    def __init__(self, plan: Plan, one_client: bool = False) -> None:
        """`one_client`: of the nodes of a site that are no reflectors only the first, since all of them behave alike."""
        kept = [
            speaker
            for site in plan.sites.values()
            for speaker in site.reflectors + (site.others[:1] if one_client else site.others)
        ]
        number = {speaker: i for i, speaker in enumerate(kept)}
        self.names = [speaker.name for speaker in kept]
        self.number = {name: i for i, name in enumerate(self.names)}
        self.site_names = list(plan.sites)
        site_number = {name: i for i, name in enumerate(self.site_names)}
        self.site = [site_number[speaker.site] for speaker in kept]
        self.asn = [speaker.as_number for speaker in kept]
        self.site_as = [site.site.as_number for site in plan.sites.values()]
        self.router_id = [int(speaker.router_id) for speaker in kept]
        self.reflector = [speaker.cluster_id is not None for speaker in kept]
        self.clients: list[tuple[int, ...]] = []
        self.inside: list[tuple[int, ...]] = []
        self.borders: list[tuple[int, ...]] = []
        self.mesh_inside: list[tuple[int, ...]] = []
        self.mesh_outside: list[tuple[int, ...]] = []
        for speaker in kept:
            node = plan.nodes[speaker.name]
            self.clients.append(tuple(number[s] for s in node.clients if s in number))
            self.inside.append(tuple(number[s] for s in node.inside))
            self.borders.append(tuple(number[s] for s in node.borders))
            mesh = [
                (s.kind, number[s.peer])
                for s in (node.sessions() if plan.topology == "full-mesh" else ())
                if s.peer in number
            ]
            self.mesh_inside.append(tuple(n for kind, n in mesh if kind == "mesh-ibgp"))
            self.mesh_outside.append(tuple(n for kind, n in mesh if kind == "mesh-ebgp"))
        # Who hears what a router says, by what (bgp.BORDER and so on); and what it says at all.
        fellows = [peers if own else () for peers, own in zip(self.inside, self.reflector, strict=True)]
        above = [() if own else peers for peers, own in zip(self.inside, self.reflector, strict=True)]
        self.hearers = (self.borders, self.clients, fellows, above, self.mesh_inside, self.mesh_outside)
        self.speaks = [tuple(what for what, lists in enumerate(self.hearers) if lists[i]) for i in range(len(kept))]
        self.border_set = [frozenset(peers) for peers in self.borders]
        self.reflectors_of: list[list[int]] = [[] for _ in self.site_names]
        self.routers_of: list[list[int]] = [[] for _ in self.site_names]
        for i, site in enumerate(self.site):
            self.routers_of[site].append(i)
            if self.reflector[i]:
                self.reflectors_of[site].append(i)
        self.has_mesh = any(self.mesh_inside) or any(self.mesh_outside)
        self.down: set[int] = set()
        self.cut: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self.names)

    def cut_tunnels(self, pairs: Iterable[tuple[int, int]]) -> None:
        """These pairs of reflectors lose what joins them."""
        for a, b in pairs:
            self.cut |= {(a, b), (b, a)}

    def mend(self) -> None:
        """Nothing is broken any more."""
        self.down.clear()
        self.cut.clear()

    def tunnels_between(self, a: int, b: int) -> list[tuple[int, int]]:
        """The pairs of reflectors that have a tunnel between the sites `a` and `b`."""
        return [(i, j) for i in self.reflectors_of[a] for j in self.reflectors_of[b] if j in self.border_set[i]]

    def tunnel(self, a: int, b: int) -> bool:
        """Whether there is a tunnel between the two routers, and it works."""
        return b in self.border_set[a] and (a, b) not in self.cut and b not in self.down

    def gateway(self, client: int) -> int | None:
        """The front-end through which a node reaches other sites' LANs: the first that is up."""
        return next((r for r in self.inside[client] if r not in self.down), None)

    def way_to(self, router: int, hop: int, static_lans: bool) -> int | None:
        """The router to which a packet for `hop` goes next, as the kernel resolves it without BGP; None if it cannot.

        On the LAN it goes there; a reflector uses a tunnel to the other's site; anybody else its front-end, if it has that route.
        """
        if self.site[hop] == self.site[router]:
            return None if hop in self.down else hop
        if not self.reflector[router]:
            return self.gateway(router) if static_lans else None
        if self.tunnel(router, hop):
            return hop
        return next((r for r in self.reflectors_of[self.site[hop]] if self.tunnel(router, r)), None)

    def whole(self, site: int) -> Prefix:
        """The containers of a site as one, which its reflectors announce."""
        return Prefix("whole", site, dict.fromkeys(self.reflectors_of[site], 0))

    def lan(self, site: int) -> Prefix:
        """The LAN of a site, which its reflectors announce."""
        return Prefix("lan", site, dict.fromkeys(self.reflectors_of[site], 0))

    def block(self, router: int) -> Prefix:
        """A block of containers that this node has."""
        return Prefix("block", self.site[router], {router: 0})

    def fixed(self, claims: dict[int, int]) -> Prefix:
        """A fixed address that these routers claim, each at its time (> 0)."""
        newest = max(claims, key=claims.__getitem__)
        return Prefix("fixed", self.site[newest], claims)
