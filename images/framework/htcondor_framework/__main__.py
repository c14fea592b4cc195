"""The command `htcondor-framework`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from . import VARIABLE
from .health import answers, port_of

if TYPE_CHECKING:
    from .config import Config

_DESCRIPTION = f"""\
Run one HTCondor pool as a framework on Mesos: its central managers, its submit node, and executors that follow the queue.

All settings come in the environment variable {VARIABLE}: base64 of JSON, as components/batch/framework.py makes it.
Without a command it serves until SIGTERM."""
_EPILOG = """\
exit status: 0 all is well; 1 (health) the scheduler does not answer; 2 the settings are wrong, one line for each problem"""


async def serve(config: Config) -> None:
    from .condor.client import Condor
    from .service import Service

    task = asyncio.create_task(Service(config, lambda: Condor(config.condor, config.sites)).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _health() -> int:
    # Nothing is imported that it does not need: it is run every few seconds, on a busy machine too.
    try:
        why = answers(port_of(os.environ.get(VARIABLE, "")))
    except ValueError as e:
        print(f"htcondor-framework: {VARIABLE}: {e}", file=sys.stderr)
        return 2
    if why:
        print(why)
    return 1 if why else 0


def _serve(only_check: bool) -> int:
    from .config import ConfigError, load
    from .service import server_tls

    try:
        config = load(os.environ)
        server_tls(config.rest)
    except ConfigError as e:
        for problem in e.problems:
            print(f"htcondor-framework: {problem}", file=sys.stderr)
        return 2
    if not only_check:
        logging.basicConfig(
            level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        logging.getLogger("kazoo").setLevel(logging.WARNING)
        asyncio.run(serve(config))
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="htcondor-framework",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["serve", "health", "check"],
        default="serve",
        help="serve (default); health: whether the scheduler in this container answers; check: only read the settings",
    )
    command = parser.parse_args(arguments).command
    return _health() if command == "health" else _serve(command == "check")


if __name__ == "__main__":
    sys.exit(main())
