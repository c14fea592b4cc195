"""Tenants: what the policies let through and what they do not, judged by a model of Calico's own rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.fabric.policy import base_policies, policies_yaml, policy_names, pool_policies
from components.spec import addresses
from components.spec.model import Federation, Pool
from components.spec.policy_rules import CONTROL
from tests.unit.calico_model import Calico, End

SITES = ("torino", "cnaf", "bari")


def federation(**sites: Any) -> Federation:
    """Three sites; a fourth is on a cloud, with the address of its front-end outside of all networks that are ours."""
    blocks = {
        name: {
            "as_number": 64513 + n,
            "lan": f"172.31.{n}.0/24",
            "containers": f"10.65.{64 * (n - 1)}.0/18",
            "vpn_endpoint": f"172.30.0.{10 + n}:51820",
            "quorum": name != "pisa",
        }
        for n, name in enumerate((*SITES, "pisa"), 1)
    }
    blocks["pisa"]["vpn_endpoint"] = "198.51.100.7:51820"
    data = {"name": "f", "images": {"registry": "r:5000"}, "embedded": {"wan": "172.30.0.0/24"}, "sites": blocks}
    data["sites"].update(sites)  # type: ignore[attr-defined]
    return Federation.model_validate(data)


def pool(number: int, via: str = "marathon", **network: Any) -> Pool:
    data = {
        "sites": list(SITES),
        "via": via,
        "number": number,
        "submit_node": {"site": "torino"},
        "users": [{"name": "u", "uid": 2000}],
        "network": network,
    }
    return Pool.model_validate(data)


def calico(the: Federation | None = None, **pools: Pool) -> Calico:
    """Everything that the sites and pools apply; the pools `demo` and `grid` are there unless given."""
    the = the or federation()
    objects: dict[tuple[str, str], Any] = {}
    for site in the.sites:
        for o in base_policies(the, site):
            key = o["kind"], o["metadata"]["name"]
            assert objects.setdefault(key, o) == o, f"sites do not agree about {key}"
    for name, one in ({"demo": pool(1), "grid": pool(2, "framework")} | pools).items():
        for o in pool_policies(the, name, one):
            key = o["kind"], o["metadata"]["name"]
            assert key not in objects, f"{key} is there twice"
            objects[key] = o
    return Calico(list(objects.values()))


def container(name: str, role: str = "executor", address: str = "10.65.0.7") -> End:
    return End(address, {"aerie-pool": name, "aerie-role": role})


FRONT_ENDS = [f"172.31.{n}.10" for n in (1, 2, 3, 4)]
MACHINES = [
    *FRONT_ENDS, "172.31.1.11", "172.31.2.1", "172.30.0.11", "172.30.0.1", "198.51.100.7", "172.17.0.1", "127.0.0.1",
    "169.254.169.254", "169.254.1.1", "255.255.255.255", "224.0.0.1",
]  # fmt: skip
OUTSIDE = "192.0.2.7"
ROLES = ("executor", "submit", "central-manager", "framework")
PORTS = st.one_of(st.sampled_from([22, 53, 179, 2181, 2379, 5050, 5051, 8443, 8602, 9618, 2222]), st.integers(1, 65535))
PROTOCOLS = st.sampled_from(["TCP", "UDP", "ICMP", "GRE"])
THE = calico()


@given(st.sampled_from(ROLES), st.sampled_from(ROLES), PROTOCOLS, PORTS)
def test_pools_are_strangers_and_each_is_at_home(one: str, other: str, protocol: str, port: int) -> None:
    demo, grid = container("demo", one), container("grid", other, "10.66.0.12")
    assert not THE.may(demo, grid, protocol, port) and not THE.may(grid, demo, protocol, port)
    assert THE.may(demo, container("demo", other, "10.65.64.9"), protocol, port)


@given(st.sampled_from(["demo", "grid"]), st.sampled_from(ROLES), PROTOCOLS, PORTS, st.sampled_from(MACHINES))
def test_no_machine_is_reached(name: str, role: str, protocol: str, port: int, machine: str) -> None:
    """But by a framework, at two ports of the quorum's members; and a cloud's name servers."""
    quorum = name == "grid" and role == "framework" and protocol == "TCP"
    wanted = quorum and machine in FRONT_ENDS[:3] and port in (5050, 2181)
    assert THE.may(container(name, role), End(machine), protocol, port) is wanted


@pytest.mark.parametrize("role", ROLES)
def test_only_the_framework_reaches_the_masters_and_zookeeper(role: str) -> None:
    for name, port in itertools.product(("demo", "grid"), CONTROL):
        wanted = (name, role) == ("grid", "framework") and port in (5050, 2181)
        for front_end in FRONT_ENDS[:3]:
            assert THE.may(container(name, role), End(front_end), "TCP", port) is wanted, (name, port)
        assert not THE.may(container(name, role), End(FRONT_ENDS[3]), "TCP", port), "no member of the quorum"


def test_a_container_is_no_front_end_by_a_label() -> None:
    the = calico(demo=pool(1, allow_to=[{"pools": ["grid"], "ports": ["tcp/22"]}]))
    for what in ("front-end", "lan", "dns"):
        liar = End("10.65.0.9", {"aerie-pool": "demo", "aerie-net": what})
        assert not the.may(liar, container("grid"), "TCP", 22)


def test_name_servers_are_where_the_cloud_has_them() -> None:
    for address, there in (("172.31.4.1", True), ("172.31.4.240", True), ("172.31.4.255", True), ("172.31.4.239", False),
                           ("172.31.4.10", False), ("172.31.1.1", False), ("172.31.1.250", False)):  # fmt: skip
        for protocol in ("UDP", "TCP"):
            assert THE.may(container("demo"), End(address), protocol, 53) is there, address
        assert not THE.may(container("demo"), End(address), "UDP", 54)
    shut = calico(demo=pool(1, outside=False))
    assert not shut.may(container("demo"), End("172.31.4.1"), "UDP", 53)


def test_outside_is_open_unless_it_is_shut() -> None:
    for protocol in ("TCP", "UDP", "ICMP"):
        assert THE.may(container("demo"), End(OUTSIDE), protocol, 80)
        assert not calico(demo=pool(1, outside=False)).may(container("demo"), End(OUTSIDE), protocol, 80)
    assert not THE.may(End(OUTSIDE), container("demo"), "TCP", 22), "only a front-end leads in"


def test_front_ends_lead_in_and_other_machines_do_not() -> None:
    for role in ROLES:
        for address in FRONT_ENDS:
            assert THE.may(End(address), container("grid", role), "TCP", 8443)
            assert THE.may(End(address), container("grid", role), "ICMP", 8)
            assert not THE.may(End(address), container("grid", role), "UDP", 9618)
        assert not THE.may(End("172.31.1.11"), container("grid", role), "TCP", 22)


@given(st.sampled_from(["executor", "framework"]), PROTOCOLS, PORTS)
def test_without_the_pools_label_nothing_goes(role: str, protocol: str, port: int) -> None:
    for labels in ({}, {"aerie-role": role}, {"aerie-pool": "nowhere", "aerie-role": role}, {"aerie-net": "front-end"}):
        stranger = End("10.65.0.9", labels)
        for other in (container("demo"), End("172.31.1.10"), End(OUTSIDE), stranger):
            assert not THE.may(stranger, other, protocol, port)
        assert not THE.may(container("demo"), stranger, protocol, port)
    for labels in ({}, {"aerie-role": "framework"}):
        assert not THE.may(End("172.31.1.10"), End("10.65.0.9", labels), "TCP", 22)


def test_probes_of_the_tools_reach_each_other_only() -> None:
    one, other = End("10.65.0.9", {"aerie-pool": "aerie-rtt"}), End("10.65.64.9", {"aerie-pool": "aerie-rtt"})
    for protocol, port in (("TCP", 5201), ("UDP", 5201), ("ICMP", 8)):
        assert THE.may(one, other, protocol, port)
    assert not THE.may(one, other, "TCP", 22)
    for end in (container("demo"), End("172.31.1.10"), End(OUTSIDE)):
        assert not THE.may(one, end, "TCP", 5201) and not THE.may(end, one, "TCP", 5201)


def test_what_both_pools_say_is_open() -> None:
    both = calico(
        demo=pool(1, allow_to=[{"pools": ["grid"], "ports": ["tcp/9618"]}]),
        grid=pool(2, allow_from=[{"pools": ["demo"], "ports": ["tcp/9000-9700"]}]),
    )
    assert both.may(container("demo"), container("grid"), "TCP", 9618)
    assert not both.may(container("demo"), container("grid"), "TCP", 9700), "only one of them says so"
    assert not both.may(container("grid"), container("demo"), "TCP", 9618), "the way back is not meant"
    assert not both.may(container("theory"), container("grid"), "TCP", 9618)


def test_what_is_opened_and_shut() -> None:
    the = calico(
        demo=pool(
            1,
            outside=False,
            allow_to=[{"nets": ["172.31.1.50/32", "192.0.2.0/24"], "ports": ["tcp/3128", "udp/4000-4010", "icmp"]}],
            allow_from=[{"nets": ["192.0.2.0/24"], "ports": ["tcp/8080"]}],
            deny_to=[{"nets": ["192.0.2.128/25"]}, {"nets": ["192.0.2.0/24"], "ports": ["udp/4005"]}],
            deny_from=[{"nets": ["192.0.2.9/32"], "ports": ["tcp/8000-9000"]}],
        )
    )
    me = container("demo")
    for target, protocol, port, open_ in (
        ("172.31.1.50", "TCP", 3128, True),
        ("172.31.1.50", "TCP", 3129, False),
        ("172.31.1.51", "TCP", 3128, False),
        (OUTSIDE, "UDP", 4000, True),
        (OUTSIDE, "UDP", 4005, False),
        (OUTSIDE, "UDP", 4011, False),
        (OUTSIDE, "ICMP", 8, True),
        ("192.0.2.200", "TCP", 3128, False),
    ):
        assert the.may(me, End(target), protocol, port) is open_, (target, protocol, port)
    for source, port, open_ in ((OUTSIDE, 8080, True), (OUTSIDE, 8081, False), ("192.0.2.9", 8080, False)):
        assert the.may(End(source), me, "TCP", port) is open_, (source, port)
    assert not the.may(me, End(OUTSIDE), "GRE"), "a rule with ports is about its protocol only"


@pytest.mark.parametrize(
    "shut", [{"deny_from": [{"nets": ["172.31.0.0/16"]}]}, {"deny_to": [{"nets": ["172.31.0.0/16"]}]}]
)
def test_no_pool_shuts_out_what_must_work(shut: dict[str, Any]) -> None:
    """The rules refuse such a file; should one be applied all the same, this still goes."""
    the = calico(grid=pool(2, "framework", **shut))
    assert the.may(End("172.31.1.10"), container("grid", "submit"), "TCP", 22)
    assert the.may(container("grid", "framework"), End("172.31.2.10"), "TCP", 5050)


def test_a_new_site_changes_no_policy() -> None:
    napoli = {
        "as_number": 64520,
        "lan": "172.31.9.0/24",
        "containers": "10.65.250.0/24",
        "vpn_endpoint": "198.51.100.9:51820",
    }
    before, after = federation(), federation(napoli=napoli)
    assert base_policies(before, "torino") == base_policies(after, "torino")
    assert policies_yaml(before, "grid", pool(2, "framework")) == policies_yaml(after, "grid", pool(2, "framework"))
    there = calico(after)
    assert there.may(End("172.31.9.10"), container("demo"), "TCP", 22)
    for address in ("172.31.9.10", "198.51.100.9"):
        assert not there.may(container("demo"), End(address), "TCP", 2222)


def test_names_and_text() -> None:
    the = federation()
    for via in ("marathon", "framework"):
        objects = list(yaml.safe_load_all(policies_yaml(the, "grid", pool(2, via))))
        assert {o["metadata"]["name"] for o in objects} <= set(policy_names("grid"))
        assert len(objects) == (2 if via == "framework" else 1)
        names = [r["metadata"]["annotations"]["name"] for o in objects for r in o["spec"].get("egress", [])]
        assert {"mesos-masters", "zookeeper"} <= set(names) or via == "marathon"
    assert not set(policy_names("a")) & set(policy_names("framework-a"))
    every: Callable[[str], set[str]] = lambda site: {o["metadata"]["name"] for o in base_policies(the, site)}  # noqa: E731
    assert every("torino") == {"front-end-torino", "lan-torino", "wan-torino", "front-ends", "tools", "default-deny"}
    assert every("pisa") - every("torino") == {"front-end-pisa", "lan-pisa", "wan-pisa", "dns-pisa"}


def test_every_service_of_the_machines_is_known_to_the_rules() -> None:
    there = {
        v for k, v in vars(addresses).items() if k.split("_")[0] in ("ETCD", "ZOOKEEPER", "MESOS", "MARATHON", "SSH")
    }
    assert there <= set(CONTROL)
    assert all(IPv4Network("172.31.0.0/16").supernet_of(federation().sites[s].lan) for s in SITES)
