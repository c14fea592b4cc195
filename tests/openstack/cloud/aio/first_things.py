#!/usr/bin/python3
"""What a cloud's administrator makes first: flavors, the external network, images. Then waits until every service is up."""

import ipaddress
import os
import subprocess
import sys
import time

import openstack

FLAVORS = {  # name: (cpus, MB, GB)
    "m1.tiny": (1, 512, 4),
    "m1.small": (1, 1024, 10),
    "m1.medium": (2, 2048, 20),
    "m1.large": (2, 4096, 40),
    "g1.large": (2, 4096, 40),
}
SECONDS = 120
COMPUTE, AGENTS, VOLUME = {"nova-compute"}, 3, {"cinder-volume", "cinder-scheduler"}

cloud = openstack.connect(cloud="aio-admin")
end = time.monotonic() + SECONDS


def wait(what, is_up):
    """Until it is true; an error counts as not yet."""
    said = ""
    while time.monotonic() < end:
        try:
            if is_up():
                return
        except Exception as error:
            said = f" ({error})"
        time.sleep(0.3)
    sys.exit(f"not up after {SECONDS} s: {what}{said}")


def up(services):
    return {service["binary"] for service in services if service["state"] == "up"}


def volume(path):
    # Bookworm's SDK has no calls for these.
    return cloud.block_storage.get(path).json()


def external_network(cidr):
    network = ipaddress.ip_network(cidr)
    made = cloud.network.create_network(
        name="public",
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="public",
    )
    cloud.network.create_subnet(
        name="public",
        network_id=made.id,
        ip_version=4,
        cidr=str(network),
        gateway_ip=str(network[1]),
        is_dhcp_enabled=False,
        allocation_pools=[{"start": str(network[10]), "end": str(network[-6])}],
    )


def image(name, kind, **more):
    return cloud.create_image(
        name, disk_format=kind, container_format=kind if kind in ("aki", "ari") else "bare", visibility="public", **more
    )


for name, (cpus, memory, disk) in FLAVORS.items():
    cloud.compute.create_flavor(name=name, vcpus=cpus, ram=memory, disk=disk)
external_network(os.environ["AIO_EXTERNAL"])
image("aerie-test-image", "raw", data=b"x" * 1024, description="1 KB that no machine boots: for Nova's fake driver")
if folder := os.environ.get("AIO_IMAGES"):
    # root.qcow2 is one file system without a boot loader: libvirt boots the kernel by itself.
    kernel = image("debian-13-kernel", "aki", filename=f"{folder}/vmlinuz")
    initrd = image("debian-13-initrd", "ari", filename=f"{folder}/initrd")
    image(
        "debian-13",
        "qcow2",
        filename=f"{folder}/root.qcow2",
        kernel_id=kernel.id,
        ramdisk_id=initrd.id,
        os_command_line="root=/dev/vda rw console=ttyS0 net.ifnames=0",
    )

wait("nova-compute", lambda: up(cloud.compute.services()) >= COMPUTE)
# Else the scheduler would find the host within 30 s only.
found = subprocess.run(
    ["nova-manage", "--config-file", "/etc/nova/nova.conf", "cell_v2", "discover_hosts"], capture_output=True, text=True
)
if found.returncode:
    sys.exit(f"nova-manage: {found.stdout}{found.stderr}")
wait("Nova's hypervisor", lambda: list(cloud.compute.hypervisors()))
wait("Neutron's agents", lambda: sum(agent.is_alive for agent in cloud.network.agents()) >= AGENTS)
wait("Cinder's services", lambda: up(volume("/os-services")["services"]) >= VOLUME)
wait("Cinder's pool", lambda: volume("/scheduler-stats/get_pools")["pools"])
