"""Every address of a federation, by arithmetic from federation.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from .model import Federation, Pool

FRONT_END = 10  # the host number of a site's front-end in its LAN; agents follow
MAX_AGENTS = 200
CLOUDS_OWN = 16  # the last addresses of a LAN on OpenStack are Neutron's: DHCP and the like

SSH_PORT = 22
ETCD_CLIENT, ETCD_PEER = 2379, 2380
ZOOKEEPER_CLIENT = 2181
MESOS_MASTER, MESOS_AGENT = 5050, 5051
MARATHON = 8443
GRAPHITE, CARBON_LINES, CARBON_PICKLE = 8444, 2003, 2004  # the render API; where points go, as text and pickled
GRAFANA = 8445  # its pages
PAGE = 8446  # the status page
HISTORY = 9200  # the index of finished jobs
FRAMEWORK = 8443  # in the framework's container; on the front-end a port of its own for each pool, REST + number
REST = 8600
POOLS = 60  # the numbers of pools: 1 to this


@dataclass(frozen=True)
class Lan:
    """One site's LAN: the gateway is the IaaS's, the rest are machines."""

    network: IPv4Network

    @property
    def gateway(self) -> IPv4Address:
        return self.network.network_address + 1

    @property
    def front_end(self) -> IPv4Address:
        return self.network.network_address + FRONT_END

    def address(self, number: int) -> IPv4Address:
        """The address with this number in the LAN; the front-end's is FRONT_END."""
        if not 1 < number < self.network.num_addresses - 1:
            raise ValueError(f"{number} is no machine's number in {self.network}")
        return self.network.network_address + number

    def agent(self, number: int) -> IPv4Address:
        """The address of agent `number`, counted from 1."""
        if not 1 <= number <= MAX_AGENTS:
            raise ValueError(f"agent {number} is not in 1..{MAX_AGENTS}")
        return self.address(FRONT_END + number)


def lan(federation: Federation, site: str) -> Lan:
    """The LAN of `site`."""
    return Lan(federation.sites[site].lan)


def front_end(federation: Federation, site: str) -> str:
    """The LAN address of the site's front-end."""
    return str(lan(federation, site).front_end)


def vpn_port(federation: Federation, site: str, peer: str) -> int:
    """The UDP port on which the front-end of `site` listens for `peer`: each tunnel has an interface of its own.

    The port of `vpn_endpoint`, plus the number of the peer's LAN among the /24s of `network.lans`.
    """
    base = int(federation.sites[site].vpn_endpoint.partition(":")[2])
    offset = int(federation.sites[peer].lan.network_address) - int(federation.network.lans.network_address)
    return base + (offset >> 8)


def vpn_ports(federation: Federation, site: str) -> tuple[int, int]:
    """The first and the last UDP port that a site's front-end may listen on for peers, now or later."""
    base = int(federation.sites[site].vpn_endpoint.partition(":")[2])
    return base, base + (federation.network.lans.num_addresses - 1 >> 8)


def quorum_addresses(federation: Federation) -> dict[str, str]:
    """Front-end addresses of the sites that hold quorum members, by site."""
    return {name: front_end(federation, name) for name in federation.quorum_sites}


def majority(members: int) -> int:
    """How many of `members` must agree: floor(n/2)+1. It outlives the loss of floor((n-1)/2)."""
    return members // 2 + 1


def etcd_endpoints(federation: Federation) -> str:
    """What an etcd client is told, comma-separated."""
    return ",".join(f"https://{a}:{ETCD_CLIENT}" for a in quorum_addresses(federation).values())


def zookeeper_hosts(federation: Federation) -> str:
    """What a ZooKeeper client is told, comma-separated."""
    return ",".join(f"{a}:{ZOOKEEPER_CLIENT}" for a in quorum_addresses(federation).values())


def marathon_urls(federation: Federation) -> list[str]:
    """Where Marathon answers; any of them passes a request on to the leader."""
    return [f"https://{a}:{MARATHON}" for a in quorum_addresses(federation).values()]


def page_url(federation: Federation) -> str | None:
    """Where the status page is; None without monitoring."""
    site = federation.graphite_site
    return None if site is None else f"https://{front_end(federation, site)}:{PAGE}"


def mesos_masters(federation: Federation) -> list[str]:
    """host:port of each master; a framework asks them who leads."""
    return [f"{a}:{MESOS_MASTER}" for a in quorum_addresses(federation).values()]


def central_manager(federation: Federation, pool: Pool) -> str:
    """The pool's (first) central manager: two addresses of `network.fixed` a pool, after the first eight."""
    return str(pool.central_manager.address or federation.network.fixed.network_address + 8 + 2 * pool.number)


def submit_node(federation: Federation, pool: Pool) -> str:
    """The pool's submit node, beside its central manager."""
    return str(pool.submit_node.address or federation.network.fixed.network_address + 9 + 2 * pool.number)


def framework(federation: Federation, pool: Pool) -> str:
    """The pool's framework, after all central managers and submit nodes."""
    return str(federation.network.fixed.network_address + 9 + 2 * POOLS + 1 + pool.number)


def central_managers(federation: Federation, pool: Pool) -> list[str]:
    """All of the pool's central managers, the first one first. By default the second ones come after the frameworks; the
    third ones are in the second /24 of `network.fixed`."""
    first = int(federation.network.fixed.network_address)
    usual = [IPv4Address(first + offset + pool.number) for offset in (190, 256)]
    given = pool.central_manager.more_addresses
    more = [given[i] if i < len(given) else usual[i] for i in range(pool.central_managers - 1)]
    return [central_manager(federation, pool), *map(str, more)]


def fixed_addresses(federation: Federation, pool: Pool) -> list[tuple[str, str]]:
    """Every address that the pool has in `network.fixed`, each after the key of the pool's file that it follows from."""
    first, *more = central_managers(federation, pool)
    given = pool.central_manager
    out = [
        ("pool.central_manager.address" if given.address else "pool.number", first),
        ("pool.submit_node.address" if pool.submit_node.address else "pool.number", submit_node(federation, pool)),
    ]
    for i, address in enumerate(more):
        named = i < len(given.more_addresses)
        out.append((f"pool.central_manager.more_addresses.{i}" if named else "pool.central_managers", address))
    if pool.via == "framework":
        out.append(("pool.number", framework(federation, pool)))
    return out


def rest_port(pool: Pool) -> int:
    """The port of the submit node's front-end that leads to the framework's REST."""
    return REST + pool.number


def rest_url(federation: Federation, pool: Pool) -> str:
    """Where the framework's REST answers."""
    return f"https://{front_end(federation, pool.submit_node.site)}:{rest_port(pool)}"


def principal(number: int) -> str:
    """What the framework of pool `number` is called by Mesos: its principal, its role and its tasks' user, and ZooKeeper's
    user and path of its state."""
    return f"pool-{number}"
