"""BIRD's sessions on the front-end, by `birdc show protocols all` in the container calico."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from ..docker import Asked
from ..metrics import part

COMMAND = "birdc -r -s /run/calico/bird.ctl show protocols all"  # -r: nothing can be changed
_PEER = re.compile(r"^ +Neighbor address: +([0-9a-fA-F.:]+)", re.MULTILINE)
_STATE = re.compile(r"^ +BGP state: +(\w+)", re.MULTILINE)
_ROUTES = re.compile(r"^ +Routes: .*$", re.MULTILINE)


@dataclass(frozen=True)
class Session:
    """One end of a session: the other's address, whether it is established, and its routes of all address families."""

    peer: str
    established: bool
    imported: int
    exported: int


def sessions(text: str) -> list[Session]:
    """From BIRD's answer; ValueError if it is none."""
    if "BIRD" not in text:
        raise ValueError(f"BIRD does not answer: {text[:80]!r}")
    out = []
    for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
        words = block.split(None, 4)
        peer = _PEER.search(block)
        if len(words) < 4 or words[1] != "BGP" or peer is None:
            continue
        state = _STATE.search(block)
        counts = [(int(n), what) for line in _ROUTES.findall(block) for n, what in re.findall(r"(\d+) (\w+)", line)]
        out.append(
            Session(
                peer[1],
                words[3] == "up" and state is not None and state[1] == "Established",
                sum(n for n, what in counts if what == "imported"),
                sum(n for n, what in counts if what == "exported"),
            )
        )
    return out


def values(found: list[Session]) -> dict[str, float]:
    out = {
        "bgp.sessions": float(len(found)),
        "bgp.established": float(sum(s.established for s in found)),
        "bgp.imported": float(sum(s.imported for s in found)),
        "bgp.exported": float(sum(s.exported for s in found)),
    }
    for session in found:
        at = f"bgp.peers.{part(session.peer)}"
        out |= {f"{at}.up": float(session.established), f"{at}.imported": float(session.imported)}
    return out


def machines(found: list[Session], lan: IPv4Network) -> set[str]:
    """The site's other machines: the front-end is to have a session with each of them."""
    out = set()
    for session in found:
        try:
            if IPv4Address(session.peer) in lan:
                out.add(session.peer)
        except AddressValueError:
            continue
    return out


class Bgp:
    name = "bgp"

    def __init__(self, asked: Asked, own: str, lan: IPv4Network) -> None:
        self._asked, self._lan, self._own = asked, lan, own
        self.machines: set[str] = {own}  # addresses, the front-end's own among them; kept while BIRD does not answer

    def read(self) -> dict[str, float]:
        found = sessions(self._asked.ask())
        self.machines = {self._own} | machines(found, self._lan)
        return values(found)
