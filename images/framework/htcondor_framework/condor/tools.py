"""HTCondor's command-line tools: what one says, within a limit of time."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping

TIMEOUT = 10.0  # seconds for one question, one command
# HTCondor's own time-out of one query: less, so that there is time for a second collector.
ENVIRONMENT = {"_CONDOR_QUERY_TIMEOUT": "4", "HOME": "/root"}


class CondorError(Exception):
    """A command that HTCondor did not take; says why."""


async def run(*command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit status, and all that it said. `environment` is added to ours. Raises CondorError if it does not end in time."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **ENVIRONMENT, **(environment or {})},
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        raise CondorError(f"no answer within {TIMEOUT:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


def one_line(output: str) -> str:
    return " ".join(output.split())
