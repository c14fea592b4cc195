"""The command `marathon`: settings come from MARATHON_* variables and flags, as docs/marathon.md lists them."""

import asyncio
import contextlib
import logging
import os
import signal
import sys

from . import __version__, logs
from .config import ConfigError, load
from .service import Service
from .settings import known

_USAGE = """usage: marathon [--FLAG VALUE]...

Each flag is also the variable MARATHON_FLAG.  --master is the only one that must be given: zk://host:port,.../mesos.
Flags: {}
"""


async def serve(service: Service) -> None:
    task = asyncio.create_task(service.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main() -> None:
    arguments = sys.argv[1:]
    if "--help" in arguments:
        print(_USAGE.format(" ".join(f"--{name.lower()}" for name in known())))
        return
    if "--version" in arguments:
        print(__version__)
        return
    try:
        config = load(os.environ, arguments)
    except ConfigError as e:
        for problem in e.problems:
            print(f"marathon: {problem}", file=sys.stderr)
        print("marathon: not started; `marathon --help` lists the settings", file=sys.stderr)
        sys.exit(2)
    listener = logs.start(config.logging_level, config.logstash)
    for name, why in config.without_effect.items():
        logging.getLogger(__name__).info("MARATHON_%s has no effect: %s", name, why)

    async def run() -> None:
        await serve(Service(config))

    try:
        asyncio.run(run())
    finally:
        if listener is not None:
            listener.stop()


if __name__ == "__main__":
    main()
