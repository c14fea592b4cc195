"""What must outlive its container, its machine and a slip of the hand: the queue, the quorums' state, the known addresses."""

from __future__ import annotations

from collections.abc import Iterator

from .containers import APP, SERVICE, Container, containers
from .model import Facts, Resource, Violation, block, items, shown, text

# What is kept where inside which container; the pools' submit nodes by their role.
KEPT = {
    (SERVICE, "etcd"): "/var/lib/etcd",
    (SERVICE, "zookeeper"): "/var/lib/zookeeper",
    (SERVICE, "mesos-master"): "/var/lib/mesos",
    (APP, "submit"): "/var/spool/condor",
}
PROTECTED = (":Volume", ":FloatingIp")
MACHINES = "components/iaas/openstack/machines.py"


def spool_protected(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """State is in volumes with a name, and on OpenStack volumes and addresses are protected unless the site's file says otherwise."""
    for container in containers(resource, facts):
        target = KEPT.get((container.kind, container.name))
        if target and not _has(container, target):
            yield Violation(
                resource.name,
                container.file if container.kind == SERVICE else "components/batch/role_containers.py",
                container.place if container.kind == SERVICE else "_submit_node",
                f"the container {container.name} keeps {target} in itself: a new container starts with nothing",
                f"mount a named volume: NAME:{target}",
            )
    if resource.type.startswith("openstack:"):
        yield from _openstack(resource, facts)


def _has(container: Container, target: str) -> bool:
    """Whether a volume with a name is mounted there."""
    for value in container.all("volume"):
        source, _, rest = value.partition(":")
        if source and not source.startswith("/") and rest.partition(":")[0] == target:
            return True
    return False


def _openstack(resource: Resource, facts: Facts) -> Iterator[Violation]:
    if resource.type.endswith(PROTECTED) and facts.protect:
        kind = "volume" if resource.type.endswith(":Volume") else "floating IP"
        for held, option, end in (
            (resource.protect, "protect", "pulumi destroy deletes it"),
            (resource.retain is not False, "retain_on_delete", "it goes with the stack"),
        ):
            if not held:
                yield Violation(
                    resource.name,
                    MACHINES,
                    f"_kept, {option}",
                    f"the {kind} has not {option}, while openstack.protect is on: {end}",
                    f"write {option}=True, or openstack.protect: false in {facts.file}",
                )
    if resource.type.endswith(":Instance"):
        for i, device in enumerate(map(block, items(resource.props.get("blockDevices")))):
            if text(device.get("sourceType")) == "volume" and shown(device.get("deleteOnTermination")) is True:
                yield Violation(
                    resource.name,
                    MACHINES,
                    f"_block_devices, {i}",
                    "a data volume is deleted with its machine",
                    "write delete_on_termination=False",
                )
