"""`network.ipv6`: the addresses that follow from it, and what the program makes of them; without it nothing at all."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any, cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.fabric.calico import calico_container
from components.fabric.calico_objects import bgp_objects, calico_objects
from components.fabric.policy import base_policies, pool_policies
from components.fabric.vpn import peer_file, vpn_container
from components.host import networks6_of
from components.iaas.machine import Machine
from components.iaas.openstack.security import inside_rules
from components.spec import addresses
from components.spec.dual_stack import area, dual_stack_problems, twin, twin_interface, twin_network, twins_text
from components.spec.model import Federation, Pool
from components.spec.rules import HostNetwork6
from tests.unit.conftest import BASE

PREFIX = "fd7a:ae:1e::/48"
SITES = ("torino", "cnaf", "bari")


def federation(prefix: str | None = PREFIX) -> Federation:
    data = yaml.safe_load((BASE / "federation.yaml").read_text())
    if prefix:
        data["network"]["ipv6"] = prefix
    return Federation.model_validate(data)


def pool(**network: Any) -> Pool:
    users = [{"name": "u", "uid": 2000}]
    return Pool.model_validate(
        {"sites": [*SITES], "submit_node": {"site": "torino"}, "users": users, "network": network}
    )


def machine(site: str, front_end: bool = True) -> Machine:
    nothing = cast(Any, None)
    lan = addresses.lan(federation(), site)
    address = str(lan.front_end if front_end else lan.agent(1))
    name = f"{site}-front-end" if front_end else f"{site}-agent-1"
    return Machine(name, site, address, front_end, nothing, None, nothing, None)


# -- addresses


def test_an_address_and_its_twin() -> None:
    own = federation()
    assert str(twin(own, "172.31.1.10")) == "fd7a:ae:1e:1::ac1f:10a"
    assert str(twin(own, "10.65.64.7")) == "fd7a:ae:1e:2::a41:4007"
    assert str(twin(own, "10.66.0.11")) == "fd7a:ae:1e:3::a42:b"
    assert str(twin_network(own, IPv4Network("10.65.64.0/18"))) == "fd7a:ae:1e:2::a41:4000/114"
    assert twin_interface(own, "172.31.1.10", IPv4Network("172.31.1.0/24")) == "fd7a:ae:1e:1::ac1f:10a/120"
    assert twins_text(own) == "10.65.0.0/16=fd7a:ae:1e:2::,10.66.0.0/24=fd7a:ae:1e:3::"


@pytest.mark.parametrize("address", ["192.0.2.1", "172.30.0.11", "10.67.0.0"])
def test_what_is_none_of_the_federations_has_no_twin(address: str) -> None:
    with pytest.raises(ValueError, match=r"is in none of network\.lans, network\.containers, network\.fixed"):
        twin(federation(), address)


prefixes = st.builds(
    lambda number, length: str(IPv6Network(((0xFD << 120 | number << 64) >> (128 - length) << (128 - length), length))),
    st.integers(0, (1 << 56) - 1),
    st.integers(16, 62),
)
ours = st.sampled_from(["172.31.0.0/16", "10.65.0.0/16", "10.66.0.0/24"]).flatmap(
    lambda text: st.integers(0, IPv4Network(text).num_addresses - 1).map(lambda n: IPv4Network(text)[n])
)


@given(prefixes, ours, ours)
def test_twins_are_as_many_as_addresses_and_in_the_prefix(prefix: str, one: IPv4Address, other: IPv4Address) -> None:
    own = federation(prefix)
    assert dual_stack_problems(own) == []
    a, b = twin(own, one), twin(own, other)
    assert a and b and a in IPv6Network(prefix) and (a == b) == (one == other)
    assert a.packed[12:] == one.packed, "whoever reads the one knows the other"
    # The text that BIRD's configuration and the driver put an IPv4 address behind.
    for word in twins_text(own).split(","):
        assert word.endswith("::")


@given(prefixes)
def test_the_kinds_of_addresses_are_apart(prefix: str) -> None:
    own = federation(prefix)
    areas = [cast(IPv6Network, area(own, what)) for what in ("lans", "containers", "fixed")]
    assert all(a.prefixlen == 64 and a.subnet_of(IPv6Network(prefix)) for a in areas)
    assert len(set(areas)) == 3


def test_host_networks() -> None:
    routes = [{"dst": "default"}, {"dst": "fe80::/64", "dev": "e0"}, {"dst": "2001:db8:1::/64", "dev": "e0"},
              {"dst": "2001:db8:1::5", "dev": "e0"}, {"dst": "fd00:1::/64", "dev": "br-1"}, {"dst": "ff00::/8", "dev": "e0"}]  # fmt: skip
    docker = [
        {"Name": "x", "IPAM": {"Config": [{"Subnet": "10.0.0.0/8"}, {"Subnet": "fd00:1::/64"}]}, "Labels": {}},
        {"Name": "y", "IPAM": {"Config": [{"Subnet": "fd00:2::/64"}]}, "Labels": {"aerie.federation": "mine"}},
    ]
    assert networks6_of("mine", routes, docker) == [
        HostNetwork6(IPv6Network("fd00:1::/64"), "Docker network x"),
        HostNetwork6(IPv6Network("2001:db8:1::/64"), "interface e0"),
    ]


# -- what is made of them


def everything(own: Federation) -> Any:
    """All that the key has a say in."""
    demo = pool(allow_to=[{"nets": ["192.0.2.0/24"], "ports": ["icmp", "tcp/80"]}, {"pools": ["x"], "ports": ["icmp"]}],
                deny_to=[{"nets": ["192.0.2.9/32"]}])  # fmt: skip
    return [
        [calico_objects(own, site) for site in SITES],
        pool_policies(own, "demo", demo),
        [calico_container(own, machine(site, front_end), "i") for site in SITES for front_end in (True, False)],
        peer_file(own, "torino", "cnaf", "key"),
        vpn_container("i", own.network.ipv6 is not None),
        [*inside_rules(own)],
    ]


def test_without_the_key_there_is_no_word_of_it() -> None:
    text = repr(everything(federation(None)))
    for word in ("v6", "V6", "IP6", "Routes6", "::", "TWINS", "fd7a"):
        assert word not in text, word
    assert "fd7a" in repr(everything(federation()))


def test_what_calico_is_told_on_a_machine() -> None:
    own = federation()
    env = calico_container(own, machine("cnaf", front_end=False), "i").env
    wanted = {
        "IP": "172.31.2.11/24",
        "IP6": "fd7a:ae:1e:1::ac1f:20b/120",
        "CALICO_TWINS": "10.65.0.0/16=fd7a:ae:1e:2::,10.66.0.0/24=fd7a:ae:1e:3::",
        "CALICO_SITE_LAN6": "fd7a:ae:1e:1::ac1f:200/120",
        "CALICO_SITE_POOL6": "fd7a:ae:1e:2::a41:4000/114",
        "CALICO_FIXED6": "fd7a:ae:1e:3::a42:0/120",
        "CALICO_BLOCKS6": "fd7a:ae:1e:2::",
    }
    assert {key: env[key] for key in wanted} == wanted


def test_pools_of_twins_give_out_nothing() -> None:
    pools = {o["metadata"]["name"]: o["spec"] for o in calico_objects(federation(), "bari") if o["kind"] == "IPPool"}
    assert set(pools) == {"site-bari", "site-bari-v6", "fixed", "fixed-v6"}
    assert pools["site-bari-v6"] == pools["site-bari"] | {
        "cidr": "fd7a:ae:1e:2::a41:8000/114", "blockSize": 122, "nodeSelector": "!all()"}  # fmt: skip
    assert pools["fixed-v6"] == pools["fixed"] | {"cidr": "fd7a:ae:1e:3::a42:0/120", "blockSize": 128}


def test_a_site_announces_the_twins_of_its_own() -> None:
    (found,) = [o for o in bgp_objects(federation(), "cnaf") if o["kind"] == "BGPFilter"]
    assert [(r["matchOperator"], r["cidr"]) for r in found["spec"]["importV6"]] == [
        ("Equal", "fd7a:ae:1e:1::ac1f:200/120"),
        ("Equal", "fd7a:ae:1e:2::a41:4000/114"),
        ("In", "fd7a:ae:1e:2::a41:4000/114"),
    ]
    assert len(found["spec"]["importV4"]) == 3


def test_a_tunnel_carries_both() -> None:
    lines = peer_file(federation(), "torino", "cnaf", "key").splitlines()
    assert "# Address6 = fd7a:ae:1e:1::ac1f:10a/128" in lines
    assert "# Peer6 = fd7a:ae:1e:1::ac1f:20a" in lines and "# Routes6 = fd7a:ae:1e:1::ac1f:200/120" in lines
    assert "AllowedIPs = 0.0.0.0/0, ::/0" in lines
    assert "AllowedIPs = 0.0.0.0/0" in peer_file(federation(None), "torino", "cnaf", "key").splitlines()


def test_a_cloud_lets_it_through() -> None:
    six = {r.name: str(r.source) for r in inside_rules(federation()) if r.name.endswith("-v6")}
    assert six == {
        "inside-lans-v6": "fd7a:ae:1e:1::/64",
        "inside-containers-v6": "fd7a:ae:1e:2::/64",
        "inside-fixed-v6": "fd7a:ae:1e:3::/64",
    }


# -- policies


def rules(own: Federation, pool: Pool) -> list[dict[str, Any]]:
    (found,) = [p["spec"] for p in pool_policies(own, "demo", pool) if p["metadata"]["name"] == "pool-demo"]
    return [*found["ingress"], *found["egress"]]


def named(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [r for r in found if r["metadata"]["annotations"]["name"] == name]


def test_outside_is_of_each_family_what_is_not_inside() -> None:
    four, six = named(rules(federation(), pool()), "outside")
    assert four["ipVersion"] == 4 and six["ipVersion"] == 6
    assert "10.65.0.0/16" in four["destination"]["notNets"]
    nets = [IPv6Network(n) for n in six["destination"]["notNets"]]
    assert six["destination"]["notSelector"] == four["destination"]["notSelector"] == "has(aerie-net)"
    for inside in ("fd7a:ae:1e:2::a41:1", "fd7a:ae:1e:1::ac1f:10a", "fe80::1", "ff02::1", "::1"):
        assert any(IPv6Network(inside).subnet_of(n) for n in nets), inside
    for outside in ("2001:4860::1", "fd11:22:33::1"):
        assert not any(IPv6Network(outside).subnet_of(n) for n in nets), outside
    assert named(rules(federation(), pool(outside=False)), "outside") == []


def test_a_rule_has_networks_of_one_family_and_the_icmp_of_it() -> None:
    both = pool(
        allow_to=[{"nets": ["192.0.2.0/24", "2600::/32"], "pools": ["grid"], "ports": ["icmp", "tcp/80"]}],
        deny_from=[{"nets": ["2600::/32", "192.0.2.0/24"]}],
    )
    found = rules(federation(), both)
    said = [
        (r["protocol"], r["destination"].get("nets") or r["destination"]["selector"])
        for r in named(found, "allow-to-0")
    ]
    grid = "aerie-pool in {'grid'}"
    assert said == [
        ("TCP", grid), ("ICMP", grid), ("ICMPv6", grid), ("TCP", ["192.0.2.0/24"]), ("ICMP", ["192.0.2.0/24"]),
        ("TCP", ["2600::/32"]), ("ICMPv6", ["2600::/32"]),
    ]  # fmt: skip
    assert [r["source"]["nets"] for r in named(found, "deny-from-0")] == [["192.0.2.0/24"], ["2600::/32"]]


def test_front_ends_are_known_by_both_addresses_and_ping_by_both() -> None:
    found = {o["metadata"]["name"]: o["spec"] for o in base_policies(federation(), "torino")}
    assert found["front-end-torino"]["nets"] == ["172.31.1.10/32", "fd7a:ae:1e:1::ac1f:10a/128"]
    assert found["lan-torino"]["nets"] == ["172.31.1.0/24", "fd7a:ae:1e:1::ac1f:100/120"]
    pings = named(found["front-ends"]["ingress"], "ping-from-front-ends")
    assert [(r["protocol"], r["icmp"]["type"]) for r in pings] == [("ICMP", 8), ("ICMPv6", 128)]
    assert {r["protocol"] for r in found["tools"]["egress"]} == {"TCP", "UDP", "ICMP", "ICMPv6"}
    assert found["default-deny"]["selector"] == "all()" and set(found["default-deny"]["types"]) == {"Ingress", "Egress"}
