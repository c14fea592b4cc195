"""A pool's policies in its stack's graph: before the containers, after them, and what a change of them changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.unit.conftest import Checkout, Graphs
from tests.unit.mocks import UNKNOWN, Difference, Graph, difference

Of = Callable[..., Graph]


def by_framework(pool: Any) -> None:
    pool.update({"via": "framework", "number": 2, "share": {"cpus": 8, "memory": 8192}})


@pytest.fixture
def graph_of(checkouts: Callable[[], Checkout]) -> Of:
    """The graph of `demo`, after changes of its `pool` block."""

    def graph(*changes: Callable[[Any], None], preview: bool = False) -> Graph:
        checkout = checkouts()
        for change in changes:
            checkout.change("Pulumi.demo.yaml", lambda d, c=change: c(d["config"]["aerie:pool"]))  # type: ignore[misc]
        return checkout.graph("demo", preview)

    return graph


@pytest.mark.parametrize("preview", [False, True])
def test_the_policies_are_text_that_a_preview_shows(graphs: Graphs, preview: bool) -> None:
    command = graphs("demo", preview)["demo-network"]
    assert command.inputs["stdin"] != UNKNOWN and "stdin" not in command.secrets
    (policy,) = yaml.safe_load_all(command.inputs["stdin"])
    assert (policy["kind"], policy["metadata"]["name"]) == ("GlobalNetworkPolicy", "pool-demo")
    assert command.inputs["connection"]["host"] == "172.31.1.10"
    assert "triggers" not in command.inputs and "update" not in command.inputs
    assert command.parent.endswith("aerie:fabric:PoolPolicy::demo-network")


def test_they_come_before_the_containers_and_go_after_them(graph_of: Of) -> None:
    for graph, apps in (
        (graph_of(), ("central-manager", "submit-node", "executors")),
        (graph_of(by_framework), ("framework",)),
    ):
        network = graph["demo-network"]
        for app in apps:
            assert network.urn in graph[f"demo-{app}"].depends_on, app
        containers = {r.urn for r in graph.of("MarathonApp")}
        assert not containers & network.depends_on


def test_a_framework_has_a_policy_of_its_own(graph_of: Of) -> None:
    by_marathon, framework = graph_of()["demo-network"].inputs, graph_of(by_framework)["demo-network"].inputs
    names = [p["metadata"]["name"] for p in yaml.safe_load_all(framework["stdin"])]
    assert names == ["pool-demo", "framework-demo"]
    gone = "delete globalnetworkpolicy framework-demo "
    assert gone in by_marathon["create"] and "delete globalnetworkpolicy" not in framework["create"]
    assert framework["delete"] == by_marathon["delete"]
    assert "delete globalnetworkpolicy pool-demo framework-demo --skip-not-exists" in framework["delete"]


def test_a_change_is_one_update_in_place(graph_of: Of) -> None:
    before = graph_of()
    for network in (
        {"outside": False},
        {"allow_to": [{"nets": ["192.0.2.0/24"], "ports": ["tcp/3128"]}]},
        {"deny_to": [{"nets": ["192.0.2.0/24"]}]},
    ):
        after = graph_of(lambda pool, n=network: pool.update(network=n))
        assert difference(before, after) == Difference(set(), set(), {"demo-network": {"stdin"}})


@pytest.mark.parametrize("change", [lambda p: None, by_framework])
def test_every_container_of_the_pool_has_the_labels_that_its_policies_ask_for(graph_of: Of, change: Any) -> None:
    graph = graph_of(change)
    for app in graph.of("MarathonApp"):
        given = [(p["key"], p["value"]) for p in app.inputs["app"]["container"]["docker"]["parameters"]]
        role = app.inputs["env"]["AERIE_ROLE"]
        assert ("label", "org.projectcalico.label.aerie-pool=demo") in given
        assert ("label", f"org.projectcalico.label.aerie-role={role}") in given


def test_every_key_is_taken_and_two_pools_may_agree(checkout: Checkout) -> None:
    network = {
        "outside": False,
        "allow_to": [
            {"pools": ["theory"], "ports": ["tcp/9618"]},
            # A service on a machine that is none of the control plane's, and storage outside.
            {"nets": ["172.31.1.50/32", "192.0.2.0/24"], "ports": ["tcp/3128", "tcp/9000-9100", "udp/53", "icmp"]},
        ],
        "allow_from": [{"nets": ["198.51.100.0/24", "172.31.1.0/24"], "ports": ["tcp/22"]}],
        "deny_to": [{"nets": ["172.31.0.0/16", "192.0.2.9/32"], "ports": ["tcp/3128"]}],
        "deny_from": [{"nets": ["172.31.1.10/32"], "ports": ["tcp/80"]}, {"nets": ["198.51.100.9/32"]}],
    }
    checkout.change("Pulumi.demo.yaml", lambda d: d["config"]["aerie:pool"].update(network=network))
    there = yaml.safe_load((checkout.root / "Pulumi.demo.yaml").read_text())
    other = there["config"]["aerie:pool"]
    other |= {"number": 2, "network": {"allow_from": [{"pools": ["demo"], "ports": ["tcp/9000-9700"]}]}}
    other["submit_node"]["ssh_port"] = 2223
    (checkout.root / "Pulumi.theory.yaml").write_text(yaml.safe_dump(there))
    names = [r["metadata"]["annotations"]["name"] for r in policy_of(checkout.graph("demo"))["egress"]]
    assert names == ["deny-to-0", "own-pool", "allow-to-0", "allow-to-1", "allow-to-1", "allow-to-1"]
    (first, *_) = [r for r in policy_of(checkout.graph("theory"))["ingress"] if r["source"] != {}][1:]
    assert first["source"] == {"selector": "aerie-pool in {'demo'}"}
    assert first["destination"] == {"ports": ["9000:9700"]}


def policy_of(graph: Graph) -> dict[str, Any]:
    """What the pool's own policy says."""
    (name,) = [r.name for r in graph.of("PoolPolicy")]
    found: dict[str, Any] = next(iter(yaml.safe_load_all(graph[name].inputs["stdin"])))["spec"]
    return found
