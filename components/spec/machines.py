"""A site's machines, by arithmetic from its file. No Pulumi here: validation and the tools ask too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .addresses import FRONT_END, front_end
from .model import Federation, MachineSize, SiteStack

AGENT = "agent"  # the group of `agents`


def front_end_name(site: str) -> str:
    """The name of the site's front-end."""
    return f"{site}-front-end"


@dataclass(frozen=True)
class PlannedMachine:
    """One machine. `number` is that of its address in the site's LAN; `attributes` are those of its Mesos agent beside `site`
    and `node`; `group` is "" for the front-end."""

    name: str
    number: int
    group: str
    size: MachineSize
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def front_end(self) -> bool:
        return not self.group


def machines(site: str, stack: SiteStack) -> list[PlannedMachine]:
    """The front-end, the agents, then each group's, in the order of the file: a machine keeps its name and its address when others
    come or go."""
    out = [PlannedMachine(front_end_name(site), FRONT_END, "", stack.machine)]
    out += [
        PlannedMachine(f"{site}-{AGENT}-{n}", FRONT_END + n, AGENT, stack.machine) for n in range(1, stack.agents + 1)
    ]
    for name, group in stack.agent_groups.items():
        size = group.machine or stack.machine
        out += [
            PlannedMachine(f"{site}-{name}-{n + 1}", group.first + n, name, size, group.attributes)
            for n in range(group.count)
        ]
    return out


def attributes_of(site: str, machine: PlannedMachine) -> dict[str, str]:
    """The attributes of the Mesos agent on the machine."""
    return {"site": site, "node": machine.name, **machine.attributes}


def reached_at(federation: Federation, site: str, stack: SiteStack | None) -> str:
    """The address of the site's front-end for whoever is outside: on OpenStack its floating IP, else the one in its LAN."""
    if stack is not None and stack.iaas == "openstack":
        return federation.sites[site].vpn_endpoint.partition(":")[0]
    return front_end(federation, site)


def machine_names(site: str, stack: SiteStack) -> list[str]:
    """The names of `machines`."""
    return [m.name for m in machines(site, stack)]


def numbers(stack: SiteStack) -> Iterator[tuple[str, int, int]]:
    """(key of the site's file, number of the first machine, of the last one) of each group that has machines."""
    if stack.agents:
        yield "agents", FRONT_END + 1, FRONT_END + stack.agents
    for name, group in stack.agent_groups.items():
        if group.count:
            yield f"agent_groups.{name}.first", group.first, group.first + group.count - 1


def login_service(pool: str) -> str:
    """The container on the submit node's front-end that leads users to its sshd."""
    return f"login-{pool}"


def rest_service(pool: str) -> str:
    """The container on the submit node's front-end that leads to the REST of the pool's framework."""
    return f"rest-{pool}"
