"""A site's machines on a real OpenStack, by `pulumi up`; judged by openstacksdk. Nova's driver is its fake one: no machine runs."""
# openstacksdk's types are of all versions of an API at once, and of what is not there.
# mypy: disable-error-code="union-attr, arg-type"

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from tests.openstack.all_in_one import AllInOne
from tests.openstack.fixtures import connect, openstack_cloud
from tests.openstack.site import LAN, NAME, NO_MACHINES, PREFIX, SITE, CloudSite, make_site, write

__all__ = ["openstack_cloud"]
pytestmark = pytest.mark.live

LARGER = {"front_end_flavor": "m1.large"}
GROUP = {"count": 1, "first": 100, "flavor": "m1.small", "machine": {"cpus": 1, "memory": 512, "disk": 1000}}


@pytest.fixture(scope="module")
def site(openstack_cloud: AllInOne) -> Iterator[CloudSite]:
    base = Path(tempfile.mkdtemp(prefix="aerie-clouds-"))
    project, admin = connect(openstack_cloud, "aio"), connect(openstack_cloud, "aio-admin")
    made = make_site(base, openstack_cloud.clouds_yaml(), project, admin)
    try:
        yield made
    finally:
        if made.volumes():  # a test failed before the last one
            made.config(lambda c: c["openstack"].update(protect=False))
            made.up(check=False)
            made.pulumi("destroy --yes --skip-preview", check=False)
        shutil.rmtree(base)


@pytest.fixture(autouse=True)
def as_it_was(site: CloudSite) -> Iterator[None]:
    """Each test finds the files as they were."""
    files = {p: p.read_text() for p in site.farm.path.glob("*.yaml")}
    env = dict(site.farm.env)
    yield
    site.farm.env = env
    for path, text in files.items():
        path.write_text(text)


# -- before anything is there


def refused(site: CloudSite, within: float = 60) -> list[str]:
    start = time.monotonic()
    said = site.refusal()
    assert time.monotonic() - start < within, "the user waits too long for it"
    assert not site.servers() and not list(site.project.network.ports(name=f"{PREFIX}-front-end"))
    return said


def test_names_that_the_cloud_does_not_have(site: CloudSite) -> None:
    site.cloud(image="aerie-test-imag", flavor="m1.med", external_network="pubic", availability_zone="novo")
    assert refused(site) == [
        "Pulumi.torino.yaml: openstack.availability_zone: the cloud has no availability zone 'novo'; write nova",
        "Pulumi.torino.yaml: openstack.external_network: the cloud has no external network 'pubic'; write public",
        "Pulumi.torino.yaml: openstack.flavor: the cloud has no flavor 'm1.med'; write m1.medium",
        "Pulumi.torino.yaml: openstack.image: the cloud has no image 'aerie-test-imag'; write aerie-test-image",
    ]


def clouds(site: CloudSite, change: dict[str, Any]) -> None:
    """Another clouds.yaml, whose cloud `aio` has other credentials."""
    data = yaml.safe_load(Path(site.farm.env["OS_CLIENT_CONFIG_FILE"]).read_text())
    data["clouds"]["aio"]["auth"] |= change
    path = site.farm.home / "clouds.yaml"
    path.touch(0o600)
    write(path, data)
    site.farm.env["OS_CLIENT_CONFIG_FILE"] = str(path)


def test_wrong_credentials(site: CloudSite) -> None:
    clouds(site, {"password": "not-it"})
    (said,) = refused(site)
    assert "openstack: the cloud refuses the credentials; correct user, password or application credential" in said
    assert "clouds.yaml's aio" in said and "not-it" not in said


def test_an_endpoint_where_nobody_is(site: CloudSite) -> None:
    clouds(site, {"auth_url": "http://127.0.0.1:9/v3"})
    (said,) = refused(site)
    assert "openstack: the cloud does not answer" in said and "correct auth_url in clouds.yaml's aio" in said


def test_a_cloud_that_clouds_yaml_does_not_have(site: CloudSite) -> None:
    site.cloud(cloud="aoi")
    (said,) = refused(site)
    assert "openstack: the credentials are not complete" in said and "aoi" in said


def test_an_address_that_is_not_the_projects(site: CloudSite) -> None:
    site.farm.edit("federation.yaml", lambda f: f["sites"][SITE].update(vpn_endpoint="203.0.113.99:51820"))
    assert refused(site) == [
        f"federation.yaml: sites.torino.vpn_endpoint: 203.0.113.99 is no floating IP of torino's project; "
        f"write one that it has: {site.endpoint}"
    ]


def test_tunnels_that_do_not_fit(site: CloudSite) -> None:
    site.farm.edit("federation.yaml", lambda f: f["network"].update(wan_mtu=1520, vpn_mtu=1460, mtu=1460))
    (said,) = refused(site)
    assert said.startswith("federation.yaml: network.vpn_mtu: torino's external network public has an MTU of 1500")


def test_a_quota_that_is_too_small(site: CloudSite) -> None:
    me = site.project.current_project_id
    site.admin.compute.put(f"/os-quota-sets/{me}", json={"quota_set": {"cores": 3, "ram": 3000}})
    site.admin.block_storage.put(f"/os-quota-sets/{me}", json={"quota_set": {"gigabytes": 6}})
    try:
        said = refused(site)
    finally:
        site.admin.compute.put(f"/os-quota-sets/{me}", json={"quota_set": {"cores": 40, "ram": 80000}})
        site.admin.block_storage.put(f"/os-quota-sets/{me}", json={"quota_set": {"gigabytes": 1000}})
    assert [re.search(r"needs (.*) of the project's quota '(\w+)', (.*) are left", line).groups() for line in said] == [
        ("4 more", "cores", "3 of 3"),
        ("4096 MB more", "ram", "3000 MB of 3000 MB"),
        ("8 GB more", "gigabytes", "6 GB of 6 GB"),
    ]


@contextmanager
def farm_network(owner: Connection, **more: Any) -> Iterator[None]:
    """A network that somebody made before, with the site's LAN."""
    network = owner.network.create_network(name="farm", **more)
    try:
        owner.network.create_subnet(name="farm", network_id=network.id, ip_version=4, cidr=LAN, gateway_ip="172.27.1.1")
        yield
    finally:
        owner.network.delete_network(network)


def test_address_pairs_on_another_projects_network(site: CloudSite) -> None:
    site.cloud(network="farm")
    with farm_network(site.admin, is_shared=True):
        (said,) = refused(site)
    assert "openstack.network: farm belongs to another project" in said and "port_security: false" in said


def test_an_existing_network(site: CloudSite) -> None:
    site.cloud(network="farm")
    with farm_network(site.project):
        planned = site.preview()["create"]
    assert "Port torino-agent-1" in planned
    assert not {"Network", "Subnet", "Router", "RouterInterface"} & {name.split()[0] for name in planned}


# -- the whole site


@pytest.fixture(scope="module")
def there(site: CloudSite) -> CloudSite:
    site.up()
    return site


def test_network(there: CloudSite) -> None:
    project = there.project
    (network,) = project.network.networks(name=PREFIX)
    (subnet,) = project.network.subnets(name=PREFIX)
    (router,) = project.network.routers(name=PREFIX)
    assert {f"aerie.federation={NAME}", "experiment=tests of aerie"} <= set(network.tags)
    assert (subnet.cidr, subnet.gateway_ip, subnet.network_id) == (LAN, "172.27.1.1", network.id)
    assert subnet.host_routes == [{"destination": "172.27.0.0/16", "nexthop": "172.27.1.10"}]
    public = project.network.find_network("public")
    assert router.external_gateway_info["network_id"] == public.id
    inside = [p for p in project.network.ports(device_id=router.id) if p.network_id == network.id]
    assert [p.fixed_ips[0]["ip_address"] for p in inside] == ["172.27.1.1"]


def test_ports_and_groups(there: CloudSite) -> None:
    network = there.project.network
    groups = {g.name: g for g in network.security_groups() if g.name.startswith(PREFIX)}
    ports = {p.name: p for p in network.ports() if p.name.startswith(PREFIX)}
    front, agent = ports[f"{PREFIX}-front-end"], ports[f"{PREFIX}-agent-1"]
    assert [f["ip_address"] for f in (*front.fixed_ips, *agent.fixed_ips)] == ["172.27.1.10", "172.27.1.11"]
    pairs = {p["ip_address"] for p in front.allowed_address_pairs}
    assert pairs == {"172.27.0.0/16", "10.77.0.0/16", "10.78.0.0/24"}
    assert {p["ip_address"] for p in agent.allowed_address_pairs} == {"10.77.0.0/18", "10.78.0.0/24"}
    inside, outside = groups[f"{PREFIX}-inside"], groups[f"{PREFIX}-outside"]
    assert set(front.security_group_ids) == {inside.id, outside.id} and agent.security_group_ids == [inside.id]
    fields = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix")
    rules = [r for r in network.security_group_rules(security_group_id=outside.id) if r.direction == "ingress"]
    assert {tuple(r[f] for f in fields) for r in rules} == {
        ("tcp", 22, 22, "192.0.2.0/24"),
        ("tcp", 8601, 8660, "192.0.2.0/24"),
        ("tcp", 2200, 2299, "198.51.100.0/24"),
        ("udp", 51822, 51822, "198.51.100.2/32"),
        ("udp", 51823, 51823, "198.51.100.3/32"),
    }
    (ip,) = network.ips()
    assert (ip.floating_ip_address, ip.port_id) == (there.endpoint, front.id)


def test_servers_and_volumes(there: CloudSite) -> None:
    servers, volumes = there.servers(), there.volumes()
    assert {n: (s.status, s.flavor["original_name"]) for n, s in servers.items()} == {
        "front-end": ("ACTIVE", "m1.medium"),
        "agent-1": ("ACTIVE", "m1.medium"),
    }
    assert servers["agent-1"].metadata["aerie.group"] == "agent"
    assert servers["agent-1"].metadata["experiment"] == "tests of aerie"
    assert {n: (v.size, v.status) for n, v in volumes.items()} == {
        "front-end-spool": (3, "in-use"),
        "front-end-quorum": (1, "in-use"),
    }
    assert {v.attachments[0]["server_id"] for v in volumes.values()} == {servers["front-end"].id}
    attached = list(there.project.compute.volume_attachments(servers["front-end"].id))
    assert {
        a.volume_id: a.delete_on_termination for a in attached if a.volume_id in {v.id for v in volumes.values()}
    } == {v.id: False for v in volumes.values()}
    assert len(attached) == 3
    (group,) = there.project.compute.server_groups()
    assert set(group.member_ids) == {s.id for s in servers.values()}


def test_nothing_is_left_to_change(there: CloudSite) -> None:
    assert there.preview() == {}


def test_only_what_machines_are_told_makes_them_anew(there: CloudSite) -> None:
    program = there.farm.path / "components" / "iaas" / "cloud_init.py"
    text = program.read_text()
    program.write_text(text.replace('SYSCTL = """', 'SYSCTL = """# In other words.\n', 1))
    try:
        assert program.read_text() != text
        assert there.preview() == {}
    finally:
        program.write_text(text)
    there.farm.edit("federation.yaml", lambda f: f["network"].update(mtu=1370))
    assert {"Instance torino-agent-1", "Instance torino-front-end"} <= set(there.preview()["replace"])


def test_state_tells_no_secret(there: CloudSite) -> None:
    text = there.state()
    credentials = yaml.safe_load(Path(there.farm.env["OS_CLIENT_CONFIG_FILE"]).read_text())["clouds"]["aio"]["auth"]
    assert credentials["password"] not in text
    assert "PRIVATE KEY" not in text and "#cloud-config" not in text


def secrets_in_state_with(there: CloudSite, env: dict[str, str], config: str = "") -> str:
    """The state after an `up` with other credentials than those of clouds.yaml."""
    del there.farm.env["OS_CLIENT_CONFIG_FILE"]
    there.config(lambda c: c["openstack"].pop("cloud"))
    there.farm.env |= env
    if config:
        there.farm.shell(config)
    there.up()
    assert there.preview() == {}
    return there.state()


def application_credential(there: CloudSite) -> Any:
    me = there.project.current_user_id
    return there.project.identity.create_application_credential(me, name=f"tests-{time.monotonic_ns()}")


def test_credentials_from_the_environment(there: CloudSite) -> None:
    made = application_credential(there)
    auth_url = there.project.config.config["auth"]["auth_url"]
    state = secrets_in_state_with(
        there,
        {
            "OS_AUTH_URL": auth_url,
            "OS_APPLICATION_CREDENTIAL_ID": made.id,
            "OS_APPLICATION_CREDENTIAL_SECRET": made.secret,
            "OS_REGION_NAME": "RegionOne",
        },
    )
    assert made.secret not in state
    there.farm.env["OS_APPLICATION_CREDENTIAL_SECRET"] = "not-it"
    assert "the cloud refuses the credentials" in there.refusal()[0]


def test_credentials_from_the_stacks_secrets(there: CloudSite) -> None:
    made = application_credential(there)
    auth_url = there.project.config.config["auth"]["auth_url"]
    there.farm.env["SECRET"] = made.secret
    config = " && ".join(
        [
            f"pulumi config set -s {SITE} openstack:authUrl {auth_url}",
            f"pulumi config set -s {SITE} openstack:region RegionOne",
            f"pulumi config set -s {SITE} openstack:applicationCredentialId {made.id}",
            f'printf %s "$SECRET" | pulumi config set -s {SITE} --secret openstack:applicationCredentialSecret',
        ]
    )
    state = secrets_in_state_with(there, {}, config)
    assert made.secret not in state
    assert made.secret not in (there.farm.path / f"Pulumi.{SITE}.yaml").read_text()


# -- changes


def test_groups_of_agents_come_and_go(there: CloudSite) -> None:
    before = {n: s.id for n, s in there.servers().items()}

    def grow(config: dict[str, Any]) -> None:
        config["agents"] = 2
        config["agent_groups"] = {"gpu": GROUP}

    there.config(grow)
    there.up()
    servers = there.servers()
    assert servers.keys() - before.keys() == {"agent-2", "gpu-1"}
    assert {n: servers[n].id for n in before} == before
    assert servers["gpu-1"].flavor["original_name"] == "m1.small"
    assert [p.fixed_ips[0]["ip_address"] for p in there.project.network.ports(name=f"{PREFIX}-gpu-1")] == [
        "172.27.1.100"
    ]
    assert there.preview() == {}
    there.config(lambda c: (c.update(agents=0), c["agent_groups"]["gpu"].update(count=2)))
    there.up()
    after = there.servers()
    assert after.keys() == {"front-end", "gpu-1", "gpu-2"}
    assert after["gpu-1"].id == servers["gpu-1"].id and after["front-end"].id == before["front-end"]


def test_another_flavor_is_another_machine_with_the_same_data(there: CloudSite) -> None:
    servers, volumes = there.servers(), there.volumes()
    there.cloud(**LARGER)  # and the groups of the test before go
    there.up()
    after = there.servers()
    assert after.keys() == {"front-end", "agent-1"}
    assert after["front-end"].flavor["original_name"] == "m1.large"
    assert after["front-end"].id != servers["front-end"].id
    kept = there.volumes()
    assert {n: v.id for n, v in kept.items()} == {n: v.id for n, v in volumes.items()}
    assert {v.attachments[0]["server_id"] for v in kept.values()} == {after["front-end"].id}
    (ip,) = there.project.network.ips()
    assert ip.floating_ip_address == there.endpoint and ip.port_id
    assert there.preview() == {}


def test_a_newer_image_is_for_machines_that_are_made_anew(there: CloudSite) -> None:
    there.cloud(**LARGER)
    there.up()  # as the test before left it
    image = there.project.image
    before, old = there.servers(), image.find_image("aerie-test-image", ignore_missing=False)
    there.project.create_image(
        old.name, data=b"y" * 1024, disk_format="raw", container_format="bare", wait=True, allow_duplicates=True
    )
    new = next(i for i in image.images(name=old.name) if i.id != old.id)
    try:
        assert there.preview() == {}
        there.pulumi(f"up --yes --skip-preview --replace '**:Instance::{SITE}-agent-1' {NO_MACHINES}")
        after = there.servers()
        assert after["agent-1"].id != before["agent-1"].id and after["front-end"].id == before["front-end"].id
        booted = {
            volume.attachments[0]["server_id"]: volume.volume_image_metadata["image_id"]
            for volume in there.project.block_storage.volumes()
            if not volume.name and volume.attachments  # the old one's may be on its way out yet
        }
        assert booted == {after["agent-1"].id: new.id, after["front-end"].id: old.id}
        assert there.preview() == {}
    finally:
        image.delete_image(new)


def test_what_was_deleted_by_hand_is_restored(there: CloudSite) -> None:
    there.cloud(**LARGER)
    network = there.project.network
    (group,) = (g for g in network.security_groups() if g.name == f"{PREFIX}-outside")
    rule = next(r for r in network.security_group_rules(security_group_id=group.id) if r.port_range_min == 22)
    network.delete_security_group_rule(rule)
    server = there.servers()["agent-1"]
    there.project.compute.delete_server(server)
    there.project.compute.wait_for_delete(server)
    # Left alone by the program as well: what somebody else put into the project.
    other = network.create_network(name="somebody-elses")
    try:
        there.pulumi("refresh --yes --skip-preview --exclude '**command:remote:Command::**'")
        assert there.preview()["create"] == ["Instance torino-agent-1", "SecGroupRule torino-ssh-192.0.2.0/24"]
        there.up()
        assert there.servers()["agent-1"].status == "ACTIVE"
        assert [r for r in network.security_group_rules(security_group_id=group.id) if r.port_range_min == 22]
        assert there.preview() == {}
        assert network.find_network("somebody-elses")
    finally:
        network.delete_network(other)


# -- the end


def test_data_and_address_are_protected(there: CloudSite) -> None:
    servers = {s.id for s in there.servers().values()}
    done = there.pulumi("destroy --yes", check=False)
    assert done.returncode and "protect" in done.stdout + done.stderr
    assert {s.id for s in there.servers().values()} == servers, "it is refused before anything goes"
    assert there.volumes().keys() == {"front-end-spool", "front-end-quorum"}
    assert [ip.floating_ip_address for ip in there.project.network.ips()] == [there.endpoint]


def test_destroy_leaves_nothing(there: CloudSite) -> None:
    there.cloud(protect=False, **LARGER)
    there.up()
    there.pulumi("destroy --yes --skip-preview")
    project = there.project
    left = {
        "servers": [s.name for s in project.compute.servers()],
        "server groups": [g.name for g in project.compute.server_groups()],
        "keypairs": [k.name for k in project.compute.keypairs()],
        "volumes": [v.name for v in project.block_storage.volumes()],
        "networks": [n.name for n in project.network.networks() if not n.is_router_external],
        "routers": [r.name for r in project.network.routers()],
        "ports": [p.name for p in project.network.ports()],
        "floating IPs": [i.floating_ip_address for i in project.network.ips()],
        "security groups": [g.name for g in project.network.security_groups() if g.name != "default"],
    }
    assert left == {kind: [] for kind in left}
