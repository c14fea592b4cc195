"""What the API answers, beyond apps that simply run: groups and their versions, readiness, events, metrics, what a request may be like."""

import asyncio
import gzip
import json

import aiohttp
import pytest
from aiohttp import web
from fake_mesos_master import FakeMaster
from marathon_helpers import MemoryStore, TestService, agents, operations, with_service
from marathon_service.core import events
from marathon_service.core.definition import Rules
from marathon_service.core.operations import TooMany, Wish
from marathon_service.core.validation import Invalid
from marathon_service.metrics import Metrics, prometheus

APP = {"id": "/demo/app", "cmd": "sleep 1", "cpus": 0.1, "mem": 16}


def small(app_id: str, **more) -> dict:
    return {"id": app_id, "cmd": "x", "cpus": 0.1, "mem": 16, **more}


# -- deployments


def test_bounds_of_the_service() -> None:
    ops = operations()
    ops.rules = Rules(max_apps=2, max_deployments=2)
    ops.create(small("/a"))
    ops.create(small("/b"))
    with pytest.raises(Invalid, match="MARATHON_MAX_APPS"):
        ops.create(small("/c"))
    with pytest.raises(TooMany):
        ops.delete([])
    ops.update("/a", {"cpus": 1}, force=True)


def test_a_deployment_that_could_not_be_stored_changes_nothing() -> None:
    class Full(Exception):
        pass

    def full(value: dict) -> None:
        if len(json.dumps(value)) > 5000:
            raise Full

    ops = operations()
    ops._check_size = full
    with pytest.raises(Full):
        ops.create(small("/a", env={"X": "x" * 6000}))
    assert not ops.state.apps and not ops.state.deployments and not ops.state.take_changes()


def test_readiness_gates_the_deployment() -> None:
    answers, asked = {"status": 503}, []

    async def answer(r: web.Request) -> web.Response:
        asked.append(r.path)
        return web.json_response({"phase": "warming"}, status=answers["status"])

    async def test(s: TestService, m: FakeMaster) -> None:
        runner = web.AppRunner(app := web.Application())
        app.router.add_get("/plan", answer)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        for agent in m.agents.values():
            agent.ports = (port, port)
            agent.hostname = "127.0.0.1"
        check = {
            "name": "warm",
            "path": "/plan",
            "portName": "web",
            "intervalSeconds": 0.05,
            "timeoutSeconds": 0.04,
            "preserveLastResponse": True,
        }
        await s.call("POST", "/v2/apps", {**APP, "portDefinitions": [{"name": "web"}], "readinessChecks": [check]}, 201)

        def results() -> list:
            return [r for x in s.scheduler.state.readiness.values() for r in x.values()]

        await s.until(lambda: bool(results()) and "lastResponse" in results()[0])
        current = (await s.call("GET", "/v2/deployments"))[0]["currentActions"][0]["readinessCheckResults"][0]
        assert current["name"] == "warm" and current["ready"] is False and current["lastResponse"]["status"] == 503
        assert (
            current["lastResponse"]["contentType"] == "application/json"
            and "warming" in current["lastResponse"]["body"]
        )
        assert next(iter(s.scheduler.state.instances.values())).running and s.scheduler.state.deployments
        answers["status"] = 200
        await s.deployed()
        shown = await s.call("GET", "/v2/apps/demo/app?embed=app.readiness")
        assert shown["app"]["readinessCheckResults"][0]["ready"] is True and set(asked) == {"/plan"}
        # Once ready it is not asked again, and who leads next knows.
        assert next(iter(s.store.load()))[0] and any(v.get("passed") for k, _, v in s.store.load() if k == "instance")
        await runner.cleanup()

    with_service(test, count=1)


# -- requests


def test_what_a_request_may_be_like() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        async def send(data: bytes, kind: str | None = "application/json", path: str = "/v2/apps") -> tuple[int, dict]:
            headers = {"Content-Type": kind} if kind else {}
            async with s.http.post(s.url + path, data=data, headers=headers) as response:
                return response.status, await response.json()

        good = json.dumps(APP).encode()
        assert (await send(good, "application/x-www-form-urlencoded"))[0] == 415
        assert (await send(b"x" * (5 * 1024 * 1024)))[0] == 413
        for bad in (b"{", b"", b"\xff", b"NaN", b'{"cpus": Infinity}', b"[" * 300 + b"]" * 300, b'{"id": "\\ud800"}'):
            status, body = await send(bad)
            assert status == 400 and body["message"] == "Invalid JSON" and body["details"], bad
        status, body = await send(b'{"id": "/a", "cpus": "x", "mem": -1}')
        assert status == 422 and {d["path"] for d in body["details"]} == {"/cpus", "/mem"}
        assert (await send(b'{"id": "/a", "cmd": "x", "cpus": 1e400}'))[0] == 422
        assert (await send(good, None))[0] == 201
        async with s.http.post(s.url + "/v2/apps/demo/app") as response:
            assert response.status == 405 and "GET" in response.headers["Allow"]
        async with s.http.get(s.url + "/v2/events", headers={"Accept": "application/json"}) as response:
            assert response.status == 405
        await s.call("PUT", "/v2/apps", [small("/l/a"), small("/l/b", cpus=-1), {"cmd": "x"}], 422)
        await s.call("PUT", "/v2/apps", [small("/l/a"), small("/l/b")], 200)
        await s.call("PATCH", "/v2/apps", [{"id": "/none", "cpus": 1}], 404)
        await s.call("POST", "/v2/tasks/delete", {"ids": ["senseless"]}, 400)
        await s.call("POST", "/v2/tasks/delete?scale=true&wipe=true", {"ids": []}, 400)
        assert (await s.call("DELETE", "/v2/apps/demo/app", status=200))["deploymentId"], "takes it from its deployment"

    with_service(test, count=1)


def test_headers_of_answers() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        await s.call("PUT", "/v2/apps", [small(f"/a{n}") for n in range(4)], 200)
        async with s.http.get(
            s.url + "/v2/apps", headers={"Origin": "http://ui.example", "Accept-Encoding": "gzip"}
        ) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "http://ui.example"
            assert response.headers["Content-Encoding"] == "gzip" and len((await response.json())["apps"]) == 4
        async with (
            aiohttp.ClientSession(auto_decompress=False) as raw,
            raw.get(s.url + "/v2/apps", headers={"Accept-Encoding": "gzip"}) as response,
        ):
            assert b'"apps"' in gzip.decompress(await response.read())
        asks = {
            "Origin": "http://ui.example",
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "X-A",
        }
        async with s.http.options(s.url + "/v2/apps", headers=asks) as response:
            assert response.status == 200 and "PUT" in response.headers["Access-Control-Allow-Methods"]
            assert response.headers["Access-Control-Allow-Headers"] == "X-A"
        async with s.http.get(s.url + "/v2/apps", headers={"Origin": "http://evil.example"}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers
        async with s.http.get(s.url + "/ping", headers={"Accept": "application/json"}) as response:
            assert await response.json() == "pong"
        async with s.http.get(s.url + "/ping", headers={"Accept": "image/png"}) as response:
            assert response.status == 204

    with_service(test, count=1, env={"MARATHON_ACCESS_CONTROL_ALLOW_ORIGIN": "http://ui.example"})


def test_metrics_and_loggers() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call("POST", "/v2/apps", APP, 201)
        await s.deployed()
        found = await s.call("GET", "/metrics")
        assert found["gauges"]["mt.apps.active.gauge"]["value"] == 1
        assert found["gauges"]["mt.instances.running.gauge"]["value"] == 1
        assert found["counters"]["mt.tasks.launched.counter"]["count"] == 1
        assert found["counters"]["mt.deployments.counter"]["count"] == 1
        assert found["counters"]["mt.mesos.task-updates.task-running.counter"]["count"] == 1
        assert found["timers"]["mt.http.requests.post.duration.timer.seconds"]["count"] == 1
        text = await s.call("GET", "/metrics/prometheus")
        assert "mt_apps_active_gauge 1\n" in text and "# TYPE mt_tasks_launched_counter counter" in text
        assert await s.call("GET", "/metrics", headers={"Accept": "text/plain"}) != ""
        change = {"logger": "marathon_service.of_a_test", "level": "debug", "durationSeconds": 0}
        assert await s.call("POST", "/logging", change, 200) == change
        assert "marathon_service.of_a_test" in await s.call("GET", "/logging")
        await s.call("POST", "/logging", {"logger": "x", "level": "loud"}, 422)

    with_service(test, count=1, env={"MARATHON_METRICS_NAME_PREFIX": "mt"})


def test_rates_and_percentiles() -> None:
    metrics = Metrics(now=0.0)
    for n in range(100):
        metrics.request("GET", 200 if n else 500, n / 100, 10, 20, float(n))
    found = metrics.json(None, 100.0)
    timer = found["timers"]["marathon.http.requests.duration.timer.seconds"]
    assert timer["count"] == 100 and timer["p50"] == 0.5 and timer["max"] == 0.99 and abs(timer["mean_rate"] - 1) < 0.01
    assert found["meters"]["marathon.http.responses.5xx.rate.meter"]["count"] == 1
    assert abs(found["meters"]["marathon.http.responses.2xx.rate.meter"]["m1_rate"] - 1) < 0.2
    assert found["counters"]["marathon.http.requests.size.counter.bytes"]["count"] == 1000
    assert 'quantile="0.99"' in prometheus(found)


def test_too_many_requests_at_once() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        async with s.http.get(s.url + "/v2/events"):
            await s.call("GET", "/v2/apps", status=503)
            await s.call("GET", "/ping", status=200)

    with_service(test, count=1, env={"MARATHON_HTTP_MAX_CONCURRENT_REQUESTS": "1"})


# -- tasks and events


def test_tasks_as_text() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        await s.call("POST", "/v2/apps", {**APP, "instances": 2, "portDefinitions": [{"port": 9001}]}, 201)
        await s.deployed()
        text = await s.call("GET", "/v2/tasks", headers={"Accept": "text/plain"})
        name, port, *targets = text.rstrip("\n").rstrip("\t").split("\t")
        assert (name, port) == ("demo_app", "9001") and len(targets) == 2 and all(":31" in t for t in targets)
        assert (await s.call("GET", "/v2/apps/demo/app/tasks"))["tasks"][0]["servicePorts"] == [9001]

    with_service(test)


def test_every_event_of_an_apps_life() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        seen: list[dict] = []

        async def follow(query: str) -> None:
            async with s.http.get(s.url + "/v2/events" + query) as stream:
                async for line in stream.content:
                    if line.startswith(b"data: "):
                        seen.append(json.loads(line[6:]))

        job = asyncio.create_task(follow("?plan-format=light"))
        await s.until(lambda: any(e["eventType"] == "event_stream_attached" for e in seen))
        check = {"protocol": "COMMAND", "command": {"value": "true"}}
        await s.call("POST", "/v2/apps", {**APP, "healthChecks": [check]}, 201)
        await s.until(lambda: bool(m.tasks))
        task = next(iter(m.tasks))
        await s.until(lambda: s.scheduler.state.instances[task].running)
        m.update(task, "TASK_RUNNING", healthy=False)
        m.update(task, "TASK_RUNNING", healthy=True)
        await s.deployed()
        await s.call("DELETE", "/v2/apps/demo/app", status=200)
        await s.deployed()
        await s.call("POST", "/v2/apps", {**APP, "cpus": 99}, 201)
        await s.call("DELETE", f"/v2/deployments/{next(iter(s.scheduler.state.deployments))}?force=true", status=202)
        await s.until(lambda: any(e["eventType"] == "deployment_failed" for e in seen))
        kinds = {e["eventType"] for e in seen}
        assert kinds >= {
            "api_post_event", "add_health_check_event", "remove_health_check_event", "health_status_changed_event",
            "instance_health_changed_event", "status_update_event", "instance_changed_event", "deployment_info", "deployment_step_success",
            "deployment_success", "group_change_success", "app_terminated_event", "deployment_failed", "group_change_failed",
            "deployment_step_failure",
        }  # fmt: skip
        plans = [e["plan"] for e in seen if "plan" in e]
        assert plans and not any("original" in p or "target" in p for p in plans)
        posted = next(e for e in seen if e["eventType"] == "api_post_event")
        assert posted["uri"] == "/v2/apps" and posted["appDefinition"]["id"] == "/demo/app" and posted["clientIp"]
        assert next(e for e in seen if e["eventType"] == "group_change_success")["groupId"] == "/demo"
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)

    with_service(test, count=1)


def test_the_group_that_a_deployment_is_of() -> None:
    ops = operations()
    for wanted, ids in (("/a/b", ["/a/b/x", "/a/b/c/y"]), ("/", ["/x", "/a/y"]), ("/q", ["/q/z"])):
        found = ops.change(Wish({i: ops.normal(small(i)) for i in ids}, force=True))
        assert events.group_of(found) == wanted


def test_a_leader_over_the_wire_keeps_paths_and_bodies() -> None:
    async def main() -> None:
        master = FakeMaster(agents(1))
        await master.start()
        async with TestService(master) as leader, TestService(master, MemoryStore()) as other:
            other.scheduler = None
            other.election.leader, other.election.leader_url = "there", leader.url
            await other.call("POST", "/v2/apps", small("/x"), 201)
            await other.call("GET", "/v2/apps//x/versions/2001-01-01T00%3A00%3A00.000Z", status=404)
            async with other.http.post(
                other.url + "/v2/apps", data=b"x" * (5 * 1024 * 1024), headers={"Content-Type": "application/json"}
            ) as r:
                assert r.status == 413
            assert "gauges" in await other.call("GET", "/metrics"), "of the instance itself"
        await master.stop()

    asyncio.run(main())
