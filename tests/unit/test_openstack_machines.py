"""A site's machines on OpenStack, under mocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.iaas.docker import SshLogin
from components.iaas.machine import Machine
from components.iaas.openstack.machines import OpenStackMachines, OpenStackMachinesArgs
from components.identity.resources import SshKey
from components.spec.machines import machine_names
from tests.unit.conftest import Checkout
from tests.unit.mocks import MARK, SIGNATURE, UNKNOWN, Graph, difference, record, texts_in_the_clear

PLUGIN = Path(__file__).parents[2] / "tools" / "toolchain" / "bridge" / "pulumi-resource-openstack" / "main.go"


def on_openstack(data: Any) -> None:
    data["config"] = {
        "aerie:iaas": "openstack",
        "aerie:agents": 2,
        "aerie:openstack": {
            "image": "debian-13",
            "flavor": "m1.large",
            "front_end_flavor": "m1.medium",
            "external_network": "public",
            "operators": ["192.0.2.0/24", "198.51.100.7/32"],
        },
    }


def cloud(site: Checkout, **changes: Any) -> Checkout:
    """The site with other keys in its block for OpenStack."""
    return site.change("Pulumi.torino.yaml", lambda d: d["config"]["aerie:openstack"].update(changes))


class Machines:
    """The machines and their graph, made once for the same files."""

    machines: list[Machine]
    graph: Graph

    def __init__(self, checkout: Checkout, preview: bool = False, floating_ip: str | None = None) -> None:
        key = checkout.contents, preview, floating_ip
        if key not in _MADE:
            self._make(checkout, preview, floating_ip)
            _MADE[key] = self
        self.machines, self.graph = _MADE[key].machines, _MADE[key].graph

    def _make(self, checkout: Checkout, preview: bool, floating_ip: str | None) -> None:
        plan = checkout.plan("torino")
        assert plan.site
        site = plan.site

        def program() -> dict[str, Any]:
            keys = {m: SshKey(m, m) for m in machine_names("torino", site)}
            login = SshLogin(
                pulumi.Output.secret(f"{MARK} operator"),
                "ssh-ed25519 AAAA operator",
                {m: k.public_key for m, k in keys.items()},
                {m: k.private_key for m, k in keys.items()},
            )
            self.machines = OpenStackMachines(
                "torino", OpenStackMachinesArgs(plan.federation, "torino", site, login, floating_ip)
            ).machines
            return {m.name: m.connection.host_key for m in self.machines}

        self.graph = record(program, "torino", preview)


_MADE: dict[tuple[object, ...], Machines] = {}


@pytest.fixture
def site(checkout: Checkout) -> Checkout:
    return checkout.change("Pulumi.torino.yaml", on_openstack)


@pytest.fixture
def graph(site: Checkout) -> Graph:
    return Machines(site).graph


def one(graph: Graph, kind: str, name: str) -> dict[str, Any]:
    found = [r.inputs for r in graph.of(f":{kind}") if r.name == name]
    assert len(found) == 1
    return found[0]


def test_the_same_machines_as_embedded(site: Checkout) -> None:
    found = Machines(site).machines
    assert [(m.name, m.address, m.front_end, m.site) for m in found] == [
        ("torino-front-end", "172.31.1.10", True, "torino"),
        ("torino-agent-1", "172.31.1.11", False, "torino"),
        ("torino-agent-2", "172.31.1.12", False, "torino"),
    ]
    assert all(m.resource and m.ready for m in found)


def test_preview_and_up_register_the_same(site: Checkout) -> None:
    up, preview = Machines(site).graph, Machines(site, preview=True).graph
    assert up.keys == preview.keys
    assert len({r.key for r in up.resources}) == len(up.resources)


def test_only_what_both_toolchains_have(graph: Graph) -> None:
    types = {r.type for r in graph.resources if r.type.startswith("openstack:")}
    known = re.findall(r'resource\("(\w+)", "(\w+)"\)', PLUGIN.read_text())
    assert types <= {f"openstack:{module}/{name[0].lower()}{name[1:]}:{name}" for module, name in known}


def test_all_have_the_component_as_parent(graph: Graph) -> None:
    component = next(r for r in graph.resources if r.type == "aerie:iaas:OpenStackMachines")
    assert all(r.parent == component.urn for r in graph.resources if r.type.startswith(("openstack:", "command:")))


@pytest.mark.parametrize("preview", [False, True])
def test_secrets(site: Checkout, preview: bool) -> None:
    graph = Machines(site, preview).graph
    for resource in graph.resources:
        for text in texts_in_the_clear({k: v for k, v in resource.wire.items() if k != "__provider"}):
            assert MARK not in text, resource.name
    for server in graph.of(":Instance"):
        assert "userData" in server.secrets or server.wire["userData"] in (UNKNOWN, {SIGNATURE: UNKNOWN})


def test_network(graph: Graph) -> None:
    subnet = one(graph, "Subnet", "torino-lan")
    assert (subnet["cidr"], subnet["gatewayIp"]) == ("172.31.1.0/24", "172.31.1.1")
    assert subnet["allocationPools"] == [{"start": "172.31.1.239", "end": "172.31.1.254"}]
    route = one(graph, "SubnetRoute", "torino-lans")
    assert (route["destinationCidr"], route["nextHop"]) == ("172.31.0.0/16", "172.31.1.10")
    assert one(graph, "Router", "torino-router")["externalNetworkId"] == "id of getNetwork public"
    assert one(graph, "RouterInterface", "torino-router") == {
        "routerId": "id of torino-router",
        "subnetId": "id of torino-lan",
    }


def rules(graph: Graph, group: str) -> set[tuple[Any, ...]]:
    fields = ("protocol", "portRangeMin", "portRangeMax", "remoteIpPrefix", "remoteGroupId")
    found = [r.inputs for r in graph.of(":SecGroupRule")]
    assert all(r["direction"] == "ingress" and r["ethertype"] == "IPv4" for r in found)
    return {tuple(r.get(f) for f in fields) for r in found if r["securityGroupId"] == f"id of {group}"}


def test_who_may_come_in(graph: Graph) -> None:
    assert rules(graph, "torino-outside") == {
        ("tcp", 22, 22, "192.0.2.0/24", None),
        ("tcp", 22, 22, "198.51.100.7/32", None),
        ("tcp", 8601, 8660, "192.0.2.0/24", None),
        ("tcp", 8601, 8660, "198.51.100.7/32", None),
        ("tcp", 2200, 2299, "192.0.2.0/24", None),
        ("tcp", 2200, 2299, "198.51.100.7/32", None),
        ("udp", 51822, 51822, "172.30.0.12/32", None),
        ("udp", 51823, 51823, "172.30.0.13/32", None),
    }
    assert rules(graph, "torino-inside") == {
        (None, None, None, None, "id of torino-inside"),
        (None, None, None, "172.31.0.0/16", None),
        (None, None, None, "10.65.0.0/16", None),
        (None, None, None, "10.66.0.0/24", None),
    }
    assert len(graph.of(":SecGroupRule")) == 12


def test_users_come_from_elsewhere_than_operators(site: Checkout) -> None:
    graph = Machines(cloud(site, users=["0.0.0.0/0"], login_ports="2222-2230")).graph
    outside = rules(graph, "torino-outside")
    assert ("tcp", 2222, 2230, "0.0.0.0/0", None) in outside
    assert [r for r in outside if r[1] == 2222] == [("tcp", 2222, 2230, "0.0.0.0/0", None)]
    assert not [r for r in outside if r[3] == "0.0.0.0/0" and r[1] in (22, 8601)]


def test_ports(graph: Graph) -> None:
    front, agent = one(graph, "Port", "torino-front-end"), one(graph, "Port", "torino-agent-2")
    assert front["fixedIps"] == [{"ipAddress": "172.31.1.10", "subnetId": "id of torino-lan"}]
    assert agent["fixedIps"] == [{"ipAddress": "172.31.1.12", "subnetId": "id of torino-lan"}]
    assert front["securityGroupIds"] == ["id of torino-inside", "id of torino-outside"]
    assert agent["securityGroupIds"] == ["id of torino-inside"]
    assert [p["ipAddress"] for p in front["allowedAddressPairs"]] == ["172.31.0.0/16", "10.65.0.0/16", "10.66.0.0/24"]
    assert [p["ipAddress"] for p in agent["allowedAddressPairs"]] == ["10.65.0.0/18", "10.66.0.0/24"]
    assert front["extraDhcpOptions"] == [{"name": "classless-static-route", "value": "0.0.0.0/0,172.31.1.1"}]
    assert not agent.get("extraDhcpOptions")


def test_the_floating_ip_is_the_vpn_endpoint_and_protected(graph: Graph) -> None:
    ips = graph.of(":FloatingIp")
    assert [(r.inputs["pool"], r.inputs["address"], r.protect) for r in ips] == [("public", "172.30.0.11", True)]
    association = graph.of(":FloatingIpAssociate")[0]
    assert association.inputs["portId"] == "id of torino-front-end"
    assert graph.of(":RouterInterface")[0].urn in association.depends_on


def boot(image: str = "debian-13", size: int = 50) -> dict[str, Any]:
    return {
        "uuid": f"id of getImage {image}",
        "sourceType": "image",
        "destinationType": "volume",
        "bootIndex": 0,
        "volumeSize": size,
        "deleteOnTermination": True,
    }


def data(name: str) -> dict[str, Any]:
    return {
        "uuid": f"id of {name}",
        "sourceType": "volume",
        "destinationType": "volume",
        "bootIndex": -1,
        "deleteOnTermination": False,
    }


def test_servers(graph: Graph) -> None:
    servers = {r.name: r.inputs for r in graph.of(":Instance")}
    assert {n: s["flavorName"] for n, s in servers.items()} == {
        "torino-front-end": "m1.medium",
        "torino-agent-1": "m1.large",
        "torino-agent-2": "m1.large",
    }
    for name, server in servers.items():
        assert server["networks"] == [{"port": f"id of {name}"}]
        assert server["userData"].startswith("#cloud-config\nhostname: " + name)
        assert f"{MARK} ssh of {name}" in server["userData"]
        assert "adminPass" not in server
    agent, front_end = servers["torino-agent-1"]["blockDevices"], servers["torino-front-end"]["blockDevices"]
    assert agent == [boot()]
    assert front_end == [boot(), data("torino-front-end-spool"), data("torino-front-end-quorum")]


def test_a_machine_is_replaced_in_the_order_in_which_its_port_and_volumes_get_free(graph: Graph) -> None:
    for server in graph.of(":Instance"):
        assert server.replace_first and server.replace_on == ["flavorName"]
        assert server.ignored == ["imageId", "blockDevices[0].uuid", "userData"]
        assert server.trigger == [
            f"ssh-ed25519 AAAA {server.name}",
            "ssh-ed25519 AAAA operator",
            "172.30.0.1:5000",
            1380,
            [],
        ]


def test_data_volumes_are_the_front_ends_and_outlive_it(graph: Graph) -> None:
    volumes = {r.name: (r.inputs["size"], r.protect, r.retain) for r in graph.of(":Volume")}
    assert volumes == {"torino-front-end-spool": (100, True, True), "torino-front-end-quorum": (10, True, True)}
    user_data = {r.name: r.inputs["userData"] for r in graph.of(":Instance")}
    assert "aerie-volumes spool id of torino-front-end-spool volumes=" in user_data["torino-front-end"]
    assert "aerie-volumes quorum id of torino-front-end-quorum etcd-data=" in user_data["torino-front-end"]
    assert "aerie-volumes" not in user_data["torino-agent-1"]


def test_no_quorum_volume_where_there_is_no_member(site: Checkout) -> None:
    others = {"vpn_endpoint": "172.30.0.14:51820", "lan": "172.31.4.0/24", "containers": "10.65.192.0/18"}

    def move(data: Any) -> None:
        data["sites"]["torino"]["quorum"] = False
        data["sites"]["pisa"] = {"as_number": 64516, "quorum": True, **others}

    graph = Machines(site.change("federation.yaml", move)).graph
    assert [r.name for r in graph.of(":Volume")] == ["torino-front-end-spool"]


def test_without_volumes(site: Checkout) -> None:
    graph = Machines(cloud(site, volume_size=0, spool_volume=0, quorum_volume=0)).graph
    assert graph.of(":Volume") == []
    for server in graph.of(":Instance"):
        assert server.inputs["imageId"] == "id of getImage debian-13" and not server.inputs.get("blockDevices")


def test_the_machines_own_disk_beside_a_spool(site: Checkout) -> None:
    graph = Machines(cloud(site, volume_size=0, quorum_volume=0)).graph
    disk, spool = one(graph, "Instance", "torino-front-end")["blockDevices"]
    assert (disk["destinationType"], disk.get("volumeSize"), spool) == ("local", None, data("torino-front-end-spool"))
    assert not one(graph, "Instance", "torino-agent-1").get("blockDevices")


def test_what_is_not_to_be_kept(site: Checkout) -> None:
    graph = Machines(cloud(site, protect=False)).graph
    kept = [r for kind in (":Volume", ":FloatingIp") for r in graph.of(kind)]
    assert len(kept) == 3 and not any(r.protect or r.retain for r in kept)


def test_an_address_of_the_projects_own_is_taken_over(site: Checkout, graph: Graph) -> None:
    assert Machines(site, floating_ip="4b1d").graph.of(":FloatingIp")[0].imported == "4b1d"
    assert graph.of(":FloatingIp")[0].imported == ""


def test_groups_of_agents(site: Checkout) -> None:
    def add(data: Any) -> None:
        data["config"]["aerie:agent_groups"] = {
            "gpu": {"count": 2, "first": 100, "flavor": "g1.large", "availability_zone": "west"},
            "big": {"first": 150},
        }

    before = Machines(site).graph
    made = Machines(site.change("Pulumi.torino.yaml", add))
    assert [(m.name, m.address) for m in made.machines[3:]] == [
        ("torino-gpu-1", "172.31.1.100"),
        ("torino-gpu-2", "172.31.1.101"),
        ("torino-big-1", "172.31.1.150"),
    ]
    servers = {r.name: r.inputs for r in made.graph.of(":Instance")}
    assert [servers[n]["flavorName"] for n in ("torino-gpu-1", "torino-big-1")] == ["g1.large", "m1.large"]
    assert servers["torino-gpu-2"]["availabilityZone"] == "west"
    assert "availabilityZone" not in servers["torino-big-1"]
    found = difference(before, made.graph)
    assert found.changed == {} and found.removed == set()
    more = site.change("Pulumi.torino.yaml", lambda d: d["config"]["aerie:agent_groups"]["gpu"].update(count=3))
    found = difference(made.graph, Machines(more).graph)
    assert (found.changed, found.removed) == ({}, set())
    assert found.added == {"torino-gpu-3", "torino-gpu-3-ready"}


def test_an_existing_network(site: Checkout) -> None:
    graph = Machines(cloud(site, network="farm")).graph
    for kind in (":Network", ":Subnet", ":SubnetRoute", ":Router", ":RouterInterface"):
        assert graph.of(kind) == []
    assert one(graph, "Port", "torino-agent-1")["networkId"] == "id of getNetwork farm"
    assert not one(graph, "Port", "torino-front-end").get("extraDhcpOptions")
    user_data = {r.name: r.inputs["userData"] for r in graph.of(":Instance")}
    assert "ip route replace 172.31.0.0/16 via 172.31.1.10" in user_data["torino-agent-1"]
    assert "ip route" not in user_data["torino-front-end"]
    triggers = {r.name: r.trigger[-1] for r in graph.of(":Instance")}
    assert triggers["torino-agent-1"] == ["172.31.0.0/16", "172.31.1.10"] and triggers["torino-front-end"] == []


def test_an_existing_router(site: Checkout) -> None:
    graph = Machines(cloud(site, router="way-out")).graph
    assert graph.of(":Router") == []
    assert one(graph, "RouterInterface", "torino-router")["routerId"] == "id of getRouter way-out"


def test_port_security_off(site: Checkout) -> None:
    graph = Machines(cloud(site, port_security=False)).graph
    assert graph.of(":SecGroup") == [] and graph.of(":SecGroupRule") == []
    for port in graph.of(":Port"):
        assert (port.inputs["portSecurityEnabled"], port.inputs["noSecurityGroups"]) == (False, True)
        assert "allowedAddressPairs" not in port.inputs and "securityGroupIds" not in port.inputs


@pytest.mark.parametrize(
    ("word", "policy"), [("soft", "soft-anti-affinity"), ("hard", "anti-affinity"), ("none", None)]
)
def test_anti_affinity(site: Checkout, word: str, policy: str | None) -> None:
    graph = Machines(cloud(site, anti_affinity=word)).graph
    assert [r.inputs["policies"] for r in graph.of(":ServerGroup")] == ([policy] if policy else [])
    hints = one(graph, "Instance", "torino-agent-1").get("schedulerHints", [])
    assert hints == ([{"group": "id of torino-machines"}] if policy else [])


def test_the_cloud_of_the_file(site: Checkout, graph: Graph) -> None:
    made = Machines(cloud(site, cloud="inaf")).graph
    (provider,) = made.of("pulumi:providers:openstack")
    assert provider.inputs["cloud"] == "inaf"
    assert all(r.provider.startswith(provider.urn) for r in made.resources if r.type.startswith("openstack:"))
    assert not graph.of("pulumi:providers:openstack")


def test_agents_are_reached_through_the_front_end(graph: Graph) -> None:
    ready = {r.name: r for r in graph.of("remote:Command")}
    front = ready["torino-front-end-ready"].inputs["connection"]
    assert (front["host"], front.get("proxy")) == ("172.30.0.11", None)
    agent = ready["torino-agent-1-ready"].inputs["connection"]
    assert agent["host"] == "172.31.1.11" and agent["hostKey"] == "ssh-ed25519 AAAA torino-agent-1"
    assert agent["proxy"]["host"] == "172.30.0.11" and agent["proxy"]["hostKey"] == "ssh-ed25519 AAAA torino-front-end"
    servers = {r.urn: r.name for r in graph.of(":Instance")}
    for name, command in ready.items():
        assert f"{servers[command.deleted_with]}-ready" == name
        assert command.inputs["triggers"] == [f"id of {servers[command.deleted_with]}"]


def test_one_more_agent_changes_no_other(site: Checkout) -> None:
    before = Machines(site).graph
    after = Machines(site.change("Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 3}))).graph
    found = difference(before, after)
    assert found.changed == {} and found.removed == set()
    assert found.added == {"torino-agent-3", "torino-agent-3-ready"}


def test_a_new_site_is_one_more_rule(site: Checkout) -> None:
    def add(data: Any) -> None:
        pisa = {
            "as_number": 64516,
            "lan": "172.31.4.0/24",
            "containers": "10.65.192.0/18",
            "vpn_endpoint": "172.30.0.14:51820",
        }
        data["sites"]["pisa"] = pisa

    before = Machines(site).graph
    found = difference(before, Machines(site.change("federation.yaml", add)).graph)
    assert (found.added, found.removed, found.changed) == ({"torino-vpn-pisa"}, set(), {})


def test_users_and_operators_come_in_at_the_floating_ip(site: Checkout) -> None:
    graph = site.graph("demo")
    assert graph.outputs["login"] == ("ssh -p 2222 demo@172.30.0.11", False)
    login = graph["demo-login"].inputs
    assert login["connection"]["host"] == "172.30.0.11"
    # The floating IP is the router's: the machine itself listens on its own address.
    assert "LISTEN=172.31.1.10:2222" in login["create"]
