"""The service: the HTTP server from start to end, and one Scheduler for each term in which this instance leads."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from mesos_client.election import Election
from mesos_client.store import Store, StoreError

from .api.application import application
from .api.proxy import Proxy
from .bus import Bus
from .config import Config
from .core.model import State
from .core.spec import Json
from .scheduler import Scheduler

log = logging.getLogger(__name__)
_KINDS = ("app", "version", "instance", "deployment", "group", "framework")


class Service:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.bus = Bus()
        self.scheduler: Scheduler | None = None
        self._zk = config.zk.client(config.zk_session_timeout)
        root = config.zk.path
        self.election = Election(self._zk, f"{root.rstrip('/')}/leader", config.identity, config.url)
        self._store = Store(self._zk, root, _KINDS, nested=("version",), max_node_size=config.zk_max_node_size)
        self._abdicated = asyncio.Event()
        self._proxy = Proxy(config.client_tls())
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
            state, framework_id = read(await self._store.load(node))
            log.info(
                "loaded %d apps, %d instances, %d deployments",
                len(state.apps),
                len(state.instances),
                len(state.deployments),
            )
            self.scheduler = Scheduler(self.config, self._store, state, framework_id, self.bus)
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

    async def _close(self) -> None:
        self.bus.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._proxy.close()
        # Ends the session at once, so that the next leader need not wait for its time-out.
        await asyncio.to_thread(self._zk.stop)
        await asyncio.to_thread(self._zk.close)


def read(stored: list[tuple[str, str, Json]]) -> tuple[State, str | None]:
    framework = next((v.get("value") for kind, _, v in stored if kind == "framework"), None)
    return State.load([entry for entry in stored if entry[0] != "framework"]), framework
