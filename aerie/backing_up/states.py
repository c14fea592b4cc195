"""A stack's state as it was, without what went with the machines. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

State = dict[str, Any]
# Kinds that hold something which cannot be had again, or says only what a program reads.
LASTING = ("pulumi:pulumi:", "pulumi:providers:", "pulumi-python:dynamic/identity:")
# What lives in ZooKeeper and comes back with it.
IN_ZOOKEEPER = ("pulumi-python:dynamic/batch:MarathonApp", "pulumi-python:dynamic/batch:FrameworkPolicy")
CLOUD = "openstack:"  # asked by `pulumi refresh` what of it is left
REFERENCES = ("dependencies", "propertyDependencies", "deletedWith", "replaceWith")


def resources(state: Mapping[str, Any]) -> list[State]:
    """Of an export of `pulumi stack export`; none of a stack that is empty."""
    found: list[State] = (state.get("deployment") or {}).get("resources") or []
    return found


def outputs(state: Mapping[str, Any]) -> State:
    """The stack's outputs; secret ones are sealed."""
    for resource in resources(state):
        if resource["type"] == "pulumi:pulumi:Stack":
            found: State = resource.get("outputs") or {}
            return found
    return {}


def in_cloud(state: Mapping[str, Any]) -> bool:
    """Whether it has anything that its cloud can be asked for."""
    return any(r["type"].startswith(CLOUD) for r in resources(state))


def stays(resource: Mapping[str, Any], zookeeper: bool) -> bool:
    """Whether it outlives the machines. What a stack did to a machine (commands, services) does not, nor do embedded machines; a Mesos
    role is in the masters' own registry."""
    if resource.get("delete"):
        return False
    if not resource.get("custom"):
        return True
    kind = str(resource["type"])
    return kind.startswith((*LASTING, CLOUD)) or (zookeeper and kind in IN_ZOOKEEPER)


def for_new_machines(state: State, zookeeper: bool) -> State:
    """The state to bring new machines up from: identities are the same, everything on machines is made anew.

    `zookeeper`: Marathon's apps come back with ZooKeeper's copy, so they are there already."""
    out: State = json.loads(json.dumps(state))
    deployment = out.get("deployment")
    if not deployment:
        return out
    kept = [r for r in deployment.get("resources") or [] if stays(r, zookeeper)]
    there = {r["urn"] for r in kept}
    for resource in kept:
        for key in REFERENCES:
            if key in resource:
                resource[key] = _known(resource[key], there)
                if not resource[key]:
                    del resource[key]
    deployment["resources"] = kept
    deployment.pop("pending_operations", None)
    return out


def _known(value: Any, there: set[str]) -> Any:
    """Without URNs of what is not there any more."""
    if isinstance(value, str):
        return value if value in there else ""
    if isinstance(value, list):
        return [urn for urn in value if urn in there]
    return {key: [urn for urn in urns or [] if urn in there] for key, urns in value.items()}


def count(state: Mapping[str, Any]) -> int:
    """Resources that stand for something: not providers, components and the stack itself."""
    return sum(bool(r.get("custom")) and not r["type"].startswith("pulumi:") for r in resources(state))
