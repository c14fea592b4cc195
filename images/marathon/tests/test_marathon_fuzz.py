"""Whatever a client sends: it is refused as documented, or it can be stored, planned for, shown and put in Mesos' words."""

import asyncio
import itertools
import json
import random

import pytest
from fuzz_http import campaign
from marathon_bodies import APP, GROUP, PLAIN_APP, flags
from marathon_helpers import T0, offer, operations
from marathon_service.core import app_views, group_views, views
from marathon_service.core.groups import Groups
from marathon_service.core.model import State
from marathon_service.core.operations import Conflict, Locked, NotFound, Operations
from marathon_service.core.planning import plan
from marathon_service.core.taskinfo import task_info
from marathon_service.core.validation import Invalid

EXPECTED = (Invalid, Conflict, Locked, NotFound)


def sound(ops: Operations, held: dict) -> None:
    """All that follows from a change that was taken.  `held` is what is stored."""
    numbers = itertools.count()
    offers = [offer(f"n{n}", cpus=50, mem=1e6, disk=1e6, site=f"s{n}") for n in range(2)]
    result = plan(ops.state, offers, T0, lambda a: f"{a.strip('/').replace('/', '_')}.instance-{next(numbers)}._app.1")
    for launches in result.launches.values():
        for x in launches:
            json.dumps(task_info(x.spec, x.instance, x.resources, user="root"), allow_nan=False)
    json.dumps(ops.take_events(), allow_nan=False)
    everything = app_views.embeds(["apps.tasks", "apps.failures", "apps.readiness", "apps.taskStats"])
    json.dumps([app_views.app(ops.state, s, everything, T0) for s in ops.state.apps.values()], allow_nan=False)
    json.dumps([views.deployment(d, ops.state) for d in ops.state.deployments.values()], allow_nan=False)
    json.dumps(group_views.group(ops.state, "/"), allow_nan=False)
    views.tasks_text(ops.state, ops.state.instances.values(), ["*"])
    for kind, key, value in ops.state.take_changes():
        held[kind, key] = None if value is None else json.dumps(value, allow_nan=False)
    again = State.load([(kind, key, json.loads(text)) for (kind, key), text in held.items() if text is not None])
    assert again.apps == ops.state.apps and again.deployments == ops.state.deployments
    assert again.instances == ops.state.instances and again.groups == ops.state.groups


@pytest.mark.parametrize("seed", range(8))
def test_any_app(seed: int) -> None:
    r = random.Random(seed)
    ops, held, taken = operations(), {}, 0
    for n in range(40):
        # As a rule only what is nearly right gets far.
        body = PLAIN_APP(r) if n % 4 == 0 else {**PLAIN_APP(r), **APP(r)} if n % 2 else APP(r)
        try:
            if flags(r):
                ops.update("/a", body, force=True)
            else:
                ops.create(body, force=True)
        except EXPECTED as e:
            assert not isinstance(e, Invalid) or all(p and m for p, m in e.problems)
            continue
        taken += 1
        sound(ops, held)
    assert taken > 3


@pytest.mark.parametrize("seed", range(8))
def test_any_group(seed: int) -> None:
    r = random.Random(seed)
    ops = operations()
    ops.create({"id": "/g/old", "cmd": "x"})
    groups, held = Groups(ops), {}
    for _ in range(25):
        body, path = GROUP(r), r.choice(["/", "/g"])
        try:
            before = groups.steps(body, path).deployment.steps
            assert groups.change(body, path, force=True).steps == before
        except EXPECTED as e:
            assert not isinstance(e, Invalid) or all(p and m for p, m in e.problems)
            continue
        sound(ops, held)


def test_any_request() -> None:
    """What `make soak` does for longer: fuzz_http.py."""
    seen = asyncio.run(campaign(1000, 120))
    assert {200, 201, 404, 422} <= set(seen)


@pytest.mark.parametrize("body", [None, [], 1, "x", {"id": None}, {"id": []}, {"id": {"a": 1}}])
def test_what_is_no_app(body: object) -> None:
    with pytest.raises(Invalid):
        operations().create(body)


@pytest.mark.parametrize(
    "networks", [5, "x", {}, [5], [[]], [{"mode": []}], [{"mode": {}}, {}], [{"mode": 5}], [{"name": []}]]
)
def test_networks_that_are_none(networks: object) -> None:
    """Ports belong to the kind of network, so it is looked at before the whole is checked."""
    ops = operations()
    ops.create({"id": "/a", "cmd": "x", "portDefinitions": [{"port": 0}]})
    for partial in (True, False):
        with pytest.raises(Invalid):
            ops.update("/a", {"networks": networks, "cmd": "y"}, force=True, partial=partial)
    with pytest.raises(Invalid):
        ops.create({"id": "/b", "cmd": "x", "networks": networks})


@pytest.mark.parametrize("network", [[], {}, 5, "host", ["HOST"]])
def test_docker_networks_that_are_none(network: object) -> None:
    with pytest.raises(Invalid):
        operations().create({"id": "/b", "cmd": "x", "container": {"docker": {"image": "i", "network": network}}})


def test_what_is_null_in_a_port_is_not_there() -> None:
    ops = operations()
    port = {"port": None, "protocol": None, "name": None, "labels": None}
    ops.create({"id": "/a", "cmd": "x", "portDefinitions": [port]})
    (defined,) = ops.state.apps["/a"].raw["portDefinitions"]
    assert defined["protocol"] == "tcp" and defined["labels"] == {} and "name" not in defined
    sound(ops, {})
