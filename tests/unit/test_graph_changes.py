"""What a change of the configuration changes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.conftest import Checkout, Graphs
from tests.unit.mocks import Difference, difference

Change = Callable[[Any], None]
Of = Callable[[str, str, Change], Difference]
OfImage = Callable[[str, str], Difference]


@pytest.fixture
def of(checkouts: Callable[[], Checkout], graphs: Graphs) -> Of:
    """What a change of a file changes in a stack's graph."""

    def changed(stack: str, file: str, change: Change) -> Difference:
        return difference(graphs(stack), checkouts().change(file, change).graph(stack))

    return changed


@pytest.fixture
def of_image(checkout: Checkout, graphs: Graphs) -> OfImage:
    """What another tag of an image changes in a stack's graph."""

    def changed(stack: str, image: str) -> Difference:
        checkout.tags = {**checkout.tags, image: "ffffffffffff"}
        return difference(graphs(stack), checkout.graph(stack))

    return changed


def test_one_more_agent(of: Of) -> None:
    found = of("torino", "Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 3}))
    assert found.changed == {} and found.removed == set()
    assert {n for n in found.added if not n.startswith("torino-agent-3")} == set()
    assert {
        "torino-agent-3",
        "torino-agent-3-ready",
        "torino-agent-3-calico",
        "torino-agent-3-mesos-agent",
    } <= found.added


def test_one_agent_less_takes_the_last(of: Of) -> None:
    found = of("torino", "Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 1}))
    assert found.changed == {} and found.added == set()
    assert {n for n in found.removed if not n.startswith("torino-agent-2")} == set()


def test_another_agent_is_nobody_elses_business(of: Of) -> None:
    for stack in ("federation", "cnaf", "bari", "demo"):
        found = of(stack, "Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 3}))
        assert found == Difference(set(), set(), {})


@pytest.mark.parametrize(
    ("image", "services"),
    [
        ("etcd", {"torino-front-end-etcd"}),
        ("zookeeper", {"torino-front-end-zookeeper"}),
        ("marathon", {"torino-front-end-marathon"}),
        ("vpn", {"torino-vpn"}),
        ("calico", {"torino-front-end-calico", "torino-agent-1-calico", "torino-agent-2-calico"}),
        (
            "mesos",
            {
                "torino-front-end-mesos-master",
                "torino-front-end-mesos-agent",
                "torino-agent-1-mesos-agent",
                "torino-agent-2-mesos-agent",
            },
        ),
        ("htcondor", set()),
        ("login", set()),
    ],
)
def test_a_changed_image_changes_its_services_only(of_image: OfImage, image: str, services: set[str]) -> None:
    found = of_image("torino", image)
    assert found.added == found.removed == set()
    assert set(found.changed) == services
    assert all("create" in fields and "connection" not in fields for fields in found.changed.values())


def test_more_memory_for_a_service_changes_it_only(of: Of) -> None:
    def more(data: Any) -> None:
        data["memory"] = {"zookeeper": 1024, "mesos_agent": 512}

    found = of("torino", "federation.yaml", more)
    assert found.added == found.removed == set()
    agents = {f"torino-{m}-mesos-agent" for m in ("front-end", "agent-1", "agent-2")}
    assert set(found.changed) == {"torino-front-end-zookeeper", *agents}
    assert all("create" in fields and "connection" not in fields for fields in found.changed.values())


def test_a_changed_machine_image_changes_the_machines(of_image: OfImage) -> None:
    found = of_image("torino", "machine")
    assert set(found.changed) == {"torino-image", "torino-front-end", "torino-agent-1", "torino-agent-2"}
    assert found.added == found.removed == set()


def test_a_changed_htcondor_image_changes_the_pools_apps(of_image: OfImage) -> None:
    found = of_image("demo", "htcondor")
    assert found.changed == {f"demo-{app}": {"app"} for app in ("central-manager", "submit-node", "executors")}


def add_site(data: Any) -> None:
    data["sites"]["pisa"] = {
        "as_number": 64516,
        "lan": "172.31.4.0/24",
        "containers": "10.65.192.0/18",
        "vpn_endpoint": "172.30.0.14:51820",
        "quorum": False,
    }


def test_a_new_site_is_one_more_peer_of_the_others(of: Of) -> None:
    for stack in ("torino", "cnaf", "bari"):
        found = of(stack, "federation.yaml", add_site)
        shows = {"torino-front-end-page": {"create"}} if stack == "torino" else {}  # the status page has one site more
        assert found == Difference({f"{stack}-vpn-pisa"}, set(), shows)


def test_a_new_site_is_two_more_keys_of_the_federation(of: Of) -> None:
    found = of("federation", "federation.yaml", add_site)
    assert found == Difference({"ssh-pisa", "wireguard-pisa"}, set(), {})


def test_a_new_site_leaves_pools_alone(of: Of) -> None:
    assert of("demo", "federation.yaml", add_site) == Difference(set(), set(), {})


def test_more_executors_are_an_update_of_one_app(checkout: Checkout, graphs: Graphs) -> None:
    after = checkout.change("Pulumi.demo.yaml", lambda d: d["config"]["aerie:pool"]["executors"].update(count=4))
    old, new = graphs("demo"), after.graph("demo")
    found = difference(old, new)
    assert found == Difference(set(), set(), {"demo-executors": {"app"}})
    a, b = old["demo-executors"].inputs["app"], new["demo-executors"].inputs["app"]
    assert {k for k in a if a[k] != b[k]} == {"instances"}
    assert (a["instances"], b["instances"]) == (3, 4)


def test_a_new_user_leaves_the_central_manager_running(of: Of) -> None:
    def change(data: Any) -> None:
        users = data["config"]["aerie:pool"]["users"]
        users.append({**users[0], "name": "ada", "uid": 2002})

    found = of("demo", "Pulumi.demo.yaml", change)
    assert found.added == found.removed == set()
    assert "demo-submit-node" in found.changed and "demo-login" not in found.changed


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("mesos-agent", {"mesos-agent"}),
        ("ssh-torino", {"ssh-torino"}),
        ("ca", {"ca"}),
        ("wireguard-bari", {"wireguard-bari"}),
    ],
)
def test_one_identity_is_rotated(of: Of, what: str, changed: set[str]) -> None:
    found = of("federation", "Pulumi.federation.yaml", lambda d: d["config"].update({"aerie:rotate": {what: 1}}))
    assert found.added == found.removed == set()
    assert found.changed == {name: {"generation"} for name in changed}
