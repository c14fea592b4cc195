"""The network between the sites."""

from __future__ import annotations

from .model import BYTES_A_SECOND, PER_MINUTE, Board, Panel, Section
from .names import SITE, Names
from .overview import YES

LINK = ("site", "peer")  # a curve is called torino.cnaf: as torino measures it
SESSION = ("site", "address")
SLOW = (50.0, 150.0)  # ms; between sites of one country, and of one continent


def network(federation: str) -> Board:
    """Round trips, tunnels, BGP."""
    n = Names(federation)
    return Board(
        "network",
        federation,
        f"{federation}: network",
        "Round trips between the sites, tunnels, and BGP. A link is called FROM.TO, as FROM measures it.",
        (
            Section("Round trips", _round_trips(n)),
            Section("Tunnels", _tunnels(n)),
            Section("BGP", _bgp(n)),
        ),
        sites=True,
    )


def _round_trips(n: Names) -> tuple[Panel, ...]:
    rtt = (n.each("vpn.<peer>.rtt", LINK, SITE),)
    return (
        Panel("Round trips, one line a link", rtt, "history", 16, 9, limits=SLOW),
        Panel("Round trips now", rtt, "table", 8, 9, limits=SLOW),
        Panel("Round trips over time", rtt, width=12),
        Panel("Round trips of etcd's members", (n.each("etcd.peer_rtt", site=SITE),), width=12),
    )


def _tunnels(n: Names) -> tuple[Panel, ...]:
    return (
        Panel("Tunnels that are up", (n.each("vpn.<peer>.up", LINK, SITE),), "history", 12, limits=(1, 0.5), words=YES),
        Panel(
            "Age of handshakes", (n.each("vpn.<peer>.handshake_age", LINK, SITE),), "table", 6, limits=(180, 300)
        ),  # a tunnel with traffic has one every two minutes
        Panel("Probes without an answer", (n.each("vpn.<peer>.lost", LINK, SITE, 60),), width=6, unit=PER_MINUTE),
        Panel("Handshakes over time", (n.each("vpn.<peer>.handshake_age", LINK, SITE),)),
        Panel("Received", (n.each("vpn.<peer>.rx_bytes", LINK, SITE, 1),), unit=BYTES_A_SECOND),
        Panel("Sent", (n.each("vpn.<peer>.tx_bytes", LINK, SITE, 1),), unit=BYTES_A_SECOND),
    )


def _bgp(n: Names) -> tuple[Panel, ...]:
    counts = tuple(n.each(f"bgp.{what}", site=SITE, label=what) for what in ("established", "sessions"))
    return (
        Panel("Sessions: are, and should be", counts),
        Panel(
            "Sessions that are up",
            (n.each("bgp.peers.<address>.up", SESSION, SITE),),
            "history",
            16,
            limits=(1, 0.5),
            words=YES,
        ),
        Panel("Prefixes imported", (n.each("bgp.imported", site=SITE),)),
        Panel("Prefixes exported", (n.each("bgp.exported", site=SITE),)),
        Panel("Prefixes of each session", (n.each("bgp.peers.<address>.imported", SESSION, SITE),)),
    )
