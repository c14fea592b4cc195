"""A pool's stack: its containers by three Marathon apps or by a framework of its own, and the way in for its users."""

from __future__ import annotations

import base64
from pathlib import Path

import pulumi

from .batch.login import login_container
from .batch.marathon_app import MarathonLogin
from .batch.plan import pool_spec
from .batch.tokens import pool_secrets
from .cluster.service import Service, ServiceArgs
from .fabric.pool_policy import PoolPolicy, PoolPolicyArgs
from .iaas.docker import SshLogin, connection
from .iaas.machine import Machine
from .identity.resources import SigningKey, SshKey
from .outputs import secret
from .pool_framework import by_framework
from .pool_marathon import by_marathon
from .pool_parts import PoolArgs, PoolParts, SiteAccess
from .site import of_site
from .spec import addresses
from .spec.machines import front_end_name


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
        front_end = self._front_end(SiteAccess(args.pool.submit_node.site, args.site_host_keys, args.login_host))
        container = login_container(
            name,
            args.images["login"],
            front_end.address,
            args.pool.submit_node.ssh_port,
            self.spec.submit_node.address,
        )
        login = Service(f"{name}-login", ServiceArgs(front_end, container), child)
        network = PoolPolicy(f"{name}-network", PoolPolicyArgs(name, args.federation, args.pool, front_end), child)
        parts = PoolParts(name, args, self.spec, secrets, marathon, front_end, login, network, child)
        self._more_outputs = by_framework(parts) if args.pool.via == "framework" else by_marathon(parts)
        if args.grafana is not None:
            self._dashboard(name, self._front_end(args.grafana), child)
        self.register_outputs({})

    def _dashboard(self, name: str, front_end: Machine, child: pulumi.ResourceOptions) -> None:
        from .monitoring.pool_dashboard import PoolDashboard, PoolDashboardArgs  # Grafana's SDK takes time to load

        dashboard = PoolDashboardArgs(self._args.federation.name, name, front_end)
        PoolDashboard(f"{name}-dashboard", dashboard, child)

    def _front_end(self, access: SiteAccess) -> Machine:
        args, site = self._args, access.site
        front_end, address = front_end_name(site), addresses.front_end(args.federation, site)
        host_key = of_site(access.host_keys, front_end, "host key")
        ssh = SshLogin(of_site(args.shared.ssh_private_keys, site, "SSH key"), "", {front_end: host_key}, {})
        return Machine(front_end, site, address, True, connection(ssh, front_end, access.address), None, host_key, None)

    def outputs(self) -> dict[str, object]:
        """What a user of the pool needs to know."""
        args = self._args
        host, port = args.login_host, args.pool.submit_node.ssh_port
        user = args.pool.users[0].name
        return {
            "login": f"ssh -p {port} {user}@{host}",
            "login_host": host,
            "submit": "condor_submit FILE, on the submit node",
            "ssh_host_key": self.host_key.public_key,
            "central_manager": self.spec.central_manager.address,
            "submit_node": self.spec.submit_node.address,
            "users": [u.name for u in args.pool.users],
            **self._more_outputs,
        }


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
