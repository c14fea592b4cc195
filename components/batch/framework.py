"""A pool's framework: its configuration, its policy, its Marathon app. Pure: nobody is spoken to here."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cluster.container import ContainerSpec
from ..spec.machines import rest_service
from .apps import Health, single_app
from .condor_config import collectors, framework_config, overhead
from .role_containers import SITE, Container, RoleContainer, parameters, role_containers
from .types import ElasticSpec, PoolRole, PoolSecrets, PoolSpec

Json = dict[str, Any]
PORT = 8443  # of its REST, in its container
REST_USER = "admin"
# Linux takes no longer text for one variable of a process's environment, its name included.
LONGEST = 128 * 1024


class TooLarge(ValueError):
    """The configuration does not fit into the environment of a process."""


@dataclass(frozen=True)
class FrameworkSecrets:
    """What the framework shows to others: `mesos` is its principal's secret, `certificate` and `key` are its REST's (PEM)."""

    mesos: str = field(repr=False)
    zookeeper: str = field(repr=False)  # the whole URL
    ca: str
    certificate: str
    key: str = field(repr=False)
    password: str = field(repr=False)


def policy(spec: PoolSpec) -> Json:
    """What is PUT to /v1/policy: all that may change while the pool runs. What is not limited is not in it."""
    assert spec.share is not None, "a pool by a framework has a share"
    own = spec.executors.elastic
    return {
        "fixed": spec.executors.count,
        "share": {"cpus": spec.share.cpus, "memory": spec.share.memory},
        **({"elastic": _elastic(own)} if own else {}),
    }


def with_nulls(said: Json) -> Json:
    """The policy as the framework takes it. Pulumi keeps no nulls in a resource's properties."""
    elastic = said.get("elastic")
    if elastic is None:
        return {**said, "elastic": None}
    return {**said, "elastic": {**elastic, "caps": {"each_user": None, **(elastic.get("caps") or {})}}}


def without_nulls(said: Any) -> Any:
    """The policy as a resource's property."""
    if isinstance(said, dict):
        return {key: without_nulls(value) for key, value in said.items() if value is not None}
    return said


def _elastic(own: ElasticSpec) -> Json:
    return {
        "min": own.min,
        "max": own.max,
        "curb": own.curb,
        "batch": own.batch,
        "wait_cycles": own.wait_cycles,
        "idle_timeout": own.idle_timeout,
        "max_idle": own.max_idle,
        "largest": {
            "cpus": own.largest_cpus,
            "memory": own.largest_memory,
            "disk": own.largest_disk,
            "gpus": own.largest_gpus,
        },
        "placement": own.placement,
        "site_preference": list(own.site_preference),
        "sites": {site: {"max": most, "curb": curb} for site, (most, curb) in own.sites.items()},
        "caps": {
            **({"each_user": own.each_user} if own.each_user is not None else {}),
            "users": dict(own.user_caps),
            "groups": dict(own.group_caps),
        },
    }


def _container(own: RoleContainer) -> Json:
    return {
        "cpus": own.cpus,
        "memory": own.memory,
        "disk": own.disk,
        "network": own.network,
        "constraints": {name: list(values) for name, values in own.constraints.items()},
        "kill_grace": own.kill_grace,
        "parameters": [list(pair) for pair in own.parameters],
        "env": dict(own.env),
    }


def configuration(
    spec: PoolSpec, image: str, masters: list[str], name: str, own: FrameworkSecrets, secrets: PoolSecrets
) -> Json:
    """What the framework is told at its start. `image` is htcondor's, `masters` are host:port, `name` is the pool's for Mesos.

    Secret as a whole. Nothing of it is in the policy: a change of that restarts nothing."""
    *roles, executor = role_containers(spec, secrets)
    assert executor.role is PoolRole.EXECUTOR
    tokens = secrets.framework
    return {
        "pool": spec.name,
        "number": spec.number,
        "domain": spec.domain,
        "mesos": {"masters": masters, "principal": name, "secret": own.mesos, "role": name, "user": name, "ca": own.ca},
        "zookeeper": own.zookeeper,
        "rest": {
            "port": PORT,
            "certificate": own.certificate,
            "key": own.key,
            "user": REST_USER,
            "password": own.password,
        },
        "condor": {
            "collectors": collectors(spec),
            "config": framework_config(spec),
            "tokens": [tokens.token, tokens.admin_token],
        },
        "image": image,
        "sites": list(spec.sites),
        "overhead": overhead(),
        "roles": [{"name": own.name, "role": own.role.value, "pinned": own.pinned, **_container(own)} for own in roles],
        "executor": _container(executor),
    }


def environment(spec: PoolSpec, config: Json) -> dict[str, str]:
    """Of the framework's container. Raises TooLarge, with what to do."""
    text = base64.b64encode(json.dumps(config, sort_keys=True, separators=(",", ":")).encode()).decode()
    if len("AERIE_FRAMEWORK=") + len(text) >= LONGEST:
        raise TooLarge(
            f"the configuration of pool {spec.name} has {len(text)} characters, {LONGEST} fit into a process's environment: it has "
            f"{len(spec.users)} users; make two pools of it, or remove users and keys"
        )
    return {"AERIE_FRAMEWORK": text, "AERIE_POOL": spec.name, "AERIE_ROLE": "framework"}


def app_version(app: Mapping[str, Any], env: Mapping[str, str]) -> str:
    """Changes with everything that the framework's own container is made of; tells nothing of its secrets."""
    return hashlib.sha256(json.dumps([app, dict(env)], sort_keys=True).encode()).hexdigest()[:16]


def app_id(spec: PoolSpec) -> str:
    return f"/{spec.name}/framework"


def framework_app(spec: PoolSpec, image: str) -> Json:
    """The framework as a Marathon app, without its environment. `image` is the framework's own."""
    container = Container(
        cpus=0.2,
        memory=256,
        constraints={SITE: list(spec.sites)},
        parameters=parameters(
            spec.name, "framework", ("ip", spec.framework_address), ("hostname", f"framework.{spec.domain}")
        ),
    )
    return single_app(spec, "framework", "framework", image, container, Health("htcondor-framework health", 10, 10, 6))


def rest_container(pool: str, image: str, front_end: str, port: int, framework: str) -> ContainerSpec:
    """The forwarder on the submit node's front-end that leads to the framework's REST. TLS goes through it unopened."""
    return ContainerSpec(
        name=rest_service(pool),
        image=image,
        env={"LISTEN": f"{front_end}:{port}", "TARGET": f"{framework}:{PORT}"},
        memory=64,
    )
