"""The members of a site that holds part of the quorums: etcd and ZooKeeper."""

from __future__ import annotations

from ..spec import addresses
from ..spec.model import Federation
from .container import FILES, ContainerSpec

ETCD_FILES = f"{FILES}/etcd"


def etcd_container(federation: Federation, site: str, image: str) -> ContainerSpec:
    """One member of etcd: TLS for clients and peers, each known by its certificate."""
    members = addresses.quorum_addresses(federation)
    me = members[site]
    client, peer = f"https://{me}:{addresses.ETCD_CLIENT}", f"https://{me}:{addresses.ETCD_PEER}"
    return ContainerSpec(
        name="etcd",
        image=image,
        env={
            "ETCD_NAME": site,
            "ETCD_DATA_DIR": "/var/lib/etcd",
            "ETCD_INITIAL_CLUSTER": ",".join(f"{s}=https://{a}:{addresses.ETCD_PEER}" for s, a in members.items()),
            "ETCD_INITIAL_CLUSTER_TOKEN": federation.name,
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
            "ETCD_LISTEN_PEER_URLS": peer,
            "ETCD_ADVERTISE_CLIENT_URLS": client,
            "ETCD_LISTEN_CLIENT_URLS": client,
            # Members are a wide-area network apart: five times etcd's own defaults (ms).
            "ETCD_HEARTBEAT_INTERVAL": "300",
            "ETCD_ELECTION_TIMEOUT": "3000",
            "ETCD_AUTO_COMPACTION_RETENTION": "1h",
        },
        mounts=("etcd-data:/var/lib/etcd",),
        memory=federation.memory.etcd,
    )


def zookeeper_configuration(federation: Federation, site: str) -> dict[str, str]:
    """zoo.cfg and myid of the site's member."""
    members = addresses.quorum_addresses(federation)
    lines = [
        "tickTime=2000",
        "initLimit=10",
        "syncLimit=5",
        "dataDir=/var/lib/zookeeper",
        f"clientPort={addresses.ZOOKEEPER_CLIENT}",
        f"clientPortAddress={members[site]}",
        "admin.enableServer=false",
        "4lw.commands.whitelist=ruok,mntr,srvr,stat",
        "autopurge.snapRetainCount=3",
        "autopurge.purgeInterval=6",
        "maxClientCnxns=0",
        "standaloneEnabled=false",
        "reconfigEnabled=false",
        "quorumListenOnAllIPs=false",
        *(f"server.{n}={address}:2888:3888" for n, address in enumerate(members.values(), 1)),
    ]
    return {"zoo.cfg": "\n".join(lines) + "\n", "myid": f"{list(members).index(site) + 1}\n"}


def zookeeper_container(federation: Federation, image: str) -> ContainerSpec:
    """One member of ZooKeeper. Its image takes Java's heap from the container's limit."""
    mounts = ("zookeeper-data:/var/lib/zookeeper",)
    return ContainerSpec(name="zookeeper", image=image, mounts=mounts, memory=federation.memory.zookeeper)
