"""The service on the fake master as a process of its own, for the tests of its page in a browser, or to look at the page:

    .venv/bin/python images/marathon/tests/page_service.py --show

It prints one line of JSON: the address of an instance that leads and of one that does not.  Each line on its input is
then a thing to do, {"what": "health", "app": ..., "healthy": ...}, answered by one line; at the end of input it ends.
`--show` makes many apps, and goes on until it is interrupted.
"""

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path

_IMAGES = Path(__file__).parents[2]
sys.path[:0] = [str(_IMAGES / "marathon"), str(_IMAGES / "mesos-client"), str(Path(__file__).parent)]

import aiohttp  # noqa: E402
from fake_mesos_master import FakeAgent, FakeMaster, FakeTask  # noqa: E402
from marathon_helpers import TestService  # noqa: E402
from page_apps import APPS, FAILURE, HELD_BACK, TOO_BIG, UNHEALTHY  # noqa: E402

_AGENTS = [("torino", 3), ("cnaf", 4), ("bari", 2)]


def _agents() -> list[FakeAgent]:
    return [
        FakeAgent(
            f"{site}-S{n}",
            f"wn-{n:02}.{site}.example",
            cpus=16,
            mem=65536,
            attributes={"site": site, "node": f"wn-{n:02}.{site}"},
        )
        for site, count in _AGENTS
        for n in range(1, count + 1)
    ]


class _Addresses:
    """An address for each task, as a container network gives it."""

    def __init__(self) -> None:
        self._next = 10

    def __call__(self, task: FakeTask) -> str:
        self._next += 1
        return f"10.64.{self._next // 200}.{self._next % 200 + 1}"


class Stage:
    def __init__(self, service: TestService, master: FakeMaster, login: aiohttp.BasicAuth | None) -> None:
        self.service, self.master, self.login = service, master, login

    async def do(self, what: str, **more) -> dict:
        return await getattr(self, f"do_{what}")(**more) or {}

    async def do_clear(self) -> None:
        """No apps, as at first."""
        state = self.service.scheduler.state
        for app in list(state.apps):
            await self.service.call("DELETE", f"/v2/apps{app}?force=true", status=200, auth=self.login)
        await self.service.until(lambda: not state.apps and not state.instances and not state.deployments)

    async def do_apps(self, apps: list[dict]) -> None:
        """These, and wait until their deployment is through."""
        await self._request("PUT", "/v2/apps", apps)
        await self.service.deployed()

    async def do_launch(self, apps: list[dict]) -> None:
        """These, and wait until their tasks run; whether they are well is to be said by `health`."""
        await self._request("PUT", "/v2/apps", apps)
        await self.service.until(lambda: all(len(self._tasks(a["id"])) == a["instances"] for a in apps))

    async def do_health(self, app: str, healthy: bool, count: int = 1) -> None:
        for task in self._tasks(app)[:count]:
            self.master.update(task.id, "TASK_RUNNING", healthy=healthy)
        want = sum(t.healthy is healthy for t in self._tasks(app))
        await self.service.until(
            lambda: sum(i.mesos_healthy is healthy for i in self.service.scheduler.state.of_app(app)) == want
        )

    async def do_fail(self, app: str, message: str) -> None:
        self.master.update(self._tasks(app)[0].id, "TASK_FAILED", message=message)
        await self.service.until(lambda: app in self.service.scheduler.state.failures)

    async def do_scale(self, app: str, instances: int) -> None:
        """By the API, as somebody else would."""
        await self._request("PUT", f"/v2/apps{app}", {"instances": instances})
        await self.service.deployed()

    async def do_app(self, app: str) -> dict:
        spec = self.service.scheduler.state.apps.get(app)
        tasks = [t.id for t in self._tasks(app)]
        return {"app": spec.raw if spec else None, "tasks": tasks}

    async def do_wait(self, app: str, running: int) -> None:
        await self.service.until(
            lambda: len(self._tasks(app)) == running and not self.service.scheduler.state.deployments
        )

    async def do_drop_streams(self) -> None:
        self.service.bus.close()

    async def do_streams(self, are: int) -> None:
        """Wait until so many pages follow the events."""
        await self.service.until(lambda: len(self.service.bus._subscriptions) == are)

    async def do_readiness(self, app: str, body: str) -> None:
        """Each of its instances has answered that it is not ready."""
        state = self.service.scheduler.state
        for i in state.of_app(app):
            response = {"status": 503, "contentType": "text/plain", "body": body}
            result = {"name": "warm", "taskId": i.id, "ready": False, "lastResponse": response}
            state.readiness[i.id] = {"warm": result}

    async def do_show(self) -> None:
        """What the pictures show: many apps, of which some are not well."""
        await self._request("PUT", "/v2/apps", APPS)
        # Not all at once: an app starts when those that it depends on are well.
        await self.service.until(lambda: self._well() and not self.service.scheduler.state.deployments)
        for app, count in UNHEALTHY.items():
            await self.do_health(app, False, count)
        held = {"backoffSeconds": 600, "maxLaunchDelaySeconds": 3600}
        await self._request("PUT", f"/v2/apps{HELD_BACK}", held)
        await self.service.deployed()
        await self.do_fail(HELD_BACK, FAILURE)
        await self._request("PATCH", "/v2/apps", TOO_BIG)
        await self.service.until(lambda: all(a["id"] in self.service.scheduler.rejections for a in TOO_BIG))

    async def _request(self, method: str, path: str, body: object) -> None:
        await self.service.call(method, path, body, 200, auth=self.login)

    def _well(self) -> bool:
        """Say of each instance that is checked that it is well."""
        for app in (a["id"] for a in APPS if a["healthChecks"]):
            for task in self._tasks(app):
                if task.healthy is None:
                    self.master.update(task.id, "TASK_RUNNING", healthy=True)
        return True

    def _tasks(self, app: str) -> list[FakeTask]:
        prefix = app.strip("/").replace("/", "_") + ".instance-"
        return self.master.running(prefix)


async def _read(stage: Stage) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            answer = {"ok": True, **await stage.do(**json.loads(line))}
        except Exception as e:
            answer = {"ok": False, "problem": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--credentials", help="user:password that the service asks for")
    parser.add_argument("--show", action="store_true", help="make many apps and wait until interrupted")
    args = parser.parse_args()
    env = {"MARATHON_HTTP_CREDENTIALS": args.credentials} if args.credentials else {}
    env["MARATHON_DECLINE_OFFER_DURATION"] = "1000"
    master = FakeMaster(_agents(), address_of=_Addresses())
    await master.start()
    async with TestService(master, **env) as service, TestService(master, **env) as other:
        other.job.cancel()
        other.scheduler = None
        other.election.leader, other.election.leader_url = "leads", service.url
        login = aiohttp.BasicAuth(*args.credentials.split(":", 1)) if args.credentials else None
        stage = Stage(service, master, login)
        if args.show:
            await stage.do_show()
        print(json.dumps({"url": service.url, "other": other.url}), flush=True)
        await (asyncio.Event().wait() if args.show else _read(stage))
    await master.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
