"""The pool's daemons, as the framework sees and drives them."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..config import CondorConfig
from ..core.model import Pool, Queue, StartdAd
from . import configuration, tools, values
from .drains import drain_command, was_heard
from .executors import Executors
from .process import Child, HungUp, NoAnswer
from .tools import CondorError

log = logging.getLogger(__name__)
_VAIN = 15.0  # seconds before a schedd that did not answer is asked again, if it sends no new ad before
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.@_-]*")


class Condor:
    """`sites`: those of the pool, at which executors can be. Nothing is started or asked before the first question, but the
    configuration is written at once (OSError)."""

    def __init__(
        self,
        config: CondorConfig,
        sites: Sequence[str],
        root: Path = Path("/"),
        make_child: Callable[[], Child] = lambda: Child(tools.TIMEOUT, environment=tools.ENVIRONMENT),
    ) -> None:
        self._sites, self._root = tuple(sites), root
        self._executors = Executors(config)
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
        """Tells an executor to take no new job and to let the running ones end, or (`cancel`) to take jobs again, by a session that a
        collector hands out. Raises CondorError, after some 10 s at the latest for each collector."""
        if not _NAME.fullmatch(startd_name):
            raise CondorError(f"{startd_name!r} is no name of a startd")
        # Not with the bindings: they do not ask the collector for the session that it hands to administrators.
        problem = ""
        for collector in tuple(self._collectors):
            status, output = await tools.run(*drain_command(cancel), "-pool", collector, startd_name)
            if was_heard(status, output, cancel):
                return
            problem = tools.one_line(output)
            if "DRAIN_JOBS" in output:  # the startd itself was asked: another collector leads to the same
                break
        raise CondorError(problem)

    async def drain_directly(self, task: str, address: str, cancel: bool) -> None:
        """The same without any collector. `address`: IPv4 of the executor's container. Raises CondorError, after some 10 s at the latest."""
        await self._executors.drain(task, address, cancel)

    async def executor(self, task: str, address: str) -> StartdAd | None:
        """What an executor says of itself, without any collector; None if it does not answer."""
        return await self._executors.ad(task, address)

    async def close(self) -> None:
        await self._for_collector.close()
        await self._for_schedd.close()
