"""What a resource is in the words of the farm, by its type and its name. Pure."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from .model import Change

Role = Literal[
    "machine", "service", "peer", "drain", "ready", "node", "identity", "app", "framework", "role", "network-policy", "guard",
    "forwarder", "network", "volume", "image", "registry", "cloud", "other",
]  # fmt: skip

# The services on a machine, longest names first: a resource is called MACHINE-SERVICE.
SERVICES = (
    "mesos-master",
    "mesos-agent",
    "zookeeper",
    "marathon",
    "collector",
    "graphite",
    "grafana",
    "page",
    "calico",
    "etcd",
)
QUORUM = ("etcd", "zookeeper", "mesos-master", "marathon")
FRONT_END = "-front-end"
IDENTITIES = ("CertificateAuthority", "Certificate", "SshKey", "WireGuardKey", "Password", "SigningKey")
APPS = ("central-manager", "submit-node", "executors", "framework")
MACHINES = ("docker:index/container:Container", "openstack:compute/instance:Instance")
CLOUD_KEEPS = ("openstack:networking/floatingIp:FloatingIp", "openstack:blockstorage/volume:Volume")


@dataclass(frozen=True)
class Thing:
    """`on` is the machine or the pool that it belongs to, `part` which service, app or peer it is."""

    role: Role
    on: str
    part: str = ""


def _command(name: str, stack: str) -> Thing:
    for suffix, role in (("-calico-node", "node"), ("-ready", "ready"), ("-drain", "drain")):
        if name.endswith(suffix):
            return Thing(role, name.removesuffix(suffix))  # type: ignore[arg-type]
    if name == f"{stack}-vpn":
        return Thing("service", stack + FRONT_END, "vpn")
    if name.startswith(f"{stack}-vpn-"):
        return Thing("peer", stack + FRONT_END, name.removeprefix(f"{stack}-vpn-"))
    for part in SERVICES:
        if name.endswith(f"-{part}"):
            return Thing("service", name.removesuffix(f"-{part}"), part)
    if name == f"{stack}-guard":
        return Thing("guard", stack)
    if name == f"{stack}-network":
        return Thing("network-policy", stack)
    for part in ("login", "rest"):
        if name == f"{stack}-{part}":
            return Thing("forwarder", stack, part)
    return Thing("other", "", name)


def thing_of(change: Change) -> Thing:
    """What the resource is."""
    return _thing_of(change.type, change.kind, change.name, change.stack)


@functools.cache  # it is asked for many times of each
def _thing_of(type_: str, kind: str, name: str, stack: str) -> Thing:
    if type_ in MACHINES:
        return Thing("registry", "", name) if name == "registry" else Thing("machine", name)
    if type_.startswith("command:"):
        return _command(name, stack)
    if kind in IDENTITIES:
        return Thing("identity", _owner(name), kind)
    if kind == "MarathonApp":
        part = name.removeprefix(f"{stack}-")
        return Thing("app", stack, part if part in APPS else name)
    for wanted, role in (("FrameworkPolicy", "framework"), ("MesosRole", "role")):
        if kind == wanted:
            return Thing(role, stack)  # type: ignore[arg-type]
    if type_.startswith("openstack:"):
        return Thing("cloud", _owner(name), kind)
    for wanted, role in (("Network", "network"), ("Volume", "volume"), ("RemoteImage", "image")):
        if kind == wanted:
            return Thing(role, _owner(name), name)  # type: ignore[arg-type]
    return Thing("other", "", name)


def _owner(name: str) -> str:
    """The machine whose own the identity or volume is, by its name; "" if it is nobody's."""
    for suffix in (
        "-host-key",
        "-certificate",
        "-executors",
        "-etcd-root",
        "-collector-client",
        "-grafana-key",
        "-docker",
        "-files",
        "-mesos",
        "-etcd",
        "-zookeeper",
    ):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def goes_with(thing: Thing, name: str, machine: str, stack: str) -> bool:
    """Whether the resource `name` is a part of `machine`: made, made anew and removed with it."""
    if (
        thing.role in ("service", "ready", "drain", "node", "peer", "volume", "identity", "cloud")
        and thing.on == machine
    ):
        return True
    return machine == stack + FRONT_END and name in (f"{stack}-lan", f"{stack}-image")


def site_of(machine: str, sites: Collection[str]) -> str:
    """The site that the machine stands in: the longest name that it begins with."""
    return max((s for s in sites if machine.startswith(f"{s}-")), key=len, default="")
