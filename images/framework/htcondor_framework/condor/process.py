"""A child process that answers questions, one JSON object a line; killed and started anew when it does not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

COMMAND = (sys.executable, "-m", "htcondor_framework.condor.worker")
_LIMIT = 64 * 1024 * 1024  # bytes of an answer: a queue of very many different jobs
_AGAIN = 10.0  # seconds before one that ended without a single answer is started again


class NoAnswer(Exception):
    """The process did not answer in time, ended, or has no data; says why."""


class HungUp(NoAnswer):
    """It had to be killed."""


class Child:
    """Started with the first question. One question at a time; `ask` may be called by several at once."""

    def __init__(
        self, timeout: float, command: Sequence[str] = COMMAND, environment: Mapping[str, str] | None = None
    ) -> None:
        self.starts = 0
        self._timeout, self._command = timeout, tuple(command)
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._number = 0
        self._answered = True
        self._started = 0.0

    async def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer's value. Raises NoAnswer."""
        async with self._lock:
            self._number += 1
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._ask({"id": self._number, **question})
            except TimeoutError:
                await self._kill()
                raise HungUp(f"no answer within {self._timeout:g} s") from None
            except asyncio.CancelledError:
                await self._kill()  # its answer would be taken for that to the next question
                raise
            except (OSError, ValueError, EOFError) as e:
                await self._kill()
                raise NoAnswer(f"the process that speaks to HTCondor ended ({e or type(e).__name__})") from None

    async def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        process = self._process or await self._start()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(question).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise EOFError("it closed its output")
        found: dict[str, Any] = json.loads(line)
        if found.get("id") != question["id"]:
            raise ValueError("an answer to another question")
        self._answered = True
        if "value" not in found:
            raise NoAnswer(str(found.get("none", "")))
        value: dict[str, Any] = found["value"]
        return value

    async def _start(self) -> asyncio.subprocess.Process:
        if not self._answered and time.monotonic() < self._started + _AGAIN:
            raise NoAnswer("the process that speaks to HTCondor does not start")
        self._started, self._answered = time.monotonic(), False
        self.starts += 1
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=_LIMIT,
        )
        return self._process

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        async with self._lock:
            await self._kill()
