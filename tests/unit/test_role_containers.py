"""What each role's container is, for Marathon and the framework alike."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from components.batch.apps import marathon_apps
from components.batch.role_containers import RoleContainer, role_containers
from components.batch.tokens import pool_secrets
from components.batch.types import CentralManagerSpec, PoolRole, PoolSpec

from .test_condor_config import FRAMEWORK_POOL, POOLS, load


def containers(spec: PoolSpec) -> dict[str, RoleContainer]:
    made = role_containers(spec, pool_secrets(spec, b"k" * 64, b"s" * 64, "host key", iat=1700000000))
    return {container.name: container for container in made}


def test_names_and_order() -> None:
    spec = load(FRAMEWORK_POOL)
    three = replace(spec, more_central_managers=(*spec.more_central_managers, CentralManagerSpec("10.66.0.34", 2, 512)))
    found = containers(three)
    assert list(found) == ["central-manager", "central-manager-2", "central-manager-3", "submit-node", "executor"]
    assert (found["central-manager-3"].cpus, found["central-manager-3"].memory) == (2, 512)
    assert list(containers(load("demo"))) == ["central-manager", "submit-node", "executor"]


def test_each_has_its_address_and_name() -> None:
    found = containers(load(FRAMEWORK_POOL))
    by_name = {name: dict(container.parameters) for name, container in found.items()}
    assert by_name["central-manager"]["ip"] == "10.66.0.30"
    assert by_name["central-manager-2"]["ip"] == "10.66.0.31"
    assert by_name["central-manager-2"]["hostname"] == "central-manager-2.grid.aerie"
    assert by_name["submit-node"]["volume"] == "aerie-grid-spool:/var/spool/condor"
    assert "ip" not in by_name["executor"]
    assert {c.network for c in found.values() if c.role is not PoolRole.EXECUTOR} == {"fixed"}
    assert found["executor"].network == "calico"
    assert [name for name, c in found.items() if c.pinned] == ["submit-node"]


def test_a_roles_policy() -> None:
    executor = containers(load(FRAMEWORK_POOL))["executor"]
    assert ("ulimit", "memlock=-1:-1") in executor.parameters
    assert ("ulimit", "nofile=4096:8192") in executor.parameters
    assert ("device", "/dev/fuse") in executor.parameters
    assert [value for key, value in executor.parameters if key == "volume"] == ["/cvmfs:/cvmfs:ro", "/data:/data:rw"]
    assert executor.env["SITE_CACHE"] == "http://cache:3128"
    assert "SITE_CACHE" in json.loads(base64.b64decode(executor.env["AERIE_ENVIRONMENT"]))
    assert executor.env["AERIE_ROLE"] == "executor"  # the pool's own variables win
    others = [c for name, c in containers(load(FRAMEWORK_POOL)).items() if name != "executor"]
    for container in others:
        assert not {"ulimit", "device"} & {key for key, _ in container.parameters}
        assert "AERIE_ENVIRONMENT" not in container.env


def test_attributes_narrow_and_never_widen() -> None:
    found = containers(load(FRAMEWORK_POOL))
    assert found["executor"].constraints == {"site": ["bari"]}
    assert found["submit-node"].constraints == {"site": ["torino"], "node": ["torino-front-end"], "rack": ["4"]}
    assert found["central-manager"].constraints == {"site": ["torino", "cnaf", "bari"]}
    spec = load(FRAMEWORK_POOL)
    policy = replace(spec.container(PoolRole.EXECUTOR), attributes={"site": "elsewhere"})
    elsewhere = containers(replace(spec, containers={PoolRole.EXECUTOR: policy}))["executor"]
    assert elsewhere.constraints == {"site": []}


@pytest.mark.parametrize("pool", (*POOLS, FRAMEWORK_POOL))
def test_tools_find_every_container_of_a_pool(pool: str) -> None:
    for container in containers(load(pool)).values():
        assert container.env["AERIE_POOL"] == pool
        assert container.env["AERIE_ROLE"] == container.role.value


@pytest.mark.parametrize("pool", (*POOLS, FRAMEWORK_POOL))
def test_marathons_apps_say_the_same(pool: str) -> None:
    spec = load(pool)
    secrets = pool_secrets(spec, b"k" * 64, b"s" * 64, "host key", iat=1700000000)
    for container, app in zip(role_containers(spec, secrets), marathon_apps(spec, "image", secrets), strict=True):
        given = [(p["key"], p["value"]) for p in app["container"]["docker"]["parameters"]]
        assert given == container.parameters
        assert (app["cpus"], app["mem"], app["disk"]) == (container.cpus, container.memory, container.disk)
        assert app["networks"][0]["name"] == container.network
        assert app["taskKillGracePeriodSeconds"] == container.kill_grace
        assert app["env"] == container.env
        attributes = {name for name, operator, _ in app["constraints"] if operator == "LIKE"}
        assert attributes == set(container.constraints)


def test_nothing_secret_is_shown() -> None:
    for container in containers(load(FRAMEWORK_POOL)).values():
        assert "eyJ" not in repr(container)
        assert container.env["AERIE_TOKEN"] not in repr(container)
