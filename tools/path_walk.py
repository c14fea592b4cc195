"""The way of a packet through the federation, machine by machine, and why it ends where it ends. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from . import bird
from .path_answer import Answer, Kernel
from .status_look import ago

Verdict = Literal["arrives", "leaves", "loop", "blackhole", "no route", "unknown"]
MOST_HOPS = 32


@dataclass(frozen=True)
class Node:
    """A machine, as far as packets are concerned."""

    name: str
    site: str
    address: str
    front_end: bool


@dataclass(frozen=True)
class Map:
    """The federation's machines by name, and each site's networks: its LAN, and its containers. `fixed` are addresses that
    follow their container."""

    nodes: Mapping[str, Node]
    lans: Mapping[str, IPv4Network]
    containers: Mapping[str, IPv4Network]
    fixed: IPv4Network

    def at(self, address: str) -> Node | None:
        """The machine with this address."""
        return next((n for n in self.nodes.values() if n.address == address), None)

    def front_end(self, site: str) -> Node | None:
        """The site's front-end."""
        return next((n for n in self.nodes.values() if n.site == site and n.front_end), None)

    def owner(self, address: str) -> str | None:
        """The site in whose networks the address is; None of one of `fixed`, or of elsewhere."""
        ip = IPv4Address(address)
        return next((s for nets in (self.lans, self.containers) for s, n in nets.items() if ip in n), None)

    def inside(self, address: str) -> bool:
        """Whether it is the federation's at all."""
        return self.owner(address) is not None or IPv4Address(address) in self.fixed

    def place_of(self, address: str) -> str:
        """What the address is, in words."""
        ip = IPv4Address(address)
        for what, nets in (("LAN", self.lans), ("containers", self.containers)):
            for site, network in nets.items():
                if ip in network:
                    return f"{what} of {site}, {network}"
        return f"an address that follows its container, {self.fixed}" if ip in self.fixed else "not of the federation"


@dataclass(frozen=True)
class Hop:
    """A machine on the way. `enters` and `leaves` are interfaces, `next` a machine's name, an address or "".

    `prefix`, `learned_from` and `as_path` are BIRD's best route: which network, who told it (a session's kind and the peer's
    name, or BIRD's own protocol), and by which AS. `note` is what is odd here."""

    machine: str
    site: str
    enters: str
    leaves: str
    next: str
    prefix: str = ""
    protocol: str = ""
    learned_from: str = ""
    as_path: tuple[int, ...] | None = None
    note: str = ""


@dataclass(frozen=True)
class Path:
    """`said` tells the end in words; `do` what to do about it, "" if it arrives."""

    target: str
    hops: tuple[Hop, ...]
    verdict: Verdict
    said: str
    do: str = ""

    @property
    def good(self) -> bool:
        return self.verdict in ("arrives", "leaves")


class Silent(Exception):
    """A machine could not be asked; the text says why."""


Ask = Callable[[Node], Answer]


def walk(there: Map, start: Node, target: str, ask: Ask) -> Path:
    """From the machine `start` to the address. `ask` gives each machine's answer, or raises Silent."""
    hops: list[Hop] = []
    node, previous = start, ""
    while True:
        try:
            answer = ask(node)
        except Silent as silent:
            hops.append(Hop(node.name, node.site, "", "", ""))
            return Path(target, tuple(hops), "unknown", f"{node.name} does not tell: {silent}", "make status")
        after = _next(there, answer.kernel, target)
        hop = _hop(there, node, answer, previous, after)
        hops.append(hop)
        if isinstance(after, Node):
            if after.name in (h.machine for h in hops):
                circle = [h.machine for h in hops]
                circle = [*circle[circle.index(after.name) :], after.name]
                said = f"a loop: {' -> '.join(circle)}. Each believes that the next one is nearer to {target}"
                return Path(target, tuple(hops), "loop", said, _bird(hop.machine, f"show route for {target} all"))
            if len(hops) >= MOST_HOPS:
                return Path(target, tuple(hops), "loop", f"not there after {MOST_HOPS} machines", "make status")
            previous, node = node.name, after
            continue
        return _end(there, node, answer, target, hops)


def _next(there: Map, kernel: Kernel, target: str) -> Node | None:
    """The machine that gets the packet now; None if none does."""
    if kernel.kind == "via":
        return there.at(kernel.gateway)
    if kernel.kind == "link":
        if kernel.device.startswith("wg-"):  # a tunnel has one other end
            return there.front_end(kernel.device.removeprefix("wg-"))
        return there.at(target)
    return None


def _hop(there: Map, node: Node, answer: Answer, previous: str, after: Node | None) -> Hop:
    kernel, best, note = answer.kernel, answer.best, answer.trouble
    enters = answer.source.device if answer.source else ""
    if previous:
        came = there.nodes[previous]
        enters = f"wg-{came.site}" if came.site != node.site else "LAN"
    learned, path = "", None
    if best is not None and best.prefix == "0.0.0.0/0":
        best = None
    if best is not None:
        path = best.as_path
        peer = there.at(best.peer) if best.peer else None
        if best.peer:
            kind = "BGP" if peer is None else "iBGP" if peer.site == node.site else "eBGP"
            learned = f"{kind} {peer.name if peer else best.peer}"
        else:
            learned = _OWN.get(best.protocol.rstrip("0123456789"), best.protocol)
        ways = {(r.via, r.device) for r in answer.routes}
        if kernel.kind in ("via", "link") and best.device and (kernel.gateway, kernel.device) not in ways:
            name = there.at(best.via) if best.via else None
            way = name.name if name else best.via or best.device
            note = f"BIRD would go by {way}: the kernel has not taken that"
    return Hop(
        node.name,
        node.site,
        enters,
        "" if kernel.kind == "local" else kernel.device,
        after.name if after else kernel.gateway,
        best.prefix if best else "",
        best.protocol if best else "",
        learned,
        path,
        note,
    )


_OWN = {"kernel": "a route of the kernel", "direct": "its own network", "static": "BIRD's own"}


def _end(there: Map, node: Node, answer: Answer, target: str, hops: list[Hop]) -> Path:
    """What it means that no further machine gets the packet."""
    kernel, done = answer.kernel, tuple(hops)
    if kernel.kind == "local":
        return Path(target, done, "arrives", f"{target} is {node.name} itself")
    if kernel.kind == "container":
        return Path(target, done, "arrives", f"{target} is a container on {node.name}, behind {kernel.device}")
    if kernel.kind == "link" and not kernel.device.startswith("wg-"):
        if there.inside(target):
            said = f"{node.name} looks for {target} on {kernel.device} itself, and no machine has that address"
            return Path(target, done, "no route", said, "make status")
        return Path(target, done, "arrives", f"{target} is beside {node.name}, on {kernel.device}")
    if kernel.kind == "via" and not there.inside(target):
        return Path(
            target, done, "leaves", f"it leaves the federation at {node.name}, by {kernel.device} to {kernel.gateway}"
        )
    if kernel.kind == "blackhole":
        return _blackhole(there, node, answer, target, done)
    said, do = _why(there, node, answer, target)
    default = f"; it would go out by {kernel.device} to {kernel.gateway}" if kernel.kind == "via" else ""
    what = f"no route on {node.name} to {target} ({there.place_of(target)}): {said}{default}"
    return Path(target, done, "no route", what, do)


def _blackhole(there: Map, node: Node, answer: Answer, target: str, hops: tuple[Hop, ...]) -> Path:
    best, owner = answer.best, there.owner(target)
    prefix = best.prefix if best is not None else ""
    what = f"a blackhole on {node.name}" + (f", for {prefix}" if prefix else "")
    whole = owner is not None and prefix == str(there.containers.get(owner, ""))
    if whole and owner == node.site:
        down = [s for s in answer.sessions if not s.established and (p := there.at(s.peer)) and p.site == owner]
        if down:
            said, do = _down(there, node, down[0], answer.now)
            return Path(target, hops, "blackhole", f"{what}: no machine of {owner} told it of {target}, and {said}", do)
        said = f"{what}: no container of {owner} has {target}, or its machine has not said so"
        return Path(target, hops, "blackhole", said, _bird(node.name, "show route all"))
    if best is not None and best.kind == "blackhole":
        said = f"{what}: that is {node.name}'s own block, and no container here has {target}"
        return Path(target, hops, "blackhole", said, f"on {node.name}: docker ps")
    said, do = _why(there, node, answer, target)
    return Path(target, hops, "blackhole", f"{what}: {said}", do)


def _why(there: Map, node: Node, answer: Answer, target: str) -> tuple[str, str]:
    """Why a machine has no route to an address of the federation, by its sessions; and what to do."""
    if answer.trouble:
        return f"its BIRD does not answer ({answer.trouble})", f"on {node.name}: docker logs --tail 20 calico"
    owner = there.owner(target)
    end = there.front_end(owner) if owner else None
    own = there.front_end(node.site)

    def weight(session: bird.Protocol) -> int:
        """0: the session that the route should have come by."""
        if end is not None and session.peer == end.address and node.front_end:
            return 0
        if own is not None and session.peer == own.address:
            return 1
        peer = there.at(session.peer)
        return 2 if peer is not None and peer.site == owner else 3

    down = sorted((s for s in answer.sessions if not s.established), key=weight)
    if not answer.sessions:
        return "its BIRD has no session", f"on {node.name}: docker logs --tail 20 calico"
    if down and (weight(down[0]) < 3 or owner is None):
        said, do = _down(there, node, down[0], answer.now)
        more = len(down) - 1
        return said + (f", and so {'is 1 other' if more == 1 else f'are {more} others'}" if more else ""), do
    told = f"its {len(answer.sessions) - len(down)} sessions are established, and none tells of that network"
    ask = own if own is not None and not node.front_end else end
    where = ask.name if ask is not None and ask.name != node.name else node.name
    return told, _bird(where, f"show route for {target} all")


def _down(there: Map, node: Node, session: bird.Protocol, now: str) -> tuple[str, str]:
    peer = there.at(session.peer)
    kind = "BGP" if peer is None else "iBGP" if peer.site == node.site else "eBGP"
    seconds = bird.age(session.since, now)
    since = f", since {ago(seconds)}" if seconds is not None else ""
    error = f": {session.error}" if session.error else ""
    said = f"its {kind} session with {peer.name if peer else session.peer} is down ({session.state}{since}{error})"
    if peer is None:
        return said, _bird(node.name, f"show protocols all {session.name}")
    return said, f"make status; on {peer.name}: docker exec calico calico-node health"


def _bird(machine: str, command: str) -> str:
    return f"on {machine}: docker exec calico {bird.BIRDC} {command}"
