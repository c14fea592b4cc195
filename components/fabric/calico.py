"""Calico on a machine: one container with Felix, confd, BIRD and the driver of Docker's networks."""

from __future__ import annotations

import pulumi
from pulumi_command import remote

from ..cluster.container import FILES, ContainerSpec
from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.model import Federation

FILES_AT = f"{FILES}/calico"
NETWORKS = ("calico", "fixed")  # the Docker networks on every machine


def calico_container(federation: Federation, machine: Machine, image: str) -> ContainerSpec:
    """The node's container. Ready once the driver's socket answers: the rest waits for a quorum of etcd by itself."""
    net = federation.network
    lan = federation.sites[machine.site].lan
    labels = {"site": machine.site, "front-end": str(machine.front_end).lower()}
    etcd = addresses.etcd_endpoints(federation)
    return ContainerSpec(
        name="calico",
        image=image,
        command=("calico-node", "run"),
        env={
            "NODENAME": machine.name,
            "IP": f"{machine.address}/{lan.prefixlen}",
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
        memory=512,
    )


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
