"""Who may talk to whom, as Calico's policies. Pure: a configuration in, Calico's objects out.

Each pool is a tenant. Its containers carry the label `aerie-pool`, those of the framework `aerie-role: framework` too. What no
policy allows is dropped, in both directions, on the machine that the container is on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from .. import yaml_text
from ..batch.role_containers import POOL_LABEL, ROLE_LABEL
from ..spec import addresses
from ..spec.dual_stack import NEVER_OUTSIDE6, twin, twin_network
from ..spec.model import Federation, Pool
from ..spec.policy_rules import NEVER_OUTSIDE, TOOLS_POOL, own_networks
from ..spec.pool_network import Closing, Opening
from .objects import Object, calico_object

Rule = dict[str, Any]

NET_LABEL = "aerie-net"  # of sets of addresses: what they are to the federation
TOOLS_PORT = 5201  # where the tools' probes measure throughput
FRAMEWORK_ROLE = "framework"
ICMP = {"ICMP": 4, "ICMPv6": 6}  # the families' own
# Policies are asked in this order, and the first rule that fits decides. A pool's own `deny_to` and `deny_from` come
# after what must work in any case.
FRONT_ENDS, FRAMEWORK, POOL, TOOLS, REST = 100, 200, 300, 400, 10000


def _policy(
    name: str, order: int, selector: str, ingress: list[Rule] | None = None, egress: list[Rule] | None = None
) -> Object:
    """None for a direction about which the policy says nothing; an empty list allows nothing in it."""
    spec: dict[str, Any] = {"order": order, "selector": selector, "types": []}
    for kind, rules in (("Ingress", ingress), ("Egress", egress)):
        if rules is not None:
            spec["types"].append(kind)
            if rules:
                spec[kind.lower()] = rules
    return calico_object("GlobalNetworkPolicy", name, spec)


def _rule(name: str, action: str, **match: Any) -> Rule:
    """`name` is what `calicoctl get gnp -o yaml` and the comments of iptables show."""
    return {"action": action, **match, "metadata": {"annotations": {"name": name}}}


def _networks(what: str) -> dict[str, str]:
    """The sets of addresses that are `what`. Only sets: a container with such a label is none of them."""
    return {"selector": f"{NET_LABEL} == '{what}'", "namespaceSelector": "global()"}


def pool_selector(name: str) -> str:
    """All containers of the pool."""
    return f"{POOL_LABEL} == '{name}'"


# -- of every site


def base_policies(federation: Federation, site: str) -> list[Object]:
    """What a site's nodes apply with its other objects.

    The policies are the same at every site, word for word. What differs from site to site are sets of addresses, each
    site's own: a new one adds its sets, and nothing changes at the others nor in the pools.
    """
    own, six = federation.sites[site], federation.network.ipv6
    front_end = addresses.front_end(federation, site)
    sets = {
        "front-end": [f"{front_end}/32", *([f"{twin(federation, front_end)}/128"] if six else [])],
        "lan": [str(own.lan), *([str(twin_network(federation, own.lan))] if six else [])],
        # Where the front-end is reached from outside: what it forwards there is not to be reached by that way from inside.
        "wan": [f"{own.vpn_endpoint.partition(':')[0]}/32"],
        "dns": name_servers(federation, site),
    }
    return [
        *(
            calico_object("GlobalNetworkSet", f"{what}-{site}", {"nets": nets}, {NET_LABEL: what})
            for what, nets in sets.items()
            if nets
        ),
        *_everywhere(ipv6=six is not None),
    ]


def _everywhere(ipv6: bool) -> list[Object]:
    front_end, tools = _networks("front-end"), pool_selector(TOOLS_POOL)
    pools = f"has({POOL_LABEL}) && {POOL_LABEL} != '{TOOLS_POOL}'"
    measure = [("TCP", {"ports": [TOOLS_PORT]}), ("UDP", {"ports": [TOOLS_PORT]}), ("ICMP", {})]
    measure += [("ICMPv6", {})] if ipv6 else []
    ping = [("ICMP", 8), *([("ICMPv6", 128)] if ipv6 else [])]
    return [
        _policy(
            "front-ends",
            FRONT_ENDS,
            pools,
            [
                # Health checks, log-ins, the way to a framework's REST with its metrics.
                _rule("from-front-ends", "Allow", protocol="TCP", source=front_end),
                *(
                    _rule("ping-from-front-ends", "Allow", protocol=p, icmp={"type": t}, source=front_end)
                    for p, t in ping
                ),
            ],
        ),
        _policy(
            "tools",
            TOOLS,
            tools,
            [_rule("probes", "Allow", protocol=p, source={"selector": tools}, **_to(ports)) for p, ports in measure],
            [_rule("probes", "Allow", protocol=p, destination={"selector": tools, **ports}) for p, ports in measure],
        ),
        _policy("default-deny", REST, "all()", [], []),
    ]


def _to(ports: Mapping[str, Any]) -> dict[str, Any]:
    return {"destination": dict(ports)} if ports else {}


def name_servers(federation: Federation, site: str) -> list[str]:
    """Networks in the site's LAN where the cloud's name servers are: its router, and its last addresses, which no machine has.

    None on the embedded IaaS, where containers' questions leave by the machine itself, as those of a loopback resolver do.
    """
    wan = federation.embedded.wan if federation.embedded else None
    if wan and IPv4Network(federation.sites[site].vpn_endpoint.partition(":")[0]).subnet_of(wan):
        return []
    lan = addresses.lan(federation, site)
    last = int(lan.network.broadcast_address) + 1 - addresses.CLOUDS_OWN
    return [f"{lan.gateway}/32", str(IPv4Network((last, 32 - (addresses.CLOUDS_OWN.bit_length() - 1))))]


# -- of a pool


def policy_names(name: str) -> list[str]:
    """Every policy that a pool may have: what is not among those that it has is taken away."""
    return [f"pool-{name}", f"framework-{name}"]


def pool_policies(federation: Federation, name: str, pool: Pool) -> list[Object]:
    """What the pool's containers may do, and who may reach them."""
    out = [_own(federation, name, pool)]
    if pool.via == "framework":
        out.append(_framework(federation, name))
    return out


def policies_yaml(federation: Federation, name: str, pool: Pool) -> str:
    """The same as calicoctl reads it; the same text for the same configuration."""
    return yaml_text.dump_all(pool_policies(federation, name, pool), sort_keys=True)


def _own(federation: Federation, name: str, pool: Pool) -> Object:
    own, network = {"selector": pool_selector(name)}, pool.network
    icmp = [*ICMP] if federation.network.ipv6 else ["ICMP"]
    ingress = [
        *_closings("deny-from", network.deny_from, "source"),
        _rule("own-pool", "Allow", source=own),
        *_openings("allow-from", network.allow_from, "source", icmp),
    ]
    egress = [
        *_closings("deny-to", network.deny_to, "destination"),
        _rule("own-pool", "Allow", destination=own),
        *_openings("allow-to", network.allow_to, "destination", icmp),
        *(_outside(federation) if network.outside else []),
    ]
    return _policy(f"pool-{name}", POOL, pool_selector(name), ingress, egress)


def _outside(federation: Federation) -> Iterable[Rule]:
    for protocol in ("UDP", "TCP"):
        yield _rule("name-servers", "Allow", protocol=protocol, destination={**_networks("dns"), "ports": [53]})
    inside = [*(network for _, network in own_networks(federation)), *(network for _, network in NEVER_OUTSIDE)]
    # Sites that have no address in these networks say where they are by their sets.
    others = {"notSelector": f"has({NET_LABEL})"}
    if not federation.network.ipv6:
        yield _rule("outside", "Allow", destination={"notNets": [str(n) for n in inside], **others})
        return
    inside6 = [federation.network.ipv6, *(network for _, network in NEVER_OUTSIDE6)]
    for version, networks in ((4, inside), (6, inside6)):
        destination = {"notNets": [str(n) for n in networks], **others}
        yield _rule("outside", "Allow", ipVersion=version, destination=destination)


def _framework(federation: Federation, name: str) -> Object:
    """What the pool's own scheduler needs beyond its pool."""
    members = [f"{address}/32" for address in addresses.quorum_addresses(federation).values()]
    services = (("mesos-masters", addresses.MESOS_MASTER), ("zookeeper", addresses.ZOOKEEPER_CLIENT))
    egress = [
        _rule(what, "Allow", protocol="TCP", destination={"nets": members, "ports": [port]}) for what, port in services
    ]
    selector = f"{pool_selector(name)} && {ROLE_LABEL} == '{FRAMEWORK_ROLE}'"
    return _policy(f"framework-{name}", FRAMEWORK, selector, egress=egress)


def _matches(ports: list[str], icmp: list[str]) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """What a rule says beside its peers, and of its destination; for each protocol one rule."""
    if not ports:
        yield {}, {}
    for protocol in ("tcp", "udp"):
        named = [port.partition("/")[2] for port in ports if port.startswith(f"{protocol}/")]
        if named:
            yield {"protocol": protocol.upper()}, {"ports": [_port(each) for each in named]}
    if "icmp" in ports:
        for protocol in icmp:
            yield {"protocol": protocol}, {}


def _port(text: str) -> int | str:
    """As Calico's API has it: a number, or FIRST:LAST."""
    return text.replace("-", ":") if "-" in text else int(text)


def _closings(what: str, closings: list[Closing], end: str) -> Iterable[Rule]:
    for n, closing in enumerate(closings):
        for icmp, nets in _by_family(closing.nets):
            yield from _at(f"{what}-{n}", "Deny", {"nets": nets}, closing.ports, end, [icmp])


def _by_family(nets: Iterable[IPv4Network | IPv6Network]) -> Iterable[tuple[str, list[str]]]:
    """A rule of Calico's has networks of one family, whose ICMP is this one."""
    nets = list(nets)
    for icmp, version in ICMP.items():
        if found := [str(net) for net in nets if net.version == version]:
            yield icmp, found


def _openings(what: str, openings: list[Opening], end: str, pools_icmp: list[str]) -> Iterable[Rule]:
    for n, opening in enumerate(openings):
        if opening.pools:
            names = ", ".join(f"'{name}'" for name in opening.pools)
            peers = {"selector": f"{POOL_LABEL} in {{{names}}}"}
            yield from _at(f"{what}-{n}", "Allow", peers, opening.ports, end, pools_icmp)
        for icmp, nets in _by_family(opening.nets):
            yield from _at(f"{what}-{n}", "Allow", {"nets": nets}, opening.ports, end, [icmp])


def _at(name: str, action: str, peer: Mapping[str, Any], ports: list[str], end: str, icmp: list[str]) -> Iterable[Rule]:
    """`end` is where the peer is; ports are the destination's in any case; `icmp` is what ICMP is of the peer's families."""
    for said, of_destination in _matches(ports, icmp):
        ends = {end: dict(peer)}
        if of_destination:
            ends["destination"] = {**ends.get("destination", {}), **of_destination}
        yield _rule(name, action, **said, **ends)
