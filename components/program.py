"""Decides what this stack is and builds it. Nothing is registered before the whole configuration was judged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pulumi

from components.image_tags import image_tags

from . import yaml_text
from .batch.quorum import require_quorum
from .federation import Federation, FederationArgs
from .host import host_networks
from .iaas.docker import PUSH_REGISTRY
from .pool import Pool
from .pool_parts import PoolArgs, SiteAccess
from .site import FederationOutputs, Site, SiteArgs
from .spec import addresses
from .spec.loader import read_federation
from .spec.machines import reached_at
from .spec.monitoring_rules import PASSWORD, TOKEN
from .spec.validate import FEDERATION_STACK, Plan, plan

ROOT = Path(__file__).resolve().parent.parent


def stack_configuration() -> dict[str, Any]:
    """This stack's own values, as Pulumi hands them over, without the project's prefix."""
    return configuration(pulumi.get_project())


def configuration(namespace: str) -> dict[str, Any]:
    """The stack's values of a namespace: the project's, a provider's."""
    given: dict[str, str] = json.loads(os.environ.get("PULUMI_CONFIG") or "{}")
    prefix = f"{namespace}:"
    values = {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}
    return {
        k: v if k in (TOKEN, PASSWORD) else yaml_text.load(v) for k, v in values.items()
    }  # texts, whatever is in them


def federation_outputs() -> FederationOutputs:
    """The outputs of the federation's stack, in the same backend."""
    stack = other_stack(FEDERATION_STACK)
    names = FederationOutputs.__dataclass_fields__
    return FederationOutputs(**{name: stack.require_output(name) for name in names})


def other_stack(name: str) -> pulumi.StackReference:
    """Another stack of this project."""
    return pulumi.StackReference(f"{pulumi.get_organization()}/{pulumi.get_project()}/{name}")


def build(the: Plan, root: Path = ROOT, floating_ip: str | None = None) -> dict[str, Any]:
    """Registers the stack's resources and returns its outputs. `floating_ip`: see OpenStackMachinesArgs."""
    tags = image_tags(root)
    references = {name: f"{the.federation.images.registry}/aerie/{name}:{tag}" for name, tag in tags.items()}
    if the.own is not None:
        given = {TOKEN: the.own.alerts_webhook_token, PASSWORD: the.own.alerts_mail_password}
        alerts = {name: value for name, value in given.items() if value}
        federation = Federation(the.federation.name, FederationArgs(the.federation, the.own.rotate, tags, alerts))
        return dict(federation.outputs())
    shared = federation_outputs()
    if the.site is not None:
        machine = f"{PUSH_REGISTRY}/aerie/machine:{tags['machine']}"
        site = Site(the.stack, SiteArgs(the.federation, the.site, references, machine, shared, floating_ip))
        return site.outputs()
    assert the.pool is not None
    login = site_access(the, the.pool.submit_node.site)
    grafana = the.federation.graphite_site if the.federation.monitoring.grafana else None
    looked_at = site_access(the, grafana) if grafana and grafana != login.site else login if grafana else None
    args = PoolArgs(the.federation, the.pool, references, shared, login.host_keys, login.address, looked_at)
    return Pool(the.stack, args).outputs()


def site_access(the: Plan, site: str) -> SiteAccess:
    """A site's front-end as another stack reaches it."""
    host_keys = other_stack(site).require_output("host_keys")
    return SiteAccess(site, host_keys, reached_at(the.federation, site, the.sites.get(site)))


def run() -> None:
    """The program of every stack."""
    federation, _ = read_federation(ROOT)
    host = host_networks(federation.name) if federation and federation.embedded else []
    the = plan(ROOT, pulumi.get_stack(), stack_configuration(), host)
    if the.pool is not None:
        require_quorum(addresses.quorum_addresses(the.federation))
    floating_ip = None
    if the.site is not None and the.site.iaas == "openstack":
        from .iaas.openstack.look import check  # takes half a second to load, which the other stacks need not wait

        facts = check(the.stack, the.site, the.federation, configuration("openstack"), ROOT)
        floating_ip = facts.floating_ips.get(the.federation.sites[the.stack].vpn_endpoint.partition(":")[0])
    for name, value in build(the, floating_ip=floating_ip).items():
        pulumi.export(name, value)
