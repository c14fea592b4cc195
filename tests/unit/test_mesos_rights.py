"""Who may do what at Mesos: the ACLs by the rule of Mesos' own authorizer, and the secrets of the pools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.cluster import mesos
from components.identity.derived import mesos_secret, zookeeper_secret
from components.spec import addresses

PASSWORDS = {"mesos-agent": "a", "mesos-marathon": "m", "mesos-operator": "o", "pools": "p"}


def allowed(acls: dict[str, Any], action: str, principal: str, objects: str, value: str) -> bool:
    """As Mesos decides: the first rule that names both; else what `permissive` says."""
    for rule in acls[action]:
        subject, thing = rule["principals"], rule[objects]
        if principal in subject.get("values", []) and (thing.get("type") == "ANY" or value in thing.get("values", [])):
            return True
    return bool(acls["permissive"])


@pytest.mark.parametrize("acls", [mesos.master_acls(), mesos.agent_acls()])
def test_what_is_not_allowed_is_refused(acls: dict[str, Any]) -> None:
    assert acls["permissive"] is False
    assert json.loads(mesos.acls_text(acls)) == acls
    assert len(mesos.acls_text(acls).splitlines()) < 250


def test_a_pool_has_its_own_role_only() -> None:
    acls = mesos.master_acls()
    for number in (1, 2, addresses.POOLS):
        me = addresses.principal(number)
        assert allowed(acls, "register_frameworks", me, "roles", me)
        for other in ("*", "pool-3", "pool-1x", f"{me}/sub"):
            assert not allowed(acls, "register_frameworks", me, "roles", other)
    assert not allowed(acls, "register_frameworks", "pool-1", "roles", "pool-2")
    assert not allowed(acls, "register_frameworks", "pool-61", "roles", "pool-61")
    assert allowed(acls, "register_frameworks", mesos.MARATHON, "roles", "*")
    assert not allowed(acls, "register_frameworks", mesos.MARATHON, "roles", "pool-1")


@pytest.mark.parametrize("acls", [mesos.master_acls(), mesos.agent_acls()])
def test_a_pools_tasks_run_as_itself(acls: dict[str, Any]) -> None:
    assert allowed(acls, "run_tasks", "pool-7", "users", "pool-7")
    assert not allowed(acls, "run_tasks", "pool-7", "users", "root")
    assert not allowed(acls, "run_tasks", "pool-7", "users", "pool-8")
    assert not allowed(acls, "run_tasks", mesos.MARATHON, "users", "pool-7")


def test_shares_are_the_operators_business() -> None:
    acls = mesos.master_acls()
    for action in ("get_quotas", "update_quotas", "update_weights", "view_roles"):
        assert allowed(acls, action, mesos.OPERATOR, "roles", "pool-1")
        assert not allowed(acls, action, "pool-1", "roles", "pool-1")
        assert not allowed(acls, action, mesos.MARATHON, "roles", "pool-1")


def test_masters_know_every_pool_that_there_can_be() -> None:
    known = {c["principal"]: c["secret"] for c in json.loads(mesos.master_credentials(PASSWORDS))["credentials"]}
    assert set(known) == {"agent", "marathon", "operator", *(f"pool-{n}" for n in range(1, 61))}
    assert known["pool-60"] == mesos_secret("p", 60)
    assert len(set(known.values())) == len(known)


def test_secrets_follow_from_one_password() -> None:
    # HMAC-SHA256, as `printf 'mesos pool-1' | openssl dgst -sha256 -hmac password` says
    assert mesos_secret("password", 1) == "9db7d14f0c87f7d3d8f6a2e0810a724ea64de240d0c5adb35a65abcb390f7187"
    assert zookeeper_secret("password", 1) == "66b8b831b643a4cf69aa046d3818ca1f56182eee5b4d3b4beb376526e75c2bad"
    made = {f(p, n) for f in (mesos_secret, zookeeper_secret) for p in ("a", "b") for n in (1, 2, 12)}
    assert len(made) == 12
