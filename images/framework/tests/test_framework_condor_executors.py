"""Executors that are asked and told by themselves: the key that each has, and the tools that are called."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from htcondor_framework.condor import keys, tools
from htcondor_framework.condor.client import Condor, CondorError
from htcondor_framework.condor.executors import Executors
from htcondor_framework.config import CondorConfig
from htcondor_framework.core.model import Size, SlotState

from components.batch import tokens

CONFIG = CondorConfig(("10.66.0.10:9618",), "", ("first.token.x", "second.token.y"), "demo.aerie")
TASK, ADDRESS = "demo.executor.1", "10.65.0.7"
SLOT = {
    "Machine": "10-65-0-7.demo.aerie", "Name": "slot1@10-65-0-7.demo.aerie", "State": "Drained", "Activity": "Idle", "Draining": True,
    "PartitionableSlot": True, "NumDynamicSlots": 0, "TotalSlotCpus": 2, "Cpus": 2, "TotalSlotMemory": 800, "Memory": 800,
    "TotalSlotDisk": 2048000, "Disk": 2048000, "AerieTask": TASK, "AerieSite": "bari", "LastHeardFrom": 17, "MyAddress": "<10.65.0.7:9618>",
}  # fmt: skip


def test_each_executor_has_a_key_of_its_own_that_follows_from_what_is_there() -> None:
    key = keys.executor_key(CONFIG.tokens, TASK)
    assert len(key) == 64
    assert key == keys.executor_key(("first.token.x\n",), TASK)
    assert key != keys.executor_key(CONFIG.tokens, "demo.executor.2") != keys.executor_key(("other.token.x",), TASK)
    assert keys.executor_key((), TASK) == b""


def test_its_token_is_one_of_htcondors() -> None:
    key = keys.executor_key(CONFIG.tokens, TASK)
    found = tokens.verify(keys.token(key, "demo.aerie"), key)
    assert (found.identity, found.issuer, found.key_id) == ("framework@demo.aerie", "demo.aerie", "executor")
    assert found.authz == ("READ", "ADMINISTRATOR")
    assert found.issued < time.time() - 86400 and found.expires is None
    with pytest.raises(tokens.TokenError):
        tokens.verify(keys.token(key, "demo.aerie"), keys.executor_key(CONFIG.tokens, "demo.executor.2"))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tools that are called write how, and with which token; what they say is in `answer`."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    for name in ("condor_status", "condor_drain"):
        path = tmp_path / "bin" / name
        path.write_text(
            f'#!/bin/sh\nd=$_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY\necho "{name} $@" >> "{tmp_path}/calls"\n'
            f'cat "$d"/* > "{tmp_path}/token"; echo "$d" > "{tmp_path}/folder"; stat -c %a "$d" "$d"/* > "{tmp_path}/modes"\n'
            f'cat "{tmp_path}/answer"; exit $(cat "{tmp_path}/status")\n'
        )
        path.chmod(0o755)
    says(tmp_path, "")
    return tmp_path


def says(fake: Path, answer: str, status: int = 0) -> None:
    (fake / "answer").write_text(answer)
    (fake / "status").write_text(str(status))


async def test_what_an_executor_says_of_itself(fake: Path) -> None:
    says(fake, json.dumps([SLOT]))
    before = time.time()
    ad = await Executors(CONFIG).ad(TASK, ADDRESS)
    assert ad is not None
    assert (ad.task, ad.site, ad.state, ad.claims, ad.total) == (TASK, "bari", SlotState.DRAINED, 0, Size(2, 800, 2000))
    assert before <= ad.heard <= time.time()  # by our clock: when it was asked
    assert (
        (fake / "calls")
        .read_text()
        .startswith(f"condor_status -direct <{ADDRESS}:9618?sock=startd> -json -attributes ")
    )
    key = keys.executor_key(CONFIG.tokens, TASK)
    assert tokens.verify((fake / "token").read_text(), key).identity == "framework@demo.aerie"
    assert (fake / "modes").read_text().split() == ["700", "600"]
    assert not Path((fake / "folder").read_text().strip()).exists()


async def test_a_job_there_is_a_claim(fake: Path) -> None:
    job = SLOT | {
        "Name": "slot1_1@x",
        "DynamicSlot": True,
        "PartitionableSlot": False,
        "State": "Claimed",
        "Activity": "Retiring",
    }
    says(fake, json.dumps([SLOT | {"NumDynamicSlots": 1}, job]))
    ad = await Executors(CONFIG).ad(TASK, ADDRESS)
    assert ad is not None and (ad.state, ad.claims) == (SlotState.DRAINING, 1)


@pytest.mark.parametrize(
    ("answer", "status"),
    [("", 0), ("[]", 0), ("{}", 0), ("[1]", 0), ("Error: no route", 1), (json.dumps([SLOT | {"AerieTask": "another"}]), 0)],
)  # fmt: skip
async def test_no_answer_and_another_ones_are_none(fake: Path, answer: str, status: int) -> None:
    says(fake, answer, status)
    assert await Executors(CONFIG).ad(TASK, ADDRESS) is None


async def test_one_that_hangs_is_no_answer(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (fake / "bin" / "condor_status").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(tools, "TIMEOUT", 0.3)
    assert await Executors(CONFIG).ad(TASK, ADDRESS) is None


@pytest.mark.parametrize(
    ("cancel", "how"),
    [
        (False, '-graceful -reason framework -check (MaxJobRetirementTime =!= 0) || (State =!= "Claimed")'),
        (True, "-cancel"),
    ],
)
async def test_drain(fake: Path, cancel: bool, how: str) -> None:
    condor = Condor(CONFIG, ("bari",), fake)
    await condor.drain_directly(TASK, ADDRESS, cancel)
    assert (fake / "calls").read_text() == f"condor_drain {how} <{ADDRESS}:9618?sock=startd>\n"
    says(fake, "error code 10001: Draining already in progress.", 1)
    if cancel:
        with pytest.raises(CondorError, match="10001"):
            await condor.drain_directly(TASK, ADDRESS, cancel)
    else:
        await condor.drain_directly(TASK, ADDRESS, cancel)


async def test_a_drain_that_would_end_jobs_is_refused(fake: Path) -> None:
    says(fake, "error code 10003: Draining check expression is false on slot1_1@x.", 1)
    with pytest.raises(CondorError, match="when it has none"):
        await Executors(CONFIG).drain(TASK, ADDRESS, False)


@pytest.mark.parametrize("address", ["", "a.b.c.d", "-all", "10.65.0.7>", "10.65.0.7\n"])
async def test_only_addresses_are_spoken_to(fake: Path, address: str) -> None:
    with pytest.raises(CondorError, match="no address"):
        await Executors(CONFIG).drain(TASK, address, False)
    assert await Executors(CONFIG).ad(TASK, address) is None
    assert not (fake / "calls").exists()


async def test_without_a_token_of_the_pools_there_is_no_key(fake: Path) -> None:
    with pytest.raises(CondorError, match="no token"):
        await Executors(CondorConfig(("a:1",), "", (), "d")).drain(TASK, ADDRESS, False)
