"""What stands in each stack: machines, services, addresses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from components.spec.rules import PASSWORDS
from tests.unit.conftest import Checkout, Graphs, federation_state
from tests.unit.mocks import Graph, Registered

ALL = {"calico", "mesos-agent"}  # on every machine
QUORUM = {"etcd", "zookeeper", "mesos-master", "marathon"}  # on a quorum site's front-end


def services(graph: Graph) -> dict[str, set[str]]:
    """The names of services by the address that they go to."""
    found: dict[str, set[str]] = {}
    for service in graph.of("cluster:Service"):
        host = graph[service.name].inputs["connection"]["host"]
        found.setdefault(host, set()).add(container_name(graph[service.name]))
    return found


def container_name(command: Registered) -> str:
    return str(command.inputs["create"].partition("--name ")[2].split()[0])


def files(command: Registered) -> dict[str, str]:
    """The files that a service's command puts on its machine."""
    lines = (line.split() for line in command.inputs["stdin"].splitlines())
    return {name: base64.b64decode(data[0]).decode() if data else "" for _mode, name, *data in lines}


def test_machines_of_a_site(graphs: Graphs) -> None:
    graph = graphs("torino")
    machines = {r.name: r for r in graph.of("container:Container")}
    assert set(machines) == {"torino-front-end", "torino-agent-1", "torino-agent-2"}
    addresses = {n: [net["ipv4Address"] for net in m.inputs["networksAdvanced"]] for n, m in machines.items()}
    assert addresses == {
        "torino-front-end": ["172.31.1.10", "172.30.0.11"],
        "torino-agent-1": ["172.31.1.11"],
        "torino-agent-2": ["172.31.1.12"],
    }
    assert graph.outputs["machines"][0] == {
        "torino-front-end": "172.31.1.10",
        "torino-agent-1": "172.31.1.11",
        "torino-agent-2": "172.31.1.12",
    }
    lan = graph["torino-lan"].inputs["ipamConfigs"][0]
    assert (lan["subnet"], lan["gateway"]) == ("172.31.1.0/24", "172.31.1.1")
    routes = [e for e in machines["torino-agent-1"].inputs["envs"] if e.startswith("AERIE_ROUTES=")]
    assert routes == ["AERIE_ROUTES=172.31.0.0/16 via 172.31.1.10"]


def test_services_of_a_quorum_site(graphs: Graphs) -> None:
    assert services(graphs("torino")) == {
        "172.31.1.10": ALL | QUORUM | {"vpn", "collector", "graphite", "page"},
        "172.31.1.11": ALL,
        "172.31.1.12": ALL,
    }
    assert services(graphs("bari")) == {"172.31.3.10": ALL | QUORUM | {"vpn", "collector"}, "172.31.3.11": ALL}


def test_a_site_without_quorum_has_no_member(checkout: Checkout) -> None:
    checkout.change("federation.yaml", add_site)
    graph = checkout.graph("pisa")
    assert services(graph) == {"172.31.4.10": ALL | {"vpn", "collector"}}
    assert set(graph.outputs) == {"machines", "host_keys"}
    assert not [r for r in graph.resources if r.name.endswith("-etcd-root")]


def add_site(data: Any) -> None:
    data["sites"]["pisa"] = {
        "as_number": 64516,
        "lan": "172.31.4.0/24",
        "containers": "10.65.192.0/18",
        "vpn_endpoint": "172.30.0.14:51820",
    }


@pytest.fixture(autouse=True)
def pisa(checkout: Checkout) -> None:
    (checkout.root / "Pulumi.pisa.yaml").write_text("config: {aerie:iaas: docker, aerie:agents: 0}\n")


def test_each_machine_has_its_own_host_key(graphs: Graphs) -> None:
    graph = graphs("torino")
    for command in graph.of("remote:Command"):
        connection = command.inputs["connection"]
        number = int(connection["host"].rpartition(".")[2]) - 10
        machine = f"torino-agent-{number}" if number else "torino-front-end"
        assert connection["hostKey"] == f"ssh-ed25519 AAAA {machine}-host-key"
        assert connection["user"] == "root"


def test_a_machine_takes_its_services_with_it(graphs: Graphs) -> None:
    for stack in ("torino", "bari"):
        graph = graphs(stack)
        machines = {r.urn: r.name for r in graph.of("container:Container")}
        commands = graph.of("remote:Command")
        assert commands
        for command in commands:
            assert command.deleted_with in machines, command.name
            assert machines[command.deleted_with].split("-")[:1] == [stack]
        for service in graph.of("cluster:Service"):
            command = graph[service.name]
            assert command.replace_first, "two containers of one name cannot be there at once"
            ready = graph[f"{machines[command.deleted_with]}-ready"]
            assert ready.urn in command.depends_on


def test_services_are_made_anew_with_their_machine(graphs: Graphs) -> None:
    graph = graphs("torino")
    for command in graph.of("remote:Command"):
        name = command.deleted_with.rpartition("::")[2]
        if command.name.endswith("-calico-node"):  # made anew, it would have a machine forgotten that is there
            assert "triggers" not in command.inputs
        else:
            assert command.inputs["triggers"] == [f"id of {name}"], command.name


def test_certificates_say_where_their_server_is(graphs: Graphs) -> None:
    graph = graphs("torino")
    found = {c.name: (c.inputs["common_name"], c.inputs["addresses"]) for c in graph.of(":Certificate")}
    assert found == {
        "torino-front-end-certificate": ("torino-front-end", ["172.31.1.10"]),
        "torino-agent-1-certificate": ("torino-agent-1", ["172.31.1.11"]),
        "torino-agent-2-certificate": ("torino-agent-2", ["172.31.1.12"]),
        "torino-front-end-etcd-root": ("root", []),
        "torino-front-end-collector-client": ("collector", []),
    }


def test_files_of_services(graphs: Graphs) -> None:
    graph = graphs("torino")
    assert set(files(graph["torino-front-end-etcd"])) == {
        "ca.crt", "server.crt", "server.key", "peer.crt", "peer.key", "root.crt", "root.key",
    }  # fmt: skip
    zookeeper = files(graph["torino-front-end-zookeeper"])
    assert {
        "server.1=172.31.1.10:2888:3888",
        "server.2=172.31.2.10:2888:3888",
        "server.3=172.31.3.10:2888:3888",
    } <= set(zookeeper["zoo.cfg"].split())
    assert zookeeper["myid"] == "1\n"
    calico = files(graph["torino-agent-1-calico"])
    kinds = [(o["kind"], o["metadata"]["name"]) for o in yaml.safe_load_all(calico["objects.yaml"])]
    assert ("IPPool", "site-torino") in kinds and ("IPPool", "fixed") in kinds
    assert not [name for _, name in kinds if name in ("site-cnaf", "site-bari")]
    assert files(graph["torino-vpn"])["private.key"] == "TOPSECRET wireguard torino"
    ids = {files(graphs(s)[f"{s}-front-end-zookeeper"])["myid"] for s in ("torino", "cnaf", "bari")}
    assert ids == {"1\n", "2\n", "3\n"}


def test_vpn_peers(graphs: Graphs) -> None:
    graph = graphs("torino")
    text = graph["torino-vpn-cnaf"].inputs["stdin"]
    assert "PublicKey = wireguard public cnaf\n" in text
    assert "# Address = 172.31.1.10/32\n" in text and "# Routes = 172.31.2.0/24\n" in text
    assert "# Peer = 172.31.2.10\n" in text
    there = graphs("cnaf")["cnaf-vpn-torino"].inputs["stdin"]

    def line(of: str, key: str) -> str:
        return next(ln.partition(" = ")[2] for ln in of.splitlines() if ln.startswith(f"{key} = "))

    assert line(text, "Endpoint") == f"172.30.0.12:{line(there, 'ListenPort')}"
    assert line(there, "Endpoint") == f"172.30.0.11:{line(text, 'ListenPort')}"


def test_federation(graphs: Graphs) -> None:
    graph = graphs("federation")
    assert {r.name for r in graph.of(":SshKey")} == {"ssh-torino", "ssh-cnaf", "ssh-bari"}
    assert {r.name for r in graph.of(":WireGuardKey")} == {"wireguard-torino", "wireguard-cnaf", "wireguard-bari"}
    assert graph["wan"].inputs["ipamConfigs"] == [{"subnet": "172.30.0.0/24", "gateway": "172.30.0.1"}]
    assert set(graph.outputs["passwords"][0]) == set(PASSWORDS)


def test_federation_without_the_embedded_iaas_has_no_docker(checkout: Checkout) -> None:
    checkout.change("federation.yaml", lambda d: d.pop("embedded"))
    assert not [r for r in checkout.graph("federation").resources if r.type.startswith("docker:")]


def test_pool(graphs: Graphs) -> None:
    graph = graphs("demo")
    apps = {r.name: r.inputs for r in graph.of("MarathonApp")}
    assert {n: (a["app"]["id"], a["app"]["instances"]) for n, a in apps.items()} == {
        "demo-central-manager": ("/demo/central-manager", 1),
        "demo-submit-node": ("/demo/submit-node", 1),
        "demo-executors": ("/demo/executors", 3),
    }
    for inputs in apps.values():
        assert "env" not in inputs["app"]
        assert inputs["urls"] == [f"https://172.31.{n}.10:8443" for n in (1, 2, 3)]
    roles = {n: a["env"]["AERIE_ROLE"] for n, a in apps.items()}
    assert roles == {
        "demo-central-manager": "central-manager",
        "demo-submit-node": "submit",
        "demo-executors": "executor",
    }
    users = json.loads(base64.b64decode(apps["demo-submit-node"]["env"]["AERIE_USERS"]))
    assert [(u["name"], u["uid"], u["ssh_keys"][0].split()[2]) for u in users] == [("demo", 2001, "demo")]
    login = graph["demo-login"].inputs
    assert login["connection"]["host"] == "172.31.1.10"
    assert "LISTEN=172.31.1.10:2222" in login["create"] and "TARGET=10.66.0.11:22" in login["create"]
    assert graph.outputs["login"] == ("ssh -p 2222 demo@172.31.1.10", False)


def test_the_pools_apps_wait_for_the_central_manager(graphs: Graphs) -> None:
    graph = graphs("demo")
    first = graph["demo-central-manager"].urn
    assert first in graph["demo-submit-node"].depends_on
    assert first in graph["demo-executors"].depends_on


def test_what_to_do_when_the_federations_stack_is_behind(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.conftest.federation_state", lambda sites: federation_state(["cnaf", "bari"]))
    with pytest.raises(
        ValueError, match=r"the federation's stack has no .* for torino yet: run pulumi up -s federation first"
    ):
        checkout.graph("torino")
