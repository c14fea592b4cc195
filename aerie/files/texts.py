"""The text of new files, with the comments that tell their reader what is what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .choose import Networks, NewSite

COLUMN = 31  # where comments stand


@dataclass(frozen=True)
class Cloud:
    """The least that a site on OpenStack says; the rest is in docs/openstack.md."""

    image: str
    flavor: str
    external_network: str
    operators: Sequence[str]
    cloud: str = ""


@dataclass(frozen=True)
class Machines:
    """A site's machines: cores, MB, MB, each. `cloud` is None where they are containers of this machine."""

    agents: int = 1
    cpus: float = 4
    memory: int = 3072
    disk: int = 20000
    cloud: Cloud | None = None


@dataclass(frozen=True)
class NewPool:
    """A pool; `share` (cores, MB) and `most` (elastic executors) only by a framework."""

    sites: Sequence[str]
    submit_site: str
    number: int
    ssh_port: int
    user: str
    uid: int
    keys: Sequence[str] = ()
    key_files: Sequence[str] = ()
    executors: int = 1
    cpus: float = 1
    memory: int = 1024
    via: str = "marathon"
    share: tuple[float, int] | None = None
    most: int = 0


def _line(text: str, comment: str) -> str:
    return f"{text.ljust(COLUMN - 1)} # {comment}"


def site_lines(site: NewSite, quorum: bool, links: Sequence[str] = ()) -> list[str]:
    """The lines of a site's entry in federation.yaml."""
    out = [
        f"as_number: {site.as_number}",
        f"lan: {site.lan}",
        f"containers: {site.containers}",
        f"vpn_endpoint: {site.vpn_endpoint}",
    ]
    out += ["quorum: true"] if quorum else []
    out += [f"links: [{', '.join(links)}]"] if links else []
    return out


def federation(
    name: str, networks: Networks, registry: str, embedded: bool, sites: Mapping[str, tuple[NewSite, bool]]
) -> str:
    """federation.yaml."""
    lines = [
        "# The facts that every stack shares. One block a site; the site's machines are in Pulumi.<site>.yaml.",
        f"name: {name}",
        "",
        "network:",
        _line("  topology: full-mesh", "every node has a BGP session with every other; or route-reflectors"),
        _line(f"  lans: {networks.lans}", "every site's LAN lies in here"),
        _line(f"  containers: {networks.containers}", "every site's container pool lies in here"),
        _line(f"  fixed: {networks.fixed}", "addresses that follow their container: central managers, submit nodes"),
        _line("  vpn_mtu: 1420", "bytes, between the sites' front-ends"),
        _line("  mtu: 1380", "bytes, of every container; at most vpn_mtu"),
        "",
        "images:",
        _line(f"  registry: {registry}", "where machines pull from"),
        "",
    ]
    if embedded:
        lines += [
            "# The network that stands for the Internet between sites on the embedded IaaS (`iaas: docker`).",
            "embedded:",
            f"  wan: {networks.wan}",
            "",
        ]
    lines.append("sites:")
    for site, (facts, quorum) in sites.items():
        lines += [f"  {site}:", *(f"    {line}" for line in site_lines(facts, quorum))]
    return "\n".join(lines) + "\n"


def federation_stack() -> str:
    """Pulumi.federation.yaml."""
    return (
        "config:\n"
        + _line("  aerie:rotate: {}", "NAME: N. A new N makes a new key, password or certificate of that name")
        + "\n"
    )


def site_stack(machines: Machines) -> str:
    """Pulumi.<site>.yaml."""
    lines = ["config:"]
    if machines.cloud is None:
        lines.append(_line("  aerie:iaas: docker", "docker (embedded: containers that act as machines) or openstack"))
    else:
        lines.append(_line("  aerie:iaas: openstack", "docs/openstack.md"))
    lines += [
        _line(f"  aerie:agents: {machines.agents}", "machines besides the front-end"),
        _line("  aerie:machine:", "what one machine offers to jobs"),
        f"    cpus: {machines.cpus:g}",
        _line(f"    memory: {machines.memory}", "MB"),
        _line(f"    disk: {machines.disk}", "MB"),
    ]
    if machines.cloud is not None:
        c = machines.cloud
        lines += ["  aerie:openstack:"]
        lines += [_line(f"    cloud: {c.cloud}", "in clouds.yaml")] if c.cloud else []
        lines += [
            f"    image: {c.image}",
            f"    flavor: {c.flavor}",
            _line(f"    external_network: {c.external_network}", "of the floating IP"),
            _line(f"    operators: [{', '.join(c.operators)}]", "from where SSH and REST are let in"),
        ]
    return "\n".join(lines) + "\n"


def pool_stack(pool: NewPool) -> str:
    """Pulumi.<pool>.yaml."""
    lines = [
        "config:",
        "  aerie:pool:",
        f"    sites: [{', '.join(pool.sites)}]",
        f"    via: {pool.via}",
        _line(f"    number: {pool.number}", "gives its addresses in network.fixed"),
    ]
    if pool.share is not None:
        cpus, memory = pool.share
        lines += [
            _line("    share:", "what it is guaranteed"),
            f"      cpus: {cpus:g}",
            _line(f"      memory: {memory}", "MB"),
        ]
    lines += [
        "    submit_node:",
        f"      site: {pool.submit_site}",
        _line(f"      ssh_port: {pool.ssh_port}", "on the front-end of that site"),
        "    executors:",
        f"      count: {pool.executors}",
        f"      cpus: {pool.cpus:g}",
        _line(f"      memory: {pool.memory}", "MB"),
    ]
    lines += (
        [_line(f"      elastic: {{max: {pool.most}}}", "further ones, as the queue wants them")] if pool.most else []
    )
    lines += ["    users:", f"      - name: {pool.user}", f"        uid: {pool.uid}"]
    if pool.keys:
        lines += ["        ssh_keys:", *(f"          - {key}" for key in pool.keys)]
    if pool.key_files:
        lines.append(f"        ssh_key_files: [{', '.join(pool.key_files)}]")
    return "\n".join(lines) + "\n"


def cloud_of(image: str, flavor: str, external_network: str, operators: Sequence[str], cloud: str = "") -> Cloud | None:
    """None if nothing of it is given: the site's machines are containers of this machine."""
    if not any((image, flavor, external_network, operators, cloud)):
        return None
    return Cloud(image, flavor, external_network, tuple(operators), cloud)
