"""What a pool's framework is told: read by the framework's own readers."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from htcondor_framework import config as framework_config
from htcondor_framework import policy as framework_policy
from htcondor_framework.core.model import Placement, Role, Size

from components.batch import framework
from components.batch.plan import pool_spec
from components.batch.tokens import pool_secrets
from components.batch.types import PoolSpec
from components.identity import keys
from components.spec import addresses
from tests.unit.conftest import Checkout

FRAMEWORK = {
    "via": "framework",
    "number": 3,
    "share": {"cpus": 8, "memory": 8192},
    "executors": {"count": 2, "cpus": 2, "memory": 1024, "elastic": {"max": 10}},
}


def spec_of(checkout: Checkout, home: Path, **changes: Any) -> PoolSpec:
    checkout.change("Pulumi.demo.yaml", lambda d: d["config"]["aerie:pool"].update({**FRAMEWORK, **changes}))
    the = checkout.plan("demo")
    assert the.pool is not None
    return pool_spec("demo", the.federation, the.pool, home)


def config_of(spec: PoolSpec) -> framework.Json:
    ca = keys.certificate_authority("ca")
    own = keys.certificate(ca["certificate"], ca["private_key"], "framework", ["127.0.0.1"])
    secrets = framework.FrameworkSecrets(
        "s", "zk://pool-3:x@172.31.1.10:2181/pool-3", ca["certificate"], own["certificate"], own["private_key"], "pw"
    )
    tokens = pool_secrets(spec, b"a" * 64, b"b" * 64, "host key", iat=1)
    return framework.configuration(spec, "registry/htcondor:1", ["172.31.1.10:5050"], "pool-3", secrets, tokens)


def test_the_framework_reads_its_configuration(checkout: Checkout, home: Path) -> None:
    spec = spec_of(checkout, home)
    config = framework_config.load(framework.environment(spec, config_of(spec)))
    assert (config.pool, config.number, config.domain) == ("demo", 3, "demo.aerie")
    assert (config.mesos.role, config.mesos.user, config.mesos.principal) == ("pool-3",) * 3
    assert config.zookeeper.path == "/pool-3"
    assert [(r.name, r.role, r.network, r.pinned) for r in config.roles] == [
        ("central-manager", Role.CENTRAL_MANAGER, "fixed", False),
        ("submit-node", Role.SUBMIT, "fixed", True),
    ]
    assert ("ip", "10.66.0.14") in config.roles[0].parameters
    assert config.roles[1].constraints == {"site": frozenset({"torino"}), "node": frozenset({"torino-front-end"})}
    assert config.executor.size == Size(2, 1024, 2000)
    assert config.executor_template().fixed == Size(2, 1024 - 72 - 24, 2000)
    assert len(config.condor.tokens) == 2 and all(t.count(".") == 2 for t in config.condor.tokens)
    assert config.condor.collectors == ("10.66.0.14:9618",)
    assert config.roles[0].env["AERIE_POOL"] == "demo"


def test_several_central_managers(checkout: Checkout, home: Path) -> None:
    checkout.change("federation.yaml", lambda d: d["network"].update(fixed="10.66.0.0/23"))
    config = framework_config.parse(config_of(spec_of(checkout, home, central_managers=3)))
    assert [r.name for r in config.roles] == [
        "central-manager",
        "central-manager-2",
        "central-manager-3",
        "submit-node",
    ]
    assert config.condor.collectors == ("10.66.0.14:9618", "10.66.0.193:9618", "10.66.1.3:9618")


ALL = {
    "min": 1,
    "max": 20,
    "curb": 8,
    "batch": 2,
    "wait_cycles": 0,
    "idle_timeout": 30,
    "orphan_timeout": 600,
    "max_idle": 5,
    "largest": {"cpus": 2, "memory": 2000, "disk": 5000},
    "placement": "spread",
    "site_preference": ["bari", "cnaf"],
    "sites": {"torino": {"max": 4}, "cnaf": {"max": 6, "curb": 2}},
    "caps": {"each_user": 16, "users": {"demo": 64}, "groups": {"physics": 100}},
}


@pytest.mark.parametrize("elastic", [None, {"max": 10}, ALL, {"max": 0}])
def test_the_framework_reads_its_policy(checkout: Checkout, home: Path, elastic: Any) -> None:
    executors = {**FRAMEWORK["executors"], "elastic": elastic}  # type: ignore[dict-item]
    spec = spec_of(checkout, home, executors=executors, accounting={"groups": {"physics": 0.5}})
    said = framework.policy(spec)
    read = framework_policy.parse(json.loads(json.dumps(framework.with_nulls(said))), spec.sites)
    assert read.fixed == 2 and (read.share.cpus, read.share.memory) == (8, 8192)
    assert framework_policy.parse(framework_policy.to_json(read), spec.sites) == read
    assert framework.without_nulls(framework.with_nulls(said)) == said
    if elastic is None:
        assert read.elastic is None
    elif elastic is ALL:
        e = read.elastic
        assert e is not None and (e.total.max, e.total.curb, e.max_idle) == (20, 8, 5)
        assert {s: (limit.max, limit.curb) for s, limit in e.sites.items()} == {"torino": (4, 4), "cnaf": (6, 2)}
        assert (e.placement, e.largest, e.caps.groups) == (Placement.SPREAD, Size(2, 2000, 5000), {"physics": 100})
    else:
        assert read.elastic is not None and read.elastic.total.curb == read.elastic.max_idle == elastic["max"]


def test_a_policy_changes_no_configuration(checkout: Checkout, home: Path) -> None:
    before = spec_of(checkout, home)
    larger = {**FRAMEWORK["executors"], "count": 3, "elastic": {**ALL, "orphan_timeout": 1800}}  # type: ignore[dict-item]
    after = spec_of(
        checkout, home, executors=larger, share={"cpus": 4, "memory": 1000}, accounting={"groups": {"physics": 0.5}}
    )
    a, b = config_of(before), config_of(after)
    del a["roles"], b["roles"]  # the accounting groups are the central manager's
    for config in (a, b):
        config["mesos"] = config["rest"] = None  # another CA each time
    assert a == b


def test_too_many_users_are_told(checkout: Checkout, home: Path) -> None:
    spec = spec_of(checkout, home)
    with pytest.raises(framework.TooLarge, match="make two pools of it"):
        framework.environment(spec, {**config_of(spec), "domain": "x" * 100_000})


def test_the_apps_version_is_that_of_all_it_is_made_of(checkout: Checkout, home: Path) -> None:
    app = framework.framework_app(spec_of(checkout, home), "registry/framework:1")
    first = framework.app_version(app, {"A": "1"})
    assert first != framework.app_version(app, {"A": "2"})
    assert first != framework.app_version({**app, "mem": 300}, {"A": "1"})
    assert base64.b64encode(b"1").decode() not in first and len(first) == 16


def test_the_frameworks_app(checkout: Checkout, home: Path) -> None:
    app = framework.framework_app(spec_of(checkout, home), "registry/framework:1")
    assert app["id"] == "/demo/framework"
    assert {"key": "ip", "value": "10.66.0.133"} in app["container"]["docker"]["parameters"]
    assert app["constraints"] == [["site", "LIKE", "torino|cnaf|bari"]]
    assert app["upgradeStrategy"] == {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}
    assert "env" not in app
    assert addresses.REST + 3 == 8603
