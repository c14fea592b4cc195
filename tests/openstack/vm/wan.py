"""The cloud's external network is the federation's wan: one Ethernet, so that embedded front-ends, floating IPs and the host's own
address on the wan (the registry's) reach each other with no route and no rule that this machine would not have anyway."""

from __future__ import annotations

from ipaddress import IPv4Network

from openstack.connection import Connection

from tests.openstack.all_in_one import AllInOne, docker

PLUG = 250  # the cloud's number on the wan, so that Docker gives it to nobody
FLOATING = (100, 199)  # the numbers of floating IPs and routers

# The address is Docker's to know, not the container's to have: what is on the wire are the routers' own ones.
ON_THE_BRIDGE = """set -eu
interface=$(ip -o -4 address show to "$1" | awk '{ print $2 }')
ip address flush dev "$interface"
ip link set "$interface" master br-ex up
"""


def make_external(admin: Connection, wan: IPv4Network) -> None:
    """The network `public` once more, with floating IPs of the wan; the host's address is its gateway."""
    network = admin.network
    network.delete_network(network.find_network("public", ignore_missing=False))
    public = network.create_network(
        name="public", is_router_external=True, provider_network_type="flat", provider_physical_network="public"
    )
    network.create_subnet(
        name="public",
        network_id=public.id,
        ip_version=4,
        cidr=str(wan),
        gateway_ip=str(wan[1]),
        is_dhcp_enabled=False,
        allocation_pools=[{"start": str(wan[FLOATING[0]]), "end": str(wan[FLOATING[1]])}],
    )


def plug_in(cloud: AllInOne, wan_name: str, wan: IPv4Network) -> None:
    """Connects the cloud's outside to the Docker network of the wan, which is there."""
    address = str(wan[PLUG])
    docker("network", "connect", "--ip", address, wan_name, cloud.name)
    cloud.run("sh", "-c", ON_THE_BRIDGE, "sh", address)
