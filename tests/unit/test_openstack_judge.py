"""What a cloud would refuse is told before: facts of a cloud in, problems out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.iaas.openstack.facts import CloudNetwork, Facts, Flavor, Image, Present, Quota
from components.iaas.openstack.judge import QUOTAS, cloud_problems, needs
from components.spec.loader import parse, read_federation, stack_values
from components.spec.model import Federation, SiteStack
from components.spec.validate import Plan
from tests.unit.conftest import BASE, Checkout
from tests.unit.test_openstack_machines import cloud, on_openstack

FACTS = Facts(
    flavors={"m1.small": Flavor(1, 1024, 10), "m1.medium": Flavor(4, 8192, 20), "m1.large": Flavor(8, 16384, 40)},
    images={"debian-13": Image(min_disk=3, min_memory=512, size=1), "debian-12": Image()},
    networks={
        "public": CloudNetwork(external=True, mtu=1500, own=False),
        "farm": CloudNetwork(mtu=1500, subnets=(IPv4Network("172.31.1.0/24"),)),
    },
    routers=frozenset({"way-out"}),
    zones=frozenset({"nova"}),
    volume_zones=frozenset({"nova"}),
    quotas={name: Quota(-1, 0) for name in QUOTAS},
    floating_ips={"172.30.0.11": "4b1d"},
)
Told = Callable[..., list[str]]


@pytest.fixture
def site(checkout: Checkout) -> Checkout:
    return checkout.change("Pulumi.torino.yaml", on_openstack)


@pytest.fixture
def told(site: Checkout) -> Told:
    """The problems of the site, changed, in view of the facts, changed."""

    def tell(change: dict[str, Any] | None = None, **facts: Any) -> list[str]:
        plan = cloud(site, **(change or {})).plan("torino")
        assert plan.site
        return [str(p) for p in cloud_problems("torino", plan.site, plan.federation, replace(FACTS, **facts))]

    return tell


def test_a_fitting_cloud(told: Told) -> None:
    assert told() == []


def test_names_with_the_nearest_ones(told: Told) -> None:
    assert told(
        {
            "image": "debian13",
            "flavor": "m1.larg",
            "front_end_flavor": "x",
            "external_network": "Public",
            "router": "no",
        }
    ) == [
        "Pulumi.torino.yaml: openstack.image: the cloud has no image 'debian13'; write debian-13 (or debian-12)",
        "Pulumi.torino.yaml: openstack.flavor: the cloud has no flavor 'm1.larg'; write m1.large",
        "Pulumi.torino.yaml: openstack.front_end_flavor: the cloud has no flavor 'x'; there are: m1.large, m1.medium, m1.small",
        "Pulumi.torino.yaml: openstack.external_network: the cloud has no external network 'Public'; write public",
        "Pulumi.torino.yaml: openstack.router: the cloud has no router 'no'; there are: way-out",
    ]


def test_a_network_that_is_not_external(told: Told) -> None:
    assert told({"external_network": "farm"}) == [
        "Pulumi.torino.yaml: openstack.external_network: the cloud has no external network 'farm'; there are: public"
    ]


def test_no_images_at_all(told: Told) -> None:
    assert told(images={}) == [
        "Pulumi.torino.yaml: openstack.image: the cloud has no image 'debian-13'; the project sees no image at all: "
        "ask the cloud's administrators for one"
    ]


def test_zones(told: Told) -> None:
    assert told({"availability_zone": "nowa", "volume_availability_zone": "west"}) == [
        "Pulumi.torino.yaml: openstack.availability_zone: the cloud has no availability zone 'nowa'; write nova",
        "Pulumi.torino.yaml: openstack.volume_availability_zone: the cloud has no availability zone for volumes 'west'; "
        "there are: nova",
    ]


def test_a_name_that_is_there_twice(told: Told) -> None:
    assert told({"router": "way-out"}, twice=frozenset({("router", "way-out")})) == [
        "Pulumi.torino.yaml: openstack.router: the project sees more than one router 'way-out'; give it a name of its own"
    ]


def test_no_volume_service(told: Told) -> None:
    said = told(volumes=False)
    assert [s.split(": ")[1] for s in said] == [
        f"openstack.{k}" for k in ("volume_size", "spool_volume", "quorum_volume")
    ]
    assert said[1].endswith(
        "the cloud has no volume service; write spool_volume: 0: the machine's own disk is taken, and is lost with the machine"
    )
    assert told({"volume_size": 0, "spool_volume": 0, "quorum_volume": 0}, volumes=False) == []


@pytest.mark.parametrize(
    ("mtu", "fits"),
    [(1400, "write vpn_mtu: 1340 and mtu: 1340 or less"), (1450, "write vpn_mtu: 1390 and mtu: 1380 or less")],
)
def test_too_narrow_for_the_tunnels(told: Told, mtu: int, fits: str) -> None:
    (said,) = told(networks=FACTS.networks | {"public": CloudNetwork(True, mtu)})
    assert said.startswith(
        f"federation.yaml: network.vpn_mtu: torino's external network public has an MTU of {mtu}, too small"
    )
    assert said.endswith(fits)
    (said,) = told({"network": "farm"}, networks=FACTS.networks | {"farm": replace(FACTS.networks["farm"], mtu=mtu)})
    assert said.startswith(f"federation.yaml: network.vpn_mtu: torino's network farm has an MTU of {mtu}, too small")


def test_wide_enough(told: Told) -> None:
    assert told(networks=FACTS.networks | {"public": CloudNetwork(True, 1480)}) == []


def test_an_existing_network_with_another_lan(told: Told) -> None:
    farm = CloudNetwork(mtu=1500, subnets=(IPv4Network("10.0.0.0/24"),))
    assert told({"network": "farm"}, networks=FACTS.networks | {"farm": farm}) == [
        "Pulumi.torino.yaml: openstack.network: farm has no subnet 172.31.1.0/24, the site's LAN (there: 10.0.0.0/24); "
        "write its subnet as sites.torino.lan in federation.yaml, or remove openstack.network"
    ]


def test_address_pairs_are_not_allowed_on_others_networks(told: Told) -> None:
    networks = FACTS.networks | {"farm": replace(FACTS.networks["farm"], own=False)}
    (said,) = told({"network": "farm"}, networks=networks)
    assert "belongs to another project, whose ports may not be given address pairs" in said
    assert told({"network": "farm", "port_security": False}, networks=networks) == []


def test_the_floating_ip(told: Told) -> None:
    assert told(floating_ips={}) == [
        "federation.yaml: sites.torino.vpn_endpoint: 172.30.0.11 is no floating IP of torino's project; "
        "run openstack floating ip create public, and write the address that it gives"
    ]
    assert told(floating_ips={"192.0.2.7": "1", "192.0.2.5": "2"})[0].endswith(
        "write one that it has: 192.0.2.5, 192.0.2.7"
    )
    assert told({"allocate_floating_ip": True}, floating_ips={}) == []


def test_flavors_that_are_too_small(told: Told) -> None:
    said = told({"flavor": "m1.small"})
    assert said == [
        "Pulumi.torino.yaml: machine.cpus: torino-agent-1 is to offer 4, its flavor m1.small has 1; "
        "write less than 1, with room for the services, or another flavor",
        "Pulumi.torino.yaml: machine.memory: torino-agent-1 is to offer 3072 MB, its flavor m1.small has 1024 MB; "
        "write less than 1024, with room for the services, or another flavor",
    ]


def test_images_that_are_too_large(told: Told) -> None:
    large = {"debian-13": Image(min_disk=60, min_memory=10000)}
    assert told(images=large) == [
        "Pulumi.torino.yaml: openstack.volume_size: 50 GB do not hold debian-13; write at least 60",
        "Pulumi.torino.yaml: openstack.image: debian-13 asks for 10000 MB of memory, flavor m1.medium has 8192 MB; "
        "write a larger flavor",
    ]
    said = told({"volume_size": 0}, images=large)
    assert said[-1].endswith(
        "asks for 60 GB of disk, flavor m1.large has 40 GB; write a larger flavor, or a volume_size"
    )


def test_disk(told: Told) -> None:
    said = told({"volume_size": 10})
    assert said[0].startswith(
        "Pulumi.torino.yaml: machine.disk: torino-front-end is to offer 20000 MB, its disk has 10000 MB"
    )
    assert [line.split(" is to")[0].split(": ")[-1] for line in said] == ["torino-front-end", "torino-agent-1"]


def test_an_image_that_is_not_ready(told: Told) -> None:
    assert "debian-13 is not ready" in told(images={"debian-13": Image(active=False)})[0]


def plan_of(site: Checkout) -> Plan:
    plan = site.plan("torino")
    assert plan.site and plan.site.openstack
    return plan


def test_what_a_new_site_takes(site: Checkout) -> None:
    plan = plan_of(site)
    assert plan.site and plan.site.openstack
    assert needs("torino", plan.site, plan.site.openstack, plan.federation, replace(FACTS, floating_ips={})) == {
        "instances": 3,
        "cores": 4 + 8 + 8,
        "ram": 8192 + 2 * 16384,
        "volumes": 3 + 2,
        "gigabytes": 3 * 50 + 110,
        "floatingip": 1,
        "network": 1,
        "subnet": 1,
        "router": 1,
        "port": 3,
        "security_group": 2,
        "security_group_rule": 12 + 4,
        "server_groups": 1,
    }


THERE = Present(
    servers={"aerie-torino-front-end": "m1.medium", "aerie-torino-agent-1": "m1.large", "elsewhere": "m1.large"},
    volumes={"aerie-torino-front-end-spool": 100, "aerie-torino-front-end-quorum": 10},
    counts={
        "network": 1,
        "subnet": 1,
        "router": 1,
        "port": 2,
        "security_group": 2,
        "security_group_rule": 16,
        "server_groups": 1,
    },
)


def test_what_one_more_agent_takes(site: Checkout) -> None:
    plan = plan_of(site)
    assert plan.site and plan.site.openstack
    taken = needs("torino", plan.site, plan.site.openstack, plan.federation, replace(FACTS, present=THERE))
    more = {"instances": 1, "cores": 8, "ram": 16384, "volumes": 1, "gigabytes": 50, "port": 1}
    assert {k: v for k, v in taken.items() if v} == more


def test_quotas(told: Told) -> None:
    quotas = FACTS.quotas | {
        "cores": Quota(20, 4),
        "ram": Quota(50000, 0),
        "volumes": Quota(6, 1),
        "gigabytes": Quota(200, 0),
    }
    assert told(quotas=quotas) == [
        "Pulumi.torino.yaml: agents: aerie-torino needs 20 more of the project's quota 'cores', 16 of 20 are left; "
        "ask the cloud's administrators for 24, or write fewer or smaller machines",
        "Pulumi.torino.yaml: openstack: aerie-torino needs 260 GB more of the project's quota 'gigabytes', 200 GB of 200 GB "
        "are left; ask the cloud's administrators for 260 GB, or write fewer or smaller machines",
    ]
    assert told(quotas=quotas, present=THERE) == []


def test_a_service_that_tells_no_quota(told: Told) -> None:
    assert told(quotas={}) == []


@given(st.dictionaries(st.sampled_from(sorted(QUOTAS)), st.tuples(st.integers(-1, 400), st.integers(0, 400))))
def test_exactly_what_is_short_is_told(quotas: dict[str, tuple[int, int]]) -> None:
    short = {n for n, (limit, used) in quotas.items() if limit >= 0 and NEEDS[n] > max(0, limit - used)}
    facts = replace(FACTS, floating_ips={}, quotas={n: Quota(*q) for n, q in quotas.items()})
    said = cloud_problems("torino", SITE, FEDERATION, facts)
    assert {p.what.split("quota '")[1].split("'")[0] for p in said} == short


def _whole() -> tuple[Federation, SiteStack, dict[str, int]]:
    """The site that `on_openstack` makes, and what it takes of each quota."""
    data: dict[str, Any] = {"config": {}}
    on_openstack(data)
    values = stack_values(data)
    values["openstack"]["allocate_floating_ip"] = True
    federation, _ = read_federation(BASE)
    stack, _ = parse(SiteStack, values, "Pulumi.torino.yaml")
    assert federation and stack and stack.openstack
    return federation, stack, needs("torino", stack, stack.openstack, federation, replace(FACTS, floating_ips={}))


FEDERATION, SITE, NEEDS = _whole()
