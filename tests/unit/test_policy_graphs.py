"""The program itself keeps to every policy: all kinds of stacks, as the engine would be told of them."""

from __future__ import annotations

from typing import Any

import pytest

from components.batch import tokens
from components.batch.types import PoolRole
from policy.facts import facts
from policy.rules.model import UNKNOWN, Facts, Resource, Secret
from policy.rules.table import judge
from policy.rules.wire import resource
from tests.unit.conftest import BASE, Checkout, Graphs
from tests.unit.mocks import Graph
from tests.unit.test_graph_framework import by_framework
from tests.unit.test_graph_rules import STACKS, TOP
from tests.unit.test_openstack_machines import on_openstack


def resources(graph: Graph, stack: str) -> list[Resource]:
    """What a policy would see of the graph; here it also sees `retain_on_delete`."""
    out = [resource(r.urn, r.wire, r.protect, r.retain, r.secret_outputs) for r in graph.resources]
    shown = {name: Secret(value) if secret else value for name, (value, secret) in graph.outputs.items()}
    return [*out, Resource(("pulumi:pulumi:Stack",), stack, shown)]


def violations(graph: Graph, about: Facts) -> list[str]:
    found = judge(resources(graph, about.stack), about)
    return [f"{name}: {violation}" for name, all_ in found.items() for violation in all_]


@pytest.mark.parametrize(("stack", "preview"), STACKS)
def test_embedded(graphs: Graphs, stack: str, preview: bool) -> None:
    assert violations(graphs(stack, preview), facts(BASE, stack)) == []


@pytest.mark.parametrize("preview", [False, True])
def test_on_openstack(checkout: Checkout, preview: bool) -> None:
    checkout.change("Pulumi.torino.yaml", on_openstack)
    about = facts(checkout.root, "torino")
    assert about.login_ports == (2200, 2299) and about.protect
    graph = checkout.graph("torino", preview)
    assert graph.of(":SecGroupRule") and graph.of(":FloatingIp") and graph.of(":Volume")
    assert violations(graph, about) == []


def test_users_from_everywhere_may_log_in(checkout: Checkout) -> None:
    checkout.change("Pulumi.torino.yaml", on_openstack)
    checkout.change(
        "Pulumi.torino.yaml", lambda d: d["config"]["aerie:openstack"].update(users=["0.0.0.0/0"], protect=False)
    )
    assert violations(checkout.graph("torino"), facts(checkout.root, "torino")) == []


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("managers", [1, 2])
def test_a_pool_by_a_framework(checkout: Checkout, preview: bool, managers: int) -> None:
    def change(data: Any) -> None:
        pool = data["config"]["aerie:pool"]
        by_framework(pool)
        pool["central_managers"] = managers
        pool["users"][0]["admin"] = True
        pool["executors"] |= {
            "devices": ["/dev/nvidia0"],
            "volumes": [{"source": "/data/software", "target": "/data/software"}],
            "ulimits": {"nofile": "4096"},
        }

    checkout.change("Pulumi.demo.yaml", change)
    assert violations(checkout.graph("demo", preview), facts(checkout.root, "demo")) == []


@pytest.mark.parametrize("framework", [False, True])
def test_tokens_are_seen_and_judged(checkout: Checkout, framework: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are within secrets, and a framework's within one more."""
    monkeypatch.setitem(tokens.ROLE_AUTHZ, PoolRole.EXECUTOR, ("READ", "ADMINISTRATOR"))
    if framework:
        checkout.change("Pulumi.demo.yaml", lambda data: by_framework(data["config"]["aerie:pool"]))
    (violation,) = violations(checkout.made_anew("demo"), facts(checkout.root, "demo"))
    whose = "demo-framework" if framework else "demo-executors"
    assert violation.startswith(
        f"tokens-least: {whose}: the token of executor is good for ADMINISTRATOR, which it does not need"
    )


def test_what_is_judged_is_there(graphs: Graphs) -> None:
    """None of the above is free of violations because nothing was seen: each policy's object is in some graph, and known."""
    seen = {r.name: r for stack in TOP for r in resources(graphs(stack), stack)}
    etcd = seen["torino-front-end-etcd"]
    assert isinstance(etcd.props["stdin"], Secret) and "docker run" in etcd.props["create"]
    assert etcd.within("cluster:Service") and not etcd.within("fabric:Vpn")
    assert seen["torino-vpn-cnaf"].within("fabric:Vpn")
    assert isinstance(seen["demo-submit-node"].props["env"], Secret)
    assert seen["demo-submit-node"].props["env"].value is not UNKNOWN
    assert isinstance(seen["federation"].props["ca_private_key"], Secret)


def test_facts_follow_the_files(checkout: Checkout) -> None:
    about = facts(checkout.root, "torino")
    assert (about.sites, about.vpn_ports, about.login_ports) == (3, (51820, 52075), None)
    assert facts(checkout.root, "demo").admins == frozenset()
    (checkout.root / "federation.yaml").write_text("name: [")
    assert facts(checkout.root, "torino") == Facts("torino", 0)
