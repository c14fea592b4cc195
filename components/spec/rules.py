"""The rules that take more than one field to see. Pure: a configuration in, problems out."""

from __future__ import annotations

import base64
import binascii
import difflib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ..batch.knobs import dangerous_knobs
from . import addresses
from .model import NAME, NAME_FORM, Federation, FederationStack, MachineSize, Pool, SiteStack
from .problems import Problem

FEDERATION = "federation.yaml"
PLACEHOLDERS = {"changeit", "changeme", "change-me", "secret", "password", "admin", "todo", "xxx", "example"}


@dataclass(frozen=True)
class HostNetwork:
    """A network that the Docker host has already, and whose it is, for messages."""

    network: IPv4Network
    owner: str


def federation_problems(federation: Federation, host: list[HostNetwork] | None = None) -> list[Problem]:
    """Everything wrong within federation.yaml, and between it and the networks of the Docker host."""
    return [
        *_quorum(federation),
        *_networks(federation),
        *_as_numbers(federation),
        *_endpoints(federation),
        *_mtu(federation),
        *_host_networks(federation, host or []),
    ]


def _at(place: str, what: str, mend: str, file: str = FEDERATION) -> Problem:
    return Problem(file, place, what, mend)


def _quorum(federation: Federation) -> Iterator[Problem]:
    count = len(federation.quorum_sites)
    if count in (1, 3, 5, 7):
        return
    if count == 0:
        yield _at("sites", "no site holds a quorum member", "write quorum: true at 1, 3 or 5 of them")
    elif count % 2 == 0:
        lost = (count - 1) // 2
        outlives = "the loss of either" if count == 2 else f"the loss of {lost + 1}"
        yield _at(
            "sites",
            f"{count} sites hold a quorum member",
            f"use 1, 3 or 5: with {count} {outlives} stops the cluster, no better than with {count - 1}",
        )
    else:
        yield _at("sites", f"{count} sites hold a quorum member", "use 1, 3, 5 or 7: more only slow each write down")


def _networks(federation: Federation) -> Iterator[Problem]:
    net = federation.network
    named = [
        ("network.lans", net.lans),
        ("network.containers", net.containers),
        ("network.fixed", net.fixed),
    ]
    if federation.embedded:
        named.append(("embedded.wan", federation.embedded.wan))
    yield from _overlaps(named)
    for kind, parent in (("lan", net.lans), ("containers", net.containers)):
        blocks = [(f"sites.{name}.{kind}", getattr(site, kind)) for name, site in federation.sites.items()]
        yield from _overlaps(blocks)
        for place, block in blocks:
            if not block.subnet_of(parent):
                other = "network.lans" if kind == "lan" else "network.containers"
                yield _at(place, f"{block} is not in {other} ({parent})", f"write a part of {parent}, or widen {other}")
    for name, site in federation.sites.items():
        if site.lan.prefixlen > 24:
            yield _at(f"sites.{name}.lan", f"{site.lan} is too small for a front-end and its agents", "write a /24 or wider")
        if site.containers.prefixlen > 26:
            yield _at(f"sites.{name}.containers", f"{site.containers} is less than one node's block", "write a /26 or wider")
    if net.fixed.prefixlen > 28:
        yield _at("network.fixed", f"{net.fixed} has no room for pools", "write a /28 or wider, such as a /24")


def _overlaps(named: list[tuple[str, IPv4Network]]) -> Iterator[Problem]:
    for i, (place, network) in enumerate(named):
        for earlier, other in named[:i]:
            if network.overlaps(other):
                yield _at(place, f"{network} overlaps {earlier} ({other})", "write a network that no other block uses")


def _as_numbers(federation: Federation) -> Iterator[Problem]:
    seen: dict[int, str] = {}
    for name, site in federation.sites.items():
        if site.as_number in seen:
            yield _at(
                f"sites.{name}.as_number",
                f"{site.as_number} is the AS of {seen[site.as_number]} too",
                f"write another, such as {_free_as(federation)}",
            )
        seen.setdefault(site.as_number, name)


def _free_as(federation: Federation) -> int:
    used = {s.as_number for s in federation.sites.values()} | {federation.network.as_number}
    return next(n for n in range(64512, 65535) if n not in used)


def _endpoints(federation: Federation) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, site in federation.sites.items():
        place = f"sites.{name}.vpn_endpoint"
        host, _, port = site.vpn_endpoint.partition(":")
        if not (_is_address(host) and 0 < int(port) < 65536):
            yield _at(place, f"{site.vpn_endpoint} is no address and UDP port", "write such as 172.30.0.11:51820")
        elif (last := addresses.vpn_ports(federation, name)[1]) > 65535:
            yield _at(
                place,
                f"each peer has a UDP port of its own, up to {last}, beyond 65535",
                f"write a port of at most {65535 - last + int(port)}, or narrow network.lans",
            )
        if site.vpn_endpoint in seen:
            yield _at(place, f"{site.vpn_endpoint} is {seen[site.vpn_endpoint]}'s too", "write this site's own address")
        seen.setdefault(site.vpn_endpoint, name)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _mtu(federation: Federation) -> Iterator[Problem]:
    net = federation.network
    if net.mtu > net.vpn_mtu:
        yield _at("network.mtu", f"{net.mtu} does not fit into vpn_mtu ({net.vpn_mtu})", f"write at most {net.vpn_mtu}")


def _host_networks(federation: Federation, host: list[HostNetwork]) -> Iterator[Problem]:
    blocks = [(f"sites.{name}.lan", site.lan) for name, site in federation.sites.items()]
    blocks += [("network.containers", federation.network.containers), ("network.fixed", federation.network.fixed)]
    if federation.embedded:
        blocks.append(("embedded.wan", federation.embedded.wan))
    for place, block in blocks:
        for other in host:
            if block.overlaps(other.network):
                yield _at(
                    place,
                    f"{block} overlaps {other.network}, which this machine uses already ({other.owner})",
                    "write a network that is free on this machine",
                )


def site_problems(name: str, stack: SiteStack, federation: Federation) -> list[Problem]:
    """Everything wrong between Pulumi.<site>.yaml and federation.yaml."""
    file, out = f"Pulumi.{name}.yaml", []
    if stack.iaas == "openstack" and stack.openstack is None:
        out.append(_at("openstack", "is missing, with iaas: openstack", "write image, flavor, external_network, operators", file))
    if stack.iaas == "docker":
        if stack.openstack is not None:
            out.append(_at("openstack", "is there, with iaas: docker", "remove it, or write iaas: openstack", file))
        if federation.embedded is None:
            out.append(_at("embedded", f"is missing, and {name} has iaas: docker", "write embedded: {wan: 172.30.0.0/24}"))
        else:
            endpoint = federation.sites[name].vpn_endpoint.partition(":")[0]
            wan = federation.embedded.wan
            if _is_address(endpoint) and not wan.network_address + 1 < IPv4Address(endpoint) < wan.broadcast_address:
                out.append(
                    _at(
                        f"sites.{name}.vpn_endpoint",
                        f"{endpoint} is not free in embedded.wan ({wan})",
                        f"write an address of {wan} after {wan.network_address + 1}",
                    )
                )
    room = federation.sites[name].lan.num_addresses - addresses.FRONT_END - 2
    if stack.agents > room:
        out.append(_at("agents", f"{stack.agents} do not fit into {federation.sites[name].lan}", f"write at most {room}", file))
    return out


def pool_problems(
    stack: str, pool: Pool, federation: Federation, sites: Mapping[str, SiteStack], others: Mapping[str, Pool], home: Path
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
            yield _at(f"{place}.uid", f"{user.uid} is there {uids[user.uid]} times", "give each user a uid of their own", file)
        if user.name in RESERVED_USERS:
            yield _at(f"{place}.name", f"{user.name!r} is a system account", "write another name", file)
        if not user.ssh_keys and not user.ssh_key_files:
            yield _at(place, f"{user.name} has no key to log in with", "write ssh_keys or ssh_key_files", file)
        for j, name in enumerate(user.ssh_key_files):
            path = expand(name, home)
            where = f"{place}.ssh_key_files.{j}"
            if not path.is_file():
                yield _at(where, f"{name} is missing", f"write it with: ssh-keygen -t ed25519 -f {str(path).removesuffix('.pub')}", file)
            elif not is_public_key(path.read_text()):
                yield _at(where, f"{name} holds no SSH public key", "name a .pub file of ssh-keygen", file)
        for j, key in enumerate(user.ssh_keys):
            if not is_public_key(key):
                yield _at(f"{place}.ssh_keys.{j}", "is no SSH public key", "write the one line of a .pub file", file)


RESERVED_USERS = {"root", "condor", "nobody", "daemon", "bin", "sys", "sshd", "mail", "games", "man", "proxy", "sync", "www-data"}


def expand(name: str, home: Path) -> Path:
    """A path of the configuration: `~` is the user's home, `$AERIE_HOME` the federation's own folder."""
    text = os.path.expandvars(name)
    return home / text[2:] if text.startswith("~/") else Path(text)


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
        ("cpus", sum(m.cpus for m in machines), wanted.count * wanted.cpus + pool.central_manager.cpus + pool.submit_node.cpus),
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
            yield _at("pool.number", f"{pool.number} gives addresses that pool {name} has", "write a number of its own", file)
        if (pool.submit_node.site, pool.submit_node.ssh_port) == (other.submit_node.site, other.submit_node.ssh_port):
            yield _at(
                "pool.submit_node.ssh_port",
                f"{pool.submit_node.ssh_port} on {pool.submit_node.site} is pool {name}'s",
                "write another port",
                file,
            )


# Every password of the federation, by what it opens.
PASSWORDS = ("mesos-agent", "mesos-operator", "mesos-marathon", "zookeeper-mesos", "zookeeper-marathon", "marathon-admin")


def identities(federation: Federation) -> list[str]:
    """The names of all that can be rotated: keys, certificates and passwords of the federation's stack."""
    return ["ca", "calico", *PASSWORDS, *(f"{kind}-{site}" for kind in ("ssh", "wireguard") for site in federation.sites)]


def own_problems(stack: FederationStack, federation: Federation, file: str) -> list[Problem]:
    """Everything wrong between Pulumi.federation.yaml and federation.yaml."""
    known, out = identities(federation), []
    for name in stack.rotate:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            out.append(_at(f"rotate.{name}", f"unknown identity {name!r}", f"write one of {', '.join(near or known)}", file))
    return out


def placeholder_problems(file: str, data: object, place: str = "") -> list[Problem]:
    """Values that somebody meant to change before going live, wherever a key looks like a secret's."""
    out: list[Problem] = []
    if isinstance(data, dict):
        for key, value in data.items():
            where = f"{place}.{key}" if place else str(key)
            secret = any(word in str(key).lower() for word in ("password", "secret", "token", "passphrase", "credential"))
            if secret and isinstance(value, str) and (value.strip().lower() in PLACEHOLDERS or value.startswith("<")):
                out.append(_at(where, "still has its placeholder", "write a secret of your own: pulumi config set --secret", file))
            out += placeholder_problems(file, value, where)
    elif isinstance(data, list):
        for i, value in enumerate(data):
            out += placeholder_problems(file, value, f"{place}.{i}")
    return out
