"""A pool's stack: three Marathon apps, and the way in for its users."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from .batch.apps import APP_NAME, environment, marathon_apps
from .batch.login import login_container
from .batch.marathon_app import MarathonApp, MarathonLogin
from .batch.plan import pool_spec
from .batch.tokens import pool_secrets
from .batch.types import PoolRole, PoolSecrets, RoleSecrets
from .cluster.service import Service, ServiceArgs
from .iaas.docker import SshLogin, connection
from .iaas.machine import Machine, front_end_name
from .identity.resources import SigningKey, SshKey
from .outputs import secret
from .site import FederationOutputs, of_site
from .spec import addresses
from .spec.model import Federation
from .spec.model import Pool as PoolModel

NO_SECRETS = PoolSecrets(*[RoleSecrets(token="", signing_key=b"-", ssh_host_key="-")] * 3)


@dataclass
class PoolArgs:
    """`images` are the references that machines pull; `site_host_keys` are those of the submit node's site, by machine."""

    federation: Federation
    pool: PoolModel
    images: Mapping[str, str]
    shared: FederationOutputs
    site_host_keys: pulumi.Output[dict[str, str]]


class Pool(pulumi.ComponentResource):
    """One HTCondor pool."""

    def __init__(self, name: str, args: PoolArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:index:Pool", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._args = args
        rotate = args.pool.rotate
        self.spec = pool_spec(name, args.federation, args.pool, Path.home())
        pool_key = SigningKey(f"{name}-pool-key", rotate.get("pool-key", 0), child)
        submit_key = SigningKey(f"{name}-submit-key", rotate.get("submit-key", 0), child)
        self.host_key = SshKey(f"{name}-ssh-host-key", f"{name} submit node", rotate.get("ssh-host-key", 0), child)
        keys: pulumi.Output[list[str]] = pulumi.Output.all(
            pool_key.value, submit_key.value, self.host_key.private_key, pool_key.made
        )
        secrets = secret(keys.apply(lambda k: pool_secrets(self.spec, _bytes(k[0]), _bytes(k[1]), k[2], iat=int(k[3]))))
        marathon = MarathonLogin(
            addresses.marathon_urls(args.federation),
            "admin",
            args.shared.password("marathon-admin"),
            args.shared.ca_certificate,
        )
        # In this order, so that the first daemons find their collector; each is created once the one before is healthy.
        before: list[pulumi.Resource] = []
        self.apps: dict[PoolRole, MarathonApp] = {}
        roles = (PoolRole.CENTRAL_MANAGER, PoolRole.SUBMIT, PoolRole.EXECUTOR)
        for role, app in zip(roles, marathon_apps(self.spec, args.images["htcondor"], NO_SECRETS), strict=True):
            app.pop("env")
            self.apps[role] = MarathonApp(
                f"{name}-{APP_NAME[role]}",
                marathon,
                app,
                secrets.apply(lambda s, role=role: environment(self.spec, role, s)),  # type: ignore[misc]
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=before)),
            )
            before = [self.apps[PoolRole.CENTRAL_MANAGER]]
        self._login(name, child)
        self.register_outputs({})

    def _login(self, name: str, child: pulumi.ResourceOptions) -> None:
        args = self._args
        site = args.pool.submit_node.site
        front_end, address = front_end_name(site), addresses.front_end(args.federation, site)
        host_key = of_site(args.site_host_keys, front_end, "host key")
        ssh = SshLogin(of_site(args.shared.ssh_private_keys, site, "SSH key"), "", {front_end: host_key}, {})
        machine = Machine(front_end, site, address, True, connection(ssh, front_end, address), None, host_key, None)
        container = login_container(
            name, args.images["login"], address, args.pool.submit_node.ssh_port, self.spec.submit_node.address
        )
        Service(f"{name}-login", ServiceArgs(machine, container), child)

    def outputs(self) -> dict[str, object]:
        """What a user of the pool needs to know."""
        args = self._args
        host = addresses.front_end(args.federation, args.pool.submit_node.site)
        port = args.pool.submit_node.ssh_port
        user = args.pool.users[0].name
        return {
            "login": f"ssh -p {port} {user}@{host}",
            "submit": "condor_submit FILE, on the submit node",
            "ssh_host_key": self.host_key.public_key,
            "central_manager": self.spec.central_manager.address,
            "submit_node": self.spec.submit_node.address,
            "users": [u.name for u in args.pool.users],
        }


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
