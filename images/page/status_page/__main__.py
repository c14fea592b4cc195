"""python3 -m status_page: serves until SIGTERM. See config.py for what it is told."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys

import aiohttp
from aiohttp import web

from .ask import Graphite, Marathon, trust
from .config import Config, Mistake, from_environment
from .curves import Curves
from .panels import FILE, Panels
from .watch import Watch
from .web import application, tls


async def run(config: Config) -> None:
    """Until SIGTERM or SIGINT. Raises OSError or Mistake where something that it needs is missing."""
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    context = trust(config)
    connector = aiohttp.TCPConnector(limit=16)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        graphite = Graphite(config, session, context)
        curves = Curves(config, graphite, Panels((config.files / FILE).read_text()))
        watch = Watch(config, graphite, Marathon(config, session, context))
        runner = web.AppRunner(application(watch, curves, config.secret("admin")), access_log=None, shutdown_timeout=2)
        await runner.setup()
        try:
            await web.TCPSite(runner, config.listen, config.port, ssl_context=tls(config)).start()
            await watch.start()
            logging.info("page: https://%s:%d", config.listen, config.port)
            signalled, broken = asyncio.create_task(end.wait()), asyncio.create_task(watch.broken())
            await asyncio.wait((signalled, broken), return_when=asyncio.FIRST_COMPLETED)
            if not broken.cancel():
                broken.result()  # a fault of ours: Docker starts the server anew
        finally:
            await watch.stop()
            await runner.cleanup()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        asyncio.run(run(from_environment(os.environ)))
    except (Mistake, OSError) as error:
        print(f"page: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
