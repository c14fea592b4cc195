"""The service (loop and HTTP API) against the fake master, with its state in memory."""

import asyncio
import collections
import collections.abc
import json

from aiohttp import web
from fake_mesos_master import FakeMaster
from marathon_helpers import MemoryStore, TestService, agents, with_service

APP = {"id": "/demo/app", "cmd": "sleep 1", "cpus": 0.5, "mem": 64, "container": {"docker": {"image": "x"}}}


def running(s: TestService) -> list[str]:
    return [i.id for i in s.scheduler.state.instances.values() if i.running and i.kill_reason is None]


def test_from_post_to_launch() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.until(lambda: m.suppressed)
        body = await s.call("POST", "/v2/apps", APP, 201)
        assert body["id"] == "/demo/app" and body["deployments"][0]["id"] and body["version"]
        await s.until(lambda: bool(m.history))
        await s.deployed()
        assert m.framework["checkpoint"] and m.framework["failover_timeout"] == 604800
        assert {c["type"] for c in m.framework["capabilities"]} == {
            "PARTITION_AWARE",
            "TASK_KILLING_STATE",
            "MULTI_ROLE",
            "REGION_AWARE",
        }
        await s.until(lambda: m.suppressed)
        await s.until(lambda: not any(t.unacknowledged for t in m.history))
        shown = (await s.call("GET", "/v2/apps//demo/app", status=200))["app"]
        assert shown["tasksRunning"] == 1 and shown["tasks"][0]["state"] == "TASK_RUNNING"

    with_service(test)


def test_scale_update_restart_delete() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call("PUT", "/v2/apps/demo/app", {**APP, "instances": 2}, 201)
        await s.deployed()
        first = set(running(s))
        reply = await s.call("PUT", "/v2/apps/demo/app", {"instances": 3}, 200)
        assert set(reply) == {"version", "deploymentId"}
        await s.deployed()
        assert len(running(s)) == 3 and first < set(running(s))
        await s.call("PATCH", "/v2/apps/demo/app", {"env": {"A": "1"}}, 200)
        locked = await s.call("PUT", "/v2/apps/demo/app", {"cpus": 1}, 409)
        assert locked["deployments"][0]["id"]
        await s.deployed()
        assert len(running(s)) == 3 and not first & set(running(s))
        assert len(m.tasks) == 3
        second = set(running(s))
        await s.call("POST", "/v2/apps/demo/app/restart", status=200)
        await s.deployed()
        assert not second & set(running(s))
        versions = (await s.call("GET", "/v2/apps/demo/app/versions"))["versions"]
        assert len(versions) == 4
        old = await s.call("GET", f"/v2/apps/demo/app/versions/{versions[-1]}", status=200)
        assert old["instances"] == 2 and not old["env"]
        await s.call("PUT", "/v2/apps/demo/app", {"version": versions[-1]}, 200)
        await s.deployed()
        assert len(running(s)) == 2 and s.scheduler.state.apps["/demo/app"].raw["env"] == {}
        await s.call("DELETE", "/v2/apps/demo/app", status=200)
        await s.call("GET", "/v2/apps/demo/app", status=404)
        await s.deployed()
        assert not m.tasks and not s.scheduler.state.instances
        await s.until(lambda: {k for k, _ in s.store.values} == {"framework", "history"})

    with_service(test)


def test_tasks_killed_and_scaled() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call("POST", "/v2/apps", {**APP, "instances": 3, "backoffSeconds": 0.01}, 201)
        await s.deployed()
        one, two, _ = running(s)
        killed = await s.call("DELETE", f"/v2/apps/demo/app/tasks/{one}", status=200)
        assert killed["task"]["id"] == one
        await s.until(lambda: one not in s.scheduler.state.instances and len(running(s)) == 3)
        reply = await s.call("POST", "/v2/tasks/delete?scale=true", {"ids": [two]}, 200)
        assert reply["deploymentId"]
        await s.deployed()
        assert len(running(s)) == 2 and s.scheduler.state.apps["/demo/app"].instances == 2
        m.update(running(s)[0], "TASK_FAILED", message="boom")
        await s.until(lambda: "/demo/app" in s.scheduler.state.failures)
        await s.until(lambda: len(running(s)) == 2)
        shown = await s.call("GET", "/v2/apps/demo/app?embed=app.lastTaskFailure")
        assert shown["app"]["lastTaskFailure"]["message"] == "boom"
        assert len((await s.call("GET", "/v2/tasks?status=running"))["tasks"]) == 2

    with_service(test)


def test_group_by_spreads_over_the_sites() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call("POST", "/v2/apps", {**APP, "instances": 6, "constraints": [["site", "GROUP_BY", "3"]]}, 201)
        await s.deployed()
        sites = collections.Counter(t.agent.attributes["site"] for t in m.tasks.values())
        assert set(sites.values()) == {2}

    with_service(test)


def test_what_does_not_fit_waits_in_the_queue_with_reasons() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call("POST", "/v2/apps", {**APP, "cpus": 50}, 201)
        await s.until(lambda: bool(s.scheduler.rejections))
        item = (await s.call("GET", "/v2/queue"))["queue"][0]
        reasons = {r["reason"]: r["declined"] for r in item["processedOffersSummary"]["rejectSummaryLastOffers"]}
        assert reasons["InsufficientCpus"] >= 3 and item["count"] == 1 and item["delay"]["overdue"]
        await asyncio.sleep(0.2)
        before = len(m.calls)
        await asyncio.sleep(0.5)
        assert len(m.calls) - before < 5  # it does not ask again and again
        deployment = (await s.call("GET", "/v2/deployments"))[0]
        await s.call("DELETE", f"/v2/deployments/{deployment['id']}", status=200)
        await s.deployed()
        assert not s.scheduler.state.apps

    with_service(test)


def test_mesos_health_and_marathons_own_checks() -> None:
    answers = {"status": 500}

    async def answer(_r: web.Request) -> web.Response:
        return web.Response(status=answers["status"])

    async def test(s: TestService, m: FakeMaster) -> None:
        app = web.Application()
        app.router.add_get("/health", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        await s.call(
            "POST",
            "/v2/apps",
            {
                **APP,
                "backoffSeconds": 0.01,
                "healthChecks": [
                    {
                        "protocol": "HTTP",
                        "path": "/health",
                        "port": port,
                        "intervalSeconds": 0.05,
                        "gracePeriodSeconds": 0.2,
                        "maxConsecutiveFailures": 2,
                    },
                    {"protocol": "COMMAND", "command": {"value": "true"}},
                ],
            },
            201,
        )
        await s.until(lambda: bool(running(s)))
        first = running(s)[0]
        assert m.tasks[first].info["health_check"]["type"] == "COMMAND"
        await s.until(lambda: first not in s.scheduler.state.instances)  # unhealthy after its grace
        answers["status"] = 204
        await s.until(lambda: bool(running(s)))
        await asyncio.sleep(0.1)
        assert s.scheduler.state.deployments  # Mesos has said nothing yet
        m.update(running(s)[0], "TASK_RUNNING", healthy=True)
        await s.deployed()
        shown = (await s.call("GET", "/v2/apps/demo/app"))["app"]
        assert shown["tasksHealthy"] == 1 and len(shown["tasks"][0]["healthCheckResults"]) == 2
        await runner.cleanup()

    with_service(test, count=1)


def test_another_leader_goes_on_without_a_restart() -> None:
    async def main() -> None:
        master, store = FakeMaster(agents(2)), MemoryStore()
        await master.start()
        async with TestService(master, store) as s:
            await s.call("POST", "/v2/apps", {**APP, "instances": 4}, 201)
            await s.deployed()
            ids, framework = set(running(s)), s.scheduler.mesos.framework_id
        master._launch(
            {"name": "stranger", "task_id": {"value": "stranger"}, "agent_id": {"value": "A0"}}, [master.agents["A0"]]
        )
        gone = sorted(ids)[0]
        master._release(master.tasks[gone])  # nobody told us of its end
        async with TestService(master, store) as s:
            await s.until(lambda: gone not in s.scheduler.state.instances and len(running(s)) == 4)
            await s.until(lambda: "stranger" not in master.tasks)
            assert s.scheduler.mesos.framework_id == framework
            assert ids - {gone} < set(running(s)) and len(master.tasks) == 4
        await master.stop()

    asyncio.run(main())


def test_mesos_failover_in_the_middle_of_a_deployment() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call("POST", "/v2/apps", {**APP, "instances": 10, "cpus": 0.1}, 201)
        await s.until(lambda: bool(m.history))
        m.drop_stream()
        await s.deployed()
        assert len(running(s)) == 10 and set(running(s)) == set(m.tasks)

    with_service(test)


def test_calls_that_get_no_answer_are_made_again() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        m.cut = ["ACCEPT"]
        await s.call("POST", "/v2/apps", {**APP, "instances": 3, "cpus": 0.1}, 201)
        await s.deployed()
        assert len(running(s)) == 3 and set(running(s)) == set(m.tasks)
        m.cut = ["KILL"]
        await s.call("PUT", "/v2/apps/demo/app", {"instances": 0}, 200)
        await s.deployed()
        assert not m.tasks and not m.cut

    with_service(test)


def test_unreachable_agent() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        await s.call(
            "POST",
            "/v2/apps",
            {**APP, "unreachableStrategy": {"inactiveAfterSeconds": 0.2, "expungeAfterSeconds": 60}},
            201,
        )
        await s.deployed()
        first = running(s)[0]
        agent = m.tasks[first].agent.id
        m.lose_agent(agent)
        await s.until(lambda: bool(running(s)) and running(s)[0] != first)
        m.return_agent(agent)
        await s.until(lambda: first not in m.tasks)
        assert len(running(s)) == 1

    with_service(test)


def test_events() -> None:
    async def test(s: TestService, m: FakeMaster) -> None:
        kinds = []
        wanted = "event_type=deployment_success&event_type=status_update_event"
        async with s.http.get(f"{s.url}/v2/events?{wanted}") as stream:
            await s.call("POST", "/v2/apps", APP, 201)
            async for line in stream.content:
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    kinds.append((event["eventType"], event.get("taskStatus")))
                    if kinds[-1][0] == "deployment_success":
                        break
        assert kinds == [
            ("status_update_event", "TASK_STARTING"),
            ("status_update_event", "TASK_RUNNING"),
            ("deployment_success", None),
        ]

    with_service(test)
