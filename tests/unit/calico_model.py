"""How Calico's Felix judges a connection, as far as our policies need it: an independent reading of its rules, for tests.

Policies that select an endpoint are asked in their order; the first rule that fits decides; if none does, the connection is
dropped. It has to be let out of where it begins and into where it ends; host processes are endpoints of neither kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Object = Mapping[str, Any]
NAMESPACE = "projectcalico.org/namespace"


@dataclass(frozen=True)
class End:
    """A container (with labels), or with None whatever else has an address: a machine, somebody outside."""

    address: str
    labels: Mapping[str, str] | None = field(default=None)

    @property
    def seen(self) -> Mapping[str, str] | None:
        return None if self.labels is None else {NAMESPACE: "libnetwork", **self.labels}


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit a selector. Raises ValueError for a form that is not read here."""
    return all(_term(term.strip(), labels) for term in selector.split("&&"))


def _term(term: str, labels: Mapping[str, str]) -> bool:
    if term == "all()":
        return True
    if found := re.fullmatch(r"has\(([\w./-]+)\)", term):
        return found[1] in labels
    if found := re.fullmatch(r"([\w./-]+) (==|!=) '([\w.-]+)'", term):
        return (labels.get(found[1]) == found[3]) == (found[2] == "==")
    if found := re.fullmatch(r"([\w./-]+) in \{('[\w.-]+'(?:, '[\w.-]+')*)\}", term):
        return labels.get(found[1]) in re.findall(r"'([\w.-]+)'", found[2])
    raise ValueError(f"not read here: {term}")


@dataclass
class Calico:
    """All objects of a federation, as its nodes and pools have applied them."""

    objects: list[Object]

    def of(self, kind: str) -> list[Object]:
        return [o for o in self.objects if o["kind"] == kind]

    def may(self, source: End, target: End, protocol: str = "TCP", port: int = 0) -> bool:
        """Whether a new connection gets through. `port` counts for TCP and UDP; of ICMP it is the type."""
        out = source.labels is None or self._judge("egress", source, source, target, protocol, port)
        return out and (target.labels is None or self._judge("ingress", target, source, target, protocol, port))

    def _judge(self, way: str, whose: End, source: End, target: End, protocol: str, port: int) -> bool:
        policies = [
            p["spec"]
            for p in self.of("GlobalNetworkPolicy")
            if way.capitalize() in p["spec"]["types"] and selects(p["spec"]["selector"], whose.seen or {})
        ]
        for policy in sorted(policies, key=lambda p: p["order"]):
            for rule in policy.get(way, []):
                if self._fits(rule, source, target, protocol, port):
                    return bool(rule["action"] == "Allow")
        return not policies  # then profiles count

    def _fits(self, rule: Object, source: End, target: End, protocol: str, port: int) -> bool:
        if rule.get("protocol", protocol) != protocol:
            return False
        if protocol == "ICMP" and rule.get("icmp", {}).get("type", port) != port:
            return False
        ports = rule.get("destination", {}).get("ports")
        if ports is not None and not any(_has(each, port) for each in ports):
            return False
        return self._is(rule.get("source", {}), source) and self._is(rule.get("destination", {}), target)

    def _is(self, peer: Object, end: End) -> bool:
        address = IPv4Address(end.address)
        if "nets" in peer and not _in(address, peer["nets"]):
            return False
        if "notNets" in peer and _in(address, peer["notNets"]):
            return False
        if "selector" in peer:
            sets = peer.get("namespaceSelector")
            assert sets in (None, "global()"), sets
            if not self._known(peer["selector"], end, only_sets=sets is not None):
                return False
        return not ("notSelector" in peer and self._known(peer["notSelector"], end, only_sets=False))

    def _known(self, selector: str, end: End, only_sets: bool) -> bool:
        """Whether the address is that of a container, or in a set of addresses, which the selector selects."""
        if not only_sets and end.seen is not None and selects(selector, end.seen):
            return True
        return any(
            selects(selector, s["metadata"]["labels"]) and _in(IPv4Address(end.address), s["spec"]["nets"])
            for s in self.of("GlobalNetworkSet")
        )


def _in(address: IPv4Address, nets: Iterable[str]) -> bool:
    return any(address in IPv4Network(net) for net in nets)


def _has(ports: int | str, port: int) -> bool:
    first, _, last = str(ports).partition(":")
    return int(first) <= port <= int(last or first)
