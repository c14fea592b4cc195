"""The HTTP surface: errors, groups, authentication, giving on to the leader, the public client."""

import asyncio
import collections
import collections.abc
import time
from collections.abc import Callable
from typing import Any

import pytest
from fake_mesos_master import FakeMaster
from marathon_helpers import TestService, agents, with_service

Client = Callable[[TestService], Any]
APP = {"id": "/demo/app", "cmd": "sleep 1", "cpus": 0.5, "mem": 64, "container": {"docker": {"image": "x"}}}


def running(s: TestService) -> list[str]:
    return [i.id for i in s.scheduler.state.instances.values() if i.running and i.kill_reason is None]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v2/apps", {"id": "/a"}, 422),
        ("POST", "/v2/apps", [], 422),
        ("GET", "/v2/apps/none", None, 404),
        ("PATCH", "/v2/apps/none", {}, 404),
        ("DELETE", "/v2/apps/none", None, 404),
        ("PUT", "/v2/apps", {}, 422),
        ("POST", "/v2/apps/none/restart", None, 404),
        ("GET", "/v2/groups/none", None, 404),
        ("DELETE", "/v2/deployments/none", None, 404),
        ("GET", "/v2/pods", None, 501),
        ("GET", "/v3", None, 404),
        ("POST", "/v2/tasks/delete", {"ids": 1}, 422),
        ("GET", "/v2/apps?label=a=1", None, 422),
        ("PUT", "/v2/apps/x?force=maybe", {"cmd": "x"}, 400),
        ("DELETE", "/v2/apps", None, 405),
        ("POST", "/v2/groups", {"id": "/g", "apps": [{"cmd": "x"}]}, 422),
        ("GET", "/v2/tasks?status=odd", None, 400),
    ],
)
def test_errors_have_marathons_form(method: str, path: str, body: object, status: int) -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        if path.startswith("/v2/apps?label"):
            await s.call("POST", "/v2/apps", APP, 201)
        assert "message" in await s.call(method, path, body, status)
        async with s.http.post(s.url + "/v2/apps", data=b"{") as response:
            assert response.status == 400 and "message" in await response.json()
        assert not s.job.done()

    with_service(test, count=1)


def test_groups() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        body = {
            "id": "/shop",
            "groups": [{"id": "back", "apps": [{**APP, "id": "db"}]}],
            "apps": [{**APP, "id": "web", "dependencies": ["back"]}],
        }
        await s.call("POST", "/v2/groups", body, 201)
        await s.deployed()
        shown = await s.call("GET", "/v2/groups/shop")
        assert shown["groups"][0]["apps"][0]["id"] == "/shop/back/db" and shown["apps"][0]["dependencies"] == [
            "/shop/back"
        ]
        await s.call("PUT", "/v2/groups/shop", {"scaleBy": 2}, 200)
        await s.deployed()
        assert len(running(s)) == 4
        await s.call("DELETE", "/v2/groups/shop", status=200)
        await s.deployed()
        assert (await s.call("GET", "/v2/groups"))["groups"] == []

    with_service(test)


def test_authentication_of_all_but_ping() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        assert await s.call("GET", "/ping", status=200) == "pong"
        await s.call("GET", "/v2/apps", status=401)
        await s.call("GET", "/nowhere", status=401)
        for login in ("Basic bWU6d3Jvbmc=", "Basic ???", "Bearer x", "Basic bm9ib2R5OgA="):
            await s.call("GET", "/v2/apps", status=401, headers={"Authorization": login})
        await s.call("GET", "/v2/apps", status=200, headers={"Authorization": "Basic bWU6c2VjcmV0"})

    with_service(test, count=1, env={"MARATHON_HTTP_CREDENTIALS": "me:secret"})


def test_one_that_does_not_lead_gives_on() -> None:
    async def main() -> None:
        master = FakeMaster(agents(1))
        await master.start()
        async with TestService(master) as leader, TestService(master) as other:
            other.scheduler = None
            other.election.leader, other.election.leader_url = "there", leader.url
            body = await other.call("POST", "/v2/apps", APP, 201)
            assert body["id"] == "/demo/app" and "/demo/app" in leader.scheduler.state.apps
            await other.call("GET", "/v2/apps/none", status=404)
            assert await other.call("GET", "/v2/leader") == {"leader": "there"}
            other.election.leader_url = other.url
            await other.call("GET", "/v2/apps", status=502)
            other.election.leader_url = None
            await other.call("GET", "/v2/apps", status=503)
        await master.stop()

    asyncio.run(main())


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Makes public clients of the service."""
    marathon = pytest.importorskip("marathon")
    # Its JSON encoder uses a name that Python 3.10 removed.
    monkeypatch.setattr(collections, "Iterable", collections.abc.Iterable, raising=False)
    return lambda s: marathon.MarathonClient(s.url, timeout=20)


def until(what: Callable[[], object]) -> None:
    """In the client's own thread."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_public_client(client: Client) -> None:
    marathon = pytest.importorskip("marathon")
    from marathon.models import MarathonApp, MarathonConstraint, MarathonGroup, MarathonHealthCheck

    async def test(s: TestService, _m: FakeMaster) -> None:
        def drive() -> None:
            c = client(s)

            def settled() -> bool:
                return not c.list_deployments()

            app = c.create_app(
                "/a/b",
                MarathonApp(
                    cmd="x",
                    cpus=0.1,
                    mem=16,
                    instances=2,
                    constraints=[MarathonConstraint("site", "LIKE", ".*")],
                    container={"type": "DOCKER", "docker": {"image": "i", "network": "HOST"}},
                    health_checks=[MarathonHealthCheck(protocol="COMMAND", command="true", interval_seconds=1)],
                ),
            )
            assert app.id == "/a/b" and c.list_deployments()[0].current_actions
            c.delete_deployment(c.list_deployments()[0].id, force=True)
            app = c.get_app("/a/b", embed_tasks=True)
            app.health_checks, app.env = [], {"A": "1"}
            c.update_app("/a/b", app, minimal=False)
            until(settled)
            c.scale_app("/a/b", delta=1)
            until(settled)
            assert len(c.list_tasks("/a/b")) == 3 and len(c.list_apps(label="none")) == 0
            c.restart_app("/a/b")
            until(settled)
            assert c.kill_task("/a/b", c.list_tasks("/a/b")[0].id).app_id == "/a/b"
            assert len(c.kill_tasks("/a/b")) >= 2
            c.rollback_app("/a/b", c.list_versions("/a/b")[-1], force=True)
            assert c.get_version("/a/b", c.list_versions("/a/b")[-1]).instances == 2
            c.create_group(MarathonGroup(id="/g", apps=[MarathonApp(id="/g/x", cmd="x", mem=16, cpus=0.1)]))
            settle_group = c.get_group("/g")
            assert settle_group.apps[0].id == "/g/x" and {g.id for g in c.list_groups()} == {"/a", "/g"}
            assert c.get_info().framework_id and c.get_leader()["leader"] and c.ping()
            # An app that no agent can take is in the queue, and the client reads the item.
            c.create_app("/huge", MarathonApp(cmd="x", cpus=9999, mem=16, instances=1))
            until(c.list_queue)
            assert c.list_queue()[0].count == 1
            c.delete_app("/huge", force=True)
            assert c.list_endpoints() is not None
            c.delete_group("/g", force=True)
            c.delete_app("/a/b", force=True)
            until(settled)
            with pytest.raises(marathon.NotFoundError):
                c.get_app("/a/b")

        await asyncio.to_thread(drive)

    with_service(test)


def test_the_rest_of_the_public_client(client: Client) -> None:
    """Lists of apps, versions of groups, killing by id, events, metrics, what waits."""
    from marathon.models import MarathonApp, MarathonGroup

    async def test(s: TestService, _m: FakeMaster) -> None:
        seen: list[object] = []

        def listen() -> None:
            for event in client(s).event_stream(
                event_types=["deployment_info", "deployment_success", "status_update_event"]
            ):
                seen.append(event)
                if type(event).__name__ == "MarathonDeploymentSuccess":
                    return

        def drive() -> None:
            c = client(s)

            def settled() -> bool:
                return not c.list_deployments()

            def small(app_id: str, **more: object) -> MarathonApp:
                return MarathonApp(id=app_id, cmd="x", cpus=0.1, mem=16, **more)

            c.create_group(MarathonGroup(id="/g", apps=[small("/g/a"), small("/g/b")]))
            until(settled)
            before = c.get_group("/g").version
            c.scale_group("/g", 2)
            until(settled)
            assert (
                len(c.list_tasks()) == 4
                and c.get_app("/g/a", embed_task_stats=True).task_stats.total_summary.stats.counts.running == 2
            )
            group = c.get_group("/g")
            group.apps = [small("/g/a", instances=3)]
            c.update_group("/g", group, force=True)
            until(settled)
            assert [a.id for a in c.list_apps()] == ["/g/a"]
            c.rollback_group("/g", before, force=True)
            until(settled)
            assert {a.id: a.instances for a in c.list_apps()} == {"/g/a": 1, "/g/b": 1}
            c.update_apps([small("/g/a", instances=2), small("/g/b", instances=0)], force=True)
            until(settled)
            assert len(c.list_apps(embed_tasks=True)[0].tasks) == 2
            c.kill_given_tasks([c.list_tasks("/g/a")[0].id], scale=True)
            until(settled)
            assert c.get_app("/g/a").instances == 1 and c.get_metrics()["gauges"]
            c.create_app("/huge", small("/huge", constraints=[]))
            c.scale_app("/huge", 2, force=True)
            c.update_app("/huge", MarathonApp(cpus=900), force=True)

            def unused_offers() -> list[Any]:
                """An app is in the queue before the first offer has come that does not do."""
                return [o for app in c.list_queue(embed_last_unused_offers=True) for o in app.last_unused_offers or []]

            until(unused_offers)
            (unused, *_) = unused_offers()
            assert unused["reason"] == ["InsufficientCpus"] and unused["offer"]["hostname"]
            c.reset_delay("/huge")
            c.delete_leader()

        listening = asyncio.create_task(asyncio.to_thread(listen))
        await s.until(lambda: bool(s.bus._subscriptions))
        await asyncio.to_thread(drive)
        await asyncio.wait_for(listening, 20)
        assert {type(e).__name__ for e in seen} >= {
            "MarathonDeploymentInfo",
            "MarathonStatusUpdateEvent",
            "MarathonDeploymentSuccess",
        }
        assert s.abdicated

    with_service(test)
