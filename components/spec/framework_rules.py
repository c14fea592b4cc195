"""The rules of what only a pool by `via: framework` has: its share of the cluster, elastic executors, several central managers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..batch.condor_config import overhead
from .machines import machines
from .model import Elastic, Federation, MachineSize, Pool, Share, SiteStack
from .problems import Problem


def framework_problems(
    file: str,
    name: str,
    pool: Pool,
    federation: Federation,
    sites: Mapping[str, SiteStack],
    others: Mapping[str, Pool],
) -> Iterator[Problem]:
    """Everything wrong with them, and where there is one without a framework."""
    if pool.via != "framework":
        yield from _without_framework(file, pool)
    elif pool.share is None:
        yield Problem(
            file,
            "pool.share",
            "is missing, with via: framework",
            "write what it is guaranteed, such as {cpus: 8, memory: 8192}",
        )
    else:
        yield from _share(file, name, pool, pool.share, federation, sites, others)
    if pool.via == "framework":
        yield from _own_memory(file, pool)
    if pool.executors.elastic and pool.via == "framework":
        yield from _numbers(file, pool.executors.elastic)
        yield from _names(file, pool, pool.executors.elastic)
        yield from _sizes(file, pool, pool.executors.elastic, sites)


def _without_framework(file: str, pool: Pool) -> Iterator[Problem]:
    for there, place in (
        (pool.share is not None, "pool.share"),
        (pool.executors.elastic is not None, "pool.executors.elastic"),
        (pool.central_managers > 1, "pool.central_managers"),
    ):
        if there:
            what = "more than one is" if place == "pool.central_managers" else "is"
            yield Problem(
                file, place, f"{what} for pools with via: framework only", "write via: framework, or remove it"
            )


def _machines(pool: Pool, sites: Mapping[str, SiteStack]) -> list[MachineSize] | None:
    """The machines of the pool's sites; None if the file of one of them is elsewhere."""
    names = dict.fromkeys(pool.sites)
    if any(name not in sites for name in names):
        return None
    return [m.size for name in names for m in machines(name, sites[name])]


def _share(
    file: str,
    name: str,
    pool: Pool,
    share: Share,
    federation: Federation,
    sites: Mapping[str, SiteStack],
    others: Mapping[str, Pool],
) -> Iterator[Problem]:
    limit = share.limit
    for unit, mb in (("cpus", ""), ("memory", " MB")):
        has, most = getattr(share, unit), getattr(limit, unit) if limit else None
        if most is not None and most < has:
            yield Problem(
                file,
                f"pool.share.limit.{unit}",
                f"{most:g}{mb} is less than the share ({has:g}{mb})",
                f"write at least {has:g}",
            )
    there = _machines(pool, sites)
    whole = [m.size for s in sites for m in machines(s, sites[s])]
    for unit, mb in (("cpus", ""), ("memory", " MB")):
        has = getattr(share, unit)
        room = sum(getattr(m, unit) for m in there or ())
        if there is not None and has > room:
            yield Problem(
                file,
                f"pool.share.{unit}",
                f"{has:g}{mb} is more than the machines of the pool's sites have ({room:g}{mb})",
                f"write at most {room:g}",
            )
            continue
        shares = {name: has} | {
            n: getattr(p.share, unit) for n, p in others.items() if p.via == "framework" and p.share
        }
        total, all_ = sum(shares.values()), sum(getattr(m, unit) for m in whole)
        if len(shares) > 1 and total > all_ and set(federation.sites) <= set(sites):
            said = ", ".join(f"{n} {v:g}" for n, v in shares.items())
            yield Problem(
                file,
                f"pool.share.{unit}",
                f"the pools' shares are {total:g}{mb} together ({said}), the cluster has {all_:g}{mb}",
                "write less here or in another pool's file",
            )


def _own_memory(file: str, pool: Pool) -> Iterator[Problem]:
    """What is left for jobs in a fixed executor."""
    own, needs = pool.executors, overhead()
    daemons = needs["base"] + needs["per_core"] * int(own.cpus)
    if own.count and own.memory < daemons + 32:
        yield Problem(
            file,
            "pool.executors.memory",
            f"of {own.memory} MB an executor's own daemons take {daemons} MB with {own.cpus:g} cpus",
            f"write at least {daemons + 128}",
        )


def _numbers(file: str, elastic: Elastic) -> Iterator[Problem]:
    place, most = "pool.executors.elastic", elastic.max
    for key in ("min", "curb", "max_idle"):
        value = getattr(elastic, key)
        if value is not None and value > most:
            yield Problem(file, f"{place}.{key}", f"{value} is more than max ({most})", f"write at most {most}")
    if elastic.orphan_timeout <= elastic.idle_timeout:
        yield Problem(
            file,
            f"{place}.orphan_timeout",
            f"{elastic.orphan_timeout} s is not more than idle_timeout ({elastic.idle_timeout} s): executors would end by "
            "themselves before the framework takes them away",
            "write more, such as 1800",
        )
    for site, limit in elastic.sites.items():
        if limit.curb is not None and limit.curb > limit.max:
            yield Problem(
                file,
                f"{place}.sites.{site}.curb",
                f"{limit.curb} is more than max ({limit.max})",
                f"write at most {limit.max}",
            )


def _names(file: str, pool: Pool, elastic: Elastic) -> Iterator[Problem]:
    place, mine = "pool.executors.elastic", f"write one of {', '.join(pool.sites)}"
    for site in elastic.sites:
        if site not in pool.sites:
            yield Problem(file, f"{place}.sites.{site}", "is no site of the pool", mine)
    for i, site in enumerate(elastic.site_preference):
        if site not in pool.sites:
            yield Problem(file, f"{place}.site_preference.{i}", f"{site!r} is no site of the pool", mine)
        elif site in elastic.site_preference[:i]:
            yield Problem(file, f"{place}.site_preference.{i}", f"{site!r} is named twice", "remove one")
    users, groups = [u.name for u in pool.users], list(pool.accounting.groups)
    for user in elastic.caps.users:
        if user not in users:
            yield Problem(
                file, f"{place}.caps.users.{user}", "is no user of the pool", f"write one of {', '.join(users)}"
            )
    for group in elastic.caps.groups:
        if group not in groups:
            known = f"write one of {', '.join(groups)}" if groups else "write it below pool.accounting.groups too"
            yield Problem(file, f"{place}.caps.groups.{group}", "is no accounting group of the pool", known)


def _sizes(file: str, pool: Pool, elastic: Elastic, sites: Mapping[str, SiteStack]) -> Iterator[Problem]:
    there, largest = _machines(pool, sites), elastic.largest
    if there is None or not elastic.max:
        return
    for unit, mb in (("cpus", ""), ("memory", " MB"), ("disk", " MB")):
        asks, most = getattr(largest, unit), max(getattr(m, unit) for m in there)
        if unit in largest.model_fields_set and asks > most:  # a default is cut to what there is
            yield Problem(
                file,
                f"pool.executors.elastic.largest.{unit}",
                f"{asks:g}{mb} is more than any machine of the pool's sites has ({most:g}{mb})",
                f"write at most {most:g}",
            )
    if largest.gpus:
        yield Problem(
            file,
            "pool.executors.elastic.largest.gpus",
            "no machine of the pool's sites offers GPUs",
            "write 0, or leave it out",
        )
