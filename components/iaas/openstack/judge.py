"""What is wrong with a site's file in view of its cloud, before anything is made: names, sizes, quotas, rights. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from ...spec import addresses
from ...spec.machines import PlannedMachine, machines
from ...spec.model import Federation, OpenStack, SiteStack
from ...spec.problems import Problem
from ...spec.rules import FEDERATION
from .choices import data_volumes, flavor_of, label
from .facts import WIREGUARD_OVERHEAD, Facts, mtu_problem
from .security import inside_rules, outside_rules

MANY = 8  # so many names are told where none is near
# Each quota by the name that OpenStack's own tools give it, and its unit.
QUOTAS = {
    "instances": "",
    "cores": "",
    "ram": " MB",
    "server_groups": "",
    "volumes": "",
    "gigabytes": " GB",
    "floatingip": "",
    "network": "",
    "subnet": "",
    "router": "",
    "port": "",
    "security_group": "",
    "security_group_rule": "",
}


def cloud_problems(site: str, stack: SiteStack, federation: Federation, facts: Facts) -> list[Problem]:
    """Everything that the cloud would refuse, or that would not work on it; all at once."""
    assert stack.openstack, "validation refuses an openstack site without its block"
    file, cloud = f"Pulumi.{site}.yaml", stack.openstack
    out = [*_names(file, site, stack, cloud, facts), *_volumes(file, cloud, facts)]
    out += _networks(file, site, cloud, federation, facts)
    out += _address(site, cloud, federation, facts)
    out += _flavors(file, site, stack, cloud, facts)
    if not out:  # with wrong names there is nothing to count
        out += _quotas(file, site, stack, cloud, federation, facts)
    return out


def _known(file: str, place: str, what: str, name: str, known: Collection[str]) -> Iterator[Problem]:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
    if near:
        mend = f"write {near[0]}" + (f" (or {' or '.join(near[1:])})" if near[1:] else "")
    elif known:
        names = sorted(known)
        more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
        mend = f"there are: {', '.join(names[:MANY])}{more}"
    else:
        mend = f"the project sees no {what} at all: ask the cloud's administrators for one"
    yield Problem(file, place, f"the cloud has no {what} {name!r}", mend)


def _flavor_places(stack: SiteStack, cloud: OpenStack) -> dict[str, str]:
    """Where the file names a flavor, and which."""
    places = {"openstack.flavor": cloud.flavor}
    if cloud.front_end_flavor:
        places["openstack.front_end_flavor"] = cloud.front_end_flavor
    places |= {f"agent_groups.{n}.flavor": g.flavor for n, g in stack.agent_groups.items() if g.flavor}
    return places


def _names(file: str, site: str, stack: SiteStack, cloud: OpenStack, facts: Facts) -> Iterator[Problem]:
    yield from _known(file, "openstack.image", "image", cloud.image, facts.images)
    for place, name in _flavor_places(stack, cloud).items():
        yield from _known(file, place, "flavor", name, facts.flavors)
    outside = [n for n, network in facts.networks.items() if network.external]
    yield from _known(file, "openstack.external_network", "external network", cloud.external_network, outside)
    if cloud.router:
        yield from _known(file, "openstack.router", "router", cloud.router, facts.routers)
    zones: dict[str, str | None] = {"openstack.availability_zone": cloud.availability_zone}
    zones |= {f"agent_groups.{n}.availability_zone": g.availability_zone for n, g in stack.agent_groups.items()}
    for place, zone in zones.items():
        if zone:
            yield from _known(file, place, "availability zone", zone, facts.zones)
    if cloud.volume_availability_zone:
        known = facts.volume_zones
        place = "openstack.volume_availability_zone"
        yield from _known(file, place, "availability zone for volumes", cloud.volume_availability_zone, known)
    for place, what, given in (
        ("openstack.external_network", "network", cloud.external_network),
        ("openstack.network", "network", cloud.network),
        ("openstack.router", "router", cloud.router),
    ):
        if given and (what, given) in facts.twice:
            yield Problem(file, place, f"the project sees more than one {what} {given!r}", "give it a name of its own")


def _volumes(file: str, cloud: OpenStack, facts: Facts) -> Iterator[Problem]:
    for key in ("volume_size", "spool_volume", "quorum_volume"):
        if getattr(cloud, key) and not facts.volumes:
            yield Problem(
                file,
                f"openstack.{key}",
                "the cloud has no volume service",
                f"write {key}: 0: the machine's own disk is taken, and is lost with the machine",
            )


def _networks(file: str, site: str, cloud: OpenStack, federation: Federation, facts: Facts) -> Iterator[Problem]:
    outside = facts.networks.get(cloud.external_network)
    if outside and 0 < outside.mtu < federation.network.vpn_mtu + WIREGUARD_OVERHEAD:
        what, mend = mtu_problem(f"{site}'s external network {cloud.external_network}", outside.mtu, federation)
        yield Problem(FEDERATION, "network.vpn_mtu", what, mend)
    if cloud.network is None:
        return
    place = "openstack.network"
    yield from _known(file, place, "network", cloud.network, facts.networks)
    network = facts.networks.get(cloud.network)
    if network is None:
        return
    lan = addresses.lan(federation, site).network
    if lan not in network.subnets:
        there = ", ".join(map(str, network.subnets)) or "none"
        yield Problem(
            file,
            place,
            f"{cloud.network} has no subnet {lan}, the site's LAN (there: {there})",
            f"write its subnet as sites.{site}.lan in {FEDERATION}, or remove openstack.network",
        )
    if 0 < network.mtu < federation.network.vpn_mtu + WIREGUARD_OVERHEAD:
        what, mend = mtu_problem(f"{site}'s network {cloud.network}", network.mtu, federation)
        yield Problem(FEDERATION, "network.vpn_mtu", what, mend)
    if cloud.port_security and not network.own:
        yield Problem(
            file,
            place,
            f"{cloud.network} belongs to another project, whose ports may not be given address pairs for containers",
            "use a network of this project, or have the administrators allow address pairs or switch port security off "
            "there, and write port_security: false",
        )


def _address(site: str, cloud: OpenStack, federation: Federation, facts: Facts) -> Iterator[Problem]:
    address = federation.sites[site].vpn_endpoint.partition(":")[0]
    if address in facts.floating_ips or cloud.allocate_floating_ip:
        return
    place = f"sites.{site}.vpn_endpoint"
    what = f"{address} is no floating IP of {site}'s project"
    if facts.floating_ips:
        mend = f"write one that it has: {', '.join(sorted(facts.floating_ips))}"
    else:
        mend = f"run openstack floating ip create {cloud.external_network}, and write the address that it gives"
    yield Problem(FEDERATION, place, what, mend)


def _flavors(file: str, site: str, stack: SiteStack, cloud: OpenStack, facts: Facts) -> Iterator[Problem]:
    """Whether a machine has what the site's file says that its agent offers, and what its image asks for."""
    image = facts.images.get(cloud.image)
    if image and not image.active:
        yield Problem(
            file, "openstack.image", f"{cloud.image} is not ready for use", "wait until it is, or write another"
        )
    if image and 0 < cloud.volume_size < max(image.min_disk, image.size):
        need = max(image.min_disk, image.size)
        yield Problem(
            file, "openstack.volume_size", f"{cloud.volume_size} GB do not hold {cloud.image}", f"write at least {need}"
        )
    told = set()
    for machine in machines(site, stack):
        name = flavor_of(cloud, stack, machine)
        flavor = facts.flavors.get(name)
        if flavor is None or (name, machine.group) in told:
            continue
        told.add((name, machine.group))
        place = _size_place(stack, machine)
        for unit, has, wants, mb in (
            ("cpus", flavor.cpus, machine.size.cpus, ""),
            ("memory", flavor.memory, machine.size.memory, " MB"),
        ):
            if wants > has:
                yield Problem(
                    file,
                    f"{place}.{unit}",
                    f"{machine.name} is to offer {wants:g}{mb}, its flavor {name} has {has:g}{mb}",
                    f"write less than {has:g}, with room for the services, or another flavor",
                )
        disk = (cloud.volume_size or flavor.disk) * 1000
        if 0 < disk < machine.size.disk:
            yield Problem(
                file,
                f"{place}.disk",
                f"{machine.name} is to offer {machine.size.disk} MB, its disk has {disk} MB",
                "write less, with room for images, or a larger " + ("volume_size" if cloud.volume_size else "flavor"),
            )
        if image and image.min_memory > flavor.memory:
            yield Problem(
                file,
                "openstack.image",
                f"{cloud.image} asks for {image.min_memory} MB of memory, flavor {name} has {flavor.memory} MB",
                "write a larger flavor",
            )
        if image and not cloud.volume_size and 0 < flavor.disk < image.min_disk:
            yield Problem(
                file,
                "openstack.image",
                f"{cloud.image} asks for {image.min_disk} GB of disk, flavor {name} has {flavor.disk} GB",
                "write a larger flavor, or a volume_size",
            )


def _size_place(stack: SiteStack, machine: PlannedMachine) -> str:
    group = stack.agent_groups.get(machine.group)
    return f"agent_groups.{machine.group}.machine" if group and group.machine else "machine"


def needs(site: str, stack: SiteStack, cloud: OpenStack, federation: Federation, facts: Facts) -> dict[str, int]:
    """How much of each quota the site takes beyond what it has already."""
    planned, have = machines(site, stack), facts.present
    prefix = federation.name
    new = [m for m in planned if f"{prefix}-{m.name}" not in have.servers]
    flavors = [facts.flavors[flavor_of(cloud, stack, m)] for m in new]
    front_end = next(m.name for m in planned if m.front_end)
    data = {
        f"{prefix}-{front_end}-{what}": size
        for what, size in data_volumes(cloud, federation.sites[site].quorum).items()
        if f"{prefix}-{front_end}-{what}" not in have.volumes
    }
    boot = [cloud.volume_size for _ in new] if cloud.volume_size else []
    groups = [*inside_rules(federation), *outside_rules(federation, site, cloud)] if cloud.port_security else []
    address = federation.sites[site].vpn_endpoint.partition(":")[0]
    own = cloud.network is None
    whole = {
        "network": int(own),
        "subnet": int(own),
        "router": int(own and cloud.router is None),
        "port": len(planned),
        "security_group": 2 if groups else 0,
        # Each new group has two of its own, for what goes out.
        "security_group_rule": len(groups) + 4 if groups else 0,
        "server_groups": int(cloud.anti_affinity != "none"),
    }
    return {
        "instances": len(new),
        "cores": sum(f.cpus for f in flavors),
        "ram": sum(f.memory for f in flavors),
        "volumes": len(data) + len(boot),
        "gigabytes": sum(data.values()) + sum(boot),
        "floatingip": int(address not in facts.floating_ips),
        **{what: max(0, count - have.counts.get(what, 0)) for what, count in whole.items()},
    }


def _quotas(
    file: str, site: str, stack: SiteStack, cloud: OpenStack, federation: Federation, facts: Facts
) -> Iterator[Problem]:
    for what, need in needs(site, stack, cloud, federation, facts).items():
        quota = facts.quotas.get(what)
        if quota is None or quota.left is None or need <= quota.left:
            continue
        unit = QUOTAS[what]
        place = "agents" if what in ("instances", "cores", "ram", "port") else "openstack"
        yield Problem(
            file,
            place,
            f"{label(federation, site)} needs {need}{unit} more of the project's quota {what!r}, {quota.left}{unit} of "
            f"{quota.limit}{unit} are left",
            f"ask the cloud's administrators for {quota.used + need}{unit}, or write fewer or smaller machines",
        )
