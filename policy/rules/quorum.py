"""The quorums: an odd number of members, one of each at a site, and their state outside their containers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .containers import SERVICE, Container, containers
from .model import Facts, Resource, Violation
from .ports import files

MEMBERS = ("etcd", "zookeeper", "mesos-master")
FEDERATION = "federation.yaml"
PLACE = "sites.*.quorum"


@dataclass(frozen=True)
class Member:
    """One member: its resource and its container."""

    resource: Resource
    container: Container


def members(resources: Sequence[Resource], facts: Facts) -> Iterator[Member]:
    """The members of all quorums that the stack makes."""
    for resource in resources:
        for container in containers(resource, facts):
            if container.kind == SERVICE and container.name in MEMBERS:
                yield Member(resource, container)


def majority(count: int) -> int:
    """How many must agree."""
    return count // 2 + 1


def peers(member: Member) -> int | None:
    """How many members the quorum of this one has, itself counted; None if it does not say so, or it is not known."""
    env = member.container.env or {}
    if member.container.name == "etcd":
        return len([one for one in env.get("ETCD_INITIAL_CLUSTER", "").split(",") if one])
    if member.container.name == "zookeeper" and (told := files(member.resource)) is not None:
        return len([line for line in told.get("zoo.cfg", "").splitlines() if line.startswith("server.")])
    return None


def quorum_odd(resources: Sequence[Resource], facts: Facts) -> Iterator[Violation]:
    """An even number of members costs one more and outlives no more failures; and Mesos' masters need the majority of theirs."""
    found = list(members(resources, facts))
    counts = {m.container.name: n for m in found if (n := peers(m)) is not None}
    for member in found:
        name, count = member.container.name, peers(member)
        if count is not None and count % 2 == 0:
            spared = (count - 1) // 2
            yield Violation(
                member.resource.name,
                FEDERATION,
                PLACE,
                f"{name} would have {count} members, an even number: they outlive the loss of {spared}, as {max(1, count - 1)} would",
                "write quorum: true for one site more or one less",
            )
    size = counts.get("etcd") or counts.get("zookeeper")
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
        yield Violation(
            "",
            "components/cluster/quorum.py",
            "quorum_addresses",
            f"the quorums have different numbers of members: {said}",
            "give all of them the members of addresses.quorum_addresses",
        )
    for member in found:
        told = (member.container.env or {}).get("MESOS_QUORUM", "")
        if member.container.name == "mesos-master" and size and told != str(majority(size)):
            yield Violation(
                member.resource.name,
                member.container.file,
                f"{member.container.place}, MESOS_QUORUM",
                f"MESOS_QUORUM is {told or 'missing'} with {size} masters, whose majority is {majority(size)}",
                "write addresses.majority(len(members))",
            )


def quorum_one_at_a_time(resources: Sequence[Resource], facts: Facts) -> Iterator[Violation]:
    """One update never takes two members of a quorum: none of the stacks holds two."""
    seen: dict[str, list[str]] = {}
    for member in members(resources, facts):
        seen.setdefault(member.container.name, []).append(member.resource.name)
    for name, names in sorted(seen.items()):
        for more in sorted(names)[1:]:
            yield Violation(
                more,
                "components/site.py",
                "_quorum_member",
                f"the stack has {len(names)} members of {name}, so one update could take all of them at once",
                "put each member into a site's stack of its own (quorum: true in federation.yaml)",
            )
