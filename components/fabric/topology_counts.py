"""What a plan costs: sessions, prefixes, paths and tunnels, by arithmetic. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .topology import NodePlan, Plan, TunnelsOf

WHOLES = 2  # what a site is to the others: its LAN, and its containers as one


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The prefixes in a node's table. `own` and `inside` are blocks of containers; `wholes` sites' containers as one; `outside` blocks at
    other sites, which only a full mesh tells."""

    own: int
    inside: int
    wholes: int
    lans: int
    fixed: int
    outside: int

    @property
    def total(self) -> int:
        return self.own + self.inside + self.wholes + self.lans + self.fixed + self.outside


def prefixes(plan: Plan, node: NodePlan, blocks: int = 1, fixed: int = 0) -> Prefixes:
    """What is in the node's table if every node has `blocks` blocks, and `fixed` addresses of `network.fixed` are in use anywhere.

    Clients reach all LANs through their front-end by a static route, so BGP tells LANs to reflectors only; a site's containers as one
    are of use to others only, so its own nodes do not hear of them.
    """
    site = plan.sites[node.speaker.site]
    here = len(site.reflectors) + len(site.others)
    sites = len(plan.sites)
    return Prefixes(
        own=blocks,
        inside=(here - 1) * blocks,
        wholes=sites if node.reflector else sites - 1,
        lans=sites if node.reflector else 0,
        fixed=fixed,
        outside=(len(plan.nodes) - here) * blocks if plan.topology == "full-mesh" and not node.reflector else 0,
    )


def border_paths(plan: Plan, node: NodePlan) -> int:
    """The most that a reflector may have to keep of what its peers at other sites tell it, fixed addresses not counted: each of them
    tells a way to every site but ours. With tunnels between all of n sites it is 2(n-1)^2, and just as many messages come in when
    it starts."""
    return len(node.borders) * WHOLES * (len(plan.sites) - 1)


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a whole plan. `sessions` and `tunnels` count pairs, not ends; `most_...` is that of the node that has most."""

    sites: int
    nodes: int
    sessions: int
    most_sessions: int
    most_client_sessions: int
    tunnels: int
    most_tunnels: int
    most_border_paths: int


def totals(plan: Plan) -> Totals:
    """The sums that a preview, a test or an administrator asks for."""
    ends = most = most_client = tunnel_ends = most_tunnels = most_paths = 0
    for node in plan.nodes.values():
        count = node.counts().total
        ends += count
        most = max(most, count)
        if node.reflector:
            tunnel_ends += len(node.borders)
            most_tunnels = max(most_tunnels, len(node.borders))
            most_paths = max(most_paths, border_paths(plan, node))
        else:
            most_client = max(most_client, count)
    return Totals(
        len(plan.sites), len(plan.nodes), ends // 2, most, most_client, tunnel_ends // 2, most_tunnels, most_paths
    )


def mesh_nodes(plan: Plan) -> int:
    """How many nodes are in a full mesh: what validation refuses above 100. 0 without one."""
    return len(plan.nodes) if plan.topology == "full-mesh" else 0


def islands(tunnels: TunnelsOf) -> list[list[str]]:
    """The sites in groups that reach each other, in order. More than one: the links leave sites without a way to the others."""
    seen: set[str] = set()
    out = []
    for start in tunnels:
        if start not in seen:
            group = _reached(tunnels, start)
            seen |= group
            out.append([name for name in tunnels if name in group])
    return out


def single_tunnels(tunnels: TunnelsOf) -> list[tuple[str, str]]:
    """The tunnels whose loss leaves sites without any way to others, each once: what a warning should name.

    Depth first, each site with the earliest one that it reaches around the tunnel it was found by. O(sites + tunnels).
    """
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    out = []
    for root in tunnels:
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack = [(root, "", iter(tunnels[root]))]
        while stack:
            site, parent, rest = stack[-1]
            for other in rest:
                if other not in order:
                    order[other] = low[other] = len(order)
                    stack.append((other, site, iter(tunnels[other])))
                    break
                if other != parent:
                    low[site] = min(low[site], order[other])
            else:
                stack.pop()
                if parent:
                    low[parent] = min(low[parent], low[site])
                    if low[site] > order[parent]:
                        out.append((parent, site))
    return out


def _reached(tunnels: TunnelsOf, start: str) -> set[str]:
    found, rest = {start}, [start]
    while rest:
        new = set(tunnels[rest.pop()]) - found
        found |= new
        rest += new
    return found


def longest_way(tunnels: TunnelsOf) -> int:
    """The most tunnels on the shortest way between two sites; those that have none at all are not counted.

    A set of sites is a number with a bit for each, so that 1,000 sites with tunnels between all take a second.
    """
    number = {name: i for i, name in enumerate(tunnels)}
    near = [sum(1 << number[other] for other in linked) for linked in tunnels.values()]
    longest = 0
    for start in range(len(near)):
        seen = edge = 1 << start
        steps = 0
        while edge:
            reached, rest = 0, edge
            while rest:
                lowest = rest & -rest
                reached |= near[lowest.bit_length() - 1]
                rest ^= lowest
            edge = reached & ~seen
            seen |= edge
            steps += bool(edge)
            if seen.bit_count() == len(near):
                break
        longest = max(longest, steps)
    return longest


def path_limit(tunnels: TunnelsOf) -> int:
    """How many ASes a path over borders has to be allowed: with any one tunnel lost no way is longer than twice the longest before. What is
    longer is only what is left of a site that is gone: without a limit BGP tries every detour before it gives it up."""
    return 2 * max(1, longest_way(tunnels))


def sum_of_kinds(nodes: Iterable[NodePlan]) -> dict[str, int]:
    """The ends of sessions of these nodes by kind."""
    out = dict.fromkeys(("ibgp-client", "ibgp-reflector", "ebgp", "mesh-ibgp", "mesh-ebgp"), 0)
    for node in nodes:
        counts = node.counts()
        out["ibgp-client"] += counts.ibgp_client
        out["ibgp-reflector"] += counts.ibgp_reflector
        out["ebgp"] += counts.ebgp
        out["mesh-ibgp"] += counts.mesh_ibgp
        out["mesh-ebgp"] += counts.mesh_ebgp
    return out
