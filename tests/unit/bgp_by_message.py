"""BGP once more, as plainly as it goes: a queue for each session, one message at a time, in an order by lot, every router with all that
its peers said. Slow, and written from the rules in docs/calico.md and RFC 4271 and 4456, not from tools/scaling."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, replace

from components.fabric.topology import Plan, Session

CALM = 20_000  # more messages than any of the tests' federations takes


@dataclass(frozen=True)
class Said:
    """A route on its way."""

    preference: int
    path: tuple[int, ...]
    next_hop: str
    originator: int | None = None
    clusters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Held:
    """A route in a table: how good (smaller is better), what, and from whom ("" is from here)."""

    rank: tuple[int, ...]
    said: Said
    peer: str
    kind: str


class ByMessage:
    """One prefix: `kind` is whole, lan, block or fixed; `claims` the nodes that announce it, with the time of a fixed address's claim."""

    def __init__(self, plan: Plan, kind: str, claims: dict[str, int], seed: int, down: frozenset[str] = frozenset()):
        self.plan, self.kind, self.down = plan, kind, down
        self.lot = random.Random(seed)
        self.sessions: dict[str, dict[str, Session]] = {
            name: {s.peer.name: s for s in node.sessions() if s.peer.name not in down}
            for name, node in plan.nodes.items()
            if name not in down
        }
        self.heard: dict[str, dict[str, Held]] = {name: {} for name in self.sessions}
        self.queues: dict[tuple[str, str], deque[Said | None]] = {}
        self.told: dict[tuple[str, str], Said | None] = {}
        self.best: dict[str, Held | None] = dict.fromkeys(self.sessions)
        self.owner_as = {plan.speaker(name).as_number for name in claims} if kind != "fixed" else set()
        self.messages = 0
        for name, time in claims.items():
            if name not in down:
                usual = time if kind == "fixed" else 100
                self.heard[name][""] = Held((-(10**9),), Said(usual, (), name), "", "")
                self._decide(name)
        while waiting := [key for key, queue in self.queues.items() if queue]:
            key = self.lot.choice(waiting)
            self._receive(*key, self.queues[key].popleft())
            self.messages += 1
            assert self.messages < CALM

    def _receive(self, sender: str, receiver: str, said: Said | None) -> None:
        held = self._import(sender, receiver, said)
        if held is None:
            self.heard[receiver].pop(sender, None)
        else:
            self.heard[receiver][sender] = held
        self._decide(receiver)

    def _import(self, sender: str, receiver: str, said: Said | None) -> Held | None:
        me, peer = self.plan.speaker(receiver), self.plan.speaker(sender)
        session = self.sessions[receiver][sender]
        if said is None:
            return None
        if session.kind in ("ebgp", "mesh-ebgp"):
            if me.as_number in said.path:
                return None
            if self.kind != "fixed" and said.path[-1] not in self.owner_as:
                return None
            if session.kind == "ebgp" and self.kind == "block":
                return None
            if session.kind == "mesh-ebgp" and self.plan.nodes[receiver].reflector:
                return None
            if self.kind != "fixed":
                said = replace(said, preference=100)
            internal = 0
        else:
            mine = int(me.router_id)
            if said.originator == mine or mine in said.clusters:
                return None
            internal = 1
        identity = int(peer.router_id) if said.originator is None else said.originator
        last_resort = int(session.kind.startswith("mesh"))  # BIRD's own preference
        # A node reaches other sites' by its own front-ends; what cannot be reached comes after all that can.
        lost = int(session.kind == "mesh-ebgp" and not self._leads_out(me.as_number))
        rank = (
            last_resort,
            lost,
            -said.preference,
            len(said.path),
            internal,
            identity,
            len(said.clusters),
            int(peer.router_id),
        )
        return Held(rank, said, sender, session.kind)

    def _leads_out(self, as_number: int) -> bool:
        """Whether a front-end of this AS is there."""
        there = (name for name in self.sessions if self.plan.nodes[name].reflector)
        return any(self.plan.speaker(name).as_number == as_number for name in there)

    def _decide(self, name: str) -> None:
        table = self.heard[name]
        best = min(table.values(), key=lambda held: held.rank, default=None)
        self.best[name] = best
        peers = list(self.sessions[name])
        self.lot.shuffle(peers)
        for peer in peers:
            said = self._export(name, peer, best)
            if self.told.get((name, peer)) != said:
                self.told[name, peer] = said
                self.queues.setdefault((name, peer), deque()).append(said)

    def _export(self, name: str, peer: str, best: Held | None) -> Said | None:
        if best is None or best.peer == peer:
            return None
        me, session, said = self.plan.speaker(name), self.sessions[name][peer], best.said
        own = best.peer == ""
        if session.kind == "ebgp":
            if self.kind == "block":
                return None
            return Said(said.preference, (me.as_number, *said.path), name)
        reflects = self.plan.nodes[name].reflector and session.kind in ("ibgp-client", "ibgp-reflector")
        if own or not reflects:
            if not own or self.kind in ("whole", "lan"):
                return None
            path = (me.as_number,) if session.kind == "mesh-ebgp" else ()
            return Said(said.preference, path, name)
        if self.kind == "lan" and session.rr_client:
            return None
        if best.kind in ("ebgp", "mesh-ebgp"):
            return Said(said.preference, said.path, name)
        learned = self.sessions[name][best.peer]
        if not learned.rr_client and not session.rr_client:
            return None
        originator = said.originator
        if originator is None:
            originator = int(self.plan.speaker(best.peer).router_id)
        assert me.cluster_id is not None
        return Said(said.preference, said.path, said.next_hop, originator, (int(me.cluster_id), *said.clusters))
