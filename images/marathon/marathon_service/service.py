"""The service: the HTTP server from start to end, and one Scheduler for each term in which this instance leads."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from mesos_client.election import Election
from mesos_client.store import Broken, Store, StoreError

from .api.application import application
from .api.proxy import Proxy
from .bus import Bus
from .config import Config
from .core.migration import FORMAT, upgrade
from .core.model import Damaged, State
from .core.spec import Json
from .metrics import Metrics
from .scheduler import Scheduler

log = logging.getLogger(__name__)
_KINDS = ("app", "version", "instance", "deployment", "group", "history", "framework")
_COMPRESS_ABOVE = 65536  # bytes
_LOOK_AGAIN = 10.0  # seconds, at a state that cannot be used


class Service:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.bus = Bus()
        self.metrics = Metrics(config.metrics_prefix)
        self.scheduler: Scheduler | None = None
        self._zk = config.zk.client(config.zk_session_timeout)
        root = config.zk.path
        self.election = Election(self._zk, f"{root.rstrip('/')}/leader", config.identity, config.url)
        self._store = Store(
            self._zk,
            root,
            _KINDS,
            nested=("version",),
            max_node_size=config.zk_max_node_size,
            compress_above=_COMPRESS_ABOVE,
            format=FORMAT,
            upgrade=upgrade,
        )
        self.trouble: str | None = None  # why this instance leads without a state, for those who ask
        self._abdicated = asyncio.Event()
        self._proxy = Proxy(config.client_tls(), config)
        self._runner: web.AppRunner | None = None

    def abdicate(self) -> None:
        self._abdicated.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._listen()
        watch: asyncio.Task[None] | None = None
        try:
            self._zk.start_async()
            watch = asyncio.create_task(self.election.run_watch())
            while True:
                await self._term()
        finally:
            if watch is not None:
                watch.cancel()
            await self._close()

    async def _listen(self) -> None:
        app = application(self, self._proxy)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        tls = self.config.server_tls()
        if tls is not None:
            await web.TCPSite(
                self._runner,
                self.config.https_address,
                self.config.https_port,
                ssl_context=tls,
                reuse_address=True,
            ).start()
        if not self.config.disable_http:
            await web.TCPSite(self._runner, self.config.http_address, self.config.http_port, reuse_address=True).start()

    async def _term(self) -> None:
        """One turn at leading: from the election to the loss of the lead."""
        node = await self.election.campaign()
        log.info("elected")
        self._abdicated.clear()
        try:
            loaded = await self._load(node)
            if loaded is not None:
                await self._lead(*loaded)
        except StoreError as e:
            log.error("%s", e)
            await asyncio.sleep(1.0)
        except Exception:
            # Another instance may do better; so may this one, from what is stored.
            log.exception("the scheduler failed")
            await asyncio.sleep(1.0)
        log.warning("the lead is over")
        await self.election.resign()
        if self._abdicated.is_set():
            await asyncio.sleep(1.0)  # time for another to take over

    async def _lead(self, state: State, framework_id: str | None) -> None:
        """Until the lead is over, or the scheduler fails."""
        log.info(
            "loaded %d apps, %d instances, %d deployments",
            len(state.apps),
            len(state.instances),
            len(state.deployments),
        )
        self.scheduler = Scheduler(self.config, self._store, state, framework_id, self.bus, self.metrics)
        ends = [
            asyncio.create_task(self.scheduler.run()),
            asyncio.create_task(self.election.lost()),
            asyncio.create_task(self._abdicated.wait()),
        ]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.scheduler = None
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            self.bus.close()

    async def _load(self, node: str) -> tuple[State, str | None] | None:
        """The stored state. One that is broken is broken for every instance, so this one keeps the lead, says what is wrong and looks
        again, until somebody has mended it. None: the lead is over."""
        try:
            while True:
                try:
                    return read(self._store, await self._store.load(node))
                except Broken as e:
                    if str(e) != self.trouble:
                        log.error(
                            "%s. Nothing is started or stopped until then; looking again every %g s", e, _LOOK_AGAIN
                        )
                    self.trouble = str(e)
                ends = [asyncio.create_task(self.election.lost()), asyncio.create_task(self._abdicated.wait())]
                done, waiting = await asyncio.wait(ends, timeout=_LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
                if done:
                    return None
        finally:
            self.trouble = None

    async def _close(self) -> None:
        self.bus.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._proxy.close()
        # Ends the session at once, so that the next leader need not wait for its time-out.
        await asyncio.to_thread(self._zk.stop)
        await asyncio.to_thread(self._zk.close)


def read(store: Store, stored: list[tuple[str, str, Json]]) -> tuple[State, str | None]:
    """State and framework id. Raises Broken."""
    framework = next((v for kind, _, v in stored if kind == "framework"), None)
    try:
        state = State.load([entry for entry in stored if entry[0] != "framework"])
    except Damaged as e:
        path = store.path(e.kind, e.key)
        raise Broken(
            f"ZooKeeper node {path} {e.problem}. Put it back from a copy (create or set {path} JSON), or, if what it stands for may be "
            f"lost, take away what names it ({_named(store, e)})"
        ) from e
    if framework is None and state.instances:
        # Under a new id Mesos would not know the tasks as ours: all would be started a second time.
        path = store.path("framework", "id")
        raise Broken(
            f'ZooKeeper node {path} is missing, but {len(state.instances)} tasks are recorded. Put it back (create {path} {{"value":"ID"}}; '
            f"the masters' page shows the ID of the framework), or, if none of its tasks runs any more, take away what is below "
            f"{path.removesuffix('/framework/id')}/instance"
        )
    return state, (framework or {}).get("value")


def _named(store: Store, e: Damaged) -> str:
    if e.kind == "version":
        return f"delete {store.path('app', e.key.rpartition('@')[0])}"
    return f"delete {store.path(e.kind, e.key)}"
