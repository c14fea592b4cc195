"""How one prefix spreads: BGP in rounds. In a round every router reads what its peers said in the one before and decides anew.

Prefixes do not touch each other in BGP, so each is a `Propagation` of its own. What a router says is the same to all peers of one kind
(but for the one that it was learned from), so it is kept once, not once a session: 1,000 sites with tunnels between all of them have
half a million sessions. For the same reason a router looks only at what has changed, and where most of its peers have changed, at
the best of them first. `tests/unit/test_scaling_simulation.py` holds this against a simulation that sends each message by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .network import Network, Policy, Prefix

OWN, EBGP, CLIENT, INSIDE, MESH_IN, MESH_OUT = range(6)  # how a route was learned: by which kind of session
# What a router says: to other sites, to its clients, to its fellow, to its reflectors, and to the mesh inside and outside. How whoever
# hears it has learned it is HEARD[what]; and what was learned thus was said by one of those who now hear, and is not told there again.
BORDER, DOWN, PEER, UP, TO_MESH_IN, TO_MESH_OUT = range(6)
HEARD = (EBGP, INSIDE, INSIDE, CLIENT, MESH_IN, MESH_OUT)
SAME_SESSIONS = (EBGP, CLIENT, INSIDE, INSIDE, MESH_IN, MESH_OUT)
USUAL = 100  # the local preference of all but fixed addresses
Key = tuple[int, ...]


class NotConverged(Exception):
    """BGP has not come to rest."""


class Route(NamedTuple):
    """What is said. `preference` is the local preference; over borders the one that it gets there (a fixed address's goes as MED). `originator` is -1 if no reflector has set it."""

    preference: int
    path: tuple[int, ...]
    next_hop: int
    originator: int
    clusters: tuple[int, ...]


class Best(NamedTuple):
    """A router's choice. The smallest `key` wins; `source` is the peer, -1 for its own."""

    key: Key
    route: Route
    source: int
    how: int


OWN_KEY: Key = (-1,)


class Propagation:
    """One prefix in one network. `rounds` and `messages` (announcements and withdrawals) are those since the last `reset_counts`."""

    def __init__(self, net: Network, prefix: Prefix, policy: Policy = Policy(), dense: bool | None = None) -> None:  # noqa: B008
        """`dense`: whether to look at the best of what changed first, or at each change; None: by their number."""
        self.net, self.prefix, self.policy = net, prefix, policy
        self.dense = dense
        self.best: list[Best | None] = [None] * len(net)
        self.said: list[list[Route | None]] = [[None] * len(net) for _ in HEARD]
        self.border_key: list[Key | None] = [None] * len(net)
        self.rounds = self.messages = 0
        self._changed: list[set[int]] = [set() for _ in HEARD]
        self._stale: set[int] = set()  # must look at all their peers
        self._hearers = net.hearers
        self._as = net.site_as[prefix.site]
        self._always_scan = bool(policy.preference)
        for router in prefix.origins:
            self._originate(router)

    # -- what happens

    def fail(self, routers: Iterable[int] = (), tunnels: Iterable[tuple[int, int]] = ()) -> None:
        """Tell the prefix that the network has lost these; `Network.down` and `.cut` have them already."""
        net = self.net
        for router in routers:
            self._choose(router, None, silent=True)
        for a, b in tunnels:
            for here, there in ((a, b), (b, a)):
                best = self.best[here]
                if best is not None and best.source == there:
                    self._stale.add(here)
                if net.has_mesh:  # next hops may have become unreachable
                    self._stale.update(net.routers_of[net.site[here]])

    def back(self, routers: Iterable[int] = (), tunnels: Iterable[tuple[int, int]] = ()) -> None:
        """Tell the prefix that these are there again; the network knows already."""
        net = self.net
        for router in routers:
            if router in self.prefix.origins:
                self._originate(router)
            self._stale.add(router)
        for pair in tunnels:
            for here in pair:
                self._stale.update(net.routers_of[net.site[here]] if net.has_mesh else (here,))

    def move(self, old: int, new: int, claim: int) -> None:
        """A fixed address is taken from `old` by `new`, at the time `claim`."""
        self.prefix.origins.pop(old)
        self.prefix.origins[new] = claim
        self._choose(old, None)
        self._stale.add(old)
        self._originate(new)

    def _originate(self, router: int) -> None:
        claim = self.prefix.origins[router]
        route = Route(claim if self.prefix.kind == "fixed" else USUAL, (), router, -1, ())
        self._choose(router, Best(OWN_KEY, route, -1, OWN))

    def reset_counts(self) -> None:
        """Count from here on."""
        self.rounds = self.messages = 0

    def run(self, most_rounds: int | None = None) -> None:
        """Until nothing changes. NotConverged after `most_rounds`, by default far more than the longest path without a loop takes."""
        most = most_rounds if most_rounds is not None else 3 * len(self.net.site_names) + 20
        while self._stale or any(self._changed):
            if self.rounds >= most:
                raise NotConverged(f"{self.prefix.kind} of site {self.prefix.site} still changes after {most} rounds")
            self.rounds += 1
            self._round()

    # -- a round

    def _round(self) -> None:
        down = self.net.down
        stale, changed = self._stale, self._changed
        self._stale, self._changed = set(), [set() for _ in HEARD]
        heard: dict[int, list[tuple[int, int]]] = {}
        for what in (DOWN, PEER, UP, TO_MESH_IN, TO_MESH_OUT):
            for router in changed[what]:
                for peer in self._hearers[what][router]:
                    heard.setdefault(peer, []).append((router, HEARD[what]))
        decided: dict[int, Best | None] = {}
        self._hear_borders(changed[BORDER], stale, heard, decided)
        for router, news in heard.items():
            if router not in stale and router not in down:
                at = decided.get(router, self.best[router])
                decided[router] = self._weigh(router, at, news)
        for router in stale - down:
            decided[router] = self._scan(router)
        for router, best in decided.items():
            if best != self.best[router]:
                self._choose(router, best)

    def _hear_borders(
        self,
        changed: set[int],
        stale: set[int],
        heard: dict[int, list[tuple[int, int]]],
        decided: dict[int, Best | None],
    ) -> None:
        net = self.net
        if not changed:
            return
        dense = self.dense
        if dense is None:
            dense = sum(len(net.borders[router]) for router in changed) > 8 * len(net)
        if not dense:
            for router in changed:
                for peer in net.borders[router]:
                    heard.setdefault(peer, []).append((router, EBGP))
            return
        ranked = sorted((key, router) for router in changed if (key := self.border_key[router]) is not None)
        for router, peers in enumerate(net.border_set):
            best = self.best[router]
            if best is not None and best.source in changed and best.how == EBGP:
                heard.setdefault(router, []).append((best.source, EBGP))  # it decides whether all have to be asked
            if not peers or router in stale or router in net.down:
                continue
            limit = best.key if best is not None and not self._always_scan else None
            for key, peer in ranked:
                if limit is not None and key >= limit:
                    break
                if peer in peers:
                    heard.setdefault(router, []).append((peer, EBGP))
                    if self._offer(router, peer, EBGP) is not None and not self._always_scan:
                        break  # those after it are no better

    # -- a decision

    def _weigh(self, router: int, best: Best | None, news: Iterable[tuple[int, int]]) -> Best | None:
        """The choice, if only these have said something new."""
        for peer, how in news:
            offer = self._offer(router, peer, how)
            if best is not None and best.source == peer and best.how == how:
                if offer is None or offer.key > best.key:
                    return self._scan(router)  # it became worse: perhaps another is better now
                best = offer
            elif offer is not None and (best is None or offer.key < best.key):
                best = offer
        return best

    def _scan(self, router: int) -> Best | None:
        """The choice among all that the router's peers say."""
        net = self.net
        if router in self.prefix.origins:
            return self.best[router]
        best: Best | None = None
        keys = self.border_key
        for peer in net.borders[router]:
            key = keys[peer]
            if key is None or (best is not None and key >= best.key and not self._always_scan):
                continue
            offer = self._offer(router, peer, EBGP)
            if offer is not None and (best is None or offer.key < best.key):
                best = offer
        for how, peers in (
            (CLIENT, net.clients[router]),
            (INSIDE, net.inside[router]),
            (MESH_IN, net.mesh_inside[router]),
            (MESH_OUT, net.mesh_outside[router]),
        ):
            for peer in peers:
                offer = self._offer(router, peer, how)
                if offer is not None and (best is None or offer.key < best.key):
                    best = offer
        return best

    def _offer(self, router: int, peer: int, how: int) -> Best | None:
        """What the peer says, after the router's import filter and loop checks; None if nothing is left of it."""
        net, policy = self.net, self.policy
        route = self.said[self._what(router, how)][peer]
        theirs = self.best[peer]
        if how == MESH_OUT and net.reflector[router] and not policy.reflectors_take_mesh:
            return None
        if route is None or theirs is None or theirs.source == router or (router, peer) in net.cut or peer in net.down:
            return None
        best = self.best[router]
        if best is not None and best.how == OWN:
            return None
        preference, path, hop, originator, clusters = route
        if how in (EBGP, MESH_OUT):
            if (policy.as_loops and net.asn[router] in path) or not self._lets_in(path, how):
                return None
            if self._always_scan and how == EBGP:
                preference = policy.preference.get((net.site[router], net.site[peer]), preference)
                route = Route(preference, path, hop, originator, clusters)
            internal = 0
        else:
            if policy.reflector_loops and (originator == net.router_id[router] or net.router_id[router] in clusters):
                return None
            internal = 1
        identity = originator if originator >= 0 else net.router_id[peer]
        # A peer over a border or on the LAN can be reached, or there would be no session.
        lost = (hop != peer or how == MESH_OUT) and net.way_to(router, hop, policy.static_lans) is None
        # BIRD's own preference comes before all of BGP's: what the mesh says is the last resort.
        key = (
            int(how >= MESH_IN),
            int(lost),
            -preference,
            len(path),
            internal,
            identity,
            len(clusters),
            net.router_id[peer],
        )
        return Best(key, route, peer, how)

    def _what(self, router: int, how: int) -> int:
        if how == EBGP:
            return BORDER
        if how == INSIDE:
            return PEER if self.net.reflector[router] else DOWN
        return {CLIENT: UP, MESH_IN: TO_MESH_IN, MESH_OUT: TO_MESH_OUT}[how]

    def _lets_in(self, path: tuple[int, ...], how: int) -> bool:
        """The filter at a border (of the mesh: of sessions between sites)."""
        policy, kind = self.policy, self.prefix.kind
        if how == EBGP:
            if policy.border_import and kind == "block":
                return False
            if policy.longest_path is not None and len(path) > policy.longest_path:
                return False
        return kind == "fixed" or not policy.origin_check or path[-1] == self._as

    def paths_from_borders(self, router: int) -> int:
        """How many ways the router keeps that other sites have told it: one for each peer whose word it takes."""
        return sum(self._offer(router, peer, EBGP) is not None for peer in self.net.borders[router])

    def taken_at_borders(self, router: int) -> list[Route]:
        """What other sites have told the router and passed its filter."""
        offers = (self._offer(router, peer, EBGP) for peer in self.net.borders[router] if self.said[BORDER][peer])
        return [offer.route for offer in offers if offer is not None]

    # -- what a router says

    def _choose(self, router: int, best: Best | None, silent: bool = False) -> None:
        """Take `best`, and note for whom that is news. `silent`: the router is gone, so that its peers notice by themselves."""
        before = self.best[router]
        self.best[router] = best
        for what in self.net.speaks[router]:
            said = self.said[what]
            old, new = said[router], self._say(router, best, what)
            if old is None and new is None:
                continue
            learned = SAME_SESSIONS[what]
            was = before.source if before is not None and before.how == learned else -1
            now = best.source if best is not None and best.how == learned else -1
            if old == new and was == now:
                continue
            said[router] = new
            self._changed[what].add(router)
            if what == BORDER:
                self.border_key[router] = self._key_at_border(router, new)
            if not silent:
                self.messages += self._deliveries(router, what, old, new, was, now)

    def _key_at_border(self, router: int, route: Route | None) -> Key | None:
        """The key at whoever hears it over a border: everybody there ranks alike, unless sites have preferences of their own."""
        if route is None:
            return None
        return (0, 0, -route.preference, len(route.path), 0, self.net.router_id[router], 0, self.net.router_id[router])

    def _deliveries(self, router: int, what: int, old: Route | None, new: Route | None, was: int, now: int) -> int:
        """How many messages that is. Whoever it was learned from has not been told the old, and is not told the new: `was` and `now` are
        such peers among those who hear this, or -1."""
        net = self.net
        peers = self._hearers[what][router]
        told = 0
        if old != new:
            told = len(peers)
            if net.down:
                told -= sum(peer in net.down for peer in peers)
            if net.cut and what == BORDER:
                told -= sum(a == router and b not in net.down for a, b in net.cut)
        for odd in {was, now} - {-1}:
            if odd not in net.down and (router, odd) not in net.cut:
                had, gets = (None if odd == was else old), (None if odd == now else new)
                told += int(had != gets) - int(old != new)
        return told

    def _say(self, router: int, best: Best | None, what: int) -> Route | None:
        """The export filters."""
        if best is None:
            return None
        net, kind, route, how = self.net, self.prefix.kind, best.route, best.how
        if what == BORDER:
            if kind == "block" and self.policy.border_export and net.site[router] not in self.policy.liars:
                return None
            if (
                kind == "lan"
                and not self.policy.lans_by_bgp
                and how == EBGP
                and net.site[best.source] == self.prefix.site
            ):
                return None
            preference = route.preference if kind == "fixed" else USUAL
            return Route(preference, (net.asn[router], *route.path), router, -1, ())
        if what in (UP, TO_MESH_IN, TO_MESH_OUT):  # a node tells its own; a site as a whole is for borders only
            if how != OWN or kind not in ("block", "fixed"):
                return None
            return Route(route.preference, (net.asn[router],) if what == TO_MESH_OUT else (), router, -1, ())
        if how == OWN and kind in ("whole", "lan"):
            return None
        if what == PEER and how == INSIDE:  # from one that is no client it goes to clients only
            return None
        if kind == "lan" and (what == DOWN or not self.policy.lans_between_reflectors):
            return None
        if how in (OWN, EBGP, MESH_OUT):
            hop = router if self.policy.next_hop_self else route.next_hop
            return Route(route.preference, route.path, hop, -1, ())
        originator = route.originator if route.originator >= 0 else net.router_id[best.source]
        return Route(route.preference, route.path, route.next_hop, originator, (net.router_id[router], *route.clusters))
