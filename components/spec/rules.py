"""The rules that take more than one field to see. Pure: a configuration in, problems out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

from . import addresses
from .dual_stack import dual_stack_problems
from .link_rules import link_problems
from .model import Federation, FederationStack
from .monitoring_rules import alert_secret_problems, monitoring_problems
from .problems import Problem

FEDERATION = "federation.yaml"
PLACEHOLDERS = {"changeit", "changeme", "change-me", "secret", "password", "admin", "todo", "xxx", "example"}


@dataclass(frozen=True)
class HostNetwork:
    """A network that the Docker host has already, and whose it is, for messages."""

    network: IPv4Network
    owner: str


@dataclass(frozen=True)
class HostNetwork6:
    """The same of IPv6."""

    network: IPv6Network
    owner: str


HostNetworks = Sequence[HostNetwork | HostNetwork6]


def federation_problems(federation: Federation, host: HostNetworks = ()) -> list[Problem]:
    """Everything wrong within federation.yaml, and between it and the networks of the Docker host."""
    return [
        *_quorum(federation),
        *_networks(federation),
        *_endpoints(federation),
        *_mtu(federation),
        *link_problems(federation),
        *monitoring_problems(federation),
        *_host_networks(federation, [n for n in host if isinstance(n, HostNetwork)]),
        *dual_stack_problems(federation, [(n.network, n.owner) for n in host if isinstance(n, HostNetwork6)]),
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
            yield _at(
                f"sites.{name}.lan", f"{site.lan} is too small for a front-end and its agents", "write a /24 or wider"
            )
        if site.containers.prefixlen > 26:
            yield _at(
                f"sites.{name}.containers", f"{site.containers} is less than one node's block", "write a /26 or wider"
            )
    if net.fixed.prefixlen > 28:
        yield _at("network.fixed", f"{net.fixed} has no room for pools", "write a /28 or wider, such as a /24")


def _overlaps(named: list[tuple[str, IPv4Network]]) -> Iterator[Problem]:
    for i, (place, network) in enumerate(named):
        for earlier, other in named[:i]:
            if network.overlaps(other):
                yield _at(place, f"{network} overlaps {earlier} ({other})", "write a network that no other block uses")


def _endpoints(federation: Federation) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, site in federation.sites.items():
        place = f"sites.{name}.vpn_endpoint"
        host, _, port = site.vpn_endpoint.partition(":")
        if not (is_address(host) and 0 < int(port) < 65536):
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


def is_address(text: str) -> bool:
    """Whether it is an IPv4 address."""
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


def expand(name: str, home: Path) -> Path:
    """A path of the configuration: `~` is the user's home, `$AERIE_HOME` the federation's own folder."""
    text = os.path.expandvars(name)
    return home / text[2:] if text.startswith("~/") else Path(text)


# Every password of the federation, by what it opens.
PASSWORDS = (
    "mesos-agent",
    "mesos-operator",
    "mesos-marathon",
    "zookeeper-mesos",
    "zookeeper-marathon",
    "marathon-admin",
    "graphite",
    "pools",
)
GRAFANA_PASSWORD = "grafana-admin"
HISTORY_PASSWORDS = ("history", "history-writer")  # who asks the index of finished jobs, and who adds to it


def passwords(federation: Federation) -> list[str]:
    """The names of the federation's passwords: Grafana's and the history's only where there is one."""
    monitoring = federation.monitoring
    grafana = [GRAFANA_PASSWORD] if monitoring.grafana else []
    return [*PASSWORDS, *grafana, *(HISTORY_PASSWORDS if monitoring.history else ())]


def identities(federation: Federation) -> list[str]:
    """The names of all that can be rotated: keys, certificates and passwords of the federation's stack."""
    return [
        "ca",
        "calico",
        *passwords(federation),
        *(f"{kind}-{site}" for kind in ("ssh", "wireguard") for site in federation.sites),
    ]


# ZooKeeper's nodes belong to who made them: another password would be another owner, locked out of them.
# `pools` is what the pools' passwords for ZooKeeper are made from.
FOR_GOOD = {"zookeeper-mesos", "zookeeper-marathon", "pools"}


def rotation_problems(rotate: Mapping[str, int], known: list[str], file: str, place: str = "rotate") -> list[Problem]:
    """Names that are to be renewed and are none, or cannot be."""
    out = []
    for name in rotate:
        if name in FOR_GOOD and name in known:
            why = "cannot be renewed: ZooKeeper's nodes belong to it"
            out.append(_at(f"{place}.{name}", why, "remove it", file))
        elif name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            mend = f"write {near[0]}" if near else f"known here: {', '.join(known)}"
            out.append(_at(f"{place}.{name}", f"unknown identity {name!r}", mend, file))
    return out


def own_problems(stack: FederationStack, federation: Federation, file: str) -> list[Problem]:
    """Everything wrong between Pulumi.federation.yaml and federation.yaml."""
    found = rotation_problems(stack.rotate, identities(federation), file)
    return [*found, *alert_secret_problems(stack, federation, file)]


def placeholder_problems(file: str, data: object, place: str = "") -> list[Problem]:
    """Values that somebody meant to change before going live, wherever a key looks like a secret's."""
    out: list[Problem] = []
    if isinstance(data, dict):
        for key, value in data.items():
            where = f"{place}.{key}" if place else str(key)
            secret = any(
                word in str(key).lower() for word in ("password", "secret", "token", "passphrase", "credential")
            )
            if secret and isinstance(value, str) and (value.strip().lower() in PLACEHOLDERS or value.startswith("<")):
                out.append(
                    _at(
                        where,
                        "still has its placeholder",
                        "write a secret of your own: pulumi config set --secret",
                        file,
                    )
                )
            out += placeholder_problems(file, value, where)
    elif isinstance(data, list):
        for i, value in enumerate(data):
            out += placeholder_problems(file, value, f"{place}.{i}")
    return out
