"""What the tests of the shell share: configuration, a fake HTCondor that follows the fake Mesos, and a scheduler with its state in memory."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import aiohttp
from aiohttp import web
from fake_mesos_master import FakeAgent, FakeMaster, FakeTask
from htcondor_framework import config as configs
from htcondor_framework import policy as policies
from htcondor_framework.config import Config
from htcondor_framework.core.model import JobGroup, Neighbour, Pool, Queue, Size, SlotState, StartdAd, Usage
from htcondor_framework.rest.application import application
from htcondor_framework.scheduler import Scheduler
from htcondor_framework.state import State

SITES = ("torino", "cnaf", "bari")
PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
LOGIN = {"Authorization": "Basic " + base64.b64encode(b"admin:open").decode()}


def raw_config(masters: Iterable[str] = ("127.0.0.1:1",), **more: Any) -> dict[str, Any]:
    def role(name: str, kind: str, **other: Any) -> dict[str, Any]:
        return {
            "name": name,
            "role": kind,
            "cpus": 0.2,
            "memory": 256,
            "disk": 0,
            "network": "fixed",
            "constraints": {"site": list(SITES)},
            "kill_grace": 10,
            "parameters": [["ip", "10.66.0.10"], ["sysctl", "a=1"], ["sysctl", "b=2"]],
            "env": {"AERIE_ROLE": kind},
            **other,
        }

    return {
        "pool": "demo",
        "number": 1,
        "domain": "demo.aerie",
        "mesos": {
            "masters": list(masters),
            "principal": "pool-1",
            "secret": "word",
            "role": "pool-1",
            "user": "pool-1",
        },
        "zookeeper": "zk://pool-1:SECRET@127.0.0.1:2181/pool-1",
        "rest": {
            "port": 8443,
            "certificate": PEM,
            "key": PEM.replace("CERTIFICATE", "PRIVATE KEY"),
            "user": "admin",
            "password": "open",
        },
        "condor": {"collectors": ["10.66.0.10:9618"], "config": "", "tokens": ["t"]},
        "image": "registry/htcondor:1",
        "sites": list(SITES),
        "overhead": {"base": 72, "per_core": 12},
        "roles": [
            role("central-manager", "central-manager"),
            role("submit-node", "submit", pinned=True, constraints={"site": ["torino"], "node": ["n0"]}),
        ],
        "executor": {
            "cpus": 1,
            "memory": 512,
            "disk": 1000,
            "network": "calico",
            "constraints": {"site": list(SITES)},
            "kill_grace": 60,
            "parameters": [],
            "env": {"AERIE_ROLE": "executor"},
        },
        **more,
    }


def raw_policy(fixed: int = 0, **elastic: Any) -> dict[str, Any]:
    """Elastic executors if anything is said of them."""
    return {
        "fixed": fixed,
        "share": {"cpus": 8, "memory": 8192},
        "elastic": {
            "min": 0,
            "max": 10,
            "curb": 10,
            "batch": 10,
            "wait_cycles": 0,
            "idle_timeout": 0.3,
            "max_idle": 10,
            "largest": {"cpus": 1, "memory": 512, "disk": 1000},
            **elastic,
        }
        if elastic
        else None,
    }


def agents(count: int = 3, **more: Any) -> list[FakeAgent]:
    return [
        FakeAgent(f"A{n}", f"127.0.0.{n + 1}", attributes={"site": SITES[n % 3], "node": f"n{n}"}, **more)
        for n in range(count)
    ]


def group(count: int, cpus: float = 1, memory: float = 128, **more: Any) -> JobGroup:
    fields = {"key": f"{cpus}/{memory}", "places": frozenset(SITES), "owner": "alice", "jobs": "1.0 ...", **more}
    return JobGroup(count=count, request=Size(cpus, memory, 10), **fields)


class FakeCondor:
    """HTCondor as far as the framework sees it: daemons are up if their tasks run in the fake Mesos. Nothing is matched by itself:
    tests say what is idle and what is claimed."""

    def __init__(self, master: FakeMaster) -> None:
        self.master = master
        self.idle: list[JobGroup] = []
        self.claims: dict[str, int] = {}
        self.running = 0
        self.draining: set[str] = set()
        self.told: list[tuple[str, bool]] = []
        self.directly: list[str] = []  # those of them that were told without a collector
        self.silent = False
        self.fails = False
        self.closed = False
        self.reschedules = 0

    def _up(self, name: str) -> list[FakeTask]:
        return [t for t in self.master.running(f"demo.{name}.") if t.agent.alive]

    async def queue(self) -> Queue | None:
        await asyncio.sleep(0)
        if self.silent or not self._up("submit-node"):
            return None
        return Queue(time.time(), tuple(self.idle), Usage(self.running), held=0)

    async def pool(self) -> Pool | None:
        await asyncio.sleep(0)
        if self.silent or not self._up("central-manager"):
            return None
        ads = tuple(self._ad(t) for t in self._up("executor"))
        return Pool(time.time(), ads, negotiator=True, schedd=bool(self._up("submit-node")))

    def _ad(self, task: FakeTask) -> StartdAd:
        env = {v["name"]: v["value"] for v in task.info["command"]["environment"]["variables"]}
        total = Size(float(env["AERIE_SLOT_CPUS"]), float(env["AERIE_SLOT_MEMORY"]), float(env["AERIE_SLOT_DISK"]))
        claims = self.claims.get(task.id, 0)
        if task.id in self.draining:
            state = SlotState.DRAINING if claims else SlotState.DRAINED
        else:
            state = SlotState.CLAIMED if claims else SlotState.FREE
        free = Size(0, total.memory, total.disk) if claims else total
        return StartdAd(
            name=f"startd-{task.id}",
            address="",
            task=task.id,
            site=task.agent.attributes["site"],
            state=state,
            total=total,
            free=free,
            claims=claims,
            heard=time.time(),
        )

    async def drain(self, startd_name: str, cancel: bool) -> None:
        await asyncio.sleep(0)
        self.told.append((startd_name, cancel))
        if self.fails:
            raise RuntimeError("the fake startd does not answer")
        task = startd_name.removeprefix("startd-")
        self.draining = self.draining - {task} if cancel else self.draining | {task}

    async def drain_directly(self, task: str, address: str, cancel: bool) -> None:
        assert address
        await self.drain(f"startd-{task}", cancel)
        self.directly.append(task)

    async def executor(self, task: str, address: str) -> StartdAd | None:
        assert address
        await asyncio.sleep(0)
        return next((self._ad(t) for t in self._up("executor") if t.id == task), None)

    async def reschedule(self) -> None:
        self.reschedules += 1

    async def close(self) -> None:
        self.closed = True


class FakeStorage:
    """A store in a dictionary, through JSON as in ZooKeeper."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], str] = {}
        self.writes: list[list[tuple[str, str]]] = []

    def check_size(self, value: dict[str, Any]) -> None:
        pass

    async def write(self, changes: Iterable[tuple[str, str, dict[str, Any] | None]]) -> None:
        await asyncio.sleep(0)
        self.writes.append([(kind, key) for kind, key, _ in changes])
        for kind, key, value in changes:
            if value is None:
                self.values.pop((kind, key), None)
            else:
                self.values[kind, key] = json.dumps(value)

    def load(self) -> State:
        return State.load([(kind, key, json.loads(v)) for (kind, key), v in self.values.items()])


class FakeShares:
    """The other pools, as tests say."""

    def __init__(self) -> None:
        self.others: tuple[Neighbour, ...] = ()
        self.published: list[Neighbour] = []

    async def publish(self, us: Neighbour) -> bool:
        self.published.append(us)
        return True

    async def read(self) -> tuple[Neighbour, ...] | None:
        return self.others


class Shell:
    """One term of the scheduler against fakes, and its REST server on loopback without TLS."""

    def __init__(
        self,
        master: FakeMaster,
        store: FakeStorage | None = None,
        condor: FakeCondor | None = None,
        policy: dict[str, Any] | None = None,
        **config: Any,
    ) -> None:
        self.config: Config = configs.parse(raw_config([master.address], **config))
        self.master, self.store = master, store or FakeStorage()
        self.condor, self.shares = condor or FakeCondor(master), FakeShares()
        self.policy = policy
        self.scheduler: Scheduler | None = None
        self.gone = False

    @property
    def s(self) -> Scheduler:
        assert self.scheduler is not None
        return self.scheduler

    async def __aenter__(self) -> Shell:
        state = self.store.load()
        if self.policy is not None and state.policy is None:
            state.policy = policies.parse(self.policy)
        self.scheduler = Scheduler(self.config, self.store, state, self.condor, self.shares)
        self.scheduler.feed.intervals = (0.03, 0.06)
        self.job = asyncio.create_task(self.scheduler.run())
        self.runner = web.AppRunner(application(self), access_log=None, shutdown_timeout=0.2)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        self.http = aiohttp.ClientSession(headers=LOGIN)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.job.cancel()
        await asyncio.gather(self.job, return_exceptions=True)
        await self.http.close()
        await self.runner.cleanup()

    async def call(self, method: str, path: str, body: Any = None, status: int | None = None, **more: Any) -> Any:
        async with self.http.request(method, self.url + path, json=body, **more) as response:
            text = await response.text()
            assert status is None or response.status == status, (response.status, text)
            return json.loads(text) if response.content_type == "application/json" else text

    async def until(self, what: Callable[[], Any], seconds: float = 15) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not what():
                    if self.job.done():
                        self.job.result()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            tasks = [(t.name, t.phase.value, t.drain) for t in self.s.state.tasks.values()]
            lines = [line.text for line in self.s.history.last(10)]
            raise AssertionError(f"not within {seconds} s: {tasks} {lines}") from None

    def running(self, name: str) -> list[str]:
        return [t.id for t in self.master.running(f"demo.{name}.")]

    async def up(self, executors: int = 0) -> None:
        """Until the daemons run, are seen, and so many executors run."""
        await self.until(
            lambda: (
                self.s.feed.pool
                and self.s.feed.pool.schedd
                and self.s.feed.queue
                and len(self.running("executor")) == executors
            )
        )


def with_shell(
    test: Callable[[Shell, FakeMaster], Awaitable[None]],
    policy: dict[str, Any] | None = None,
    *,
    count: int = 3,
    agent: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    **master_options: Any,
) -> None:
    async def main() -> None:
        master = FakeMaster(agents(count, **(agent or {})), credentials=("pool-1", "word"), **master_options)
        await master.start()
        try:
            async with Shell(master, policy=policy, **(config or {})) as shell:
                await test(shell, master)
        finally:
            with contextlib.suppress(Exception):
                await master.stop()

    asyncio.run(main())
