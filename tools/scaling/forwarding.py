"""Where packets go, hop by hop, by what BGP has settled on; and what is wrong with it: no way, a loop, a leak."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .bgp import EBGP, MESH_OUT, OWN, Best, Propagation
from .network import Network, Policy

Fault = Literal["no route", "unreachable", "dropped", "loop", "wrong site", "leak", "wrong origin"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `where` is the router; `what` the prefix or the address."""

    fault: Fault
    where: str
    what: str


@dataclass(frozen=True)
class Checked:
    """`ways`: how many (router, prefix) or (node, node) were followed to their end; `longest`: routers on the longest way."""

    ways: int
    longest: int
    findings: tuple[Finding, ...]

    def __add__(self, other: Checked) -> Checked:
        return Checked(self.ways + other.ways, max(self.longest, other.longest), self.findings + other.findings)


NOTHING = Checked(0, 0, ())


def name_of(prop: Propagation) -> str:
    """The prefix in words."""
    return f"{prop.prefix.kind} of {prop.net.site_names[prop.prefix.site]}"


def _next(prop: Propagation, router: int) -> int | Fault | None:
    """The next router for the prefix; None: this one has it."""
    net, prefix, best = prop.net, prop.prefix, prop.best[router]
    if prefix.kind == "lan" and not net.reflector[router]:
        if net.site[router] == prefix.site:
            return None
        gateway = net.gateway(router) if prop.policy.static_lans else None
        return "no route" if gateway is None else gateway
    if best is None:
        return "no route"
    if best.how == OWN:
        return None
    hop = net.way_to(router, best.route.next_hop, prop.policy.static_lans)
    return "unreachable" if hop is None else hop


def check_ways(prop: Propagation, sources: Iterable[int] | None = None) -> Checked:
    """From every router that is up (or from `sources`) to the routers that announce the prefix: is there a way, and does it end
    where it should? Each router is looked at once: from it on, all packets go alike."""
    net = prop.net
    if sources is None:  # a site's own nodes do not hear of its containers as one: they know the parts
        sources = (r for r in range(len(net)) if net.reflector[r] or net.site[r] != prop.prefix.site)
    ends: dict[int, tuple[Fault | None, int]] = {}
    findings, ways, longest = [], 0, 0
    for start in sources:
        if start in net.down:
            continue
        trail: list[int] = []
        on_trail: set[int] = set()
        at = start
        while at not in ends:
            trail.append(at)
            on_trail.add(at)
            step = _next(prop, at)
            if step is None:
                ends[at] = (None if net.site[at] == prop.prefix.site else "wrong site", 1)
            elif isinstance(step, str):
                ends[at] = (step, 1)
            elif step in on_trail:
                ends[at] = ("loop", 1)
            else:
                at = step
        for router in reversed(trail):
            if router != at:
                fault, length = ends[at]
                ends[router] = (fault, length + 1)
                at = router
        fault, length = ends[start]
        ways, longest = ways + 1, max(longest, length)
        if fault is not None:
            findings.append(Finding(fault, net.names[start], name_of(prop)))
    return Checked(ways, longest, tuple(findings))


def check_borders(prop: Propagation) -> list[Finding]:
    """What came over a site's border and should not have: a part of a site's containers, or a site's prefix from another AS."""
    net, prefix = prop.net, prop.prefix
    own = net.site_as[prefix.site]
    out = []
    for router in range(len(net)):
        best = prop.best[router]
        if router in net.down or net.site[router] == prefix.site:
            continue
        if prefix.kind == "block":
            if _leaked(prop, router, best):
                out.append(Finding("leak", net.names[router], name_of(prop)))
        elif prefix.kind != "fixed" and best is not None and best.how != OWN and best.route.path[-1] != own:
            out.append(Finding("wrong origin", net.names[router], name_of(prop)))
    return out


def _leaked(prop: Propagation, router: int, best: Best | None) -> bool:
    if best is not None and (best.how == EBGP or not prop.net.has_mesh):
        return True
    return bool(prop.taken_at_borders(router))


@dataclass(frozen=True)
class Tables:
    """The settled prefixes of a whole federation: of each site its containers and its LAN, and of some nodes their blocks."""

    net: Network
    policy: Policy
    wholes: Sequence[Propagation]
    lans: Sequence[Propagation]
    blocks: dict[int, Propagation]

    @property
    def all(self) -> list[Propagation]:
        return [*self.wholes, *self.lans, *self.blocks.values()]

    def fail(self, routers: Iterable[int] = (), tunnels: Iterable[tuple[int, int]] = ()) -> None:
        """Lose these, and let BGP settle. NotConverged."""
        lost, cut = list(routers), list(tunnels)
        self.net.down.update(lost)
        self.net.cut_tunnels(cut)
        for prop in self.all:
            prop.reset_counts()
            prop.fail(lost, cut)
            prop.run()

    def mend(self) -> None:
        """Everything is there again; let BGP settle. NotConverged."""
        routers, tunnels = list(self.net.down), list(self.net.cut)
        self.net.mend()
        for prop in self.all:
            prop.reset_counts()
            prop.back(routers, tunnels)
            prop.run()

    def state(self) -> list[list[Best | None]]:
        """Every router's choice for every prefix."""
        return [list(prop.best) for prop in self.all]

    def way(self, source: int, target: int) -> list[int] | Finding:
        """The routers that a packet passes from a container on the node `source` to one on `target`, both included."""
        block, whole = self.blocks[target], self.wholes[self.net.site[target]]
        trail = [source]
        while trail[-1] != target:
            step = self._step(trail[-1], block, whole)
            if isinstance(step, str):
                return Finding(step, self.net.names[trail[-1]], f"a container on {self.net.names[target]}")
            if step in trail:
                return Finding("loop", self.net.names[step], f"a container on {self.net.names[target]}")
            trail.append(step)
        return trail

    def _step(self, at: int, block: Propagation, whole: Propagation) -> int | Fault:
        """The narrowest prefix decides that is in the kernel; with `unreachable_kept` also if its next hop cannot be reached."""
        step = _next(block, at)
        if step is None:  # another's node has the block
            return "wrong site"
        if step == "no route" or (step == "unreachable" and not self.policy.unreachable_kept):
            step = _next(whole, at)
        if step is None:  # the site's containers as one, which a reflector drops if it knows no part
            return "dropped"
        return step


def settle(net: Network, policy: Policy = Policy(), blocks: Iterable[int] = ()) -> Tables:  # noqa: B008
    """All prefixes of a federation, settled: of every site its containers and LAN, of these nodes their blocks. NotConverged."""
    sites = range(len(net.site_names))
    tables = Tables(
        net,
        policy,
        [Propagation(net, net.whole(site), policy) for site in sites],
        [Propagation(net, net.lan(site), policy) for site in sites],
        {router: Propagation(net, net.block(router), policy) for router in blocks},
    )
    for prop in tables.all:
        prop.run()
    return tables


def check(tables: Tables, pairs: Iterable[tuple[int, int]] = ()) -> Checked:
    """Everything: every router to every site's containers and LAN, every node of a site to the blocks there, what crossed borders,
    and the way between these pairs of nodes."""
    out = NOTHING
    net = tables.net
    for prop in [*tables.wholes, *tables.lans]:
        if any(router not in net.down for router in net.reflectors_of[prop.prefix.site]):
            out += check_ways(prop)
        out += Checked(0, 0, tuple(check_borders(prop)))
    for router, prop in tables.blocks.items():
        if router not in net.down:
            out += check_ways(prop, net.routers_of[net.site[router]])
        out += Checked(0, 0, tuple(check_borders(prop)))
    for source, target in pairs:
        if source in net.down or target in net.down:
            continue
        way = tables.way(source, target)
        out += Checked(1, 0, (way,)) if isinstance(way, Finding) else Checked(1, len(way), ())
    return out


def by_mesh(tables: Tables, target: int) -> int:
    """How many routers know the block of `target` by a session of the full mesh between sites."""
    return sum(best is not None and best.how == MESH_OUT for best in tables.blocks[target].best)
