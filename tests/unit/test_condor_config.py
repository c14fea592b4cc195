"""Generated HTCondor configuration: data/pool/<pool>.json beside <pool>.<role>.config.

After a wanted change: AERIE_WRITE_EXPECTED=1 pytest tests/unit/test_condor_config.py, and read the diff.
"""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.batch.condor_config import condor_config, timers
from components.batch.knobs import dangerous_knobs, flocking_knobs
from components.batch.types import (
    Accounting,
    CentralManagerSpec,
    ContainerPolicy,
    ElasticSpec,
    ExecutorsSpec,
    PoolRole,
    PoolSpec,
    PoolUser,
    ShareSpec,
    SubmitNodeSpec,
    VolumeMount,
)

DATA = Path(__file__).parent / "data" / "pool"
POOLS = ("demo", "theory")  # by Marathon
FRAMEWORK_POOL = "grid"  # by a framework, with two central managers and everything that its containers may be given


def policy_of(raw: dict[str, Any]) -> ContainerPolicy:
    for name in ("devices", "condor_config"):
        raw[name] = tuple(raw.get(name, ()))
    return ContainerPolicy(**raw | {"volumes": tuple(VolumeMount(**volume) for volume in raw.get("volumes", ()))})


def load(name: str) -> PoolSpec:
    raw: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    raw["central_manager"] = CentralManagerSpec(**raw["central_manager"])
    raw["more_central_managers"] = tuple(CentralManagerSpec(**more) for more in raw.get("more_central_managers", ()))
    raw["submit_node"] = SubmitNodeSpec(**raw["submit_node"])
    if elastic := raw["executors"].get("elastic"):
        raw["executors"]["elastic"] = ElasticSpec(**elastic)
    raw["executors"] = ExecutorsSpec(**raw["executors"])
    if share := raw.get("share"):
        raw["share"] = ShareSpec(**share)
    raw["containers"] = {PoolRole(role): policy_of(policy) for role, policy in raw.get("containers", {}).items()}
    raw["users"] = tuple(PoolUser(**user | {"ssh_keys": tuple(user.get("ssh_keys", ()))}) for user in raw["users"])
    raw["accounting"] = Accounting(**raw.get("accounting", {}))
    raw["sites"], raw["condor_config"] = tuple(raw["sites"]), tuple(raw.get("condor_config", ()))
    return PoolSpec(**raw)


def knobs(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in lines}


@pytest.mark.parametrize("role", list(PoolRole))
@pytest.mark.parametrize("pool", (*POOLS, FRAMEWORK_POOL))
def test_text_is_as_expected(pool: str, role: PoolRole) -> None:
    file = DATA / f"{pool}.{role}.config"
    text = condor_config(load(pool), role)
    if os.environ.get("AERIE_WRITE_EXPECTED"):
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("role", list(PoolRole))
@pytest.mark.parametrize("pool", (*POOLS, FRAMEWORK_POOL))
def test_nothing_is_open(pool: str, role: PoolRole) -> None:
    spec = load(pool)
    found = knobs(condor_config(spec, role))
    for property_ in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY"):
        assert found[f"SEC_DEFAULT_{property_}"] == "REQUIRED"
    for name, value in found.items():
        if name.startswith("ALLOW_") and value:
            for entry in value.split(", "):
                user, _, host = entry.partition("/")
                assert "*" not in user, f"{name} lets {entry} in"
                assert host == "*"


def test_only_the_collector_takes_ads() -> None:
    spec = load("demo")
    central = knobs(condor_config(spec, PoolRole.CENTRAL_MANAGER))
    assert "executor@demo.aerie/*" in central["ALLOW_ADVERTISE_STARTD"]
    assert "executor@demo.aerie/*" not in central["ALLOW_ADVERTISE_SCHEDD"]
    assert "submit@demo.aerie/*" not in central["ALLOW_ADVERTISE_STARTD"]
    assert "executor@" not in central["ALLOW_WRITE"] + central["ALLOW_ADMINISTRATOR"] + central["ALLOW_NEGOTIATOR"]
    submit = knobs(condor_config(spec, PoolRole.SUBMIT))
    assert "executor@" not in submit["ALLOW_WRITE"] + submit["ALLOW_ADMINISTRATOR"] + submit["ALLOW_ADVERTISE_SCHEDD"]


def test_users_write_on_the_submit_node_only() -> None:
    spec = load("demo")
    assert "demo@demo.aerie/*" in knobs(condor_config(spec, PoolRole.SUBMIT))["ALLOW_WRITE"]
    for role in (PoolRole.CENTRAL_MANAGER, PoolRole.EXECUTOR):
        found = knobs(condor_config(spec, role))
        assert "demo@demo.aerie" not in found["ALLOW_WRITE"] + found["ALLOW_ADMINISTRATOR"]


@pytest.mark.parametrize(("cpus", "memory", "expected"), [(0.5, 256, (1, 172)), (1, 128, (1, 44)), (4, 64, (4, 32))])
def test_an_executor_offers_what_its_app_was_given(cpus: float, memory: int, expected: tuple[int, int]) -> None:
    spec = replace(load("demo"), executors=ExecutorsSpec(cpus=cpus, memory=memory))
    found = knobs(condor_config(spec, PoolRole.EXECUTOR))
    assert (int(found["NUM_CPUS"]), int(found["MEMORY"])) == expected


def test_timers_grow_with_the_pool() -> None:
    sizes = [timers(slots) for slots in (1, 999, 1000, 9999, 10000, 200000)]
    for smaller, larger in itertools.pairwise(sizes):
        assert smaller.update <= larger.update
        assert smaller.negotiate <= larger.negotiate
    for clock, slots in zip(sizes[1::2], (999, 9999, 200000), strict=True):
        assert clock.lifetime >= 2 * clock.update
        assert slots / clock.update < 1000  # ads a second


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ALLOW_WRITE = *", "grants rights"),
        ("allow_write=*", "grants rights"),
        ("SCHEDD.ALLOW_WRITE = *", "grants rights"),
        ("HOSTALLOW_READ = *", "grants rights"),
        ("ALLOW_WRITE @=end\n*\n@end", "grants rights"),
        ("ALLOW_\\\nWRITE = *", "grants rights"),
        ("SEC_DEFAULT_AUTHENTICATION = OPTIONAL", "authentication"),
        ("SEC_WRITE_ENCRYPTION = NEVER", "encryption"),
        ("SEC_DEFAULT_AUTHENTICATION_METHODS = CLAIMTOBE", "authentication"),
        ("SEC_CLIENT_INTEGRITY : OPTIONAL", None),
        ("use SECURITY : HOST_BASED", "security"),
        ("use role: personal", "role"),
        ("include command : /bin/sh x", "include"),
        ("include : /tmp/x", "include"),
        ("@include : /tmp/x", "include"),
        ("LOCAL_CONFIG_FILE = /tmp/x", "nobody has checked"),
        ("QUEUE_ALL_USERS_TRUSTED = True", "others' jobs"),
        ("ENABLE_RUNTIME_CONFIG = True", "from outside"),
        ("SLOT1_USER = root", "jobs run as"),
        ("CONDOR_HOST = 1.2.3.4", "set for each role"),
        ("  UID_DOMAIN=*", "are called"),
        ("STARTD_NOCLAIM_SHUTDOWN = 5", "nobody looks after"),
        ("STARTD.MaxJobRetirementTime = 0", "kill running jobs"),
        ("HAD_LIST = 1.2.3.4:9618", "central_managers"),
        ("HAD.REPLICATION_INTERVAL = 1", "central_managers"),
        ("MASTER_NEGOTIATOR_CONTROLLER = HAD", "central_managers"),
        ("AERIE_AD_MAX_AGE = 1", "the program's own"),
    ],
)
def test_dangerous_lines_are_named(line: str, says: str | None) -> None:
    found = dangerous_knobs(f"# first line\n{line}\nJOB_START_DELAY = 1")
    if says is None:
        assert not found  # no assignment in HTCondor's language
        return
    assert len(found) == 1
    assert found[0].startswith("line 2: ")
    assert says in found[0]


def test_other_lines_pass() -> None:
    text = """
# ALLOW_WRITE = *
JOB_START_DELAY = 1
START = TARGET.RequestCpus > 1 && \\
        ALLOW_WRITE =!= undefined
use FEATURE : GPUs
use POLICY : HOLD_IF_MEMORY_EXCEEDED
SEC_DEFAULT_SESSION_DURATION = 3600
SEC_TOKEN_REVOCATION_EXPR = jti == "1"
SEC_WRITE_ENCRYPTION = required
DENY_WRITE = mallory@demo.aerie
MAX_JOBS_PER_OWNER = 100
TEXT @=end
ALLOW_WRITE = *
@end
"""
    assert dangerous_knobs(text) == []


def test_all_are_named_at_once() -> None:
    found = dangerous_knobs("ALLOW_READ = *\n\nJOB_START_DELAY = 1\nSEC_DEFAULT_INTEGRITY = NEVER\nuse SECURITY : NONE")
    assert [message.split(":")[0] for message in found] == ["line 1", "line 4", "line 5"]


@pytest.mark.parametrize(
    "line",
    [
        "NUM_CPUS = 8",
        "startd.memory = 1",
        "DISK = 5",
        "RESERVED_DISK = 5",
        "SLOT_TYPE_1 = cpus=1",
        "SLOT_TYPE_1_PARTITIONABLE = False",
        "NUM_SLOTS_TYPE_2 = 1",
        "NUM_SLOTS = 3",
        "use FEATURE : PartitionableSlot",
        "use feature: StaticSlots(1, 100%)",
    ],
)
def test_sizes_are_the_frameworks(line: str) -> None:
    assert dangerous_knobs(line) == []
    (found,) = dangerous_knobs(line, framework=True)
    assert "size that the framework gives" in found
    assert found.rpartition("; ")[2].startswith("write executors.cpus")


def test_the_startds_socket_is_the_frameworks() -> None:
    assert dangerous_knobs("STARTD_ARGS = -sock x") == []
    (found,) = dangerous_knobs("startd_args = -sock x", framework=True)
    assert "names the socket" in found and found.endswith("; leave it out")


def test_other_lines_pass_with_a_framework_too() -> None:
    text = "use FEATURE : GPUs\nSTARTD_CRON_JOBLIST = x\nMEMORY_USAGE_LIMIT = 5\nSLOT_WEIGHT = Cpus"
    assert dangerous_knobs(text, framework=True) == []


def test_flocking_is_found() -> None:
    text = "FLOCK_TO = a\nJOB_START_DELAY = 1\nschedd.flock_from \\\n = b\n# FLOCK_TO = c\nDEFLOCK_TO = d"
    assert dangerous_knobs(text) == []
    found = flocking_knobs(text)
    assert [message.split(":")[0] for message in found] == ["line 1", "line 3"]
    assert all("central_managers: 1" in message for message in found)
