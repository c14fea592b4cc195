"""HTCondor's configuration of pools by a framework, and with several central managers: what differs, and why it matters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.batch.condor_config import collectors, condor_config, framework_config, overhead
from components.batch.tokens import pool_secrets, verify
from components.batch.types import CentralManagerSpec, ElasticSpec, ExecutorsSpec, PoolRole, PoolSpec

from .test_condor_config import FRAMEWORK_POOL, knobs, load

KEY, SUBMIT_KEY = bytes(range(64)), bytes(range(64, 128))


def spec_of(role: PoolRole, spec: PoolSpec) -> dict[str, str]:
    return knobs(condor_config(spec, role))


def test_the_framework_may_watch_and_drain_and_no_more() -> None:
    spec = load(FRAMEWORK_POOL)
    central, submit, executor = (spec_of(role, spec) for role in PoolRole)
    assert "framework@grid.aerie/*" in central["ALLOW_READ"]
    assert "framework@grid.aerie/*" in central["ALLOW_ADMINISTRATOR"]
    assert "framework@grid.aerie/*" in submit["ALLOW_READ"]
    for found in (central, submit, executor):
        for level in ("WRITE", "DAEMON", "NEGOTIATOR", "ADVERTISE_STARTD", "ADVERTISE_SCHEDD", "ADVERTISE_MASTER"):
            assert "framework@" not in found[f"ALLOW_{level}"]
    assert "framework@" not in submit["ALLOW_ADMINISTRATOR"]
    # Without a collector it reaches executors by themselves.
    assert "framework@grid.aerie/*" in executor["ALLOW_READ"]
    assert "framework@grid.aerie/*" in executor["ALLOW_ADMINISTRATOR"]
    assert executor["STARTD_ARGS"] == "-sock startd"


@pytest.mark.parametrize("role", list(PoolRole))
def test_no_framework_without_one(role: PoolRole) -> None:
    assert "framework" not in condor_config(load("demo"), role)
    secrets = pool_secrets(load("demo"), KEY, SUBMIT_KEY, "host key", iat=1)
    assert not secrets.framework.token
    assert not secrets.framework.admin_token


def test_the_frameworks_tokens() -> None:
    secrets = pool_secrets(load(FRAMEWORK_POOL), KEY, SUBMIT_KEY, "host key", iat=1)
    pool, queue = verify(secrets.framework.token, KEY), verify(secrets.framework.admin_token, SUBMIT_KEY)
    assert (pool.identity, pool.authz) == ("framework@grid.aerie", ("READ", "ADMINISTRATOR"))
    assert (queue.identity, queue.authz, queue.key_id) == ("framework@grid.aerie", ("READ",), "submit")
    assert not secrets.framework.signing_key


def test_the_frameworks_own_configuration() -> None:
    spec = load(FRAMEWORK_POOL)
    found = knobs(framework_config(spec))
    assert found["COLLECTOR_HOST"] == "10.66.0.30:9618, 10.66.0.31:9618"
    assert found["SEC_CLIENT_AUTHENTICATION_METHODS"] == "IDTOKENS"
    for what in ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY"):
        assert found[f"SEC_CLIENT_{what}"] == "REQUIRED"
    assert found["NO_DNS"] == "True"
    assert found["TRUST_DOMAIN"] == "grid.aerie"
    assert not any(name.startswith("ALLOW_") for name in found)
    assert knobs(framework_config(load("demo")))["COLLECTOR_HOST"] == "$(CONDOR_HOST):9618"


def test_sizes_change_no_configuration() -> None:
    """Else a change of the pool's file would make all executors anew."""
    spec = load(FRAMEWORK_POOL)
    elastic = spec.executors.elastic
    assert elastic is not None
    other = replace(
        spec,
        executors=replace(
            spec.executors, count=7, cpus=16, memory=9999, elastic=replace(elastic, max=40, idle_timeout=5, batch=9)
        ),
    )
    for role in PoolRole:
        assert condor_config(spec, role) == condor_config(other, role)
    found = spec_of(PoolRole.EXECUTOR, spec)
    assert not {"NUM_CPUS", "MEMORY", "DISK"} & found.keys()
    assert found["AERIE_ORPHAN_TIMEOUT"] == "600"
    fixed = spec_of(PoolRole.EXECUTOR, replace(spec, executors=ExecutorsSpec(slots="fixed")))
    assert (fixed["NUM_SLOTS"], fixed["SLOT_TYPE_1"]) == ("$(NUM_CPUS)", "1/$(NUM_CPUS)")
    assert "AERIE_ORPHAN_TIMEOUT" not in fixed


def test_overhead_is_what_marathons_executors_get_too() -> None:
    spec = load("demo")
    asked, cores = spec.executors.memory, int(spec.executors.cpus)
    offered = int(spec_of(PoolRole.EXECUTOR, spec)["MEMORY"])
    assert asked - offered == overhead()["base"] + overhead()["per_core"] * cores


def test_slots_count_what_may_come() -> None:
    assert load(FRAMEWORK_POOL).slots == 1 * 2 + 20 * 8
    assert load("demo").slots == 3 * 2
    unsaid = ExecutorsSpec(count=0, elastic=ElasticSpec(max=3, largest_cpus=0))
    assert replace(load("demo"), executors=unsaid).slots == 12


def test_all_daemons_know_all_collectors() -> None:
    spec = load(FRAMEWORK_POOL)
    assert collectors(spec) == ["10.66.0.30:9618", "10.66.0.31:9618"]
    for role in PoolRole:
        found = spec_of(role, spec)
        assert found["COLLECTOR_HOST"] == "10.66.0.30:9618, 10.66.0.31:9618"
        assert found["CONDOR_HOST"] == "10.66.0.30, 10.66.0.31"
        assert int(found["QUERY_TIMEOUT"]) < 20


def test_two_or_three_central_managers_have_one_negotiator() -> None:
    spec = load(FRAMEWORK_POOL)
    for more in (spec.more_central_managers, (*spec.more_central_managers, CentralManagerSpec("10.66.0.34"))):
        spec = replace(spec, more_central_managers=more)
        found = spec_of(PoolRole.CENTRAL_MANAGER, spec)
        assert found["MASTER_NEGOTIATOR_CONTROLLER"] == "HAD"
        assert {"HAD", "REPLICATION", "NEGOTIATOR", "COLLECTOR"} <= set(found["DAEMON_LIST"].split(", "))
        assert found["HAD_LIST"] == found["REPLICATION_LIST"] == ", ".join(collectors(spec))
        assert len(collectors(spec)) == len(more) + 1
        assert found["HAD_USE_PRIMARY"] == "False"
    for role in (PoolRole.SUBMIT, PoolRole.EXECUTOR):
        assert not any(name.startswith(("HAD", "REPLICATION")) for name in spec_of(role, spec))


def test_one_central_manager_knows_no_other() -> None:
    spec = replace(load(FRAMEWORK_POOL), more_central_managers=())
    text = condor_config(spec, PoolRole.CENTRAL_MANAGER)
    for word in ("HAD", "REPLICATION", "QUERY_TIMEOUT", "DEAD_COLLECTOR"):
        assert word not in text
    one = pool_secrets(spec, KEY, SUBMIT_KEY, "host key", iat=1).central_manager.token
    several = pool_secrets(load(FRAMEWORK_POOL), KEY, SUBMIT_KEY, "host key", iat=1).central_manager.token
    assert "DAEMON" not in verify(one, KEY).authz
    assert "DAEMON" in verify(several, KEY).authz


def test_a_roles_lines_come_last_and_to_it_alone() -> None:
    spec = load(FRAMEWORK_POOL)
    executor = condor_config(spec, PoolRole.EXECUTOR)
    assert executor.rstrip().endswith("STARTD_CRON_JOBLIST =")
    assert "JOB_START_DELAY = 1" in executor
    assert "STARTD_CRON_JOBLIST" not in condor_config(spec, PoolRole.SUBMIT)
    assert knobs(executor)["JOB_INHERITS_STARTER_ENVIRONMENT"] == "AERIE_ROLE, SITE_CACHE"
