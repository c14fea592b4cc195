"""The service: the REST server from start to end, and one Scheduler for each term in which this instance leads."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web
from mesos_client.election import Election
from mesos_client.store import Store, StoreError

from .config import Config, ConfigError, RestConfig
from .feed import Condor
from .inbox import TermOver
from .rest.application import application
from .scheduler import Scheduler
from .shares import ZooKeeperShares
from .state import KINDS, Settings, State, StateError

log = logging.getLogger(__name__)
_SESSION = 10.0  # seconds: so long after a crash nobody leads


class Service:
    """`condor` makes the client of the pool's daemons, once."""

    def __init__(self, config: Config, condor: Callable[[], Condor], environ: Mapping[str, str] = os.environ) -> None:
        self.config = config
        self.scheduler: Scheduler | None = None
        self.gone = False
        # A container that Marathon starts again is of the same version of its app; a pool that is deployed anew is not.
        self._version = environ.get("MARATHON_APP_VERSION", "")
        self._zk = config.zookeeper.client(_SESSION)
        root = config.zookeeper.path
        # Never two of one identity: whoever enters the election removes what a dead one of the same left there.
        identity = f"{config.pool}-{uuid.uuid4().hex[:8]}:{config.rest.port}"
        self.election = Election(self._zk, f"{root}/leader", identity, f"https://{identity}")
        self._store = Store(self._zk, root, KINDS)
        self._shares = ZooKeeperShares(self._zk, config.number)
        self._condor = condor()
        self._runner: web.AppRunner | None = None

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError if the port is taken."""
        try:
            await self._listen()
            self._zk.start_async()
            watch = asyncio.create_task(self.election.run_watch())
            try:
                while True:
                    await self._term()
            finally:
                watch.cancel()
        finally:
            await self._close()

    async def _listen(self) -> None:
        self._runner = web.AppRunner(application(self), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        tls = server_tls(self.config.rest)
        await web.TCPSite(self._runner, "0.0.0.0", self.config.rest.port, ssl_context=tls, reuse_address=True).start()

    async def _term(self) -> None:
        """One turn at leading: from the election to the loss of the lead."""
        node = await self.election.campaign()
        log.info("elected")
        try:
            state = State.load(await self._store.load(node))
            self.gone = state.settings.gone == self._version
            if state.settings.gone is not None and not self.gone:
                state.settings = Settings()
                log.info("the pool was torn down before, and is deployed anew")
            log.info("loaded %d tasks", len(state.tasks))
            await self._lead(state)
        except TermOver as e:
            log.error("%s: another scheduler leads", e)
            await asyncio.sleep(1.0)  # it has the lead now, or will have it
        except (StoreError, StateError) as e:
            log.error("%s", e)
            await asyncio.sleep(1.0)
        except Exception:
            # Another may do better; so may this one, from what is stored.
            log.exception("the scheduler failed")
            await asyncio.sleep(1.0)
        log.warning("the lead is over")
        await self.election.resign()

    async def _lead(self, state: State) -> None:
        lost = asyncio.create_task(self.election.lost())
        try:
            if not self.gone:
                await self._schedule(state, lost)
            if self.gone:
                log.info("the pool is gone; this only answers for it")
                await self._shares.withdraw(self.config.pool)
                await lost
        finally:
            lost.cancel()
            await asyncio.gather(lost, return_exceptions=True)

    async def _schedule(self, state: State, lost: asyncio.Task[None]) -> None:
        self.scheduler = Scheduler(self.config, self._store, state, self._condor, self._shares, version=self._version)
        term = asyncio.create_task(self.scheduler.run())
        try:
            await asyncio.wait({term, lost}, return_when=asyncio.FIRST_COMPLETED)
            if term.done():
                term.result()
                self.gone = state.settings.gone is not None
        finally:
            self.scheduler = None
            term.cancel()
            await asyncio.gather(term, return_exceptions=True)

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        await self._condor.close()
        # Ends the session at once, so that the next leader need not wait for its time-out.
        await asyncio.to_thread(self._zk.stop)
        await asyncio.to_thread(self._zk.close)


def server_tls(rest: RestConfig) -> ssl.SSLContext:
    """Raises ConfigError if certificate and key cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL's Python interface reads files only. The directory is ours alone, and gone again before anything listens.
    with tempfile.TemporaryDirectory(prefix="htcondor-framework-") as name:
        certificate, key = Path(name, "certificate.pem"), Path(name, "key.pem")
        for path, text in ((certificate, rest.certificate), (key, rest.key)):
            path.touch(mode=0o600)
            path.write_text(text, encoding="ascii")
        try:
            context.load_cert_chain(certificate, key)
        except (ssl.SSLError, OSError) as e:
            raise ConfigError([f"rest.certificate, rest.key: cannot be used: {e}"]) from None
    return context
