"""The address plan: by arithmetic, and nothing has another's address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.spec import addresses
from components.spec.model import CentralManager, Embedded, Federation, Images, Network, Pool, Site, SubmitNode, User
from components.spec.rules import federation_problems
from tests.unit.conftest import Checkout


@st.composite
def federations(draw: st.DrawFn) -> Federation:
    """Federations that the rules take, of up to nine sites."""
    count = draw(st.integers(1, 9))
    lans = IPv4Network(draw(st.sampled_from(["172.16.0.0/14", "10.64.0.0/16", "192.168.0.0/16"])))
    prefix = draw(st.integers(22, 24))
    lan = draw(st.permutations(list(lans.subnets(new_prefix=prefix))[:64]))
    containers = IPv4Network("10.128.0.0/12")
    pool = draw(st.permutations(list(containers.subnets(new_prefix=draw(st.integers(16, 20))))[:16]))
    members = draw(st.sampled_from([n for n in (1, 3, 5, 7) if n <= count]))
    sites = {
        f"s{i}": Site(
            as_number=64513 + i,
            lan=lan[i],
            containers=pool[i],
            vpn_endpoint=f"172.30.0.{11 + i}:{draw(st.integers(1024, 50000))}",
            quorum=i < members,
        )
        for i in range(count)
    }
    network = Network(lans=lans, containers=containers, fixed=IPv4Network("10.250.0.0/24"))
    return Federation(name="f", network=network, images=Images(registry="r:5000"), embedded=Embedded(), sites=sites)


def pool(number: int, site: str) -> Pool:
    return Pool(sites=[site], number=number, submit_node=SubmitNode(site=site), users=[User(name="u", uid=2000)])


@given(federations())
def test_they_are_good(federation: Federation) -> None:
    assert federation_problems(federation) == []


@given(federations(), st.integers(0, addresses.MAX_AGENTS))
def test_no_two_machines_share_an_address(federation: Federation, agents: int) -> None:
    seen: set[IPv4Address] = set()
    for site in federation.sites:
        lan = addresses.lan(federation, site)
        machines = [lan.gateway, lan.front_end, *(lan.agent(n) for n in range(1, agents + 1))]
        assert len(set(machines)) == agents + 2
        assert not seen & set(machines)
        assert all(m in lan.network and m != lan.network.broadcast_address for m in machines)
        assert not any(
            m in block for m in machines for block in (federation.network.containers, federation.network.fixed)
        )
        seen |= set(machines)


@given(federations(), st.lists(st.integers(1, addresses.POOLS), min_size=1, max_size=20, unique=True), st.data())
def test_no_two_pools_share_an_address(federation: Federation, numbers: list[int], data: st.DataObject) -> None:
    fixed = IPv4Network("10.250.0.0/23")
    federation = federation.model_copy(update={"network": federation.network.model_copy(update={"fixed": fixed})})
    taken: list[str] = []
    for number in numbers:
        via, managers = data.draw(st.sampled_from([("marathon", 1), ("framework", 1), ("framework", 3)]))
        one = pool(number, next(iter(federation.sites))).model_copy(update={"via": via, "central_managers": managers})
        mine = [address for _, address in addresses.fixed_addresses(federation, one)]
        assert len(mine) == managers + 1 + (via == "framework")
        taken += mine
    assert len(set(taken)) == len(taken)
    assert all(IPv4Address(a) in fixed and IPv4Address(a) != fixed.broadcast_address for a in taken)


def test_the_addresses_of_a_pool_by_a_framework(checkout: Checkout) -> None:
    federation = checkout.plan("torino").federation
    for number, framework, second, third in ((1, "131", "191", "10.66.1.1"), (60, "190", "250", "10.66.1.60")):
        one = pool(number, "torino").model_copy(update={"via": "framework", "central_managers": 3})
        assert addresses.framework(federation, one) == f"10.66.0.{framework}"
        assert addresses.central_managers(federation, one)[1:] == [f"10.66.0.{second}", third]
        assert addresses.rest_url(federation, one) == f"https://172.31.1.10:{8600 + number}"
    given = CentralManager(more_addresses=[IPv4Address("10.66.0.252")])
    one = pool(1, "torino").model_copy(update={"central_managers": 2, "central_manager": given})
    assert addresses.central_managers(federation, one) == ["10.66.0.10", "10.66.0.252"]
    assert addresses.principal(7) == "pool-7"
    assert addresses.mesos_masters(federation) == [f"172.31.{n}.10:5050" for n in (1, 2, 3)]


@given(federations())
def test_every_tunnel_has_a_port_of_its_own(federation: Federation) -> None:
    for site in federation.sites:
        first, last = addresses.vpn_ports(federation, site)
        ports = [addresses.vpn_port(federation, site, peer) for peer in federation.sites if peer != site]
        assert len(set(ports)) == len(ports)
        assert all(first <= p <= last < 65536 for p in ports)


@given(st.integers(1, 100))
def test_majority(members: int) -> None:
    need = addresses.majority(members)
    assert 2 * need > members >= need, "two halves cannot both decide"
    assert members - need == (members - 1) // 2, "that many may be lost"


def test_the_example(checkout: Checkout) -> None:
    federation = checkout.plan("torino").federation
    lan = addresses.lan(federation, "cnaf")
    assert [str(a) for a in (lan.gateway, lan.front_end, lan.agent(1), lan.agent(2))] == [
        "172.31.2.1", "172.31.2.10", "172.31.2.11", "172.31.2.12",
    ]  # fmt: skip
    assert (
        addresses.etcd_endpoints(federation)
        == "https://172.31.1.10:2379,https://172.31.2.10:2379,https://172.31.3.10:2379"
    )
    assert addresses.zookeeper_hosts(federation) == "172.31.1.10:2181,172.31.2.10:2181,172.31.3.10:2181"
    assert addresses.marathon_urls(federation) == [f"https://172.31.{n}.10:8443" for n in (1, 2, 3)]
    assert addresses.vpn_port(federation, "torino", "cnaf") == 51822
    one = pool(1, "torino")
    assert (addresses.central_manager(federation, one), addresses.submit_node(federation, one)) == (
        "10.66.0.10",
        "10.66.0.11",
    )


def test_agents_are_counted_from_one(checkout: Checkout) -> None:
    lan = addresses.lan(checkout.plan("torino").federation, "torino")
    for number in (0, addresses.MAX_AGENTS + 1):
        with pytest.raises(ValueError, match=r"is not in 1\.\.200"):
            lan.agent(number)
