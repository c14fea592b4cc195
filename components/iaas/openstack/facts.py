"""What a cloud says of itself and of the site, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from ...spec.model import Federation

# IPv4 (20), UDP (8), WireGuard's own header (16) and tag (16), bytes.
WIREGUARD_OVERHEAD = 60


@dataclass(frozen=True)
class Flavor:
    """`memory` in MB, `disk` in GB (0: as large as the image)."""

    cpus: int
    memory: int
    disk: int


@dataclass(frozen=True)
class Image:
    """What it asks of a flavor: GB of disk, MB of memory; its own size in GB, rounded up."""

    min_disk: int = 0
    min_memory: int = 0
    size: int = 0
    active: bool = True


@dataclass(frozen=True)
class CloudNetwork:
    """`mtu` in bytes, 0 where it is not told; `own`: of the project that the credentials are for."""

    external: bool = False
    mtu: int = 0
    own: bool = True
    subnets: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True)
class Quota:
    """`limit` -1 is none."""

    limit: int
    used: int

    @property
    def left(self) -> int | None:
        """None: any number."""
        return None if self.limit < 0 else max(0, self.limit - self.used)


@dataclass(frozen=True)
class Present:
    """What the site has in the project already: `servers` by name with their flavors, `volumes` by name with their sizes in GB; how
    many of its networks, routers, ports, security groups and their rules there are."""

    servers: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """One look at a cloud, as the project of the credentials sees it. Flavors, images, networks and routers by name; a name that is
    there more than once is in `twice`. `quotas` by what they limit. `floating_ips`: address to id.
    `volumes`: whether there is a volume service."""

    flavors: Mapping[str, Flavor]
    images: Mapping[str, Image]
    networks: Mapping[str, CloudNetwork]
    routers: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()
    volume_zones: frozenset[str] = frozenset()
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    floating_ips: Mapping[str, str] = field(default_factory=dict)
    volumes: bool = True
    twice: frozenset[tuple[str, str]] = frozenset()
    present: Present = Present()


def mtu_problem(what: str, mtu: int, federation: Federation) -> tuple[str, str]:
    """(what is wrong, what to write) where a network is too narrow for the tunnels' packets."""
    net = federation.network
    fits = mtu - WIREGUARD_OVERHEAD
    return (
        f"{what} has an MTU of {mtu}, too small for vpn_mtu {net.vpn_mtu} and WireGuard's {WIREGUARD_OVERHEAD} bytes",
        f"write vpn_mtu: {fits} and mtu: {min(net.mtu, fits)} or less",
    )
