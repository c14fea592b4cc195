"""What the checkout's configuration says that policies need to know."""

from __future__ import annotations

from pathlib import Path

from components.spec import addresses
from components.spec.loader import parse, read_federation, read_yaml, stack_values
from components.spec.model import PoolStack, SiteStack
from components.spec.site_rules import login_ports

from .rules.model import Facts


def facts(root: Path, stack: str) -> Facts:
    """Of one stack. A configuration that cannot be read is the program's to refuse: then this knows of nothing."""
    federation, _ = read_federation(root)
    if federation is None:
        return Facts(stack, 0)
    net, embedded = federation.network, federation.embedded
    lans = (net.lans, net.containers, net.fixed, *([embedded.wan] if embedded else []))
    data, _ = read_yaml(root / f"Pulumi.{stack}.yaml")
    if stack in federation.sites:
        site, _ = parse(SiteStack, stack_values(data), "")
        cloud = site.openstack if site else None
        return Facts(
            stack,
            len(federation.sites),
            lans,
            addresses.vpn_ports(federation, stack),
            login_ports(cloud) if cloud else None,
            cloud.protect if cloud else True,
        )
    pool, _ = parse(PoolStack, stack_values(data), "")
    if pool is None:
        return Facts(stack, len(federation.sites), lans)
    admins = frozenset(user.name for user in pool.pool.users if user.admin)
    return Facts(stack, len(federation.sites), lans, admins=admins, managers=pool.pool.central_managers)
