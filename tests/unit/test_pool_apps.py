"""The three Marathon apps of a pool: data/pool/<pool>.json beside <pool>.apps.json (environment left out).

After a wanted change: AERIE_WRITE_EXPECTED=1 pytest tests/unit/test_pool_apps.py, and read the diff.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from typing import Any

import pytest

from components.batch.apps import marathon_apps, spool_volume
from components.batch.condor_config import condor_config
from components.batch.tokens import pool_secrets
from components.batch.types import PoolRole, PoolSpec

from .test_condor_config import DATA, POOLS, load

IMAGE = "172.30.0.1:5000/aerie/htcondor:0123456789ab"


def apps(spec: PoolSpec) -> list[dict[str, Any]]:
    return marathon_apps(spec, IMAGE, pool_secrets(spec, b"k" * 64, b"s" * 64, "host key", iat=1700000000))


def parameters(app: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["value"] for item in app["container"]["docker"]["parameters"]}


@pytest.mark.parametrize("pool", POOLS)
def test_apps_are_as_expected(pool: str) -> None:
    file = DATA / f"{pool}.apps.json"
    found = [{key: value for key, value in app.items() if key != "env"} for app in apps(load(pool))]
    if os.environ.get("AERIE_WRITE_EXPECTED"):
        file.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(file.read_text())


def test_fixed_addresses_never_twice() -> None:
    for app in apps(load("demo"))[:2]:
        assert app["networks"] == [{"mode": "container", "name": "fixed"}]
        assert app["instances"] == 1
        assert app["upgradeStrategy"] == {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}
        assert "ip" in parameters(app)
        assert "." in parameters(app)["hostname"]


def test_the_submit_node_stays_with_its_volume() -> None:
    spec = load("theory")
    app = apps(spec)[1]
    assert parameters(app)["volume"] == f"{spool_volume(spec)}:/var/spool/condor"
    assert ["node", "LIKE", r"agent1\.torino"] in app["constraints"]


def test_executors_are_spread() -> None:
    app = apps(load("demo"))[2]
    assert app["constraints"] == [["site", "LIKE", "torino|cnaf|bari"], ["site", "GROUP_BY", "3"]]
    assert app["networks"] == [{"mode": "container", "name": "calico"}]


def test_the_environment_holds_what_the_role_needs() -> None:
    spec = load("demo")
    by_role = {app["env"]["AERIE_ROLE"]: app["env"] for app in apps(spec)}
    for role in PoolRole:
        text = base64.b64decode(by_role[role]["AERIE_CONDOR_CONFIG"]).decode()
        assert text == condor_config(spec, role)
    assert "AERIE_SIGNING_KEY" not in by_role["executor"]
    assert "AERIE_SSH_HOST_KEY" not in by_role["executor"]
    assert json.loads(base64.b64decode(by_role["executor"]["AERIE_USERS"])) == [{"name": "demo", "uid": 2001}]
    user = json.loads(base64.b64decode(by_role["submit"]["AERIE_USERS"]))[0]
    assert len(user["tokens"]) == 2
    assert user["ssh_keys"][0].startswith("ssh-ed25519 ")


def test_more_executors_change_one_number() -> None:
    spec = load("demo")
    more = replace(spec, executors=replace(spec.executors, count=5))
    before, after = apps(spec), apps(more)
    assert before[:2] == after[:2]
    changed = {key for key in before[2] if before[2][key] != after[2][key]}
    assert changed == {"instances"}


def test_no_secret_outside_the_environment() -> None:
    for app in apps(load("demo")):
        rest = json.dumps({key: value for key, value in app.items() if key != "env"})
        assert "eyJ" not in rest
