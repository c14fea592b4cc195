"""Who has a BGP session with whom, for every node of a federation. Pure: no Pulumi, no pydantic but in `from_federation`.

What is decided here, in both topologies: an AS for each site; a site's reflectors (its front-ends, one or two) have iBGP with every
node of the site and with each other, and eBGP with the reflectors to which they have a tunnel. A full mesh is the sessions of all
other pairs besides.

5,000 nodes in a full mesh have 25 million ends of sessions, so a node holds its peers in groups that many nodes share, and the
mesh's are made only when somebody asks for them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from ..spec.addresses import lan
from ..spec.machines import machines
from ..spec.model import Federation, SiteStack

Topology = Literal["full-mesh", "route-reflectors"]
TunnelsOf = Mapping[str, tuple[str, ...]]  # site -> the sites it has tunnels to, in the order of the federation
Kind = Literal["ibgp-client", "ibgp-reflector", "ebgp", "mesh-ibgp", "mesh-ebgp"]
MOST_REFLECTORS = 2


@dataclass(frozen=True, slots=True)
class Member:
    """A machine as the planner needs to know it: `address` is the one in its site's LAN."""

    name: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class RoutedSite:
    """A site as the planner needs to know it. `links` are the sites that it wants tunnels to; None: every site that says so too."""

    name: str
    as_number: int
    lan: IPv4Network
    containers: IPv4Network
    reflectors: tuple[Member, ...]
    others: tuple[Member, ...] = ()
    links: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Speaker:
    """One node's BGP daemon. `cluster_id` is None if it is no reflector. Two are the same only if they are one object."""

    name: str
    site: str
    as_number: int
    router_id: IPv4Address
    cluster_id: IPv4Address | None


@dataclass(frozen=True, slots=True)
class Session:
    """One end of a session, as the node that it belongs to has to configure it.

    `rr_client`: the peer is our client. `next_hop_self`: of what we learned by eBGP we say that we are the next hop. `border`: only
    what belongs to a site as a whole may pass, either way.
    """

    peer: Speaker
    kind: Kind
    rr_client: bool = False
    next_hop_self: bool = False
    border: bool = False


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """A node's sessions by kind."""

    ibgp_client: int = 0
    ibgp_reflector: int = 0
    ebgp: int = 0
    mesh_ibgp: int = 0
    mesh_ebgp: int = 0

    @property
    def total(self) -> int:
        return self.ibgp_client + self.ibgp_reflector + self.ebgp + self.mesh_ibgp + self.mesh_ebgp


@dataclass(frozen=True, slots=True)
class PlannedRouting:
    """One site of the plan: its speakers, reflectors first."""

    site: RoutedSite
    reflectors: tuple[Speaker, ...]
    others: tuple[Speaker, ...]

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        return self.reflectors + self.others


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node and its peers. `inside` are a client's reflectors, or a reflector's fellow; `borders` a reflector's peers at other
    sites, one for each tunnel."""

    speaker: Speaker
    clients: tuple[Speaker, ...]
    inside: tuple[Speaker, ...]
    borders: tuple[Speaker, ...]
    _mesh: Mapping[str, PlannedRouting] | None  # of the whole federation; None without a full mesh
    _nodes: int

    @property
    def reflector(self) -> bool:
        return self.speaker.cluster_id is not None

    def counts(self) -> SessionCounts:
        """How many sessions of each kind; as `sessions` would count, without making them."""
        own = mesh_inside = mesh_outside = 0
        if self._mesh is not None:
            site = self._mesh[self.speaker.site]
            own = len(site.reflectors) + len(site.others)
            mesh_inside = 0 if self.reflector else len(site.others) - 1
            mesh_outside = self._nodes - own - len(self.borders)
        return SessionCounts(
            ibgp_client=len(self.clients) + (0 if self.reflector else len(self.inside)),
            ibgp_reflector=len(self.inside) if self.reflector else 0,
            ebgp=len(self.borders),
            mesh_ibgp=mesh_inside,
            mesh_ebgp=mesh_outside,
        )

    def sessions(self) -> Iterator[Session]:
        """Every session of the node: no peer comes twice."""
        reflector = self.reflector
        for peer in self.inside:
            yield Session(peer, "ibgp-reflector" if reflector else "ibgp-client", next_hop_self=reflector)
        for peer in self.clients:
            yield Session(peer, "ibgp-client", rr_client=True, next_hop_self=True)
        for peer in self.borders:
            yield Session(peer, "ebgp", border=True)
        yield from self._mesh_sessions()

    def _mesh_sessions(self) -> Iterator[Session]:
        if self._mesh is None:
            return
        borders = set(self.borders)
        for name, there in self._mesh.items():
            if name != self.speaker.site:
                yield from (Session(peer, "mesh-ebgp") for peer in there.speakers if peer not in borders)
            elif not self.reflector:
                yield from (Session(peer, "mesh-ibgp") for peer in there.others if peer is not self.speaker)


@dataclass(frozen=True)
class Plan:
    """Every node's plan by its name, and the sites and tunnels that it was made of."""

    topology: Topology
    sites: Mapping[str, PlannedRouting]
    tunnels: TunnelsOf
    nodes: Mapping[str, NodePlan]
    _speakers: Mapping[str, Speaker] = field(repr=False)

    def speaker(self, name: str) -> Speaker:
        """The BGP daemon of the node `name`. KeyError if there is none."""
        return self._speakers[name]


def linked_sites(sites: Sequence[RoutedSite]) -> dict[str, tuple[str, ...]]:
    """The tunnels: two sites have one if either names the other, or if neither has a list of its own.

    ValueError: a site names itself, or one that is not there.
    """
    open_to_all = [site.name for site in sites if site.links is None]
    out: dict[str, set[str]] = {site.name: set() for site in sites}
    for site in sites:
        for other in site.links or ():
            if other == site.name or other not in out:
                raise ValueError(f"{site.name} has a link to {other}, which is no other site")
            out[site.name].add(other)
            out[other].add(site.name)
    is_open, whole = set(open_to_all), dict[str, tuple[str, ...]]()
    order = {site.name: i for i, site in enumerate(sites)}
    for name, named in out.items():
        if name not in is_open:
            continue
        if not named:  # the usual case, and the one with half a million tunnels: nothing to sort
            at = bisect_left(open_to_all, order[name], key=order.__getitem__)
            whole[name] = tuple(open_to_all[:at] + open_to_all[at + 1 :])
        else:
            named |= is_open
            named.discard(name)
    return {name: whole.get(name) or tuple(sorted(linked, key=order.__getitem__)) for name, linked in out.items()}


def _borders(
    planned: Mapping[str, PlannedRouting], here: PlannedRouting, linked: Sequence[str]
) -> list[tuple[Speaker, ...]]:
    """The peers at other sites of each of our reflectors. The first has a tunnel to the first of every other site, the second to the
    second; where one of two sites has only one, both of the other go there. So the loss of any one leaves a tunnel between them, at
    half the tunnels that all pairs would take."""
    theirs = [planned[other].reflectors for other in linked]
    if len(here.reflectors) == 1:
        return [tuple(speaker for there in theirs for speaker in there)]
    return [tuple([there[i % len(there)] for there in theirs]) for i in range(len(here.reflectors))]


def _check(sites: Sequence[RoutedSite]) -> None:
    names: set[str] = set()
    systems: dict[int, str] = {}
    for site in sites:
        if not 1 <= len(site.reflectors) <= MOST_REFLECTORS:
            raise ValueError(f"{site.name} has {len(site.reflectors)} reflectors, not 1 or {MOST_REFLECTORS}")
        if systems.setdefault(site.as_number, site.name) != site.name:
            raise ValueError(f"{site.name} and {systems[site.as_number]} are the same AS, {site.as_number}")
        for member in site.reflectors + site.others:
            if member.name in names:
                raise ValueError(f"two nodes are called {member.name}")
            names.add(member.name)
    if len({site.name for site in sites}) != len(sites):
        raise ValueError("two sites have the same name")


def plan(sites: Sequence[RoutedSite], topology: Topology) -> Plan:
    """Everybody's sessions.

    ValueError: a site without reflector, or with more than two; two nodes or sites of one name; two sites of one AS; a link to nowhere.
    """
    _check(sites)
    tunnels = linked_sites(sites)
    planned = {site.name: _speakers(site) for site in sites}
    count = sum(len(p.reflectors) + len(p.others) for p in planned.values())
    mesh = planned if topology == "full-mesh" else None
    nodes: dict[str, NodePlan] = {}
    for name, here in planned.items():
        borders = _borders(planned, here, tunnels[name])
        for i, speaker in enumerate(here.reflectors):
            fellows = tuple(s for s in here.reflectors if s is not speaker)
            nodes[speaker.name] = NodePlan(speaker, here.others, fellows, borders[i], mesh, count)
        for speaker in here.others:
            nodes[speaker.name] = NodePlan(speaker, (), here.reflectors, (), mesh, count)
    return Plan(topology, planned, tunnels, nodes, {name: node.speaker for name, node in nodes.items()})


def _speakers(site: RoutedSite) -> PlannedRouting:
    def speaker(member: Member, reflector: bool) -> Speaker:
        cluster = member.address if reflector else None
        return Speaker(member.name, site.name, site.as_number, member.address, cluster)

    return PlannedRouting(
        site,
        tuple(speaker(member, True) for member in site.reflectors),
        tuple(speaker(member, False) for member in site.others),
    )


def from_federation(
    federation: Federation,
    stacks: Mapping[str, SiteStack],
    links: Mapping[str, Iterable[str] | None] | None = None,
) -> list[RoutedSite]:
    """The planner's view of the real thing: the front-end is the reflector, agents are the others.

    `stacks`: the sites' own files; a site without one has its front-end only. `links`: other ones than `sites.<site>.links`, to see what a
    change would do; a site that is not in it has none.
    """
    out = []
    for name, site in federation.sites.items():
        where = lan(federation, name)
        stack = stacks.get(name)
        members = [(m.front_end, Member(m.name, where.address(m.number))) for m in machines(name, stack or _NO_AGENTS)]
        wanted = site.links if links is None else links.get(name)
        out.append(
            RoutedSite(
                name,
                site.as_number,
                site.lan,
                site.containers,
                tuple(member for front_end, member in members if front_end),
                tuple(member for front_end, member in members if not front_end),
                None if wanted is None else tuple(wanted),
            )
        )
    return out


_NO_AGENTS = SiteStack(iaas="docker", agents=0)
