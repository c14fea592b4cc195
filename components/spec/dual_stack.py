"""Every IPv6 address of a federation, by arithmetic from `network.ipv6` and the IPv4 addresses; and the rules of that key. Pure.

Each IPv4 network of the federation has a /64 of its own in `network.ipv6`, and each address of it a *twin* there: the same 32 bits,
last. With fd7a:ae:1e::/48 the twin of 10.65.64.7 is fd7a:ae:1e:2::10.65.64.7, that is fd7a:ae:1e:2::a41:4007; that of the network
10.65.64.0/18 is fd7a:ae:1e:2::a41:4000/114. So nothing gives out IPv6 addresses, and a new site or pool changes nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from .model import Federation
from .problems import Problem

FILE, PLACE = "federation.yaml", "network.ipv6"
EXAMPLE = "fd7a:ae:1e::/48"
AREAS = ("lans", "containers", "fixed")  # of `network`: the /64s 1, 2 and 3 of the prefix; 0 stays free
NARROWEST, WIDEST = 62, 16  # lengths of the prefix: room for the /64s; and none is in two kinds of addresses
MIXED = 96  # bits of an IPv6 address before the IPv4 one

ULA, GLOBAL = IPv6Network("fd00::/8"), IPv6Network("2000::/3")
NO_PREFIX = (
    (IPv6Network("ff00::/8"), "is multicast"),
    (IPv6Network("fe80::/10"), "is link-local, which no router passes on"),
    (IPv6Network("::1/128"), "is loopback"),
    (IPv6Network("::ffff:0:0/96"), "is IPv4 in another form"),
    (IPv6Network("2001:db8::/32"), "is for documentation only"),
)
# What "outside" is not, wherever a machine is; beside `network.ipv6`.
NEVER_OUTSIDE6 = [
    ("a machine's own", IPv6Network("::/127")),
    ("link-local", IPv6Network("fe80::/10")),
    ("multicast", IPv6Network("ff00::/8")),
]


def area(federation: Federation, what: str) -> IPv6Network | None:
    """The /64 of `network.lans`, `network.containers` or `network.fixed`; None without `network.ipv6`."""
    prefix = federation.network.ipv6
    if prefix is None:
        return None
    return IPv6Network((int(prefix.network_address) + ((AREAS.index(what) + 1) << 64), 64))


def _area_of(federation: Federation, address: IPv4Address) -> IPv6Network | None:
    for what in AREAS:
        if address in getattr(federation.network, what):
            return area(federation, what)
    raise ValueError(f"{address} is in none of {', '.join(f'network.{what}' for what in AREAS)}")


def twin(federation: Federation, address: IPv4Address | str) -> IPv6Address | None:
    """The IPv6 address beside an IPv4 one of the federation; None without `network.ipv6`.

    ValueError: it is in none of the federation's networks.
    """
    four = IPv4Address(address)
    found = _area_of(federation, four)
    return None if found is None else found.network_address + int(four)


def twin_network(federation: Federation, network: IPv4Network) -> IPv6Network | None:
    """The same for a network: a site's LAN or containers, or a whole one of `network`."""
    address = twin(federation, network.network_address)
    return None if address is None else IPv6Network((int(address), MIXED + network.prefixlen))


def twin_interface(federation: Federation, address: IPv4Address | str, lan: IPv4Network) -> str | None:
    """A machine's IPv6 address with the length of its LAN, as in fd7a:ae:1e:1::ac1f:10a/120."""
    found = twin(federation, address)
    return None if found is None else f"{found}/{MIXED + lan.prefixlen}"


def twins_text(federation: Federation) -> str:
    """What the network driver is told: IPV4-NETWORK=START-OF-THE-/64 of every container address; "" without `network.ipv6`."""
    pairs = ((getattr(federation.network, what), area(federation, what)) for what in ("containers", "fixed"))
    return ",".join(f"{four}={six.network_address}" for four, six in pairs if six)


# -- rules


def dual_stack_problems(federation: Federation, host: Iterable[tuple[IPv6Network, str]] = ()) -> list[Problem]:
    """Everything wrong with `network.ipv6`. `host`: networks that this machine uses already, and whose they are."""
    prefix = federation.network.ipv6
    if prefix is None:
        return []
    kind = [*_kind(prefix)]
    return kind or [*_size(prefix), *_host(prefix, host)]


def _kind(prefix: IPv6Network) -> Iterator[Problem]:
    mend = f"write a prefix of your own (fd, then 40 random bits, such as {EXAMPLE}), or a global one that is routed to you"
    for network, why in NO_PREFIX:
        if prefix.subnet_of(network):
            yield Problem(FILE, PLACE, f"{prefix} {why}", mend)
            return
    if not any(prefix.subnet_of(network) for network in (ULA, GLOBAL)):
        if prefix.supernet_of(ULA) or prefix.supernet_of(GLOBAL):
            yield Problem(FILE, PLACE, f"{prefix} is more than one kind of addresses", mend)
        else:
            yield Problem(FILE, PLACE, f"{prefix} is neither private ({ULA}) nor global ({GLOBAL})", mend)


def _size(prefix: IPv6Network) -> Iterator[Problem]:
    if prefix.prefixlen > NARROWEST:
        wider = prefix.supernet(new_prefix=56)
        yield Problem(
            FILE,
            PLACE,
            f"{prefix} has no room for a /64 each of lans, containers and fixed",
            f"write a /{NARROWEST} or wider, such as {wider} if that is yours",
        )
    elif prefix.prefixlen < WIDEST:
        yield Problem(
            FILE, PLACE, f"{prefix} is wider than any network of one owner", f"write a /48, such as {EXAMPLE}"
        )


def _host(prefix: IPv6Network, host: Iterable[tuple[IPv6Network, str]]) -> Iterator[Problem]:
    for network, owner in host:
        if prefix.overlaps(network):
            what = f"{prefix} overlaps {network}, which this machine uses already ({owner})"
            yield Problem(FILE, PLACE, what, "write a prefix that is free on this machine")
