"""What a pool's file may say of its containers beyond their size: lines of configuration, mounts, networks, attributes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from ..batch.knobs import dangerous_knobs, flocking_knobs
from .machines import PlannedMachine, attributes_of, front_end_name, machines
from .model import Federation, Pool, Role, SiteStack
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


def agents_of(site: str, stack: SiteStack) -> list[dict[str, str]]:
    """What the agents of a site have as attributes, machine by machine."""
    return [attributes_of(site, machine) for machine in machines(site, stack)]


def satisfies(site: str, machine: PlannedMachine, attributes: Mapping[str, str]) -> bool:
    """Whether the agent on the machine has the attributes."""
    return _has(attributes_of(site, machine), attributes)


def container_problems(
    file: str, pool: Pool, federation: Federation, sites: Mapping[str, SiteStack]
) -> Iterator[Problem]:
    """Everything wrong with what the containers of the pool's roles get."""
    yield from _condor_config(file, "pool.condor_config", pool.condor_config, pool)
    for name in ("central_manager", "submit_node", "executors"):
        role: Role = getattr(pool, name)
        yield from _condor_config(file, f"pool.{name}.condor_config", role.condor_config, pool)
        yield from _volumes(file, f"pool.{name}", role)
        yield from _attributes(file, f"pool.{name}", role, pool, federation, sites)
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


def _attributes(
    file: str, place: str, role: Role, pool: Pool, federation: Federation, sites: Mapping[str, SiteStack]
) -> Iterator[Problem]:
    groups = [g.attributes for s in pool.sites if s in sites for g in sites[s].agent_groups.values()]
    known = list(dict.fromkeys([*ATTRIBUTES, *(name for own in groups for name in own)]))
    # The file of a site may be elsewhere, and with it what its agents have.
    all_here = all(s in sites for s in pool.sites)
    for name, value in role.attributes.items():
        if name not in known and all_here:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            mend = f"write {near[0]}" if near else f"known here: {', '.join(known)}"
            yield Problem(file, f"{place}.attributes.{name}", f"no agent has an attribute {name!r}", mend)
        elif name == "site" and value not in pool.sites:
            yield Problem(
                file,
                f"{place}.attributes.site",
                f"{value!r} is not among the pool's sites",
                f"write one of {', '.join(s for s in pool.sites if s in federation.sites)}",
            )


def _nowhere(file: str, name: str, role: Role, pool: Pool, sites: Mapping[str, SiteStack]) -> Iterator[Problem]:
    """Attributes that no machine has where the role may run; silent about sites whose file is not here."""
    own = [pool.submit_node.site] if name == "submit_node" else pool.sites
    site = role.attributes.get("site", own[0])
    if name == "submit_node" and site not in own and site in pool.sites:
        where = f"it runs on {own[0]}, where its spool is"
        yield Problem(file, f"pool.{name}.attributes.site", f"{site!r}: {where}", "leave it out")
    elif all(s in sites for s in own):
        there = [
            m for s in own for m in agents_of(s, sites[s]) if name != "submit_node" or m["node"] == front_end_name(s)
        ]
        # That no agent at all has such an attribute is told elsewhere.
        asked = {k: v for k, v in role.attributes.items() if any(k in m for m in there)}
        if asked.keys() - {"site"} and not any(_has(m, asked) for m in there):
            yield from _no_agent(file, f"pool.{name}.attributes", asked, there)


def _has(agent: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    return all(agent.get(name) == value for name, value in attributes.items())


def _no_agent(file: str, place: str, asked: Mapping[str, str], there: Sequence[Mapping[str, str]]) -> Iterator[Problem]:
    """About the first attribute that no agent has with that value, or else the last one; what there is with all the others."""
    names = [n for n in asked if n != "site"]
    name = next((n for n in names if not any(m.get(n) == asked[n] for m in there)), names[-1])
    others = {k: v for k, v in asked.items() if k != name}
    known = list(dict.fromkeys(m[name] for m in there if name in m and _has(m, others)))
    near = difflib.get_close_matches(asked[name], known, n=1, cutoff=0.5)
    yield Problem(
        file,
        f"{place}.{name}",
        f"no agent where it may run has {name} {asked[name]!r}" + (" and its other attributes" if others else ""),
        f"write {near[0]}" if near else f"write one of {', '.join(known[:6])}" if known else "write fewer attributes",
    )


def _ulimits(file: str, place: str, role: Role) -> Iterator[Problem]:
    for name, value in role.ulimits.items():
        soft, _, hard = value.partition(":")
        if hard and int(hard) >= 0 and not 0 <= int(soft) <= int(hard):
            yield Problem(
                file, f"{place}.ulimits.{name}", f"soft limit {soft} is over the hard one", "write at most it"
            )
