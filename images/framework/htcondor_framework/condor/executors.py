"""Executors spoken to by themselves, for as long as no collector does it: what one says of itself, and drains."""

from __future__ import annotations

import json
import re
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from ..config import CondorConfig
from ..core.model import StartdAd
from . import ads, keys, tools
from .drains import drain_command, was_heard
from .tools import CondorError

_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
PORT = 9618  # HTCondor's shared port, in every container
SOCKET = "startd"  # the startd's name behind it, as the pool's configuration sets it


class Executors:
    """Each by its Mesos task and the IPv4 address of its container."""

    def __init__(self, config: CondorConfig) -> None:
        self._config = config

    async def ad(self, task: str, address: str) -> StartdAd | None:
        """What its startd says now; `heard` is when it was asked (Unix time). None if nobody answers, or somebody else."""
        asked = time.time()
        attributes = ",".join(ads.SLOT_ATTRIBUTES)
        try:
            status, output = await self._run(
                task, "condor_status", "-direct", _sinful(address), "-json", "-attributes", attributes
            )
            found = json.loads(output) if status == 0 and output.strip() else []
        except (CondorError, ValueError):
            return None
        seen = ads.startds(slot for slot in found if isinstance(slot, dict)) if isinstance(found, list) else ()
        ad = next((s.ad for s in seen if s.ad.task == task), None)
        return None if ad is None else replace(ad, heard=asked)

    async def drain(self, task: str, address: str, cancel: bool) -> None:
        """As by the collector. Raises CondorError, after some 10 s at the latest."""
        status, output = await self._run(task, *drain_command(cancel), _sinful(address))
        if not was_heard(status, output, cancel):
            raise CondorError(tools.one_line(output))

    async def _run(self, task: str, *command: str) -> tuple[int, str]:
        """With a token that only this executor takes, and no other: which one to send is chosen by the name of the key."""
        key = keys.executor_key(self._config.tokens, task)
        if not key:
            raise CondorError("the framework has no token of the pool's")
        with tempfile.TemporaryDirectory(prefix="executor-") as folder:  # mode 0700
            path = Path(folder, "token")
            path.touch(mode=0o600)
            path.write_text(keys.token(key, self._config.domain) + "\n")
            return await tools.run(*command, environment={"_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY": folder})


def _sinful(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise CondorError(f"{address!r} is no address of an executor")
    return f"<{address}:{PORT}?sock={SOCKET}>"
