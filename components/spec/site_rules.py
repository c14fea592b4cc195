"""The rules of one site's file: alone, and against federation.yaml. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from . import addresses
from .machines import machine_names, numbers
from .model import Federation, OpenStack, Pool, SiteStack
from .problems import Problem
from .rules import FEDERATION, is_address, rotation_problems


def site_problems(
    name: str, stack: SiteStack, federation: Federation, pools: Mapping[str, Pool] | None = None
) -> list[Problem]:
    """Everything wrong in Pulumi.<site>.yaml, and between it, federation.yaml and the pools whose submit node is there."""
    file = f"Pulumi.{name}.yaml"
    out: list[Problem] = []
    if stack.iaas == "openstack":
        out += _openstack(name, stack, federation, pools or {}, file)
    else:
        out += _embedded(name, stack, federation, file)
    out += _agents(name, stack, federation, file)
    monitoring = federation.monitoring
    grafana = monitoring.grafana is not None and name == federation.graphite_site
    known = site_identities(name, stack, federation.sites[name].quorum, monitoring.enabled, grafana)
    out += rotation_problems(stack.rotate, known, file)
    return out


def site_identities(site: str, stack: SiteStack, quorum: bool, monitoring: bool, grafana: bool) -> list[str]:
    """The names of all that can be rotated in a site's stack."""
    names = machine_names(site, stack)
    out = [f"{m}-{what}" for m in names for what in ("host-key", "certificate", "executors")]
    own = ["etcd-root", *(["collector-client"] if monitoring else [])] if quorum else []
    own += ["grafana-key"] if grafana else []
    return out + [f"{names[0]}-{what}" for what in own]


def _agents(name: str, stack: SiteStack, federation: Federation, file: str) -> Iterator[Problem]:
    """Whether the agents' addresses are in the LAN, and nobody else's."""
    lan = federation.sites[name].lan
    last = _last_number(stack, lan)
    room = last - addresses.FRONT_END
    if stack.agents > room:
        yield Problem(file, "agents", f"{stack.agents} do not fit into {lan}", f"write at most {room}")
    taken: list[tuple[str, int, int]] = []
    for place, start, end in numbers(stack):
        if place != "agents" and end > last:
            yield Problem(
                file,
                place,
                f"its machines have the numbers {start} to {end} in {lan}, which gives machines 11 to {last}",
                f"write at most {last - (end - start)}",
            )
        for other, first, until in taken:
            if start <= until and first <= end:
                whose = "those of agents" if other == "agents" else f"those of {other.removesuffix('.first')}"
                yield Problem(
                    file,
                    place,
                    f"the numbers {start} to {end} overlap {whose} ({first} to {until})",
                    f"{_free(stack, place, end - start + 1, last)}, or another number with room for all of them",
                )
        taken.append((place, start, end))
    for group, block in stack.agent_groups.items():
        if stack.iaas == "docker":
            for key in ("flavor", "availability_zone"):
                if getattr(block, key) is not None:
                    place = f"agent_groups.{group}.{key}"
                    yield Problem(file, place, "is there, with iaas: docker", "remove it, or write iaas: openstack")


def _last_number(stack: SiteStack, lan: IPv4Network) -> int:
    """The last number in the LAN that a machine may have: OpenStack keeps some for itself."""
    return lan.num_addresses - 2 - (addresses.CLOUDS_OWN if stack.iaas == "openstack" else 0)


def _free(stack: SiteStack, but: str, count: int, last: int) -> str:
    """What to write for `but`: a number from which `count` machines have room, a round one."""
    taken = [(start, end) for place, start, end in numbers(stack) if place != but]
    for at in range(20, last - count + 2, 10):
        if all(end < at or at + count - 1 < start for start, end in taken):
            return f"write {at}"
    return "write fewer machines"


def _embedded(name: str, stack: SiteStack, federation: Federation, file: str) -> Iterator[Problem]:
    if stack.openstack is not None:
        yield Problem(file, "openstack", "is there, with iaas: docker", "remove it, or write iaas: openstack")
    if federation.embedded is None:
        yield Problem(
            FEDERATION,
            "embedded",
            f"is missing, and {name} has iaas: docker",
            "write embedded: {wan: 172.30.0.0/24}",
        )
        return
    endpoint = federation.sites[name].vpn_endpoint.partition(":")[0]
    wan = federation.embedded.wan
    if is_address(endpoint) and not wan.network_address + 1 < IPv4Address(endpoint) < wan.broadcast_address:
        yield Problem(
            FEDERATION,
            f"sites.{name}.vpn_endpoint",
            f"{endpoint} is not free in embedded.wan ({wan})",
            f"write an address of {wan} after {wan.network_address + 1}",
        )


def _openstack(
    name: str, stack: SiteStack, federation: Federation, pools: Mapping[str, Pool], file: str
) -> Iterator[Problem]:
    cloud = stack.openstack
    if cloud is None:
        yield Problem(
            file,
            "openstack",
            "is missing, with iaas: openstack",
            "write image, flavor, external_network, operators",
        )
        return
    first, last = login_ports(cloud)
    if not 1024 <= first <= last <= 65535:
        yield Problem(
            file,
            "openstack.login_ports",
            f"{cloud.login_ports} is no range within 1024-65535",
            "write FIRST-LAST, such as 2200-2299",
        )
        pools = {}
    yield from _cloud(cloud, file)
    for pool, its in pools.items():
        port = its.submit_node.ssh_port
        if its.submit_node.site == name and not first <= port <= last:
            yield Problem(
                file,
                "openstack.login_ports",
                f"pool {pool} has its log-in at port {port}, which {cloud.login_ports} does not let in",
                f"write {min(first, port)}-{max(last, port)}, or another ssh_port in Pulumi.{pool}.yaml",
            )


def _cloud(cloud: OpenStack, file: str) -> Iterator[Problem]:
    if cloud.network is not None and cloud.router is not None:
        yield Problem(
            file,
            "openstack.router",
            "is there, with an existing network, which has its own",
            "remove it, or remove openstack.network",
        )
    if cloud.network is not None and cloud.dns:
        yield Problem(file, "openstack.dns", "is there, with an existing network, whose subnet says it", "remove it")
    for key in ("operators", "users"):
        nets = getattr(cloud, key)
        for i, net in enumerate(nets):
            if net in nets[:i]:
                yield Problem(file, f"openstack.{key}.{i}", f"{net} is there twice", "remove one")
    for i, net in enumerate(cloud.operators):
        if net.prefixlen == 0:
            yield Problem(
                file,
                f"openstack.operators.{i}",
                "0.0.0.0/0 opens the machines' SSH and the pools' REST to everybody",
                "write the networks that operators come from",
            )


def login_ports(cloud: OpenStack) -> tuple[int, int]:
    """The first and the last port that pools' users may be let in at."""
    first, _, last = cloud.login_ports.partition("-")
    return int(first), int(last)
