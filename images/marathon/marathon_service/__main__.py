"""The command `marathon`: all settings come from MARATHON_* environment variables."""

import asyncio
import contextlib
import logging
import os
import signal
import sys

from .config import ConfigError, load
from .service import Service


async def serve(service: Service) -> None:
    task = asyncio.create_task(service.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    try:
        config = load(os.environ)
    except ConfigError as e:
        for problem in e.problems:
            print(f"marathon: {problem}", file=sys.stderr)
        sys.exit(2)
    logging.basicConfig(
        level=config.logging_level,
        stream=sys.stdout,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("kazoo").setLevel(logging.WARNING)

    async def run() -> None:
        await serve(Service(config))

    asyncio.run(run())


if __name__ == "__main__":
    main()
