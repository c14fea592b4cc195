"""Groups: their order, their versions, and what the API answers of them."""

import pytest
from fake_mesos_master import FakeMaster
from marathon_helpers import TestService, operations, with_service
from marathon_service.core import group_views, history
from marathon_service.core.definition import Rules
from marathon_service.core.groups import Groups
from marathon_service.core.model import State
from marathon_service.core.validation import Invalid


def small(app_id: str, **more) -> dict:
    return {"id": app_id, "cmd": "x", "cpus": 0.1, "mem": 16, **more}


def test_a_group_goes_back_to_a_version_that_had_other_apps() -> None:
    ops = operations()
    groups = Groups(ops)
    first = groups.create(
        {"id": "/g", "apps": [small("a"), small("h-b", cmd="one")], "groups": [{"id": "in", "dependencies": ["../a"]}]},
        "/",
    )
    ops.create(small("/other"), force=True)
    groups.change({"apps": [small("h-b", cmd="two")], "groups": []}, "/g", force=True)
    ops.update("/g/h-b", {"instances": 3}, force=True)
    assert set(ops.state.apps) == {"/other", "/g/h-b"} and "/g/in" not in ops.state.groups
    versions = history.versions(ops.state, "/g")
    assert len(versions) == 3 and versions[-1] == first.version
    apps, metas = history.at(ops.state, "/g", first.version)
    assert {a: raw["cmd"] for a, raw in apps.items()} == {"/g/a": "x", "/g/h-b": "one"}
    assert metas["/g/in"] == {"dependencies": ["/g/a"]}
    groups.change({"version": first.version}, "/g", force=True)
    assert set(ops.state.apps) == {"/other", "/g/a", "/g/h-b"} and ops.state.apps["/g/h-b"].raw["cmd"] == "one"
    assert ops.state.groups["/g/in"] == {"dependencies": ["/g/a"]}
    for version in ("2001-01-01T00:00:00.000Z", "nonsense"):
        with pytest.raises(Invalid):
            groups.change({"version": version}, "/g", force=True)
    with pytest.raises(Invalid, match="alone"):
        groups.change({"scaleBy": 2, "apps": []}, "/g", force=True)
    shown = group_views.group(ops.state, "/g")
    assert not groups.change(shown, "/g", force=True).steps, "what is shown can be sent back"


def test_no_more_versions_are_kept_than_configured() -> None:
    ops = operations()
    ops.rules = Rules(max_versions=5)
    ops.create(small("/g/a"))
    for n in range(9):
        ops.update("/g/a", {"env": {"N": str(n)}}, force=True)
    assert len(history.versions(ops.state, "/g")) == 5
    oldest = history.versions(ops.state, "/g")[-1]
    assert history.at(ops.state, "/g", oldest)[0]["/g/a"]["env"] == {"N": "4"}
    changes = ops.state.take_changes()
    assert len([c for c in changes if c[0] == "history" and c[2] is not None]) == 5


def test_the_state_of_a_version_without_history_is_read() -> None:
    ops = operations()
    ops.create(small("/g/a"))
    stored = [c for c in ops.state.take_changes() if c[0] != "history" and c[2] is not None]
    state = State.load(stored)
    assert history.versions(state, "/g") == [state.apps["/g/a"].version]
    assert history.at(state, "/g", state.apps["/g/a"].version)[0]["/g/a"]["cmd"] == "x"


def test_order_by_dependencies_of_apps_and_groups() -> None:
    ops = operations()
    groups = Groups(ops)
    body = {"groups": [
        {"id": "db", "apps": [small("store")]},
        {"id": "web", "dependencies": ["/shop/db"], "apps": [small("front", dependencies=["back"]), small("back")]},
    ]}  # fmt: skip
    made = groups.change(body, "/shop")
    assert [[a.app for a in s] for s in made.steps] == [
        ["/shop/db/store", "/shop/web/back", "/shop/web/front"], ["/shop/db/store"], ["/shop/web/back"], ["/shop/web/front"]
    ]  # fmt: skip
    gone = groups.delete("/shop", force=True)
    assert [[a.app for a in s] for s in gone.steps] == [["/shop/web/front"], ["/shop/web/back"], ["/shop/db/store"]]
    with pytest.raises(Invalid, match="circle"):
        groups.change({"apps": [small("a", dependencies=["b"]), small("b", dependencies=["a"])]}, "/x", force=True)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"id": "/g", "apps": [{"cmd": "x"}]}, "/apps(0)/id"),
        ({"id": "/g", "apps": [small("/elsewhere")]}, "/apps(0)/id"),
        ({"id": "/g", "apps": [small("a", cpus="x")]}, "/apps(0)/cpus"),
        ({"id": "/g", "groups": [{"id": "h", "apps": [small("a"), small("a")]}]}, "/groups(0)/apps(1)/id"),
        ({"id": "/g", "apps": [small("h")], "groups": [{"id": "h", "apps": [small("a")]}]}, "/id"),
        ({"id": "/g", "colour": 1}, "/colour"),
        ({"id": "/Bad_One"}, "/id"),
        ({"id": "/g", "pods": [{"id": "p"}]}, "/pods"),
        ({"id": "/g", "enforceRole": True}, "/enforceRole"),
        ({"id": "/g", "groups": [{"id": "h", "enforceRole": True}]}, "/groups(0)/enforceRole"),
        ({"id": "/g", "scaleBy": -1}, "/scaleBy"),
    ],
)
def test_what_is_wrong_with_a_group(body: dict, path: str) -> None:
    with pytest.raises(Invalid) as e:
        Groups(operations()).create(body, "/")
    assert path in dict(e.value.problems)


def test_groups_over_http() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        body = {"id": "shop", "apps": [small("web")], "dependencies": []}
        steps = await s.call("PUT", "/v2/groups?dryRun=true", body, 200)
        assert [a["action"] for x in steps["steps"] for a in x["actions"]] == ["StartApplication", "ScaleApplication"]
        assert not s.scheduler.state.apps
        made = await s.call("POST", "/v2/groups", body, 201)
        await s.deployed()
        assert "already created" in (await s.call("POST", "/v2/groups", body, 409))["message"]
        assert "already created" in (await s.call("POST", "/v2/groups", {"apps": []}, 409))["message"]
        versions = await s.call("GET", "/v2/groups/shop/versions")
        assert versions == [made["version"]]
        await s.call("PUT", "/v2/groups/shop", {"scaleBy": 2}, 200)
        await s.deployed()
        then = await s.call("GET", f"/v2/groups/shop/versions/{versions[0]}")
        assert then["apps"][0]["instances"] == 1
        assert (await s.call("GET", "/v2/groups/shop/apps"))[0]["instances"] == 2
        await s.call("GET", "/v2/groups/shop/versions/2001-01-01T00:00:00.000Z", status=404)
        bare = await s.call("GET", "/v2/groups?embed=group.groups")
        assert "apps" not in bare and bare["groups"][0]["id"] == "/shop"
        full = await s.call("GET", "/v2/groups/shop?embed=group.apps&embed=group.apps.counts")
        assert full["apps"][0]["tasksRunning"] == 2
        await s.call("PATCH", "/v2/groups/shop", {"enforceRole": False}, 200)
        assert (await s.call("GET", "/v2/groups/shop"))["enforceRole"] is False
        await s.call("PATCH", "/v2/groups/shop", {"enforceRole": True}, 422)
        await s.call("PATCH", "/v2/groups/none", {"enforceRole": False}, 404)
        await s.call("POST", "/v2/apps", small("/shop"), 422)
        assert (await s.call("GET", "/v2/apps/shop/*"))["*"][0]["id"] == "/shop/web"
        # A body with all groups replaces all groups.
        await s.call("PUT", "/v2/groups", {"id": "/", "groups": []}, 200)
        await s.deployed()
        assert not s.scheduler.state.apps

    with_service(test, count=1)
