"""The rules of a pool: alone, against its sites' machines, and beside the other pools. Pure but for the users' key files."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from . import addresses
from .container_rules import container_problems, satisfies
from .fields import NAME, NAME_FORM
from .framework_rules import framework_problems
from .machines import machines
from .model import Federation, MachineSize, Pool, SiteStack
from .policy_rules import policy_problems
from .problems import Problem
from .rules import expand, rotation_problems


def _at(place: str, what: str, mend: str, file: str) -> Problem:
    return Problem(file, place, what, mend)


POOL_IDENTITIES = ("pool-key", "submit-key", "ssh-host-key")  # what can be rotated in a pool's stack
FRAMEWORK = (0.2, 256)  # cores and MB of a framework's own container
FRAMEWORK_IDENTITIES = ("rest-certificate", "rest-password")  # and in that of a pool via framework


def pool_problems(
    stack: str,
    pool: Pool,
    federation: Federation,
    sites: Mapping[str, SiteStack],
    others: Mapping[str, Pool],
    home: Path,
) -> list[Problem]:
    """Everything wrong with one pool: alone, against its sites' machines, and beside the other pools."""
    file = f"Pulumi.{stack}.yaml"
    return [
        *_pool_name(file, stack),
        *_pool_sites(file, pool, federation),
        *_pool_addresses(file, pool, federation),
        *_pool_users(file, pool, home),
        *container_problems(file, pool, federation, sites),
        *_pool_capacity(file, pool, sites),
        *_pool_neighbours(file, pool, federation, others),
        *framework_problems(file, stack, pool, federation, sites, others),
        *policy_problems(file, stack, pool, federation, others),
        *rotation_problems(pool.rotate, pool_identities(pool), file, "pool.rotate"),
    ]


def pool_identities(pool: Pool) -> list[str]:
    """The names of all that can be rotated in the pool's stack."""
    return [*POOL_IDENTITIES, *(FRAMEWORK_IDENTITIES if pool.via == "framework" else ())]


def _pool_name(file: str, stack: str) -> Iterator[Problem]:
    if not re.fullmatch(NAME, stack):
        what, _, mend = NAME_FORM.partition("|")
        yield _at("(file name)", f"{stack!r} {what} of a pool", f"name it Pulumi.<pool>.yaml, and {mend}", file)


def _pool_sites(file: str, pool: Pool, federation: Federation) -> Iterator[Problem]:
    known = ", ".join(federation.sites)
    for i, name in enumerate(pool.sites):
        if name not in federation.sites:
            yield _at(f"pool.sites.{i}", f"unknown site {name!r}", f"write one of {known}", file)
        if name in pool.sites[:i]:
            yield _at(f"pool.sites.{i}", f"{name!r} is named twice", "remove one", file)
    if pool.submit_node.site not in pool.sites:
        yield _at(
            "pool.submit_node.site",
            f"{pool.submit_node.site!r} is not among the pool's sites",
            f"write one of {', '.join(dict.fromkeys(s for s in pool.sites if s in federation.sites)) or known}",
            file,
        )


def _pool_addresses(file: str, pool: Pool, federation: Federation) -> Iterator[Problem]:
    fixed, seen = federation.network.fixed, dict[str, str]()
    more = pool.central_manager.more_addresses
    if len(more) > pool.central_managers - 1:
        yield _at(
            "pool.central_manager.more_addresses",
            f"{len(more)} given, but {pool.central_managers - 1 or 'no'} further central manager is wanted",
            f"write {len(more) + 1} for pool.central_managers, or fewer addresses",
            file,
        )
    for place, address in addresses.fixed_addresses(federation, pool):
        if place == "pool.central_managers" and IPv4Address(address) not in fixed:
            yield _at(
                place,
                f"{address}, by the pool's number, is not in network.fixed ({fixed})",
                "write central_manager.more_addresses, or a wider network.fixed",
                file,
            )
        elif IPv4Address(address) not in fixed:
            mend = (
                "write a smaller number, or a wider network.fixed"
                if place == "pool.number"
                else f"write an address of {fixed}"
            )
            yield _at(place, f"{address} is not in network.fixed ({fixed})", mend, file)
        if address in seen and place == "pool.number":  # by arithmetic: what was written is to be changed
            yield _at(seen[address], f"{address} is the pool's own already, by its number", "write another", file)
        elif address in seen:
            whose = "the central manager's" if "submit_node" in place else "the pool's own already:"
            what = f"is {whose} too" if "submit_node" in place else f"{address} is {whose[:-1]} (by {seen[address]})"
            yield _at(place, what, "write another", file)
        seen.setdefault(address, place)


def _pool_users(file: str, pool: Pool, home: Path) -> Iterator[Problem]:
    names, uids = Counter(u.name for u in pool.users), Counter(u.uid for u in pool.users)
    for i, user in enumerate(pool.users):
        place = f"pool.users.{i}"
        if names[user.name] > 1:
            yield _at(f"{place}.name", f"{user.name!r} is there {names[user.name]} times", "keep one", file)
        if uids[user.uid] > 1:
            yield _at(
                f"{place}.uid", f"{user.uid} is there {uids[user.uid]} times", "give each user a uid of their own", file
            )
        if user.name in RESERVED_USERS:
            yield _at(f"{place}.name", f"{user.name!r} is a system account", "write another name", file)
        if not user.ssh_keys and not user.ssh_key_files:
            yield _at(place, f"{user.name} has no key to log in with", "write ssh_keys or ssh_key_files", file)
        for j, name in enumerate(user.ssh_key_files):
            path = expand(name, home)
            where = f"{place}.ssh_key_files.{j}"
            if not path.is_file():
                yield _at(
                    where,
                    f"{name} is missing",
                    f"write it with: ssh-keygen -t ed25519 -f {str(path).removesuffix('.pub')}",
                    file,
                )
            elif not is_public_key(path.read_text()):
                yield _at(where, f"{name} holds no SSH public key", "name a .pub file of ssh-keygen", file)
        for j, key in enumerate(user.ssh_keys):
            if not is_public_key(key):
                yield _at(f"{place}.ssh_keys.{j}", "is no SSH public key", "write the one line of a .pub file", file)


RESERVED_USERS = {
    "root",
    "condor",
    "nobody",
    "daemon",
    "bin",
    "sys",
    "sshd",
    "mail",
    "games",
    "man",
    "proxy",
    "sync",
    "www-data",
}


def is_public_key(line: str) -> bool:
    """Whether the base64 of an OpenSSH public key says what its first word says."""
    words = line.split()
    if len(words) < 2:
        return False
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError):
        return False
    size = int.from_bytes(blob[:4], "big")
    return len(blob) > 4 + size and blob[4 : 4 + size] == words[0].encode()


def _pool_capacity(file: str, pool: Pool, sites: Mapping[str, SiteStack]) -> Iterator[Problem]:
    """Refuses a pool that its sites' machines cannot hold; silent about sites whose file is not here."""
    if any(name not in sites for name in pool.sites):
        return
    there = [(site, machine) for site in pool.sites for machine in machines(site, sites[site])]
    sizes, wanted = [machine.size for _, machine in there], pool.executors
    # Whether there are any is told elsewhere.
    able = [machine.size for site, machine in there if satisfies(site, machine, wanted.attributes)]
    if wanted.count and able and not any(_executors_on(m, pool) for m in able):
        largest = max(able, key=lambda m: (m.cpus, m.memory))
        fits = any(m.cpus >= wanted.cpus and m.memory >= wanted.memory for m in able)
        disk = f" and {wanted.disk} MB of disk" if fits else ""
        has = f" and {largest.disk} MB of disk" if fits else ""
        yield _at(
            "pool.executors",
            f"no machine has {wanted.cpus:g} cpus and {wanted.memory} MB{disk} for one executor",
            f"the largest has {largest.cpus:g} cpus and {largest.memory} MB{has}: write less",
            file,
        )
        return
    short = False
    daemons = [*[pool.central_manager] * pool.central_managers, pool.submit_node]
    more = FRAMEWORK if pool.via == "framework" else (0.0, 0)
    for unit, has_, asks in (
        ("cpus", sum(m.cpus for m in sizes), wanted.count * wanted.cpus + sum(r.cpus for r in daemons) + more[0]),
        (
            "memory",
            sum(m.memory for m in sizes),
            wanted.count * wanted.memory + sum(r.memory for r in daemons) + more[1],
        ),
    ):
        if asks > has_:
            mb = " MB" if unit == "memory" else ""
            yield _at(
                "pool.executors.count",
                f"the pool asks for {asks:g}{mb} of {unit}, its sites' {len(sizes)} machines have {has_:g}{mb}",
                "write fewer or smaller executors, or more agents in Pulumi.<site>.yaml",
                file,
            )
            short = True
    room = sum(_executors_on(m, pool) for m in able)
    whose = "of the pool's sites" if len(able) == len(sizes) else "that have their attributes"
    if able and wanted.count > room and not short:
        yield _at(
            "pool.executors.count",
            f"{wanted.count} executors of {wanted.cpus:g} cpus, {wanted.memory} MB and {wanted.disk} MB of disk do not fit on "
            f"the {len(able)} machines {whose}, {room} do",
            "write fewer or smaller executors, or more agents in Pulumi.<site>.yaml",
            file,
        )


def _executors_on(machine: MachineSize, pool: Pool) -> int:
    wanted = pool.executors
    return int(min(machine.cpus // wanted.cpus, machine.memory // wanted.memory, machine.disk // wanted.disk))


def _pool_neighbours(file: str, pool: Pool, federation: Federation, others: Mapping[str, Pool]) -> Iterator[Problem]:
    mine = {address: place for place, address in addresses.fixed_addresses(federation, pool)}
    for name, other in others.items():
        theirs = {address for _, address in addresses.fixed_addresses(federation, other)}
        if pool.number == other.number:
            yield _at(
                "pool.number", f"{pool.number} gives addresses that pool {name} has", "write a number of its own", file
            )
        else:
            for address in sorted(mine.keys() & theirs):
                yield _at(mine[address], f"{address} is pool {name}'s", "write another address", file)
        if (pool.submit_node.site, pool.submit_node.ssh_port) == (other.submit_node.site, other.submit_node.ssh_port):
            yield _at(
                "pool.submit_node.ssh_port",
                f"{pool.submit_node.ssh_port} on {pool.submit_node.site} is pool {name}'s",
                "write another port",
                file,
            )
    yield from _pool_port(file, pool, federation)


def _pool_port(file: str, pool: Pool, federation: Federation) -> Iterator[Problem]:
    """Where the front-end listens already, now or once another pool comes."""
    place, port = "pool.submit_node.ssh_port", pool.submit_node.ssh_port
    first, last = addresses.REST + 1, addresses.REST + addresses.POOLS
    if first <= port <= last:
        yield _at(place, f"{port} is kept for frameworks ({first} to {last})", "write another port", file)
    services = {addresses.MESOS_AGENT: "Mesos' agent"}
    if pool.submit_node.site in federation.quorum_sites:
        services |= {
            addresses.ETCD_CLIENT: "etcd",
            addresses.ETCD_PEER: "etcd",
            addresses.ZOOKEEPER_CLIENT: "ZooKeeper",
            2888: "ZooKeeper",
            3888: "ZooKeeper",
            addresses.MESOS_MASTER: "Mesos' master",
            addresses.MARATHON: "Marathon",
        }
    if pool.submit_node.site == federation.history_site:
        own = (
            addresses.HISTORY,
            addresses.HISTORY + 1,
            addresses.HISTORY + 101,
        )  # the last two on loopback (images/opensearch)
        services |= dict.fromkeys(own, "the index of finished jobs")
    if port in services:
        yield _at(place, f"{port} on {pool.submit_node.site} is that of {services[port]}", "write another port", file)
