"""The rules of `pool.network`: what a pool may not open, and what it may not shut. Pure: a configuration in, problems out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from . import addresses
from .dual_stack import NEVER_OUTSIDE6, area, twin, twin_network
from .model import Federation, Pool
from .pool_network import Closing, Opening
from .problems import Problem
from .rules import is_address

TOOLS_POOL = "aerie-rtt"  # the label of the tools' probes, which are no pool
# What "outside" is not, wherever a machine is: what it is, and its network.
NEVER_OUTSIDE = [
    ("a machine's own", IPv4Network("0.0.0.0/8")),
    ("loopback", IPv4Network("127.0.0.0/8")),
    ("link-local, where clouds tell machines their secrets", IPv4Network("169.254.0.0/16")),
    ("Docker's bridge on the machine", IPv4Network("172.17.0.0/16")),
    ("multicast and broadcast", IPv4Network("224.0.0.0/3")),
]
# Ports of the machines that are the control plane's, and whose.
CONTROL = {
    addresses.SSH_PORT: "the machines' sshd",
    179: "BGP",
    addresses.ZOOKEEPER_CLIENT: "ZooKeeper",
    2888: "ZooKeeper",
    3888: "ZooKeeper",
    addresses.ETCD_CLIENT: "etcd",
    addresses.ETCD_PEER: "etcd",
    addresses.MESOS_MASTER: "Mesos' masters",
    addresses.MESOS_AGENT: "Mesos' agents",
    addresses.MARATHON: "Marathon",
}
CONDOR, LOG_IN = 9618, 22  # in a pool's containers


@dataclass(frozen=True)
class Ports:
    """A range of ports of one protocol; of ICMP it is (0, 0)."""

    text: str
    protocol: str
    first: int
    last: int

    def has(self, protocol: str, port: int) -> bool:
        return self.protocol == protocol and self.first <= port <= self.last

    def covers(self, other: Ports) -> bool:
        return self.protocol == other.protocol and self.first <= other.first and other.last <= self.last


def ports_of(text: str) -> Ports:
    """What `tcp/3128`, `udp/5000-5010` or `icmp` says."""
    protocol, _, numbers = text.partition("/")
    first, _, last = numbers.partition("-")
    return Ports(text, protocol, int(first or 0), int(last or first or 0))


AnyNetwork = IPv4Network | IPv6Network


def own_networks(federation: Federation) -> list[tuple[str, IPv4Network]]:
    """The networks that the federation itself has, each after its key in federation.yaml."""
    net, embedded = federation.network, federation.embedded
    out = [("network.lans", net.lans), ("network.containers", net.containers), ("network.fixed", net.fixed)]
    return [*out, ("embedded.wan", embedded.wan)] if embedded else out


def policy_problems(
    file: str, name: str, pool: Pool, federation: Federation, others: Mapping[str, Pool]
) -> Iterator[Problem]:
    """Everything wrong with what the pool opens and shuts."""
    if name == TOOLS_POOL:
        yield Problem(file, "(file name)", f"{name!r} is what the tools' probes are called", "write another name")
    own, place = pool.network, "pool.network"
    for what, openings in (("allow_to", own.allow_to), ("allow_from", own.allow_from)):
        for i, opening in enumerate(openings):
            here = f"{place}.{what}.{i}"
            yield from _ports(file, here, opening.ports)
            yield from _family(file, here, opening.nets, federation)
            yield from _pools(file, here, name, opening, others)
            yield from _open_nets(file, here, opening, pool, federation, others)
            if what == "allow_to":
                yield from _consent(file, here, name, opening, others)
                yield from _control(file, here, opening, {**others, name: pool}, federation)
                yield from _never(file, here, opening)
    for what, closings in (("deny_to", own.deny_to), ("deny_from", own.deny_from)):
        for i, closing in enumerate(closings):
            here = f"{place}.{what}.{i}"
            yield from _ports(file, here, closing.ports)
            yield from _family(file, here, closing.nets, federation)
            yield from _cuts_itself(file, here, closing, pool, federation)
            if what == "deny_from":
                yield from _cuts_front_ends(file, here, closing, pool, federation)


def _ports(file: str, place: str, ports: list[str]) -> Iterator[Problem]:
    for i, text in enumerate(ports):
        found, here = ports_of(text), f"{place}.ports.{i}"
        if text in ports[:i]:
            yield Problem(file, here, f"{text} is there twice", "remove one")
        if found.protocol != "icmp" and not 0 < found.first <= 65535:
            yield Problem(file, here, f"{text}: there is no port {found.first}", "write 1 to 65535")
        elif found.last > 65535:
            yield Problem(file, here, f"{text}: there is no port {found.last}", "write 1 to 65535")
        elif found.last < found.first:
            mend = f"write {found.protocol}/{found.last}-{found.first}"
            yield Problem(file, here, f"{text} ends before it begins", mend)


def _family(file: str, place: str, nets: Iterable[AnyNetwork], federation: Federation) -> Iterator[Problem]:
    for i, block in enumerate(nets):
        if block.version == 6 and not federation.network.ipv6:
            what = f"{block}: containers have IPv4 only"
            yield Problem(file, f"{place}.nets.{i}", what, "write network.ipv6 in federation.yaml, or an IPv4 network")


def _pools(file: str, place: str, name: str, opening: Opening, others: Mapping[str, Pool]) -> Iterator[Problem]:
    if not opening.pools and not opening.nets:
        yield Problem(file, place, "names nobody", "write pools: [NAME], or nets: [NETWORK]")
    for i, pool in enumerate(opening.pools):
        here = f"{place}.pools.{i}"
        if pool in opening.pools[:i]:
            yield Problem(file, here, f"{pool!r} is named twice", "remove one")
        elif pool == name:
            yield Problem(file, here, "is the pool itself, whose containers reach each other anyway", "remove it")
        elif pool not in others:
            known = f"write one of {', '.join(sorted(others))}" if others else "remove it: there is no other pool"
            yield Problem(file, here, f"there is no pool {pool!r} (no Pulumi.{pool}.yaml)", known)


def _open_nets(
    file: str, place: str, opening: Opening, pool: Pool, federation: Federation, others: Mapping[str, Pool]
) -> Iterator[Problem]:
    """Pools are named by their name: of an address of theirs nobody knows whose it is tomorrow."""
    net = federation.network
    parents: list[tuple[str, AnyNetwork | None]] = [
        ("network.containers", net.containers),
        ("network.fixed", net.fixed),
        ("network.containers' IPv6 addresses", area(federation, "containers")),
        ("network.fixed's IPv6 addresses", area(federation, "fixed")),
    ]
    for i, block in enumerate(opening.nets):
        here = f"{place}.nets.{i}"
        mine = _addresses_in(block, federation, pool)
        theirs = {name: found for name, p in others.items() if (found := _addresses_in(block, federation, p))}
        for key, parent in parents:
            if parent is None or not block.overlaps(parent):
                continue
            if parent.subnet_of(block):  # type: ignore[arg-type]  # what overlaps is of one family
                what, mend = f"{block} holds all of {key} ({parent}), so every pool", "write narrower networks"
            elif mine:
                what, mend = f"{mine[0]} is the pool's own, whose containers reach each other anyway", "remove it"
            elif theirs:
                other, found = next(iter(theirs.items()))
                what, mend = f"{found[0]} is pool {other}'s", f"write pools: [{other}]"
            else:
                what, mend = f"{block} is in {key} ({parent}), where pools are", "write pools: [NAME]"
            yield Problem(file, here, what, mend)
            break


def _addresses_in(block: AnyNetwork, federation: Federation, pool: Pool) -> list[str]:
    fixed = [address for _, address in addresses.fixed_addresses(federation, pool)]
    return [str(each) for address in fixed for each in _both(federation, address) if each in block]


def _both(federation: Federation, address: str) -> Iterator[IPv4Address | IPv6Address]:
    """The address, and its IPv6 twin if it has one. One that is in no network of ours is told elsewhere."""
    yield IPv4Address(address)
    if any(IPv4Address(address) in network for _, network in own_networks(federation)[:3]) and (
        six := twin(federation, address)
    ):
        yield six


def _consent(file: str, place: str, name: str, opening: Opening, others: Mapping[str, Pool]) -> Iterator[Problem]:
    """Both pools say it: one that it goes there, the other that it lets it in."""
    for i, pool in enumerate(opening.pools):
        if pool not in others or pool == name or pool in opening.pools[:i]:
            continue
        given = [ports_of(p) for o in others[pool].network.allow_from if name in o.pools for p in o.ports]
        missing = [p for p in opening.ports if not any(g.covers(ports_of(p)) for g in given)]
        if missing:
            yield Problem(
                file,
                f"{place}.pools.{i}",
                f"pool {pool} does not let this one in at {', '.join(missing)}",
                f"write {{pools: [{name}], ports: [{', '.join(missing)}]}} below pool.network.allow_from of Pulumi.{pool}.yaml, "
                "or remove it",
            )


def _control(
    file: str, place: str, opening: Opening, pools: Mapping[str, Pool], federation: Federation
) -> Iterator[Problem]:
    """Ports of machines that no container is to reach; only the pool's framework reaches some, and needs no word for it."""
    machines: list[AnyNetwork] = [n for key, n in own_networks(federation) if key in ("network.lans", "embedded.wan")]
    if lans := area(federation, "lans"):
        machines.append(lans)
    endpoints = [site.vpn_endpoint.partition(":")[0] for site in federation.sites.values()]
    machines += [IPv4Network(address) for address in endpoints if is_address(address)]  # what is none is told elsewhere
    there = [n for n in opening.nets if any(n.overlaps(m) for m in machines)]
    if not there:
        return
    for i, text in enumerate(opening.ports):
        whose = _whose(ports_of(text), pools, federation)
        if whose:
            yield Problem(
                file,
                f"{place}.ports.{i}",
                f"{text} of {there[0]} would be {whose}, which no pool's containers may reach",
                "write the port of a service of yours, or networks without machines of the federation",
            )


def _whose(ports: Ports, pools: Mapping[str, Pool], federation: Federation) -> str | None:
    """To whom on a machine the ports lead, if it is none of the pools' business."""
    for port, service in CONTROL.items():
        if ports.has("tcp", port):
            return service
    for port in range(addresses.REST + 1, addresses.REST + addresses.POOLS + 1):
        if ports.has("tcp", port):
            return "a framework's REST"
    for name, pool in pools.items():
        if ports.has("tcp", pool.submit_node.ssh_port):
            return f"the log-in of pool {name}"
    tunnels = (addresses.vpn_ports(federation, site) for site in federation.sites)
    if ports.protocol == "udp" and any(ports.first <= last and first <= ports.last for first, last in tunnels):
        return "the VPN"
    return None


def _never(file: str, place: str, opening: Opening) -> Iterator[Problem]:
    for i, block in enumerate(opening.nets):
        never: list[tuple[str, AnyNetwork]] = [*NEVER_OUTSIDE, *NEVER_OUTSIDE6]
        for what, network in never:
            if block.overlaps(network):
                yield Problem(file, f"{place}.nets.{i}", f"{block}: {network} is {what}", "write without it")
                break


def _touched(closing: Closing, needed: Iterable[int]) -> bool:
    """Whether one of the TCP ports is shut; without ports all are."""
    return not closing.ports or any(ports_of(p).has("tcp", port) for p in closing.ports for port in needed)


def _cuts_itself(file: str, place: str, closing: Closing, pool: Pool, federation: Federation) -> Iterator[Problem]:
    if not _touched(closing, [CONDOR]):
        return
    for i, block in enumerate(closing.nets):
        here, mine = f"{place}.nets.{i}", _addresses_in(block, federation, pool)
        known = [s for s in pool.sites if s in federation.sites]
        sites = [s for s in known if any(n.overlaps(block) for n in _containers(federation, s))]
        if mine:
            what = f"{block} has the pool's own {mine[0]} in it"
        elif sites:
            what = f"{block} has addresses of the pool's own executors at {sites[0]} in it"
        else:
            continue
        yield Problem(file, here, f"{what}: it would be cut from itself", "write networks without containers")


def _containers(federation: Federation, site: str) -> Iterator[AnyNetwork]:
    """The site's containers in both families. Those outside of network.containers are told elsewhere."""
    own = federation.sites[site].containers
    yield own
    if own.subnet_of(federation.network.containers) and (six := twin_network(federation, own)):
        yield six


def _cuts_front_ends(file: str, place: str, closing: Closing, pool: Pool, federation: Federation) -> Iterator[Problem]:
    needed = [LOG_IN, CONDOR, *([addresses.FRAMEWORK] if pool.via == "framework" else [])]
    if not _touched(closing, needed):
        return
    for i, block in enumerate(closing.nets):
        for site in federation.sites:
            there = addresses.front_end(federation, site)
            address = next((str(a) for a in _both(federation, there) if a in block), None)
            if address:
                yield Problem(
                    file,
                    f"{place}.nets.{i}",
                    f"{block} has {address} in it, the front-end of {site}: health checks, log-ins and REST come from there",
                    "write networks without front-ends",
                )
                break
