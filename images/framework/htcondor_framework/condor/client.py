"""The pool's daemons, as the framework sees and drives them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..config import CondorConfig
from ..core.model import Pool, Queue
from . import configuration, values
from .process import Child, HungUp, NoAnswer

log = logging.getLogger(__name__)
_TIMEOUT = 10.0  # seconds for one question, one command
_VAIN = 15.0  # seconds before a schedd that did not answer is asked again, if it sends no new ad before
# HTCondor's own time-out of one query: less, so that there is time for a second collector.
_ENVIRONMENT = {"_CONDOR_QUERY_TIMEOUT": "4", "HOME": "/root"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.@_-]*")
_UNDER_WAY = "Draining already in progress"
# Evaluated by the startd for each of its slots, before anything happens: a graceful drain ends jobs whose retirement time is 0.
_NO_JOB_ENDED = '(MaxJobRetirementTime =!= 0) || (State =!= "Claimed")'
_REFUSED = "Draining check expression is false"


class CondorError(Exception):
    """A command that HTCondor did not take; says why."""


class Condor:
    """`sites`: those of the pool, at which executors can be. Nothing is started or asked before the first question, but the
    configuration is written at once (OSError)."""

    def __init__(
        self,
        config: CondorConfig,
        sites: Sequence[str],
        root: Path = Path("/"),
        make_child: Callable[[], Child] = lambda: Child(_TIMEOUT, environment=_ENVIRONMENT),
    ) -> None:
        self._sites, self._root = tuple(sites), root
        self._collectors = list(config.collectors)
        # One for each kind of daemon: one that is gone, for whose connection the kernel waits, does not keep us from asking the other.
        self._for_collector, self._for_schedd = make_child(), make_child()
        self._schedd: dict[str, Any] | None = None
        self._examples: dict[str, str] = {}
        self._vain: tuple[dict[str, Any], float] | None = None
        self._silent: dict[str, str] = {}
        self.configure(config)

    def configure(self, config: CondorConfig) -> None:
        """Writes the files that bindings and tools read."""
        configuration.configure(config, self._root)

    async def pool(self) -> Pool | None:
        """The collector's ads; None if nobody says."""
        try:
            found = await self._for_collector.ask({"do": "pool", "collectors": self._collectors})
        except NoAnswer as e:
            if isinstance(e, HungUp) and len(self._collectors) > 1:
                # Perhaps it is the first one that takes connections and says nothing.
                self._collectors.append(self._collectors.pop(0))
            self._examples = {}
            self._nothing("the collector", str(e))
            return None
        # The next question goes first to who has answered this one.
        self._collectors.sort(key=lambda name: name != found["collector"])
        self._schedd, self._examples = found["schedd"], found["examples"]
        self._something("the collector")
        return values.pool_from_json(found["pool"])

    async def queue(self) -> Queue | None:
        """The schedd's jobs; None if nobody says. While no collector answers, from where the schedd was last."""
        if self._schedd is None:
            await self.pool()
        schedd = self._schedd
        if schedd is None:
            self._nothing("the schedd", "no collector tells of a schedd")
            return None
        if self._vain is not None and self._vain[0] == schedd and time.monotonic() < self._vain[1] + _VAIN:
            return None
        question = {
            "do": "queue", "schedd": schedd, "sites": self._sites, "collectors": self._collectors, "examples": self._examples,
        }  # fmt: skip
        try:
            found = await self._for_schedd.ask(question)
        except NoAnswer as e:
            self._vain = (schedd, time.monotonic())
            self._nothing("the schedd", str(e))
            return None
        self._vain = None
        self._something("the schedd")
        return values.queue_from_json(found)

    async def reschedule(self) -> None:
        """Asks the schedd to have its jobs matched now, not with the negotiator's next cycle: of use when an executor has just come.
        Nothing happens, and nothing is raised, if it does not hear."""
        if self._schedd is not None:
            with contextlib.suppress(NoAnswer):
                await self._for_schedd.ask({"do": "reschedule", "schedd": self._schedd})

    def _nothing(self, who: str, why: str) -> None:
        if self._silent.get(who) != why:
            log.warning("no data of %s: %s", who, why)
        self._silent[who] = why

    def _something(self, who: str) -> None:
        if self._silent.pop(who, None) is not None:
            log.info("%s answers again", who)

    async def drain(self, startd_name: str, cancel: bool) -> None:
        """Tells an executor to take no new job and to let the running ones end, or (`cancel`) to take jobs again. Told twice is as told
        once. Raises CondorError, after some 10 s at the latest for each collector.

        It is refused where it would end running jobs: a startd (23.9.6) whose drain is cancelled within seconds after the last job's
        end forgets that jobs may finish (its MaxJobRetirementTime stays 0). A drain without any job puts that right."""
        if not _NAME.fullmatch(startd_name):
            raise CondorError(f"{startd_name!r} is no name of a startd")
        # Not with the bindings: they do not ask the collector for the session that it hands to administrators, and an executor
        # knows nobody by a token.
        how = ["-cancel"] if cancel else ["-graceful", "-reason", "framework", "-check", _NO_JOB_ENDED]
        problem = ""
        for collector in tuple(self._collectors):
            status, output = await _run("condor_drain", *how, "-pool", collector, startd_name)
            if status == 0 or (_UNDER_WAY in output and not cancel):
                return
            if _REFUSED in output:
                raise CondorError("it would not let its jobs end; it can be drained when it has none")
            problem = output
            if "DRAIN_JOBS" in output:  # the startd itself was asked: another collector leads to the same
                break
        raise CondorError(problem)

    async def close(self) -> None:
        await self._for_collector.close()
        await self._for_schedd.close()


async def _run(*command: str) -> tuple[int, str]:
    """Exit status, and what it said in one line. Raises CondorError if it does not end in time."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **_ENVIRONMENT},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        raise CondorError(f"no answer within {_TIMEOUT:g} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, " ".join(output.decode(errors="replace").split())
