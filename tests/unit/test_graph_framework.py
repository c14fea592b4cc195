"""The graph of a pool by a framework: what stands in it, in which order, and what a change changes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from components.identity.derived import mesos_secret, zookeeper_secret
from tests.unit.conftest import Checkout, federation_state
from tests.unit.mocks import MARK, UNKNOWN, Difference, Graph, difference, texts_in_the_clear

Change = Callable[[Any], None]


def by_framework(pool: Any) -> None:
    pool.update({"via": "framework", "number": 2, "share": {"cpus": 8, "memory": 8192}})
    pool["executors"].update({"count": 1, "elastic": {"max": 10}})


@pytest.fixture
def graph_of(checkouts: Callable[[], Checkout]) -> Callable[..., Graph]:
    """The graph of the pool `demo` by a framework, after a change of its `pool` block."""

    def graph(change: Change | None = None, preview: bool = False, tags: dict[str, str] | None = None) -> Graph:
        checkout = checkouts()
        checkout.tags |= tags or {}

        def both(data: Any) -> None:
            by_framework(data["config"]["aerie:pool"])
            if change:
                change(data["config"]["aerie:pool"])

        return checkout.change("Pulumi.demo.yaml", both).graph("demo", preview)

    return graph


def test_what_stands_in_it(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of()
    made = {r.name for r in graph.resources if r.custom}
    assert made == {
        "demo-pool-key", "demo-submit-key", "demo-ssh-host-key", "demo-rest-password", "demo-rest-certificate",
        "demo-role", "demo-framework", "demo-rest", "demo-login", "demo-policy",
        "demo-network",
    }  # fmt: skip
    role = graph["demo-role"].inputs
    assert (role["role"], role["weight"], role["limit"], role["guarantee"]) == ("pool-2", 1, {}, {})
    assert role["masters"] == [f"172.31.{n}.10:5050" for n in (1, 2, 3)]
    assert (role["user"], role["password"]) == ("operator", f"{MARK} mesos-operator")
    rest = graph["demo-rest"].inputs
    assert rest["connection"]["host"] == "172.31.1.10"
    assert "LISTEN=172.31.1.10:8602" in rest["create"] and "TARGET=10.66.0.132:8443" in rest["create"]
    assert "--name rest-demo" in rest["create"]
    certificate = graph["demo-rest-certificate"].inputs
    assert certificate["addresses"] == ["172.31.1.10", "10.66.0.132"]
    policy = graph["demo-policy"].inputs
    assert (policy["url"], policy["user"], policy["pool"]) == ("https://172.31.1.10:8602", "admin", "demo")
    assert policy["policy"]["elastic"]["max"] == 10
    assert policy["destroy_with_jobs"] is False
    assert graph.outputs["rest"] == ("https://172.31.1.10:8602", False)
    assert graph.outputs["rest_user"] == ("admin", False)
    assert graph.outputs["rest_password"] == (f"{MARK} password of demo-rest-password", True)


def test_the_framework_gets_its_secrets(graph_of: Callable[..., Graph]) -> None:
    app = graph_of()["demo-framework"]
    env = app.inputs["env"]
    assert (env["AERIE_POOL"], env["AERIE_ROLE"]) == ("demo", "framework")
    config = json.loads(base64.b64decode(env["AERIE_FRAMEWORK"]))
    pools = f"{MARK} pools"
    assert config["mesos"]["secret"] == mesos_secret(pools, 2)
    hosts = ",".join(f"172.31.{n}.10:2181" for n in (1, 2, 3))
    assert config["zookeeper"] == f"zk://pool-2:{zookeeper_secret(pools, 2)}@{hosts}/pool-2"
    assert config["rest"]["password"] == f"{MARK} password of demo-rest-password"
    assert config["image"].startswith("172.30.0.1:5000/aerie/htcondor:")
    assert app.inputs["app"]["container"]["docker"]["image"].startswith("172.30.0.1:5000/aerie/framework:")
    assert [r["name"] for r in config["roles"]] == ["central-manager", "submit-node"]
    assert {"env", "password"} <= app.secret_outputs and "env" in app.secrets


def test_the_policy_goes_first_when_the_pool_goes(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of()
    assert graph["demo-role"].urn in graph["demo-framework"].depends_on
    before = graph["demo-policy"].depends_on
    for name in ("demo-role", "demo-framework", "demo-rest", "demo-login", "demo-rest-password"):
        assert graph[name].urn in before, name
    policy = graph["demo-policy"].urn
    assert not any(policy in r.depends_on for r in graph.resources)


def test_the_guard_goes_first_when_a_pool_by_marathon_goes(checkout: Checkout) -> None:
    graph = checkout.graph("demo")
    guard = graph["demo-guard"]
    for name in ("demo-central-manager", "demo-submit-node", "demo-executors", "demo-login"):
        assert graph[name].urn in guard.depends_on, name
    assert not any(guard.urn in r.depends_on for r in graph.resources)
    assert guard.inputs["create"] == "true" and "AERIE_POOL=demo" in guard.inputs["delete"]
    assert guard.inputs["connection"]["host"] == "172.31.1.10"
    changed = checkout.change(
        "Pulumi.demo.yaml", lambda d: d["config"]["aerie:pool"].update(destroy_with_jobs=True)
    ).graph("demo")
    assert difference(graph, changed) == Difference(set(), set(), {"demo-guard": {"delete"}})
    assert changed["demo-guard"].inputs["delete"] == "true"


@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_is_in_the_clear(graph_of: Callable[..., Graph], preview: bool) -> None:
    graph = graph_of(preview=preview)
    derived = [f(f"{MARK} pools", 2) for f in (mesos_secret, zookeeper_secret)]
    for resource in graph.resources:
        for text in texts_in_the_clear({k: v for k, v in resource.wire.items() if k != "__provider"}):
            assert not any(word in text for word in (MARK, *derived)), resource.name
    for name, field in (("demo-role", "password"), ("demo-policy", "password"), ("demo-framework", "env")):
        assert field in graph[name].secrets or graph[name].wire[field] == UNKNOWN
    for name, (value, secret) in graph.outputs.items():
        assert secret or MARK not in str(value), name


def elastic(**changes: Any) -> Change:
    return lambda pool: pool["executors"]["elastic"].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        elastic(max=20),
        elastic(min=2, curb=3, batch=1, placement="spread"),
        elastic(caps={"each_user": 4}, sites={"bari": {"max": 1}}, largest={"cpus": 2}),
        lambda pool: pool["executors"].update(count=2),
        lambda pool: pool.update(destroy_with_jobs=True),
        lambda pool: pool["executors"].pop("elastic"),
    ],
)
def test_a_policy_is_changed_in_place(graph_of: Callable[..., Graph], change: Change) -> None:
    found = difference(graph_of(), graph_of(change))
    changed = found.changed.get("demo-policy", set())
    if "app" in changed:  # without elastic executors there is no time-out for orphans
        assert set(found.changed) == {"demo-policy", "demo-framework"}
        return
    assert found.added == found.removed == set() and set(found.changed) == {"demo-policy"}
    assert changed in ({"policy"}, {"destroy_with_jobs"})


def test_a_share_is_changed_in_place(graph_of: Callable[..., Graph]) -> None:
    found = difference(graph_of(), graph_of(lambda pool: pool.update(share={"cpus": 4, "memory": 8192, "weight": 2})))
    assert found == Difference(set(), set(), {"demo-policy": {"policy"}, "demo-role": {"weight"}})
    limit = {"cpus": 8, "memory": 8192, "limit": {"cpus": 12}}
    found = difference(graph_of(), graph_of(lambda pool: pool.update(share=limit)))
    assert found == Difference(set(), set(), {"demo-role": {"limit"}})


def test_a_new_image_makes_the_framework_anew_and_waits_for_it(graph_of: Callable[..., Graph]) -> None:
    found = difference(graph_of(), graph_of(tags={"framework": "ffffffffffff"}))
    assert found == Difference(set(), set(), {"demo-framework": {"app"}, "demo-policy": {"app"}})
    found = difference(graph_of(), graph_of(tags={"htcondor": "ffffffffffff"}))
    assert found == Difference(set(), set(), {"demo-framework": {"env"}, "demo-policy": {"app"}})


def test_the_same_file_gives_the_same_graph(graph_of: Callable[..., Graph]) -> None:
    assert difference(graph_of(), graph_of()) == Difference(set(), set(), {})
    preview, up = graph_of(preview=True), graph_of()
    assert preview.keys == up.keys
    for key, resource in up.by_key.items():
        assert resource.depends_on == preview.by_key[key].depends_on


def test_identities_of_the_rest_are_rotated(graph_of: Callable[..., Graph]) -> None:
    found = difference(graph_of(), graph_of(lambda pool: pool.update(rotate={"rest-password": 1})))
    assert found.changed["demo-rest-password"] == {"generation"}
    assert found.added == found.removed == set()


def test_a_pool_is_no_change_of_a_site(checkouts: Callable[[], Checkout]) -> None:
    plain = checkouts().graph("torino")
    with_it = checkouts().change("Pulumi.demo.yaml", lambda d: by_framework(d["config"]["aerie:pool"])).graph("torino")
    assert difference(plain, with_it) == Difference(set(), set(), {})


def test_what_to_do_when_the_federations_stack_has_no_password_for_pools(
    checkouts: Callable[[], Checkout], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, secret = federation_state(["torino", "cnaf", "bari"])
    del state["passwords"]["pools"]
    monkeypatch.setattr("tests.unit.conftest.federation_state", lambda sites: (state, secret))
    for stack in ("torino", "demo"):
        checkout = checkouts().change("Pulumi.demo.yaml", lambda d: by_framework(d["config"]["aerie:pool"]))
        with pytest.raises(ValueError, match=r"has no password pools yet: run pulumi up -s federation first"):
            checkout.graph(stack)
