"""Mesos: a master on each quorum site's front-end, an agent on every machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..iaas.machine import Machine
from ..identity.derived import mesos_secret
from ..spec import addresses
from ..spec.machines import PlannedMachine, attributes_of
from ..spec.model import Federation
from .container import FILES, ContainerSpec

MASTER_FILES = f"{FILES}/mesos-master"
AGENT_FILES = f"{FILES}/mesos-agent"

# Principals: who may do what in the ACLs below.
AGENT, MARATHON, OPERATOR = "agent", "marathon", "operator"
# Of the pools' frameworks. Mesos reads credentials and ACLs at its start only, so masters and agents know all that there can be:
# a new pool needs no restart of any of them.
POOL_NUMBERS = range(1, addresses.POOLS + 1)
POOLS = [addresses.principal(n) for n in POOL_NUMBERS]


def credentials(secrets: dict[str, str]) -> str:
    """Mesos' credentials file: principal and secret."""
    return json.dumps({"credentials": [{"principal": p, "secret": s} for p, s in sorted(secrets.items())]}, indent=1)


def master_credentials(passwords: Mapping[str, str]) -> str:
    """Everybody who may speak to a master, by the federation's passwords."""
    known = {
        AGENT: passwords["mesos-agent"],
        MARATHON: passwords["mesos-marathon"],
        OPERATOR: passwords["mesos-operator"],
    }
    return credentials(known | {addresses.principal(n): mesos_secret(passwords["pools"], n) for n in POOL_NUMBERS})


def credential(principal: str, secret: str) -> str:
    """One client's credential file."""
    return json.dumps({"principal": principal, "secret": secret})


def _views() -> dict[str, Any]:
    """What the operator may look at, on masters and agents."""
    return {
        "permissive": False,
        "get_endpoints": [_rule(OPERATOR, "paths")],
        "view_frameworks": [_rule(OPERATOR, "users")],
        "view_tasks": [_rule(OPERATOR, "users")],
        "view_executors": [_rule(OPERATOR, "users")],
        "view_containers": [_rule(OPERATOR, "users")],
        "view_flags": [_rule(OPERATOR, "flags")],
        "access_sandboxes": [_rule(OPERATOR, "users")],
        "access_mesos_logs": [_rule(OPERATOR, "logs")],
        # The agent asks its own ACLs once more before it runs a task.
        "run_tasks": [_only(MARATHON, "users", "root"), *(_only(pool, "users", pool) for pool in POOLS)],
    }


def _only(principal: str, objects: str, value: str) -> dict[str, Any]:
    return {"principals": {"values": [principal]}, objects: {"values": [value]}}


def _rule(principal: str, objects: str) -> dict[str, Any]:
    return {"principals": {"values": [principal]}, objects: {"type": "ANY"}}


def master_acls() -> dict[str, Any]:
    """Who may do what at a master. What is not allowed here is refused: `permissive` is off."""
    return {
        **_views(),
        "register_agents": [_rule(AGENT, "agents")],
        "register_frameworks": [_only(MARATHON, "roles", "*"), *(_only(pool, "roles", pool) for pool in POOLS)],
        "teardown_frameworks": [_rule(OPERATOR, "framework_principals")],
        "view_roles": [_rule(OPERATOR, "roles")],
        "get_quotas": [_rule(OPERATOR, "roles")],
        "update_quotas": [_rule(OPERATOR, "roles")],
        "update_weights": [_rule(OPERATOR, "roles")],
        "update_maintenance_schedules": [_rule(OPERATOR, "machines")],
        "get_maintenance_schedules": [_rule(OPERATOR, "machines")],
        "get_maintenance_statuses": [_rule(OPERATOR, "machines")],
        "start_maintenances": [_rule(OPERATOR, "machines")],
        "stop_maintenances": [_rule(OPERATOR, "machines")],
        "deactivate_agents": [_rule(OPERATOR, "agents")],
        "reactivate_agents": [_rule(OPERATOR, "agents")],
    }


def agent_acls() -> dict[str, Any]:
    """Who may do what at an agent."""
    return _views()


def acls_text(acls: Mapping[str, Any]) -> str:
    """The file of ACLs: a line a rule."""
    out = []
    for name, value in sorted(acls.items()):
        rules = [json.dumps(rule, separators=(",", ":")) for rule in value] if isinstance(value, list) else []
        out.append(f'"{name}": ' + ("[\n" + ",\n".join(rules) + "\n]" if rules else json.dumps(value)))
    return "{\n" + ",\n".join(out) + "\n}\n"


def zookeeper_url(federation: Federation, path: str, secret: str) -> str:
    """zk://USER:SECRET@HOSTS/PATH, where the user is called as the path."""
    return f"zk://{path}:{secret}@{addresses.zookeeper_hosts(federation)}/{path}"


def _tls(files: str) -> dict[str, str]:
    return {
        "LIBPROCESS_SSL_ENABLED": "true",
        "LIBPROCESS_SSL_SUPPORT_DOWNGRADE": "false",
        "LIBPROCESS_SSL_ENABLE_TLS_V1_3": "true",
        "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "true",
        "LIBPROCESS_SSL_VERIFY_IPADD": "true",
        "LIBPROCESS_SSL_CERT_FILE": f"{files}/server.crt",
        "LIBPROCESS_SSL_KEY_FILE": f"{files}/server.key",
        "LIBPROCESS_SSL_CA_FILE": f"{files}/ca.crt",
    }


def master_container(federation: Federation, machine: Machine, image: str) -> ContainerSpec:
    """One master."""
    members = addresses.quorum_addresses(federation)
    return ContainerSpec(
        name="mesos-master",
        image=image,
        command=("mesos-master",),
        env={
            "MESOS_ZK": f"file://{MASTER_FILES}/zk",
            "MESOS_QUORUM": str(addresses.majority(len(members))),
            "MESOS_IP": machine.address,
            "MESOS_HOSTNAME": machine.address,
            "MESOS_PORT": str(addresses.MESOS_MASTER),
            "MESOS_CLUSTER": federation.name,
            "MESOS_WORK_DIR": "/var/lib/mesos",
            "MESOS_CREDENTIALS": f"{MASTER_FILES}/credentials",
            "MESOS_ACLS": f"file://{MASTER_FILES}/acls",
            "MESOS_AUTHENTICATE_AGENTS": "true",
            "MESOS_AUTHENTICATE_FRAMEWORKS": "true",
            "MESOS_AUTHENTICATE_HTTP_FRAMEWORKS": "true",
            "MESOS_HTTP_FRAMEWORK_AUTHENTICATORS": "basic",
            "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
            "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
            # An agent is given up after 5 x 10 s without an answer: then its tasks are started elsewhere.
            "MESOS_AGENT_PING_TIMEOUT": "10secs",
            "MESOS_MAX_AGENT_PING_TIMEOUTS": "5",
            "MESOS_AGENT_REREGISTER_TIMEOUT": "10mins",
            "MESOS_OFFER_TIMEOUT": "30secs",
            "MESOS_ZK_SESSION_TIMEOUT": "10secs",
            **_tls(MASTER_FILES),
        },
        mounts=("mesos-master:/var/lib/mesos",),
        memory=federation.memory.mesos_master,
    )


def agent_container(federation: Federation, machine: Machine, planned: PlannedMachine, image: str) -> ContainerSpec:
    """One agent. Its tasks are containers beside it, so that it can be made anew while they run."""
    work, size = "/var/lib/mesos", planned.size
    attributes = attributes_of(machine.site, planned)
    return ContainerSpec(
        name="mesos-agent",
        image=image,
        command=("mesos-agent",),
        env={
            "MESOS_MASTER": f"file://{AGENT_FILES}/zk",
            "MESOS_IP": machine.address,
            "MESOS_HOSTNAME": machine.address,
            "MESOS_PORT": str(addresses.MESOS_AGENT),
            "MESOS_WORK_DIR": work,
            "MESOS_RUNTIME_DIR": "/run/mesos",
            "MESOS_ATTRIBUTES": ";".join(f"{k}:{v}" for k, v in attributes.items()),
            "MESOS_RESOURCES": f"cpus:{size.cpus:g};mem:{size.memory};disk:{size.disk};ports:[31000-31999]",
            "MESOS_CONTAINERIZERS": "docker",
            "MESOS_LAUNCHER": "posix",
            "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
            "MESOS_SWITCH_USER": "false",
            "MESOS_DOCKER": "/usr/libexec/mesos/docker-for-mesos",
            "MESOS_DOCKER_MESOS_IMAGE": image,
            "MESOS_DOCKER_REMOVE_DELAY": "10secs",
            "MESOS_DOCKER_STOP_TIMEOUT": "10secs",
            "MESOS_CGROUPS_ENABLE_CFS": "true",
            "MESOS_EXECUTOR_REGISTRATION_TIMEOUT": "5mins",  # an image may have to be pulled meanwhile
            "MESOS_RECOVERY_TIMEOUT": "15mins",
            "MESOS_ZK_SESSION_TIMEOUT": "10secs",
            "MESOS_ACLS": f"file://{AGENT_FILES}/acls",
            "MESOS_AUTHENTICATE_HTTP_EXECUTORS": "true",
            "MESOS_JWT_SECRET_KEY": f"{AGENT_FILES}/jwt-key",
            "MESOS_CREDENTIAL": f"{AGENT_FILES}/credential",
            "MESOS_HTTP_CREDENTIALS": f"{AGENT_FILES}/http-credentials",
            "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
            "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
            **_tls(AGENT_FILES),
        },
        mounts=(
            f"{work}:{work}",
            "/run/mesos:/run/mesos",
            "/run/docker.sock:/run/docker.sock",
            "/sys/fs/cgroup:/sys/fs/cgroup",
        ),
        options=("--pid", "host", "--cgroupns", "host"),
        memory=federation.memory.mesos_agent,
    )
