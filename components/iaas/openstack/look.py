"""Asks a cloud what `judge` has to know; what stands in the way is told in plain words, within a minute."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import keystoneauth1.exceptions as keystone
import openstack
from openstack.connection import Connection
from openstack.exceptions import ConfigException, SDKException

from ...spec.machines import machine_names
from ...spec.model import Federation, OpenStack, SiteStack
from ...spec.problems import ConfigError, Problem, with_lines
from .choices import label
from .facts import CloudNetwork, Facts, Flavor, Image, Present, Quota
from .judge import cloud_problems

ANSWER = 15  # seconds for one answer

# The stack's own configuration, `openstack:<key>`, in openstacksdk's words; those of the first block are for logging in.
AUTH = {
    "authUrl": "auth_url",
    "userName": "username",
    "userId": "user_id",
    "password": "password",
    "token": "token",
    "tenantName": "project_name",
    "tenantId": "project_id",
    "userDomainName": "user_domain_name",
    "userDomainId": "user_domain_id",
    "projectDomainName": "project_domain_name",
    "projectDomainId": "project_domain_id",
    "applicationCredentialId": "application_credential_id",
    "applicationCredentialName": "application_credential_name",
    "applicationCredentialSecret": "application_credential_secret",
}
OTHER = {"cloud": "cloud", "region": "region_name", "cacertFile": "cacert", "endpointType": "interface"}
# Where Nova's and Cinder's limits are told: (quota, limit, used).
NOVA = (
    ("instances", "maxTotalInstances", "totalInstancesUsed"),
    ("cores", "maxTotalCores", "totalCoresUsed"),
    ("ram", "maxTotalRAMSize", "totalRAMUsed"),
    ("server_groups", "maxServerGroups", "totalServerGroupsUsed"),
)
CINDER = (
    ("volumes", "maxTotalVolumes", "totalVolumesUsed"),
    ("gigabytes", "maxTotalVolumeGigabytes", "totalGigabytesUsed"),
)
NEUTRON = ("floatingip", "network", "subnet", "router", "port", "security_group", "security_group_rule")


def settings(cloud: OpenStack, config: Mapping[str, Any]) -> dict[str, Any]:
    """What openstacksdk is told: the same cloud and credentials that Pulumi's provider takes. `config` is the stack's
    `openstack:` configuration without that prefix."""
    if cloud.cloud is not None:
        return {"cloud": cloud.cloud}
    out: dict[str, Any] = {theirs: config[ours] for ours, theirs in OTHER.items() if config.get(ours)}
    auth = {theirs: config[ours] for ours, theirs in AUTH.items() if config.get(ours)}
    if auth:
        out["auth"] = auth
        if "application_credential_secret" in auth:
            out["auth_type"] = "v3applicationcredential"
    elif os.environ.get("OS_APPLICATION_CREDENTIAL_SECRET") and not os.environ.get("OS_AUTH_TYPE"):
        out["auth_type"] = "v3applicationcredential"
    if str(config.get("insecure", "")).lower() == "true":
        out["verify"] = False
    return out


class CloudError(Exception):
    """The cloud could not be asked: `what` stands in the way, and how to `mend` it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}; {mend}")
        self.what, self.mend = what, mend


def _where(said: Mapping[str, Any]) -> str:
    return f"clouds.yaml's {said['cloud']}" if "cloud" in said else "OS_* or the stack's openstack:... configuration"


def connect(said: Mapping[str, Any]) -> Connection:
    """A connection that has logged in. Raises CloudError."""
    where = _where(said)
    try:
        connection = openstack.connect(**said, api_timeout=ANSWER, app_name="aerie")
        # It tries an address that refuses again and again, for longer than anybody waits.
        connection.config.config["connect_retries"] = 1
        connection.authorize()
        return connection
    except ConfigException as error:
        raise CloudError(
            f"the credentials are not complete: {error}",
            f"see {where}; docs/openstack.md tells what is looked for where",
        ) from error
    except Exception as error:
        raise plain(error, where) from error


def plain(error: Exception, where: str) -> CloudError:
    """What an error of the SDK means."""
    cause: BaseException | None = error
    said = " ".join(str(error).split())[:300]
    while cause is not None:
        if isinstance(cause, keystone.Unauthorized) or getattr(cause, "status_code", None) == 401:
            return CloudError(
                "the cloud refuses the credentials", f"correct user, password or application credential in {where}"
            )
        if isinstance(cause, keystone.SSLError):
            return CloudError(f"the cloud's certificate is not trusted ({said})", f"give its CA as cacert in {where}")
        if isinstance(cause, (keystone.ConnectFailure, keystone.ConnectTimeout, keystone.DiscoveryFailure)):
            return CloudError(
                f"the cloud does not answer ({said})",
                f"correct auth_url in {where}, or see whether it can be reached from here",
            )
        if isinstance(cause, keystone.EndpointNotFound):
            return CloudError(f"the cloud's catalog lacks a service ({said})", f"correct region_name in {where}")
        if isinstance(cause, keystone.MissingRequiredOptions):
            return CloudError(f"the credentials are not complete ({said})", f"write what is missing in {where}")
        cause = cause.__cause__ or cause.__context__
    return CloudError(f"the cloud says: {said}", f"see {where}")


def look(connection: Connection, site: str, stack: SiteStack, federation: Federation) -> Facts:
    """One look, with a dozen questions. Raises CloudError."""
    assert stack.openstack
    try:
        return _look(connection, site, stack, federation)
    except (keystone.ClientException, SDKException) as error:
        raise plain(error, "the cloud's log-in") from error


def _look(connection: Connection, site: str, stack: SiteStack, federation: Federation) -> Facts:
    project = connection.current_project_id
    networks = list(connection.network.networks())
    subnets = list(connection.network.subnets())
    routers = [r.name for r in connection.network.routers()]
    volumes = connection.has_service("block-storage")
    by_network: dict[str, list[IPv4Network]] = {}
    for s in subnets:
        if s.ip_version == 4:
            by_network.setdefault(s.network_id, []).append(IPv4Network(s.cidr))
    return Facts(
        flavors={f.name: Flavor(f.vcpus, f.ram, f.disk) for f in connection.compute.flavors()},
        images=images(connection.image.images()),
        networks={
            n.name: CloudNetwork(
                bool(n.is_router_external), n.mtu or 0, n.project_id == project, tuple(by_network.get(n.id, ()))
            )
            for n in networks
        },
        routers=frozenset(routers),
        zones=frozenset(z.name for z in connection.compute.availability_zones()),
        volume_zones=frozenset(z.name for z in _storage_zones(connection)) if volumes else frozenset(),
        quotas=_quotas(connection, str(project), volumes),
        floating_ips={ip.floating_ip_address: ip.id for ip in connection.network.ips(project_id=project)},
        volumes=volumes,
        twice=frozenset([*_twice("network", (n.name for n in networks)), *_twice("router", routers)]),
        present=_present(connection, site, stack, federation, volumes),
    )


def _storage_zones(connection: Connection) -> Iterable[Any]:
    storage: Any = connection.block_storage  # of any version
    zones: Iterable[Any] = storage.availability_zones()
    return zones


def images(found: Iterable[Any]) -> dict[str, Image]:
    """By name; of several of one name the newest, which is the one that machines boot."""
    return {each.name: _image(each) for each in sorted(found, key=lambda each: str(each.created_at)) if each.name}


def _image(image: Any) -> Image:
    size = math.ceil((image.size or 0) / 1024**3)
    return Image(image.min_disk or 0, image.min_ram or 0, size, image.status == "active")


def _twice(what: str, names: Iterable[str]) -> list[tuple[str, str]]:
    return [(what, name) for name, count in Counter(names).items() if count > 1]


def _quotas(connection: Connection, project: str, volumes: bool) -> dict[str, Quota]:
    """What a service does not tell is not in it: then the service itself will say what is too much."""
    out = {}
    services = [(connection.compute, NOVA), *([(connection.block_storage, CINDER)] if volumes else [])]
    for service, known in services:
        limits = service.get("/limits").json().get("limits", {}).get("absolute", {})
        for name, limit, used in known:
            if limit in limits:
                out[name] = Quota(int(limits[limit]), int(limits.get(used, 0)))
    answer = connection.network.get(f"/quotas/{project}/details.json")
    details = answer.json().get("quota", {}) if answer.ok else {}
    for name in NEUTRON:
        if name in details:
            out[name] = Quota(int(details[name]["limit"]), int(details[name]["used"]) + int(details[name]["reserved"]))
    return out


def _present(connection: Connection, site: str, stack: SiteStack, federation: Federation, volumes: bool) -> Present:
    prefix, own = federation.name, label(federation, site)
    names = {f"{prefix}-{m}" for m in machine_names(site, stack)}
    groups = [g for g in connection.network.security_groups() if g.name in (f"{own}-inside", f"{own}-outside")]
    counts = {
        "network": _count(connection.network.networks, own),
        "subnet": _count(connection.network.subnets, own),
        "router": _count(connection.network.routers, own),
        "port": sum(p.name in names for p in connection.network.ports()),
        "security_group": len(groups),
        "security_group_rule": sum(len(g.security_group_rules) for g in groups),
        "server_groups": sum(g.name == own for g in connection.compute.server_groups()),
    }
    return Present(
        servers={s.name: str((s.flavor or {}).get("original_name", "")) for s in connection.compute.servers()},
        volumes={v.name: int(v.size) for v in connection.block_storage.volumes()} if volumes else {},
        counts=counts,
    )


def _count(ask: Callable[..., Iterable[Any]], name: str) -> int:
    return sum(1 for _ in ask(name=name))


def check(site: str, stack: SiteStack, federation: Federation, config: Mapping[str, Any], root: Path) -> Facts:
    """The facts, if the site's file, below `root`, fits its cloud. Raises ConfigError with everything that does not."""
    assert stack.openstack
    try:
        facts = look(connect(settings(stack.openstack, config)), site, stack, federation)
    except CloudError as error:
        told = [Problem(f"Pulumi.{site}.yaml", "openstack", error.what, error.mend)]
        raise ConfigError(with_lines(told, root)) from error
    problems = cloud_problems(site, stack, federation, facts)
    if problems:
        raise ConfigError(with_lines(problems, root))
    return facts
