"""What a pool's file may say of its containers beyond their size: lines of configuration, mounts, networks, attributes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ..batch.knobs import dangerous_knobs, flocking_knobs
from .model import Federation, MachineSize, Pool, Role, SiteStack
from .names import front_end_name, machine_names
from .problems import Problem

# Networks of containers that the Calico driver keeps on every node; `fixed` is for addresses that the program gives.
NETWORKS = ("calico",)
# Attributes that every Mesos agent has.
ATTRIBUTES = ("site", "node")
# What the image itself keeps there, and what would be the machine's own.
KEPT = ("/etc/condor", "/var/spool/condor", "/var/lib/condor", "/run", "/var/run", "/proc", "/sys", "/dev", "/root",
        "/etc/passwd", "/etc/shadow", "/etc/group")  # fmt: skip
WHOLE = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/home",
    "/tmp",
)  # not hidden as a whole, but there may be more in it
CLOSED = (
    "/proc",
    "/sys",
    "/etc",
    "/root",
    "/boot",
    "/run",
    "/var/run",
    "/var/lib/docker",
    "/var/lib/mesos",
)  # of the machine


def machines_of(site: str, stack: SiteStack) -> dict[str, MachineSize]:
    """The site's machines, by name."""
    return dict.fromkeys(machine_names(site, stack.agents), stack.machine)


def satisfies(site: str, machine: str, attributes: Mapping[str, str]) -> bool:
    """Whether the agent on the machine has the attributes."""
    own = {"site": site, "node": machine}
    return all(own.get(name, value) == value for name, value in attributes.items())


def container_problems(
    file: str, pool: Pool, federation: Federation, sites: Mapping[str, SiteStack]
) -> Iterator[Problem]:
    """Everything wrong with what the containers of the pool's roles get."""
    yield from _condor_config(file, "pool.condor_config", pool.condor_config, pool)
    for name in ("central_manager", "submit_node", "executors"):
        role: Role = getattr(pool, name)
        yield from _condor_config(file, f"pool.{name}.condor_config", role.condor_config, pool)
        yield from _volumes(file, f"pool.{name}", role)
        yield from _attributes(file, f"pool.{name}", role, pool, federation)
        yield from _nowhere(file, name, role, pool, sites)
        yield from _ulimits(file, f"pool.{name}", role)
        for i, device in enumerate(role.devices):
            if device in role.devices[:i]:
                yield Problem(file, f"pool.{name}.devices.{i}", f"{device} is there twice", "remove one")
    network = pool.executors.network
    if network not in NETWORKS:
        yield Problem(
            file,
            "pool.executors.network",
            f"there is no network {network!r} of containers",
            f"write one that there is: {', '.join(NETWORKS)}",
        )


def _condor_config(file: str, place: str, lines: Sequence[str], pool: Pool) -> Iterator[Problem]:
    """HTCondor's own lines that would open what a pool keeps shut, or undo what it relies on."""
    entry_of = [i for i, entry in enumerate(lines) for _ in entry.splitlines() or [""]]
    text = "\n".join(lines)
    flocking = flocking_knobs(text) if pool.central_managers > 1 else []
    for message in [*dangerous_knobs(text, framework=pool.via == "framework"), *flocking]:
        number, _, what = message.removeprefix("line ").partition(": ")
        what, _, mend = what.rpartition("; ")
        yield Problem(file, f"{place}.{entry_of[int(number) - 1]}", what, mend)


def _within(path: str, folders: Iterable[str]) -> str | None:
    """Which of the folders `path` is in (or is)."""
    return next((f for f in folders if PurePosixPath(path).is_relative_to(f)), None)


def _hidden(path: str) -> str | None:
    """What the container needs and would not find if `path` were another directory."""
    return _within(path, KEPT) or next((f for f in (*KEPT, *WHOLE) if PurePosixPath(f).is_relative_to(path)), None)


def _volumes(file: str, place: str, role: Role) -> Iterator[Problem]:
    targets: set[str] = set()
    for i, volume in enumerate(role.volumes):
        here = f"{place}.volumes.{i}"
        for end, path in (("source", volume.source), ("target", volume.target)):
            if ".." in PurePosixPath(path).parts or "." in path.split("/"):
                yield Problem(file, f"{here}.{end}", f"{path} has . or .. in it", "write the path itself")
        if volume.source.endswith("/docker.sock") or _within(volume.source, CLOSED):
            yield Problem(
                file,
                f"{here}.source",
                f"{volume.source} of the machine would be in the hands of the pool's users",
                "write a directory of data",
            )
        if kept := _hidden(volume.target):
            yield Problem(
                file,
                f"{here}.target",
                f"{volume.target} is over {kept}, which the container needs",
                "write another path",
            )
        if volume.target in targets:
            yield Problem(file, f"{here}.target", f"{volume.target} is there twice", "write another path")
        targets.add(volume.target)


def _attributes(file: str, place: str, role: Role, pool: Pool, federation: Federation) -> Iterator[Problem]:
    for name, value in role.attributes.items():
        if name not in ATTRIBUTES:
            near = difflib.get_close_matches(name, ATTRIBUTES, n=1, cutoff=0.5)
            mend = f"write {near[0]}" if near else f"known here: {', '.join(ATTRIBUTES)}"
            yield Problem(file, f"{place}.attributes.{name}", f"no agent has an attribute {name!r}", mend)
        elif name == "site" and value not in pool.sites:
            yield Problem(
                file,
                f"{place}.attributes.site",
                f"{value!r} is not among the pool's sites",
                f"write one of {', '.join(s for s in pool.sites if s in federation.sites)}",
            )


def _nowhere(file: str, name: str, role: Role, pool: Pool, sites: Mapping[str, SiteStack]) -> Iterator[Problem]:
    """An attribute `node` that no machine has where the role may run; silent about sites whose file is not here."""
    own = [pool.submit_node.site] if name == "submit_node" else pool.sites
    node = role.attributes.get("node")
    if (
        role.attributes.get("site", own[0]) not in own
        and name == "submit_node"
        and role.attributes["site"] in pool.sites
    ):
        where = f"it runs on {own[0]}, where its spool is"
        yield Problem(file, f"pool.{name}.attributes.site", f"{role.attributes['site']!r}: {where}", "leave it out")
    elif node and all(s in sites for s in own):
        known = {m: s for s in own for m in machines_of(s, sites[s])}
        if name == "submit_node":
            known = {front_end_name(own[0]): own[0]}
        if not any(satisfies(site, machine, role.attributes) for machine, site in known.items()):
            near = difflib.get_close_matches(node, known, n=1, cutoff=0.5)
            yield Problem(
                file,
                f"pool.{name}.attributes.node",
                f"no agent where it may run has node {node!r}"
                + (" and its other attributes" if "site" in role.attributes else ""),
                f"write {near[0]}" if near and near[0] != node else f"write one of {', '.join([*known][:6])}",
            )


def _ulimits(file: str, place: str, role: Role) -> Iterator[Problem]:
    for name, value in role.ulimits.items():
        soft, _, hard = value.partition(":")
        if hard and int(hard) >= 0 and not 0 <= int(soft) <= int(hard):
            yield Problem(
                file, f"{place}.ulimits.{name}", f"soft limit {soft} is over the hard one", "write at most it"
            )
