"""Numbers and networks that nobody has yet, by arithmetic. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from components.spec import addresses
from components.spec.model import Federation, Pool, SiteStack
from components.spec.routing_rules import free_as
from components.spec.site_rules import login_ports

LAN, SMALLEST_POOL = 24, 26  # prefixes: of a site's LAN, and of the least that a site's containers take
FIRST_ENDPOINT = 11  # the number in the wan of the first front-end
PORT, SSH_PORT, UID = 51820, 2222, 2001
# Private networks that are rarely somebody's: what a new federation takes, the first that is free.
LANS = ("172.31.0.0/16", "172.24.0.0/16", "172.26.0.0/16", "10.96.0.0/16", "10.128.0.0/16")
CONTAINERS = ("10.65.0.0/16", "10.75.0.0/16", "10.85.0.0/16", "10.97.0.0/16", "10.129.0.0/16")
FIXED = ("10.66.0.0/24", "10.76.0.0/24", "10.86.0.0/24", "10.98.0.0/24", "10.130.0.0/24")
WANS = ("172.30.0.0/24", "172.25.0.0/24", "172.27.0.0/24", "10.99.0.0/24", "10.131.0.0/24")


class NoneFree(Exception):
    """There is none left; the text says what to write."""


@dataclass(frozen=True)
class NewSite:
    """What a site gets."""

    as_number: int
    lan: IPv4Network
    containers: IPv4Network
    vpn_endpoint: str


@dataclass(frozen=True)
class Networks:
    """What a new federation gets."""

    lans: IPv4Network
    containers: IPv4Network
    fixed: IPv4Network
    wan: IPv4Network


def _free(network: IPv4Network, taken: Iterable[IPv4Network]) -> bool:
    return not any(network.overlaps(other) for other in taken)


def networks(host: Iterable[IPv4Network]) -> Networks:
    """The first of each kind that this machine does not use. Raises NoneFree."""
    taken, out = list(host), []
    for what, candidates in (
        ("network.lans", LANS),
        ("network.containers", CONTAINERS),
        ("network.fixed", FIXED),
        ("embedded.wan", WANS),
    ):
        found = next((n for n in map(IPv4Network, candidates) if _free(n, taken)), None)
        if found is None:
            raise NoneFree(
                f"this machine uses all networks that {what} is usually taken from; write federation.yaml by hand"
            )
        taken.append(found)
        out.append(found)
    return Networks(*out)


def new_site(
    federation: Federation, host: Iterable[IPv4Network] = (), endpoint: str = "", expected: int = 0
) -> NewSite:
    """What no other site has. `host`: networks that this machine uses; `endpoint` is given where it is not one of the wan's;
    `expected`: how many sites a new federation begins with.

    Raises NoneFree."""
    sites = federation.sites.values()
    return NewSite(
        free_as(federation),
        lan(federation, [*host, *(s.lan for s in sites)]),
        containers(federation.network.containers, [s.containers for s in sites], expected),
        endpoint or free_endpoint(federation),
    )


def lan(federation: Federation, taken: Iterable[IPv4Network]) -> IPv4Network:
    """A /24 of network.lans; the first one is left out, as the sites' numbers begin with 1."""
    net, taken = federation.network.lans, list(taken)
    candidates: Iterator[IPv4Network] = net.subnets(new_prefix=LAN) if net.prefixlen <= LAN else iter(())
    found = next((n for i, n in enumerate(candidates) if i and _free(n, taken)), None)
    if found is None:
        raise NoneFree(f"network.lans ({net}) has no free /{LAN} left; write a wider one in federation.yaml")
    return found


def containers(whole: IPv4Network, taken: list[IPv4Network], expected: int = 0) -> IPv4Network:
    """A part of network.containers as large as the other sites' are, or the largest there is. The first site leaves room for
    twice as many as are expected."""
    largest = min((n.prefixlen for n in taken), default=whole.prefixlen + max(2, (2 * expected - 1).bit_length()))
    for prefix in range(max(largest, whole.prefixlen), SMALLEST_POOL + 1):
        found = next((n for n in whole.subnets(new_prefix=prefix) if _free(n, taken)), None)
        if found is not None:
            return found
    raise NoneFree(
        f"network.containers ({whole}) has no free /{SMALLEST_POOL} left; write a wider one in federation.yaml"
    )


def free_endpoint(federation: Federation) -> str:
    """An address of embedded.wan with the port that the others have."""
    if federation.embedded is None:
        raise NoneFree(
            "the federation has no embedded.wan to take an address from: give the front-end's address, --vpn-endpoint"
        )
    taken = {site.vpn_endpoint.partition(":")[0] for site in federation.sites.values()}
    port = next((s.vpn_endpoint.partition(":")[2] for s in federation.sites.values()), str(PORT))
    wan = federation.embedded.wan
    for number in range(FIRST_ENDPOINT, wan.num_addresses - 1):
        if str(address := IPv4Address(wan.network_address + number)) not in taken:
            return f"{address}:{port}"
    raise NoneFree(f"embedded.wan ({wan}) has no free address left")


def quorum(count: int) -> int:
    """How many of so many sites hold quorum members: the most that helps, so 1, 3 or 5."""
    return min(count if count % 2 else count - 1, 5) if count > 1 else 1


def pool_number(federation: Federation, pools: Mapping[str, Pool]) -> int:
    """The first whose addresses are in network.fixed and nobody else's. Raises NoneFree."""
    taken = {address for pool in pools.values() for _, address in addresses.fixed_addresses(federation, pool)}
    numbers = {pool.number for pool in pools.values()}
    fixed = federation.network.fixed
    for number in range(1, addresses.POOLS + 1):
        mine = [fixed.network_address + offset + 2 * number for offset in (8, 9)]
        if number not in numbers and all(a in fixed and str(a) not in taken for a in mine):
            return number
    raise NoneFree(
        f"network.fixed ({fixed}) has no room for a further pool; write a wider one in federation.yaml, or remove a pool"
    )


def ssh_port(site: str, stack: SiteStack | None, pools: Mapping[str, Pool]) -> int:
    """The first from 2222 on that no pool has at the site; on OpenStack within its login_ports. Raises NoneFree."""
    taken = {p.submit_node.ssh_port for p in pools.values() if p.submit_node.site == site}
    first, last = login_ports(stack.openstack) if stack and stack.openstack else (SSH_PORT, 2379 - 1)
    order = [*range(max(first, SSH_PORT), last + 1), *range(first, min(SSH_PORT, last + 1))]
    found: int | None = next((p for p in order if p not in taken), None)
    if found is None:
        raise NoneFree(f"the ports {first} to {last} of {site} are all taken: give one, --ssh-port")
    return found


def uid(user: str, pools: Mapping[str, Pool]) -> int:
    """The uid that the user has in other pools, or else the first from 2001 on that nobody has."""
    known = [u for pool in pools.values() for u in pool.users]
    taken = {u.uid for u in known}
    free: int = next(n for n in range(UID, 60000) if n not in taken)
    same: list[int] = [u.uid for u in known if u.name == user]
    return same[0] if same else free
