"""What BIRD 2 says by `birdc show protocols all` and `birdc show route [all]`, as values. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

ESTABLISHED = "Established"
BIRDC = "birdc -r -s /run/calico/bird.ctl"  # within the container `calico`; -r: nothing can be changed

_PEER = re.compile(r"_(\d+)_(\d+)_(\d+)_(\d+)(?:_port_\d+)?$")
_ROUTE = re.compile(
    r"^(?P<prefix>\S+)?\s+(?P<kind>unicast|blackhole|unreachable|prohibit)\s+"
    r"\[(?P<protocol>\S+) (?P<since>[^\]]*?)(?: from (?P<source>[\d.]+))?\](?P<flags>[ *!]*)"
    r"\((?P<preference>\d+)[^)]*\)(?: \[(?:AS(?P<origin>\d+))?(?P<kind_of_origin>[ie?])\])?"
)
_VIA = re.compile(r"^\s+(?:via (?P<via>[\d.]+) on|dev) (?P<device>\S+)")
_ATTRIBUTE = re.compile(r"^\s+(?:BGP\.)?(?P<name>[A-Za-z_]+): ?(?P<value>.*)$")


@dataclass(frozen=True)
class Protocol:
    """A BGP session as one end sees it. `state` is Established, Connect, Active, Idle or down; `since` as BIRD writes it;
    `error` is the last one, `hint` what it waits for; counts are of routes."""

    name: str
    peer: str
    state: str
    since: str
    error: str = ""
    neighbor_as: int | None = None
    local_as: int | None = None
    imported: int = 0
    exported: int = 0

    @property
    def established(self) -> bool:
        return self.state == ESTABLISHED


@dataclass(frozen=True)
class Route:
    """One way to a prefix. `best` is the one that BIRD uses; `failed`: the kernel did not take it.

    `via` and `device` are the first next hop's, "" of a blackhole. `as_path` is None of what BGP did not bring, and has the
    origin alone where BIRD was not asked for `all`."""

    prefix: str
    kind: str
    protocol: str
    best: bool
    failed: bool
    via: str = ""
    device: str = ""
    as_path: tuple[int, ...] | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def peer(self) -> str:
        """The address of the machine that told it, "" if none did."""
        return peer_of(self.protocol)


def peer_of(protocol: str) -> str:
    """Calico calls a session after its peer's address: Mesh_172_31_2_10, Node_..., Global_...; "" if it is no session."""
    found = _PEER.search(protocol)
    return ".".join(found.groups()) if found else ""


def protocols(text: str) -> tuple[Protocol, ...]:
    """The BGP sessions in `show protocols` or `show protocols all`."""
    out = []
    for block in re.split(r"^(?=\S)", text, flags=re.M):
        head, _, rest = block.partition("\n")
        words = head.split(None, 5)
        if len(words) < 5 or words[1] != "BGP":
            continue
        info = words[5] if len(words) > 5 else ""
        state, _, error = (part.strip() for part in info.partition(" "))
        details = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in rest.splitlines())}
        counts = {what: int(n) for n, what in re.findall(r"(\d+) (imported|exported)", details.get("Routes", ""))}
        peer = details.get("Neighbor address", "").partition("%")[0] or peer_of(words[0])
        if not peer:
            continue
        out.append(
            Protocol(
                words[0],
                peer,
                details.get("BGP state") or (state if state else "down") if words[3] != "down" else "down",
                words[4],
                details.get("Last error", "") or error,
                _number(details.get("Neighbor AS")),
                _number(details.get("Local AS")),
                counts.get("imported", 0),
                counts.get("exported", 0),
            )
        )
    return tuple(out)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def routes(text: str) -> tuple[Route, ...]:
    """The routes in `show route`, with or without `all`, in BIRD's order: of each prefix the best one first."""
    out: list[Route] = []
    prefix = ""
    for block in re.split(r"^(?=(?:\S+)?\s+(?:unicast|blackhole|unreachable|prohibit) +\[)", text, flags=re.M):
        head, _, rest = block.partition("\n")
        found = _ROUTE.match(head)
        if not found:
            continue
        prefix = found["prefix"] or prefix
        hops = [m for line in rest.splitlines() if (m := _VIA.match(line))]
        attributes = {m["name"]: m["value"].strip() for line in rest.splitlines() if (m := _ATTRIBUTE.match(line))}
        as_path: tuple[int, ...] | None = None
        if found["kind_of_origin"]:
            as_path = (int(found["origin"]),) if found["origin"] else ()
            if "as_path" in attributes:
                as_path = tuple(int(n) for n in re.findall(r"\d+", attributes["as_path"]))
        out.append(
            Route(
                prefix,
                found["kind"],
                found["protocol"],
                "*" in found["flags"] or "!" in found["flags"],
                "!" in found["flags"],
                (hops[0]["via"] or "") if hops else "",
                hops[0]["device"] if hops else "",
                as_path,
                attributes,
            )
        )
    return tuple(out)


def age(since: str, now: str) -> float | None:
    """Seconds from BIRD's time `since` (10:51:05.461, or 2026-11-27 where it is longer ago) to `now` (2026-11-28 10:51:20),
    by the same clock; None if that cannot be told."""
    try:
        moment = datetime.strptime(now.strip(), "%Y-%m-%d %H:%M:%S")
        if re.fullmatch(r"\d{4}-\d\d-\d\d", since):
            return (moment - datetime.strptime(since, "%Y-%m-%d")).total_seconds()
        clock = datetime.strptime(since.partition(".")[0], "%H:%M:%S")
    except ValueError:
        return None
    then = moment.replace(hour=clock.hour, minute=clock.minute, second=clock.second)
    if then > moment + timedelta(seconds=5):  # before midnight, and not the rounding of a second
        then -= timedelta(days=1)
    return max(0.0, (moment - then).total_seconds())
