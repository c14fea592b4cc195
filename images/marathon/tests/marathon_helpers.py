"""What the tests of the service share: apps, offers, and the service against the fake master with state in memory."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web
from fake_mesos_master import FakeAgent, FakeMaster
from marathon_core_helpers import T0, offer, operations, spec
from marathon_service.api.application import application
from marathon_service.api.proxy import Proxy
from marathon_service.bus import Bus
from marathon_service.config import load
from marathon_service.core.model import State
from marathon_service.metrics import Metrics
from marathon_service.scheduler import Scheduler

__all__ = ["T0", "MemoryStore", "TestService", "agents", "offer", "operations", "spec", "with_service"]


class MemoryStore:
    """State in a dictionary, through JSON as in ZooKeeper."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str] = {}
        self.writes = 0

    def check_size(self, value: dict) -> None:
        pass

    async def write(self, changes) -> None:
        self.writes += 1
        await asyncio.sleep(0)
        for kind, key, value in changes:
            if value is None:
                self.values.pop((kind, key), None)
            else:
                self.values[kind, key] = json.dumps(value)

    def load(self) -> list[tuple[str, str, dict]]:
        return [(kind, key, json.loads(v)) for (kind, key), v in self.values.items()]


class Election:
    leader: str | None = "127.0.0.1:8080"
    leader_url: str | None = "http://127.0.0.1:8080"


class TestService:
    """The service without ZooKeeper: `async with` starts a term and the HTTP server."""

    __test__ = False
    trouble = None

    def __init__(self, master: FakeMaster, store: MemoryStore | None = None, **env: str) -> None:
        self.config = load(
            {
                "MARATHON_MASTER": master.address,
                "MARATHON_ZK": "zk://unused:1/m",
                "MARATHON_HOSTNAME": "127.0.0.1",
                "MARATHON_MIN_REVIVE_OFFERS_INTERVAL": "20",
                **env,
            }
        )
        self.master, self.store = master, store or MemoryStore()
        self.bus, self.election = Bus(), Election()
        self.metrics = Metrics(self.config.metrics_prefix)
        self.scheduler: Scheduler | None = None
        self.abdicated = False

    def abdicate(self) -> None:
        self.abdicated = True

    async def __aenter__(self) -> "TestService":
        stored = self.store.load()
        framework = next((v["value"] for k, _, v in stored if k == "framework"), None)
        state = State.load([s for s in stored if s[0] != "framework"])
        self.proxy = Proxy(None)
        self.scheduler = Scheduler(self.config, self.store, state, framework, self.bus, self.metrics)
        self.job = asyncio.create_task(self.scheduler.run())
        self.runner = web.AppRunner(application(self, self.proxy), access_log=None, shutdown_timeout=0.2)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.http = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.job.cancel()
        await asyncio.gather(self.job, return_exceptions=True)
        self.bus.close()
        await self.http.close()
        await self.runner.cleanup()
        await self.proxy.close()

    async def call(self, method: str, path: str, body=None, status: int | None = None, **more):
        async with self.http.request(method, self.url + path, json=body, **more) as response:
            text = await response.text()
            assert status is None or response.status == status, (response.status, text)
            return json.loads(text) if text and response.content_type == "application/json" else text

    async def until(self, what: Callable[[], bool], seconds: float = 20) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not what():
                    if self.job.done():
                        self.job.result()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s: {self.scheduler.state.instances}") from None

    async def deployed(self) -> None:
        await self.until(lambda: not self.scheduler.state.deployments)


def agents(count: int = 3, **more) -> list[FakeAgent]:
    sites = ["torino", "cnaf", "bari"]
    return [
        FakeAgent(f"A{n}", f"127.0.0.{n + 1}", attributes={"site": sites[n % 3], "node": f"n{n}"}, **more)
        for n in range(count)
    ]


def with_service(
    test: Callable[[TestService, FakeMaster], Awaitable[None]],
    count: int = 3,
    env: dict[str, str] | None = None,
    **master_options,
) -> None:
    async def main() -> None:
        master = FakeMaster(agents(count), **master_options)
        await master.start()
        try:
            async with TestService(master, **(env or {})) as service:
                await test(service, master)
        finally:
            await master.stop()

    asyncio.run(main())
