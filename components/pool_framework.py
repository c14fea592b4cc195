"""A pool by a framework of its own: its role at Mesos, the framework as a Marathon app, the way to its REST, and its policy."""

from __future__ import annotations

from typing import Any

import pulumi

from .batch import framework
from .batch.framework_policy import FrameworkLogin, FrameworkPolicy
from .batch.marathon_app import MarathonApp
from .batch.mesos_role import MesosLogin, MesosRole, settings
from .batch.types import PoolSecrets
from .cluster import mesos
from .cluster.service import Service, ServiceArgs
from .identity.derived import mesos_secret, zookeeper_secret
from .identity.resources import Certificate, Password
from .outputs import secret
from .pool_parts import PoolParts
from .site import of_all
from .spec import addresses


def by_framework(parts: PoolParts) -> dict[str, object]:
    """Registers the pool's own resources; what its administrator needs to know."""
    name, args, spec = parts.name, parts.args, parts.spec
    federation, shared = args.federation, args.shared
    assert spec.share is not None, "the rules refuse a pool without a share"
    front_end, port = parts.front_end.address, addresses.rest_port(args.pool)
    password = Password(f"{name}-rest-password", parts.generation("rest-password"), parts.child)
    certificate = Certificate(
        f"{name}-rest-certificate",
        shared.ca_certificate,
        shared.ca_private_key,
        f"{name}-framework",
        [front_end, spec.framework_address],
        parts.generation("rest-certificate"),
        parts.child,
    )
    role = MesosRole(
        f"{name}-role",
        MesosLogin(
            addresses.mesos_masters(federation),
            mesos.OPERATOR,
            shared.password("mesos-operator"),
            shared.ca_certificate,
        ),
        addresses.principal(spec.number),
        settings(spec.share),
        opts=parts.child,
    )
    container = framework.framework_app(spec, args.images["framework"])
    network: list[pulumi.Resource] = [parts.network, parts.network.command]
    env = _environment(parts, certificate, password)
    app = MarathonApp(f"{name}-framework", parts.marathon, container, env, opts=parts.options([role, *network]))
    forwarder = framework.rest_container(name, args.images["login"], front_end, port, spec.framework_address)
    rest = Service(f"{name}-rest", ServiceArgs(parts.front_end, forwarder), parts.child)
    url = addresses.rest_url(federation, args.pool)
    # Depends on all, so that it goes first: if the framework refuses to end the pool, nothing was destroyed.
    FrameworkPolicy(
        f"{name}-policy",
        FrameworkLogin(name, url, framework.REST_USER, password.value, shared.ca_certificate),
        framework.policy(spec),
        env.apply(lambda e: framework.app_version(container, e)),
        args.pool.destroy_with_jobs,
        opts=parts.options([role, app, rest, rest.command, parts.login, parts.login.command]),
    )
    return {"rest": url, "rest_user": framework.REST_USER, "rest_password": secret(password.value)}


def _environment(parts: PoolParts, certificate: Certificate, password: Password) -> pulumi.Output[dict[str, str]]:
    federation, shared, spec = parts.args.federation, parts.args.shared, parts.spec
    number, me = spec.number, addresses.principal(spec.number)

    def made(known: dict[str, Any]) -> dict[str, str]:
        pools: str = known["passwords"]["pools"]
        own = framework.FrameworkSecrets(
            mesos=mesos_secret(pools, number),
            zookeeper=mesos.zookeeper_url(federation, me, zookeeper_secret(pools, number)),
            ca=known["ca"],
            certificate=known["certificate"],
            key=known["key"],
            password=known["password"],
        )
        secrets: PoolSecrets = known["secrets"]
        image = parts.args.images["htcondor"]
        config = framework.configuration(spec, image, addresses.mesos_masters(federation), me, own, secrets)
        return framework.environment(spec, config)

    known: pulumi.Output[dict[str, Any]] = pulumi.Output.all(
        passwords=of_all(shared.passwords, "pools"),
        ca=shared.ca_certificate,
        certificate=certificate.certificate,
        key=certificate.private_key,
        password=password.value,
        secrets=parts.secrets,
    )
    return secret(known.apply(made))
