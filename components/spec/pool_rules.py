"""The rules of a pool: alone, against its sites' machines, and beside the other pools. Pure but for the users' key files."""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path

from ..batch.knobs import dangerous_knobs
from . import addresses
from .model import NAME, NAME_FORM, Federation, MachineSize, Pool, SiteStack
from .problems import Problem
from .rules import expand, rotation_problems


def _at(place: str, what: str, mend: str, file: str) -> Problem:
    return Problem(file, place, what, mend)


POOL_IDENTITIES = ("pool-key", "submit-key", "ssh-host-key")  # what can be rotated in a pool's stack


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
        *_pool_capacity(file, pool, sites),
        *_pool_neighbours(file, pool, federation, others),
        *_pool_condor_config(file, pool),
        *rotation_problems(pool.rotate, list(POOL_IDENTITIES), file, "pool.rotate"),
    ]


def _pool_name(file: str, stack: str) -> Iterator[Problem]:
    if not re.fullmatch(NAME, stack):
        what, _, mend = NAME_FORM.partition("|")
        yield _at("(file name)", f"{stack!r} {what} of a pool", f"name it Pulumi.<pool>.yaml, and {mend}", file)


def _pool_condor_config(file: str, pool: Pool) -> Iterator[Problem]:
    """HTCondor's own lines that would open what a pool keeps shut."""
    entry_of = [i for i, entry in enumerate(pool.condor_config) for _ in entry.splitlines() or [""]]
    for message in dangerous_knobs("\n".join(pool.condor_config)):
        number, _, what = message.removeprefix("line ").partition(": ")
        what, _, mend = what.rpartition("; ")
        yield _at(f"pool.condor_config.{entry_of[int(number) - 1]}", what, mend, file)


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
    fixed = federation.network.fixed
    for role in ("central_manager", "submit_node"):
        address = IPv4Address(getattr(addresses, role)(federation, pool))
        if address not in fixed:
            place = f"pool.{role}.address" if getattr(pool, role).address else "pool.number"
            yield _at(place, f"{address} is not in network.fixed ({fixed})", f"write an address of {fixed}", file)
    if addresses.central_manager(federation, pool) == addresses.submit_node(federation, pool):
        yield _at("pool.submit_node.address", "is the central manager's too", "write another", file)


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
    machines = [sites[name].machine for name in pool.sites for _ in range(1 + sites[name].agents)]
    wanted = pool.executors
    if wanted.count and not any(m.cpus >= wanted.cpus and m.memory >= wanted.memory for m in machines):
        largest = max(machines, key=lambda m: (m.cpus, m.memory))
        yield _at(
            "pool.executors",
            f"no machine has {wanted.cpus:g} cpus and {wanted.memory} MB for one executor",
            f"the largest has {largest.cpus:g} cpus and {largest.memory} MB: write less",
            file,
        )
        return
    short = False
    for unit, has, asks in (
        (
            "cpus",
            sum(m.cpus for m in machines),
            wanted.count * wanted.cpus + pool.central_manager.cpus + pool.submit_node.cpus,
        ),
        (
            "memory",
            sum(m.memory for m in machines),
            wanted.count * wanted.memory + pool.central_manager.memory + pool.submit_node.memory,
        ),
    ):
        if asks > has:
            mb = " MB" if unit == "memory" else ""
            yield _at(
                "pool.executors.count",
                f"the pool asks for {asks:g}{mb} of {unit}, its sites' {len(machines)} machines have {has:g}{mb}",
                "write fewer or smaller executors, or more agents in Pulumi.<site>.yaml",
                file,
            )
            short = True
    room = sum(_executors_on(m, pool) for m in machines)
    if wanted.count > room and not short:
        yield _at(
            "pool.executors.count",
            f"{wanted.count} executors of {wanted.cpus:g} cpus, {wanted.memory} MB and {wanted.disk} MB of disk do not fit on "
            f"the {len(machines)} machines of the pool's sites, {room} do",
            "write fewer or smaller executors, or more agents in Pulumi.<site>.yaml",
            file,
        )


def _executors_on(machine: MachineSize, pool: Pool) -> int:
    wanted = pool.executors
    return int(min(machine.cpus // wanted.cpus, machine.memory // wanted.memory, machine.disk // wanted.disk))


def _pool_neighbours(file: str, pool: Pool, federation: Federation, others: Mapping[str, Pool]) -> Iterator[Problem]:
    mine = {addresses.central_manager(federation, pool), addresses.submit_node(federation, pool)}
    for name, other in others.items():
        theirs = {addresses.central_manager(federation, other), addresses.submit_node(federation, other)}
        if mine & theirs:
            yield _at(
                "pool.number", f"{pool.number} gives addresses that pool {name} has", "write a number of its own", file
            )
        if (pool.submit_node.site, pool.submit_node.ssh_port) == (other.submit_node.site, other.submit_node.ssh_port):
            yield _at(
                "pool.submit_node.ssh_port",
                f"{pool.submit_node.ssh_port} on {pool.submit_node.site} is pool {name}'s",
                "write another port",
                file,
            )
