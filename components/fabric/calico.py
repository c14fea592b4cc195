"""Calico on a machine: one container with Felix, confd, BIRD and the driver of Docker's networks."""

from __future__ import annotations

import pulumi
from pulumi_command import remote

from ..cluster.container import FILES, ContainerSpec
from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.dual_stack import area, twin_interface, twin_network, twins_text
from ..spec.model import Federation
from .calico_objects import border_limit, border_path, node_labels

FILES_AT = f"{FILES}/calico"
NETWORKS = ("calico", "fixed")  # the Docker networks on every machine


# How many BGP sessions the node had before its container is made anew, if it was well: a file of the machine that outlives no restart.
SESSIONS = "/run/aerie-calico-sessions"
_ESTABLISHED = (
    "docker exec calico calico-node health 2>/dev/null"
    r""" | sed -n 's/.*"healthy":true.*"established":\([0-9]*\).*/\1/p'"""
)
PATIENCE = 60  # tries, four a second: sessions with machines that are gone meanwhile are not waited for any longer


def _sessions_again() -> str:
    """Succeeds once a reflector that was well has its sessions again. One that was not, or is new, is not waited for: that would be
    to wait for the other sites."""
    return (
        f'[ ! -s {SESSIONS} ] || [ "$tries" -ge {PATIENCE} ] || '
        f'{{ have=$({_ESTABLISHED}); [ "${{have:-0}}" -ge "$(cat {SESSIONS})" ]; }}'
    )


def calico_container(federation: Federation, machine: Machine, image: str) -> ContainerSpec:
    """The node's container. Ready once the driver's socket answers: the rest waits for a quorum of etcd by itself."""
    net = federation.network
    site = federation.sites[machine.site]
    labels = node_labels(federation, machine)
    etcd = addresses.etcd_endpoints(federation)
    own = _ipv6(federation, machine)
    if machine.front_end:
        own |= {
            "CALICO_REFLECTOR_CLUSTER": machine.address,
            "CALICO_BORDER_LIMIT": str(border_limit(federation)),
            "CALICO_BORDER_PATH": str(border_path(federation)),
        }
    return ContainerSpec(
        name="calico",
        image=image,
        command=("calico-node", "run"),
        env={
            "NODENAME": machine.name,
            "IP": f"{machine.address}/{site.lan.prefixlen}",
            "AS": str(site.as_number),
            "CALICO_SITE_LAN": str(site.lan),
            "CALICO_SITE_POOL": str(site.containers),
            "CALICO_FIXED": str(net.fixed),
            **own,
            "CALICO_NODE_LABELS": ",".join(f"{k}={v}" for k, v in labels.items()),
            "CALICO_OBJECTS": f"{FILES_AT}/objects.yaml",
            "DATASTORE_TYPE": "etcdv3",
            "ETCD_ENDPOINTS": etcd,
            "ETCD_CA_CERT_FILE": f"{FILES_AT}/ca.crt",
            "ETCD_CERT_FILE": f"{FILES_AT}/client.crt",
            "ETCD_KEY_FILE": f"{FILES_AT}/client.key",
            "CALICO_DOCKER_SOCKET": "/run/docker.sock",
            "CALICO_DOCKER_NETWORKS": f"calico,fixed={net.fixed}",
            "CALICO_DOCKER_MTU": str(net.mtu),
        },
        mounts=(
            "/run/docker/plugins:/run/docker/plugins",
            "/run/docker.sock:/run/docker.sock",
            "/run/netns:/run/netns",
            "/lib/modules:/lib/modules:ro",
            "calico-state:/var/lib/calico",
        ),
        capabilities=("NET_ADMIN", "NET_RAW", "SYS_ADMIN"),
        options=("--pid", "host", "--security-opt", "systempaths=unconfined"),
        memory=federation.memory.calico,
        before=f"{_ESTABLISHED} > {SESSIONS}" if machine.front_end else "",
        ready=_sessions_again() if machine.front_end else "",
    )


def _ipv6(federation: Federation, machine: Machine) -> dict[str, str]:
    """Nothing without `network.ipv6`: then the container is the very one of before."""
    site, net = federation.sites[machine.site], federation.network
    containers = area(federation, "containers")
    if containers is None:
        return {}
    return {
        "IP6": str(twin_interface(federation, machine.address, site.lan)),
        "CALICO_TWINS": twins_text(federation),
        "CALICO_SITE_LAN6": str(twin_network(federation, site.lan)),
        "CALICO_SITE_POOL6": str(twin_network(federation, site.containers)),
        "CALICO_FIXED6": str(twin_network(federation, net.fixed)),
        "CALICO_BLOCKS6": str(containers.network_address),
    }


def forget_node(agent: Machine, front_end: Machine, opts: pulumi.ResourceOptions) -> remote.Command:
    """Makes nothing; its end is that Calico forgets the agent: a node that is no more would stay everybody's BGP peer.

    The front-end does it, since the agent is gone by then. With the whole site the front-end goes too, and nothing is done.
    """
    return remote.Command(
        f"{agent.name}-calico-node",
        connection=front_end.connection,
        create="true",
        delete=f"docker exec calico calicoctl delete node {agent.name} --skip-not-exists",
        add_previous_output_in_env=False,
        # No triggers: an agent that is made anew keeps its name, and must not be forgotten.
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                depends_on=[front_end.ready] if front_end.ready else [], deleted_with=front_end.resource
            ),
        ),
    )
