"""The OpenStack that our tests use: what a member of a project may do there, and what he is told where he may not."""
# openstacksdk's types are of all versions of an API at once, and of what is not there.
# mypy: disable-error-code="union-attr, arg-type"

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import HttpException

from tests.openstack.all_in_one import AllInOne
from tests.openstack.fixtures import connect, openstack_cloud

__all__ = ["openstack_cloud"]

pytestmark = [
    pytest.mark.live,
    # The SDK warns of its own next releases.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

GB = 1


@pytest.fixture(scope="module")
def member(openstack_cloud: AllInOne) -> Connection:
    return connect(openstack_cloud, "aio")


@pytest.fixture(scope="module")
def admin(openstack_cloud: AllInOne) -> Connection:
    return connect(openstack_cloud, "aio-admin")


@dataclass
class Lan:
    network: Any
    subnet: Any
    outside: Any


@pytest.fixture(scope="module")
def lan(member: Connection) -> Iterator[Lan]:
    """A network of the member's, with a router to the outside."""
    networking = member.network
    outside = networking.find_network("public", ignore_missing=False)
    network = networking.create_network(name="lan")
    subnet = networking.create_subnet(network_id=network.id, name="lan", ip_version=4, cidr="10.9.0.0/24")
    router = networking.create_router(name="lan", external_gateway_info={"network_id": outside.id})
    networking.add_interface_to_router(router, subnet=subnet.id)
    yield Lan(network, subnet, outside)
    networking.remove_interface_from_router(router, subnet=subnet.id)
    networking.delete_router(router)
    networking.delete_network(network)


def server(member: Connection, port: Any, volume: Any) -> Any:
    """Booted from a volume made from the image, with a second one that outlives it; ACTIVE."""
    root = {
        "boot_index": 0,
        "source_type": "image",
        "destination_type": "volume",
        "uuid": member.image.find_image("aerie-test-image", ignore_missing=False).id,
        "volume_size": 2 * GB,
        "delete_on_termination": True,
    }
    second = {
        "boot_index": -1,
        "source_type": "volume",
        "destination_type": "volume",
        "uuid": volume.id,
        "delete_on_termination": False,
    }
    made = member.compute.create_server(
        name="machine",
        flavor_id=member.compute.find_flavor("m1.large", ignore_missing=False).id,
        networks=[{"port": port.id}],
        block_device_mapping=[root, second],
        availability_zone="nova",
    )
    return member.compute.wait_for_server(made, interval=0.5, wait=60)


def remove(member: Connection, made: Any) -> None:
    member.compute.delete_server(made)
    member.compute.wait_for_delete(made, interval=0.5, wait=60)


def volume_of(member: Connection, name: str, size: int = GB) -> Any:
    made = member.block_storage.create_volume(name=name, size=size, availability_zone="nova")
    return member.block_storage.wait_for_status(made, "available", interval=0.5, wait=60)


def status_of(member: Connection, volume: Any) -> str:
    return str(member.block_storage.get_volume(volume.id).status)


def test_only_who_started_it_can_read_the_passwords(openstack_cloud: AllInOne) -> None:
    path = openstack_cloud.clouds_yaml()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_volume_survives_its_server(member: Connection, lan: Lan) -> None:
    networking, storage = member.network, member.block_storage
    port = networking.create_port(
        network_id=lan.network.id,
        name="machine",
        fixed_ips=[{"subnet_id": lan.subnet.id, "ip_address": "10.9.0.10"}],
        allowed_address_pairs=[{"ip_address": "10.65.0.0/16"}],
        extra_dhcp_opts=[{"opt_name": "classless-static-route", "opt_value": "0.0.0.0/0,10.9.0.1"}],
    )
    address = networking.create_ip(floating_network_id=lan.outside.id, port_id=port.id)
    assert address.fixed_ip_address == "10.9.0.10"
    volume = volume_of(member, "kept")

    for _ in range(2):  # the second server gets what the first one left
        machine = server(member, port, volume)
        assert {a["addr"] for of_network in machine.addresses.values() for a in of_network} >= {"10.9.0.10"}
        attached = member.compute.volume_attachments(machine)
        assert volume.id in {a.volume_id for a in attached}
        assert status_of(member, volume) == "in-use"
        remove(member, machine)
        storage.wait_for_status(volume, "available", interval=0.5, wait=60)
        # The root volume went with the server.
        assert [v.id for v in storage.volumes() if v.status != "deleting"] == [volume.id]
        # Nova gives a port back that it was given.
        assert networking.get_port(port).device_id == ""

    storage.delete_volume(volume)
    storage.wait_for_delete(volume, interval=0.5, wait=60)
    networking.delete_ip(address)
    networking.delete_port(port)


def test_a_server_group_and_an_application_credential(member: Connection) -> None:
    group = member.create_server_group("apart", policies=["soft-anti-affinity"])
    assert group.policies == ["soft-anti-affinity"] or group.policy == "soft-anti-affinity"
    member.compute.delete_server_group(group)
    user = member.current_user_id
    made = member.identity.create_application_credential(user, "robot")
    auth = member.config.get_auth_args()
    robot = openstack.connect(
        auth_type="v3applicationcredential",
        auth_url=auth["auth_url"],
        application_credential_id=made.id,
        application_credential_secret=made.secret,
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
    )
    assert robot.current_project_id == member.current_project_id
    assert robot.network.find_network("public")
    member.identity.delete_application_credential(user, made)


def test_too_much_is_refused_at_once(member: Connection, admin: Connection, lan: Lan) -> None:
    """Nova says 403, Cinder 413, Neutron 409; and names what there is too little of."""
    project = member.current_project_id
    refused: dict[str, tuple[int | None, str]] = {}

    def ask(what: str, call: Any, *words: Any, **more: Any) -> None:
        with pytest.raises(HttpException) as error:
            call(*words, **more)
        refused[what] = (error.value.status_code, str(error.value.details))

    admin.set_compute_quotas(project, cores=1)
    admin.set_volume_quotas(project, volumes=0)
    admin.set_network_quotas(project, floatingip=0)
    try:
        ask(
            "cores",
            member.compute.create_server,
            name="much",
            flavor_id=member.compute.find_flavor("m1.large").id,
            image_id=member.image.find_image("aerie-test-image").id,
            networks=[{"uuid": lan.network.id}],
        )
        ask("volumes", member.block_storage.create_volume, name="much", size=GB)
        ask("floatingip", member.network.create_ip, floating_network_id=lan.outside.id)
    finally:
        admin.delete_compute_quotas(project)
        admin.delete_volume_quotas(project)
        admin.delete_network_quotas(project)
    assert {what: status for what, (status, _) in refused.items()} == {"cores": 403, "volumes": 413, "floatingip": 409}
    assert "Quota exceeded for cores" in refused["cores"][1]
    assert "floatingip" in refused["floatingip"][1]


def test_what_a_member_may_choose(openstack_cloud: AllInOne, member: Connection, admin: Connection, lan: Lan) -> None:
    networking, chosen = member.network, str(openstack_cloud.external[77])
    # An address of his choice: the administrator only, who may make it for the member's project.
    with pytest.raises(HttpException) as error:
        networking.create_ip(floating_network_id=lan.outside.id, floating_ip_address=chosen)
    assert error.value.status_code == 403
    made = admin.network.create_ip(
        floating_network_id=lan.outside.id,
        floating_ip_address=chosen,
        project_id=member.current_project_id,
    )
    assert [ip.floating_ip_address for ip in networking.ips()] == [chosen]
    networking.delete_ip(made)
    # A port of his own network without any rules.
    port = networking.create_port(network_id=lan.network.id, is_port_security_enabled=False)
    networking.set_tags(port, ["aerie.federation=test"])
    assert networking.get_port(port).tags == ["aerie.federation=test"]
    networking.delete_port(port)
