"""What a site's file says for each machine on OpenStack. Pure."""

from __future__ import annotations

from ...spec.machines import PlannedMachine
from ...spec.model import Federation, OpenStack, SiteStack
from ..cloud_init import QUORUM, SPOOL


def label(federation: Federation, site: str) -> str:
    """What the site's network, groups and keys are called in the cloud."""
    return f"{federation.name}-{site}"


def flavor_of(cloud: OpenStack, stack: SiteStack, machine: PlannedMachine) -> str:
    """The flavor's name."""
    if machine.front_end:
        return cloud.front_end_flavor or cloud.flavor
    group = stack.agent_groups.get(machine.group)
    return (group.flavor if group else None) or cloud.flavor


def zone_of(cloud: OpenStack, stack: SiteStack, machine: PlannedMachine) -> str | None:
    """The availability zone's name; None leaves it to the cloud."""
    group = stack.agent_groups.get(machine.group)
    return (group.availability_zone if group else None) or cloud.availability_zone


def data_volumes(cloud: OpenStack, quorum: bool) -> dict[str, int]:
    """The front-end's data volumes and their sizes in GB."""
    sizes = {SPOOL: cloud.spool_volume, QUORUM: cloud.quorum_volume if quorum else 0}
    return {name: size for name, size in sizes.items() if size}
