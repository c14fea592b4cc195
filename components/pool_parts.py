"""What a pool's stack is given, and what both ways of running a pool start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from .batch.marathon_app import MarathonLogin
from .batch.types import PoolSecrets, PoolSpec, RoleSecrets
from .cluster.service import Service
from .fabric.pool_policy import PoolPolicy
from .iaas.machine import Machine
from .site import FederationOutputs
from .spec.model import Federation
from .spec.model import Pool as PoolModel

NO_SECRETS = PoolSecrets(*[RoleSecrets(token="", signing_key=b"-", ssh_host_key="-")] * 3)


@dataclass
class SiteAccess:
    """A site's front-end as a pool's stack reaches it: `host_keys` are those of its machines, `address` is where it is reached."""

    site: str
    host_keys: pulumi.Output[dict[str, str]]
    address: str


@dataclass
class PoolArgs:
    """`images` are the references that machines pull; `site_host_keys` are those of the submit node's site, by machine;
    `login_host` is the address at which that site's front-end is reached from outside; `grafana` is the site that has Grafana, if there is one."""

    federation: Federation
    pool: PoolModel
    images: Mapping[str, str]
    shared: FederationOutputs
    site_host_keys: pulumi.Output[dict[str, str]]
    login_host: str
    grafana: SiteAccess | None = None


@dataclass
class PoolParts:
    """What both ways of running a pool start from. `front_end` is the machine of the submit node; `network` is there before
    the pool's containers and after them."""

    name: str
    args: PoolArgs
    spec: PoolSpec
    secrets: pulumi.Output[PoolSecrets]
    marathon: MarathonLogin
    front_end: Machine
    login: Service
    network: PoolPolicy
    child: pulumi.ResourceOptions

    def options(self, after: list[pulumi.Resource]) -> pulumi.ResourceOptions:
        """Of a resource that comes after others, and goes before them."""
        return pulumi.ResourceOptions.merge(self.child, pulumi.ResourceOptions(depends_on=after))

    def generation(self, identity: str) -> int:
        return self.args.pool.rotate.get(identity, 0)
